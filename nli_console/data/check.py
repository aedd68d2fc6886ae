"""A quick look at a dataset before a run is launched: every file is opened, the first rows are read."""

from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from nli_console.data.files import READ_ERRORS, file_size, read_problem, split_files
from nli_console.data.layouts import TRAIN
from nli_console.data.parquet import check_parquet
from nli_console.data.read import iterate, shown_split, split_location
from nli_console.data.rows import NoLabelsError, RowMapper
from nli_console.data.sample import HELD_OUT
from nli_console.data.spec import DataSpec, Example
from nli_console.errors import ConsoleError
from nli_console.text import clean_line

FIRST_ROWS = 200


@dataclass(frozen=True, slots=True)
class SplitLook:
    """What a quick look found in one split.

    ``rows`` is ``None`` where only reading the whole file would tell; ``first`` holds the labelled ones
    among the first 200 rows (none for parquet, which is checked by its footer).
    """

    name: str
    bytes: int
    rows: int | None
    first: list[Example]


@dataclass(frozen=True, slots=True)
class DataCheck:
    """A dataset that can be launched with; ``notes`` are sentences worth showing."""

    splits: dict[str, SplitLook] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def check(spec: DataSpec, *, train: bool = True) -> DataCheck:
    """Look at the first rows and columns of every split that a run would read. The hub is not asked.

    Args:
        train: whether the run needs a train split.

    Raises:
        ConsoleError: what would fail when the run reads the data, as far as the first rows show it.
    """
    if spec.format == "hub":
        return DataCheck(
            notes=[f"{clean_line(spec.source)} is checked when the run starts, by the hub's answer"]
        )
    if train and TRAIN not in spec.splits:
        split_location(spec, TRAIN)
    for name in spec.evaluate_on:
        if name != HELD_OUT:
            split_location(spec, name)
    splits: dict[str, SplitLook] = {}
    notes: list[str] = []
    for name in spec.splits:
        if _unread(spec, name, train):
            continue
        try:
            splits[name] = _look(spec, name)
        except NoLabelsError:
            if name in spec.evaluate_on or not name.startswith("test"):
                raise
            notes.append(f"{clean_line(name)} has no gold labels and is not reported on")
    if train and set(splits) == {TRAIN}:
        notes.append(
            f'there is no validation split: a tenth of train is held out and reported on as "{HELD_OUT}"'
        )
    return DataCheck(splits, notes)


def _unread(spec: DataSpec, split: str, train: bool) -> bool:
    """Whether a run reads nothing of a split."""
    if split == TRAIN:
        return not train and not {TRAIN, HELD_OUT} & set(spec.evaluate_on)
    return bool(spec.evaluate_on) and split not in spec.evaluate_on


def _look(spec: DataSpec, split: str) -> SplitLook:
    source = Path(spec.source)
    try:
        files = split_files(source, split_location(spec, split))
        size = sum(file_size(source, file) for file in files)
        if spec.format == "parquet":
            rows = sum(check_parquet(spec, file).rows for file in files)
            found: list[Example | None] = []
        else:
            found = list(islice(iterate(spec, split, RowMapper(spec, split)), FIRST_ROWS))
            rows = len(found) if len(found) < FIRST_ROWS else None
    except READ_ERRORS as error:
        raise ConsoleError(
            f"{clean_line(source)}: the split {clean_line(split)} cannot be read: {read_problem(error)}"
        ) from None
    if rows == 0:
        raise ConsoleError(f"{shown_split(spec, split)} has no rows; name another file")
    first = [example for example in found if example is not None]
    if found and not first and rows is not None:
        raise NoLabelsError(f"{shown_split(spec, split)} has no row with a gold label; name another file")
    return SplitLook(split, size, rows, first)
