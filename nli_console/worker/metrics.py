"""What a set of predictions is worth: a metric of our own, computed here; nothing is downloaded."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from typing import Any

import datasets
import numpy
from evaluate import Metric, MetricInfo

from nli_console.data.spec import LABELS, agreement
from nli_console.statistics import wilson

NO_ANSWER = -1
"""Prediction of a row whose generated answer names no label; it counts as wrong."""

CALIBRATION_BINS = 15
"""Bins of equal width, as in Guo et al. 2017, arXiv 1706.04599."""

SLICES_KEPT = 100
"""Genres, the largest first, that get figures of their own."""


class NliMetric(Metric):
    """Accuracy with its 95 % Wilson interval, and what stands behind it.

    ``compute(predictions=…, references=…)`` takes indices into entailment, neutral, contradiction. Optional:
    ``log_probabilities`` of shape ``(rows, 3)`` for the calibration error, ``genres`` (a text or ``None`` a
    row) and ``votes`` (the annotators' labels of each row, empty where unknown) for slices.
    """

    def _info(self) -> MetricInfo:
        features = datasets.Features(
            {"predictions": datasets.Value("int32"), "references": datasets.Value("int32")}
        )
        return MetricInfo(
            description="Accuracy with a 95 % Wilson score interval, per class, per slice, and calibration.",
            citation="",
            inputs_description="predictions and references: indices into entailment, neutral, contradiction; "
            f"{NO_ANSWER} is a prediction that names none.",
            features=features,
        )

    def _compute(
        self,
        *,
        predictions: Any = None,
        references: Any = None,
        log_probabilities: numpy.ndarray | None = None,
        genres: Sequence[str | None] = (),
        votes: Sequence[Sequence[str]] = (),
        **kwargs: Any,
    ) -> dict[str, Any]:
        predicted, gold = numpy.asarray(predictions), numpy.asarray(references)
        right = predicted == gold
        confusion = numpy.zeros((len(LABELS), len(LABELS)), dtype=numpy.int64)
        answered = predicted != NO_ANSWER
        numpy.add.at(confusion, (gold[answered], predicted[answered]), 1)
        result: dict[str, Any] = {
            **share(right),
            "invalid": int((~answered).sum()),
            "majority": majority(gold),
            "confusion": confusion.tolist(),
            **class_figures(confusion, gold),
        }
        if log_probabilities is not None:
            result |= calibration(log_probabilities, right)
        if any(genre is not None for genre in genres):
            counts = Counter(genre for genre in genres if genre is not None)
            kept = [genre for genre, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]
            result["genres"] = slices(genres, sorted(kept[:SLICES_KEPT]), right)
        named = [agreement(row) for row in votes]
        if any(named):
            result["agreement"] = slices(named, sorted({name for name in named if name}, reverse=True), right)
        return result


def compute(
    predictions: Sequence[int],
    references: Sequence[int],
    *,
    log_probabilities: numpy.ndarray | None = None,
    genres: Sequence[str | None] = (),
    votes: Sequence[Sequence[str]] = (),
) -> dict[str, Any]:
    """What :class:`NliMetric` says; its table of intermediate results is kept in memory.

    Raises:
        ValueError: there are no rows.
    """
    with tempfile.TemporaryDirectory() as folder:
        metric = NliMetric(keep_in_memory=True, cache_dir=folder)
        result = metric.compute(
            predictions=predictions,
            references=references,
            log_probabilities=log_probabilities,
            genres=genres,
            votes=votes,
        )
    assert result is not None
    return result


def share(right: numpy.ndarray) -> dict[str, Any]:
    """``{accuracy, low, high, n, correct}`` of a row-wise verdict, boolean of shape ``(rows,)``."""
    n, correct = len(right), int(right.sum())
    low, high = wilson(correct, n)
    return {"accuracy": correct / n, "low": low, "high": high, "n": n, "correct": correct}


def majority(gold: numpy.ndarray) -> dict[str, Any]:
    """The most frequent label and its share: what a constant answer gets. Of equals the first."""
    counts = numpy.bincount(gold, minlength=len(LABELS))
    top = int(counts.argmax())
    return {"label": LABELS[top], "share": int(counts[top]) / len(gold)}


def class_figures(confusion: numpy.ndarray, gold: numpy.ndarray) -> dict[str, Any]:
    """Precision, recall and F1 of each class, their mean over classes, and weighted by the classes' rows.

    ``confusion`` counts rows of gold label i and predicted label j. A figure that divides by nothing is
    ``None``; in the means it counts as 0, as scikit-learn's ``zero_division=0`` has it.
    """
    support = numpy.bincount(gold, minlength=len(LABELS))
    said = confusion.sum(axis=0)
    per_class: dict[str, dict[str, Any]] = {}
    for index, label in enumerate(LABELS):
        hits, rows, predicted = int(confusion[index, index]), int(support[index]), int(said[index])
        per_class[label] = {
            "precision": hits / predicted if predicted else None,
            "recall": hits / rows if rows else None,
            "f1": 2 * hits / (rows + predicted) if rows + predicted else None,
            "n": rows,
            "predicted": predicted,
        }
    result: dict[str, Any] = {"per_class": per_class}
    for name in ("precision", "recall", "f1"):
        values = [per_class[label][name] or 0.0 for label in LABELS]
        result[f"macro_{name}"] = sum(values) / len(LABELS)
        weighted = [value * int(rows) for value, rows in zip(values, support, strict=True)]
        result[f"weighted_{name}"] = sum(weighted) / len(gold)
    return result


def calibration(log_probabilities: numpy.ndarray, right: numpy.ndarray) -> dict[str, Any]:
    """The expected calibration error, with the bins behind it; unknown where a probability is NaN.

    A row falls into the bin of the probability that the model gives its likeliest label; an empty bin is left
    out. The error is the mean distance between confidence and accuracy, weighted by rows.
    """
    logs = numpy.asarray(log_probabilities, dtype=numpy.float64)
    if not numpy.isfinite(logs).all():
        return {"calibration_error": None, "calibration_bins": []}
    confidence = numpy.exp(logs.max(axis=1))
    place = numpy.clip(numpy.ceil(confidence * CALIBRATION_BINS).astype(int) - 1, 0, CALIBRATION_BINS - 1)
    bins: list[dict[str, Any]] = []
    error = 0.0
    for index in range(CALIBRATION_BINS):
        inside = place == index
        n = int(inside.sum())
        if not n:
            continue
        mean, hit = float(confidence[inside].mean()), float(right[inside].mean())
        bins.append({"n": n, "confidence": mean, "accuracy": hit})
        error += n * abs(mean - hit)
    return {"calibration_error": error / len(logs), "calibration_bins": bins}


def slices(names: Sequence[str | None], kept: Sequence[str], right: numpy.ndarray) -> dict[str, Any]:
    """:func:`share` of the rows of each of the ``kept`` names."""
    rows: dict[str, list[int]] = {name: [] for name in kept}
    for row, name in enumerate(names):
        if name in rows:
            rows[name].append(row)
    return {name: share(right[numbers]) for name, numbers in rows.items()}
