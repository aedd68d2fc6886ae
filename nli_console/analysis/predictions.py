"""``predictions/<split>.parquet`` as arrays, and whether two of them are of the same rows."""

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy
import pyarrow
import pyarrow.parquet

from nli_console.data.spec import LABELS, DataSpec
from nli_console.errors import ConsoleError
from nli_console.record.layout import RunLayout
from nli_console.record.summary import REPORTED, Accuracy
from nli_console.statistics import wilson
from nli_console.text import clean_line

NO_LABEL = -1
"""Stands for an answer that names no label."""
_COLUMNS = ("id", "genre", "gold", "predicted", *(f"score_{label}" for label in LABELS))
_LARGEST = 512 * 1024 * 1024


@dataclass(frozen=True)
class Predictions:
    """The answers of one run to one split, in dataset order.

    Attributes:
        ids, genres: strings; a genre may be null.
        gold, predicted: indices into :data:`nli_console.data.spec.LABELS`, int8, shape ``(rows,)``;
            ``predicted`` has :data:`NO_LABEL` for an answer that names none.
        scores: natural logarithms of the labels' probabilities, float32, shape ``(rows, 3)``; NaN where none
            were measured.
    """

    split: str
    ids: pyarrow.StringArray
    genres: pyarrow.StringArray
    gold: numpy.ndarray
    predicted: numpy.ndarray
    scores: numpy.ndarray

    def __len__(self) -> int:
        return len(self.gold)

    @cached_property
    def correct(self) -> numpy.ndarray:
        """Whether each answer is the gold label, shape ``(rows,)``."""
        return self.gold == self.predicted

    @cached_property
    def losses(self) -> numpy.ndarray:
        """Negative log-likelihood of the gold label in nats, shape ``(rows,)``; NaN where unknown."""
        return -self.scores[numpy.arange(len(self.gold)), self.gold]

    def take(self, places: numpy.ndarray) -> "Predictions":
        """The rows at ``places``, in that order."""
        index = pyarrow.array(places)
        return Predictions(
            self.split,
            self.ids.take(index),
            self.genres.take(index),
            self.gold[places],
            self.predicted[places],
            self.scores[places],
        )


def accuracy_of(correct: numpy.ndarray) -> Accuracy | None:
    """The share of true values with its 95 % Wilson interval; ``None`` for no rows."""
    n = len(correct)
    if not n:
        return None
    right = int(correct.sum())
    return Accuracy(right / n, *wilson(right, n), n)


def predicted_splits(layout: RunLayout) -> tuple[str, ...]:
    """Splits for which the run has final predictions, the validation sets first; none when unreadable."""
    try:
        with os.scandir(layout.predictions) as entries:
            found = {
                entry.name.removesuffix(".parquet")
                for entry in entries
                if entry.name.endswith(".parquet") and not entry.name.startswith(".")
            }
    except OSError:
        return ()
    place = {split: index for index, split in enumerate(REPORTED)}
    return tuple(sorted(found, key=lambda split: (place.get(split, len(place)), split)))


def read_predictions(layout: RunLayout, split: str) -> Predictions:
    """The predictions of a run on a split.

    Raises:
        ConsoleError: they are missing, damaged, or hold a label that is none of ours.
    """
    path = layout.predictions / f"{split}.parquet"
    place = f"{layout.id}: predictions/{clean_line(split, limit=80)}.parquet"
    try:
        table = _read(path, place)
        return Predictions(
            split,
            _texts(table["id"]),
            _texts(table["genre"]),
            _labels(table["gold"], place, required=True),
            _labels(table["predicted"], place, required=False),
            numpy.stack([table[f"score_{label}"].to_numpy() for label in LABELS], axis=1).astype("float32"),
        )
    except FileNotFoundError:
        raise ConsoleError(
            f"{place}: is missing; score the run again: nli-console evaluate {layout.id} --split {split}"
        ) from None
    except (OSError, pyarrow.ArrowException, KeyError, ValueError) as error:
        raise ConsoleError(f"{place}: cannot be read ({clean_line(error, limit=200)})") from None


def _read(path: Path, place: str) -> pyarrow.Table:
    with pyarrow.parquet.ParquetFile(path) as file:
        held = sum(file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups))
        if held > _LARGEST:
            raise ConsoleError(f"{place}: holds {held:,} bytes, more than predictions of a split can be")
        return file.read(columns=list(_COLUMNS)).combine_chunks()


def _texts(column: pyarrow.ChunkedArray) -> pyarrow.StringArray:
    return pyarrow.concat_arrays(
        column.cast(pyarrow.string()).chunks or [pyarrow.array([], pyarrow.string())]
    )


def _labels(column: pyarrow.ChunkedArray, place: str, *, required: bool) -> numpy.ndarray:
    encoded = _texts(column).dictionary_encode()
    names: list[str] = encoded.dictionary.to_pylist()
    if any(name not in LABELS for name in names) or (required and encoded.null_count):
        raise ConsoleError(f"{place}: holds a label that is none of {', '.join(LABELS)}")
    ours = numpy.array([*(LABELS.index(name) for name in names), NO_LABEL], dtype="int8")
    return ours[encoded.indices.fill_null(len(names)).to_numpy(zero_copy_only=False)]


def aligned(a: Predictions, b: Predictions, data_a: DataSpec | None, data_b: DataSpec | None) -> Predictions:
    """``b`` in the order of ``a``'s rows.

    The rows are the same when ids, gold labels and genres are. Where a dataset names no ids they are row
    numbers, which say nothing about another dataset.

    Args:
        data_a, data_b: what the runs were scored on, where it is known.

    Raises:
        ConsoleError: the two are of different rows; the sentence says in what they differ.
    """
    if not len(a) or len(a) != len(b):
        raise ConsoleError(f"scored on different rows: {len(a):,} against {len(b):,}")
    if not a.ids.equals(b.ids):
        rows = {id: row for row, id in enumerate(b.ids.to_pylist())}
        places = [rows[id] for id in a.ids.to_pylist() if id in rows]
        if len(places) < len(a):
            raise ConsoleError(f"scored on different rows: {len(places):,} of {len(a):,} are shared")
        b = b.take(numpy.array(places))
        if not a.ids.equals(b.ids):
            raise ConsoleError("scored on different rows: an id stands there twice")
    if not numpy.array_equal(a.gold, b.gold):
        raise ConsoleError("scored on different rows: the ids are the same, the gold labels are not")
    if not a.genres.equals(b.genres):
        raise ConsoleError("scored on different rows: the ids are the same, the genres are not")
    numbered = re.compile(rf"{re.escape(a.split)}-\d+(#\d+)?")
    if _place(data_a, a.split) != _place(data_b, b.split) and numbered.fullmatch(a.ids[0].as_py() or ""):
        raise ConsoleError("scored on different data whose rows have no ids of their own")
    return b


def _place(data: DataSpec | None, split: str) -> tuple[object, ...]:
    return () if data is None else (data.source, data.config, data.splits.get(split, split), data.columns)
