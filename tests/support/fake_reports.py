"""Reports and warnings as a worker leaves them in a run folder, written without one."""

from typing import Any

from nli_console.data.spec import LABELS
from nli_console.record.files import ensure_private_dir, write_json
from nli_console.record.layout import RunLayout
from nli_console.statistics import wilson

CONFUSION = [[3000, 400, 79], [300, 2600, 223], [60, 240, 2913]]


def share(correct: int, n: int) -> dict[str, Any]:
    """An accuracy with its interval, in the record's words."""
    low, high = wilson(correct, n)
    return {"accuracy": correct / n, "low": low, "high": high, "n": n, "correct": correct}


def report(split: str = "validation_matched", **more: Any) -> dict[str, Any]:
    """The content of ``evaluation/<split>.json``: 9,815 rows of which 8,513 are right."""
    per_class = {}
    for i, label in enumerate(LABELS):
        rows, said = sum(CONFUSION[i]), sum(row[i] for row in CONFUSION)
        per_class[label] = {
            "precision": CONFUSION[i][i] / said, "recall": CONFUSION[i][i] / rows,
            "f1": 2 * CONFUSION[i][i] / (rows + said), "n": rows, "predicted": said,
        }  # fmt: skip
    return {
        "v": 1, "split": split, "step": 500, "labels": list(LABELS), **share(8513, 9815), "loss": 0.364,
        "invalid": 0, "majority": {"label": "entailment", "share": 3479 / 9815}, "confusion": CONFUSION,
        "per_class": per_class, "macro_f1": 0.8666, "weighted_precision": 0.8691, "weighted_recall": 0.8673,
        "weighted_f1": 0.8677, "calibration_error": 0.031,
        "genres": {"fiction": share(1680, 1973), "telephone": share(1750, 1966)},
        "agreement": {"5-0": share(5500, 5800), "3-2": share(1200, 1800)},
        **more,
    }  # fmt: skip


def write_report(layout: RunLayout, **fields: Any) -> None:
    """Put a report into a run folder."""
    content = report(**fields)
    ensure_private_dir(layout.evaluation)
    write_json(layout.evaluation / f"{content['split']}.json", content)


def write_guards(layout: RunLayout, *guards: tuple[str, str, str], attempt: int = 1) -> None:
    """Let an attempt warn of ``(id, severity, message)``."""
    active = [
        {"id": id, "severity": severity, "message": message, "step": 12} for id, severity, message in guards
    ]
    write_json(layout.attempt(attempt).guards, {"v": 1, "active": active})
