"""A measured accuracy as the record has it: with its interval, its n and what it was before calibration."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nli_console.text import clean_line, format_accuracy

REPORTED = ("validation_matched", "validation_mismatched")
"""Splits in the order in which one of them stands for a run."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """A measured share of right answers with its 95 % interval; ``n`` rows were asked.

    Where likelihoods were calibrated, ``raw`` is without, and ``calibration`` says how. ``invalid`` is the
    share of generated answers that name no label; ``None`` where nothing was generated.
    """

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    raw: "Accuracy | None" = None
    calibration: str = ""
    invalid: float | None = None

    @property
    def remark(self) -> str:
        """``batch-calibrated, raw 51.2 ± 3.1 %``, or ``0.4 % of the answers invalid``; else empty."""
        parts: list[str] = []
        if self.raw is not None:
            raw = format_accuracy(self.raw.value, self.raw.low, self.raw.high)
            parts.append(f"{self.calibration or 'un'}-calibrated, raw {raw}")
        if self.invalid is not None:
            parts.append(f"{100 * self.invalid:.1f} % of the answers invalid")
        return ", ".join(parts)

    @property
    def brief(self) -> str:
        """The same where there is little room: ``raw 51.2 %`` or ``0.4 % invalid``."""
        parts = [] if self.raw is None else [f"raw {format_accuracy(self.raw.value)}"]
        if self.invalid is not None:
            parts.append(f"{100 * self.invalid:.1f} % invalid")
        return ", ".join(parts)

    def to_json(self) -> dict[str, Any]:
        """``raw``, ``calibration`` and ``invalid`` are there where they are known."""
        fields: dict[str, Any] = {"value": self.value, "low": self.low, "high": self.high, "n": self.n}
        if self.raw is not None:
            fields |= {"calibration": self.calibration, "raw": self.raw.to_json()}
        if self.invalid is not None:
            fields["invalid"] = self.invalid
        return fields


def headline_split(accuracy: Mapping[str, Any]) -> str | None:
    """The split whose accuracy stands for a run: the first it has of :data:`REPORTED`, else of any."""
    return next((split for split in (*REPORTED, *sorted(accuracy)) if split in accuracy), None)


def accuracy_of(value: object) -> Accuracy | None:
    """A recorded ``{value, low, high, n}``; ``None`` for anything without a value between 0 and 1."""
    if not isinstance(value, dict):
        return None
    fields: dict[str, Any] = value
    share = number(fields.get("value"))
    if share is None or not 0 <= share <= 1:
        return None
    raw = fields.get("raw")
    return Accuracy(
        share,
        number(fields.get("low")),
        number(fields.get("high")),
        whole(fields.get("n")),
        # A raw figure has none itself, whatever a damaged file says.
        accuracy_of({**raw, "raw": None}) if isinstance(raw, dict) else None,
        text(fields.get("calibration")),
        number(fields.get("invalid")),
    )


def text(value: object) -> str:
    """A recorded text, clean; empty for anything else."""
    return clean_line(value, limit=200) if isinstance(value, str) else ""


def whole(value: object) -> int | None:
    """A recorded whole number; ``None`` for anything else."""
    return value if type(value) is int else None


def number(value: object) -> float | None:
    """A recorded number; ``None`` for anything else."""
    return float(value) if type(value) is float or type(value) is int else None
