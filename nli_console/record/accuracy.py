"""A measured accuracy: with its interval and how many rows were asked, never alone."""

from dataclasses import dataclass
from typing import Any

from nli_console.text import format_accuracy


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
