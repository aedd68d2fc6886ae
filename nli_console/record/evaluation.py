"""What a run is worth on each split that it reports: ``evaluation/<split>.json``, read and cleaned."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from nli_console.record.files import read_json_or_none
from nli_console.record.layout import RunLayout
from nli_console.record.samples import number, text, whole
from nli_console.record.summary import REPORTED, Accuracy

_SPLITS = 20
_NAMES = 100


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """One label: rows that are it (``n``) and rows said to be it; a figure of no rows is ``None``."""

    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    n: int | None = None
    predicted: int | None = None


@dataclass(frozen=True, slots=True)
class SplitReport:
    """The final evaluation of one split. Every text is clean; unknown is ``None`` or empty.

    Attributes:
        labels: names in the order of ``confusion``.
        confusion: rows of gold label i and predicted label j, shape ``(labels, labels)``; answers that name
            no label (``invalid``) are in no column.
        majority: the most frequent label and its share, which is what a constant answer gets.
        calibration_error: mean distance between confidence and accuracy over 15 bins.
        genres, agreement: accuracy on slices; the latter by annotators' votes, such as ``4-1``.
    """

    split: str
    accuracy: Accuracy
    step: int | None = None
    loss: float | None = None
    invalid: int = 0
    labels: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    per_class: Mapping[str, ClassFigures] = field(default_factory=dict)
    macro_f1: float | None = None
    weighted_precision: float | None = None
    weighted_recall: float | None = None
    weighted_f1: float | None = None
    majority: tuple[str, float] | None = None
    calibration_error: float | None = None
    genres: Mapping[str, Accuracy] = field(default_factory=dict)
    agreement: Mapping[str, Accuracy] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As ``nli-console show --json`` prints it. Keys keep their meaning between versions."""
        label, share = self.majority or (None, None)
        return {**asdict(self), "majority": None if label is None else {"label": label, "share": share}}


def read_reports(layout: RunLayout) -> tuple[SplitReport, ...]:
    """The reports of a run, the validation sets first; damaged ones are left out."""
    try:
        with os.scandir(layout.evaluation) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(".json"))[:_SPLITS]
    except OSError:
        return ()
    found = [report for name in names if (report := _read(layout.evaluation / name)) is not None]
    place = {split: index for index, split in enumerate(REPORTED)}
    return tuple(sorted(found, key=lambda report: (place.get(report.split, len(place)), report.split)))


def _read(path: Path) -> SplitReport | None:
    fields = read_json_or_none(path)
    accuracy = None if fields is None else _share(fields)
    if fields is None or accuracy is None:
        return None
    labels = tuple(text(name) for name in _list(fields.get("labels"))[:_NAMES])
    return SplitReport(
        split=text(fields.get("split")) or text(path.stem),
        accuracy=accuracy,
        step=whole(fields.get("step")),
        loss=number(fields.get("loss")),
        invalid=whole(fields.get("invalid")) or 0,
        labels=labels,
        confusion=_confusion(fields.get("confusion"), len(labels)),
        per_class=_named(fields.get("per_class"), _class_figures),
        macro_f1=number(fields.get("macro_f1")),
        weighted_precision=number(fields.get("weighted_precision")),
        weighted_recall=number(fields.get("weighted_recall")),
        weighted_f1=number(fields.get("weighted_f1")),
        majority=_majority(fields.get("majority")),
        calibration_error=number(fields.get("calibration_error")),
        genres=_named(fields.get("genres"), _share),
        agreement=_named(fields.get("agreement"), _share),
    )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _named(value: object, parse: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        return {}
    entries: dict[Any, Any] = dict(list(value.items())[:_NAMES])
    parsed = {text(name): parse(entry) for name, entry in entries.items() if isinstance(entry, dict)}
    return {name: entry for name, entry in parsed.items() if name and entry is not None}


def _share(fields: Mapping[str, Any]) -> Accuracy | None:
    value = number(fields.get("accuracy"))
    if value is None or not 0 <= value <= 1:
        return None
    return Accuracy(value, number(fields.get("low")), number(fields.get("high")), whole(fields.get("n")))


def _class_figures(fields: Mapping[str, Any]) -> ClassFigures:
    return ClassFigures(
        number(fields.get("precision")),
        number(fields.get("recall")),
        number(fields.get("f1")),
        whole(fields.get("n")),
        whole(fields.get("predicted")),
    )


def _confusion(value: object, size: int) -> tuple[tuple[int, ...], ...]:
    """A square of counts, or nothing at all."""
    rows = tuple(
        tuple(count for count in _list(row) if type(count) is int and count >= 0) for row in _list(value)
    )
    return rows if len(rows) == size and all(len(row) == size for row in rows) else ()


def _majority(value: object) -> tuple[str, float] | None:
    if not isinstance(value, dict):
        return None
    fields: dict[str, Any] = value
    label, share = text(fields.get("label")), number(fields.get("share"))
    return None if not label or share is None or not 0 <= share <= 1 else (label, share)
