"""What rows are like: length, negation, overlap, votes. Errors are filtered and accuracy sliced by it."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy

from nli_console.analysis.predictions import Predictions, accuracy_of
from nli_console.data.artefacts import NEGATIONS, words_of
from nli_console.data.files import Progress
from nli_console.data.read import iterate
from nli_console.data.rows import RowMapper
from nli_console.data.spec import LABELS, DataSpec, agreement
from nli_console.errors import ConsoleError
from nli_console.record.findings import SLICED, Slice
from nli_console.text import clean_line

LENGTHS = ("-15", "16-25", "26-40", "41-60", "61-")
"""Slices of length, in words of premise and hypothesis together."""
OVERLAPS = ("0-25", "25-50", "50-75", "75-100")
"""Slices of overlap, in percent: from the first number on, below the second; 100 belongs to the last."""
_RANGE = re.compile(r"(\d{0,9})\s*[-–]\s*(\d{0,9})", re.ASCII)
_NAMES = 60
_UNREAD = numpy.iinfo(numpy.int32).min


@dataclass(frozen=True)
class Features:
    """The examples of predictions and what they are like, in the order of the predictions.

    Attributes:
        premises, hypotheses: the raw texts.
        votes: annotators' labels as recorded; ``agreements`` as ``4-1``, empty where fewer than two voted.
        words: of premise and hypothesis together, shape ``(rows,)``.
        negated: whether the hypothesis holds a word of negation, shape ``(rows,)``.
        overlap: share of the hypothesis' distinct words that its premise has, too, shape ``(rows,)``.
    """

    premises: list[str]
    hypotheses: list[str]
    votes: list[tuple[str, ...]]
    agreements: numpy.ndarray
    words: numpy.ndarray
    negated: numpy.ndarray
    overlap: numpy.ndarray


def read_features(predictions: Predictions, data: DataSpec, progress: Progress | None = None) -> Features:
    """Read the examples that the predictions are about, by their ids.

    Raises:
        ConsoleError: the data cannot be read, or hold other rows by now.
    """
    count, split = len(predictions), predictions.split
    place = {id: row for row, id in enumerate(predictions.ids.to_pylist())}
    premises, hypotheses = [""] * count, [""] * count
    votes: list[tuple[str, ...]] = [()] * count
    agreements = numpy.zeros(count, dtype=object)
    agreements[:] = ""
    words = numpy.full(count, _UNREAD, dtype=numpy.int32)
    negated, overlap = numpy.zeros(count, dtype=bool), numpy.zeros(count)
    changed = ConsoleError(
        f"the split {clean_line(split)} of {clean_line(data.name)} has other rows than were scored; "
        "score the run again to see them"
    )
    left = count
    for example in iterate(data, split, RowMapper(data, split), progress):
        row = None if example is None else place.get(example.id)
        if example is None or row is None:
            continue
        if example.label != predictions.gold[row] or words[row] != _UNREAD:
            raise changed
        premise, hypothesis = words_of(example.premise), words_of(example.hypothesis)
        distinct = set(hypothesis)
        premises[row], hypotheses[row] = example.premise, example.hypothesis
        votes[row], agreements[row] = example.annotator_labels, agreement(example.annotator_labels) or ""
        words[row], negated[row] = len(premise) + len(hypothesis), not NEGATIONS.isdisjoint(hypothesis)
        overlap[row] = len(distinct.intersection(premise)) / len(distinct) if distinct else 0.0
        left -= 1
    if left:
        raise changed
    return Features(premises, hypotheses, votes, agreements, words, negated, overlap)


def mask_of(by: str, value: str, predictions: Predictions, features: Features | None) -> numpy.ndarray:
    """Which rows a filter lets through, bool, shape ``(rows,)``.

    Args:
        by: name of the filter, out of :data:`nli_console.record.findings.FILTERS`.

    Raises:
        ConsoleError: the value cannot be meant, or it takes the data, which could not be read.
    """
    match by:
        case "genre":
            return _same(predictions, value)
        case "gold":
            return predictions.gold == _label(by, value)
        case "predicted":
            return predictions.predicted == (-1 if value == "none" else _label(by, value))
    if features is None:
        raise ConsoleError(f"{by} {value}: takes the texts, and the data of the run cannot be read")
    match by:
        case "length":
            low, high = _range(by, value, "words")
            return (features.words >= low) & (features.words <= high)
        case "overlap":
            low, high = _range(by, value, "percent")
            percent = 100 * features.overlap
            return (percent >= low) & ((percent < high) | ((high >= 100) & (percent <= high)))
        case "negation":
            if value not in ("yes", "no"):
                raise ConsoleError(f"negation {clean_line(value, limit=40)}: expected yes or no")
            return features.negated == (value == "yes")
        case "votes":
            return features.agreements == value
        case "contains":
            return _containing(value.casefold(), predictions, features)
    raise ConsoleError(f"{clean_line(by, limit=40)}: is no filter")


def slices(
    predictions: Predictions, features: Features | None, among: numpy.ndarray, other: numpy.ndarray | None
) -> list[Slice]:
    """Accuracy on every slice of the rows ``among``, those of one kind together; empty slices are left out.

    Args:
        among: bool, shape ``(rows,)``.
        other: which rows another run got right, bool, shape ``(rows,)``.
    """
    found: list[Slice] = []
    for by in SLICED:
        for value in _values(by, predictions, features):
            rows = among & mask_of(by, value, predictions, features)
            accuracy = accuracy_of(predictions.correct[rows])
            if accuracy is not None:
                against = None if other is None else accuracy_of(other[rows])
                found.append(Slice(by, clean_line(value, limit=80), accuracy, against))
    return found


def _values(by: str, predictions: Predictions, features: Features | None) -> Sequence[str]:
    if by == "genre":
        names = {name for name in predictions.genres.unique().to_pylist() if name is not None}
        return sorted(names)[:_NAMES]
    if by == "gold":
        return LABELS
    if features is None:
        return ()
    if by == "votes":
        return sorted({str(held) for held in features.agreements if held}, reverse=True)[:_NAMES]
    return {"length": LENGTHS, "negation": ("yes", "no"), "overlap": OVERLAPS}[by]


def _same(predictions: Predictions, genre: str) -> numpy.ndarray:
    names: list[str | None] = predictions.genres.unique().to_pylist()
    # A person names a genre as it is shown, which is cleaned.
    meant = [name for name in names if name is not None and genre in (name, clean_line(name, limit=80))]
    if not meant:
        known = ", ".join(sorted(clean_line(name, limit=40) for name in names if name is not None)) or "none"
        raise ConsoleError(f"genre {clean_line(genre, limit=40)}: the rows have {known}")
    held = numpy.array(predictions.genres.to_pylist(), dtype=object)
    return numpy.isin(held, meant)


def _label(by: str, value: str) -> int:
    if value not in LABELS:
        more = " or none" if by == "predicted" else ""
        raise ConsoleError(f"{by} {clean_line(value, limit=40)}: expected one of {', '.join(LABELS)}{more}")
    return LABELS.index(value)


def _range(by: str, value: str, unit: str) -> tuple[float, float]:
    """Both ends of ``16-25``, ``61-``, ``-15`` or ``20``."""
    match = _RANGE.fullmatch(value.strip())
    low, high = match.groups() if match else (value.strip(), value.strip())
    try:
        ends = (float(low) if low else 0.0, float(high) if high else numpy.inf)
    except ValueError:
        ends = (1.0, 0.0)
    if not (low or high) or not 0 <= ends[0] <= ends[1]:
        raise ConsoleError(
            f"{by} {clean_line(value, limit=40)}: expected a range of {unit} such as 16-25, 61- or -15"
        )
    return ends


def _containing(text: str, predictions: Predictions, features: Features) -> numpy.ndarray:
    held: Callable[[str], bool] = lambda row: text in row.casefold()  # noqa: E731
    rows = zip(features.premises, features.hypotheses, predictions.ids.to_pylist(), strict=True)
    return numpy.fromiter((any(map(held, row)) for row in rows), dtype=bool, count=len(predictions))
