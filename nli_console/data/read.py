"""Reading the splits of a dataset into the one schema inside."""

from collections.abc import Iterator
from pathlib import Path

from nli_console.data.files import READ_ERRORS, Meter, Progress, file_size, read_problem, split_files
from nli_console.data.hub import hub_examples, hub_splits
from nli_console.data.parquet import parquet_examples
from nli_console.data.rows import NoLabelsError, RowMapper
from nli_console.data.spec import DataSpec, Example, Split
from nli_console.data.tabular import csv_examples, jsonl_examples, tsv_examples
from nli_console.errors import ConsoleError
from nli_console.text import clean_line

READERS = {
    "multinli": jsonl_examples,
    "jsonl": jsonl_examples,
    "csv": csv_examples,
    "tsv": tsv_examples,
    "parquet": parquet_examples,
}


def split_names(spec: DataSpec) -> list[str]:
    """Names of the splits, ``train`` first. Asks the hub only for a hub dataset that is not well known."""
    return list(_splits(spec))


def read_split(spec: DataSpec, split: str, *, progress: Progress | None = None) -> Split:
    """Read every row of a split, in file order.

    Rows without a gold label (``-``, -1, empty) are dropped and counted. Ids are the file's own
    (``pairID``, ``uid``, ``idx``), else ``<split>-<row>``; a repeated id gets ``#2``, ``#3`` ….

    Args:
        progress: called about once a mebibyte with (done, total, ``bytes``), or (done, total, ``rows``).

    Raises:
        NoLabelsError: no row has a gold label.
        ConsoleError: unknown split, unreadable file, missing column, unknown label, no rows.
    """
    mapper = RowMapper(spec, split)
    examples = [example for example in iterate(spec, split, mapper, progress) if example is not None]
    where = shown_split(spec, split)
    if not mapper.rows:
        raise ConsoleError(f"{where} has no rows; name another file or folder")
    if not examples:
        raise NoLabelsError(
            f"{where} has {mapper.rows:,} rows and none has a gold label; name a labelled split"
        )
    return Split(split, examples, mapper.dropped)


def iterate(
    spec: DataSpec, split: str, mapper: RowMapper, progress: Progress | None = None
) -> Iterator[Example | None]:
    """The rows of a split one by one; ``None`` for one without a gold label. Raises as :func:`read_split`."""
    name = split_location(spec, split)
    try:
        if spec.format == "hub":
            yield from hub_examples(spec, name, mapper, progress)
            return
        source = Path(spec.source)
        files = split_files(source, name)
        meter = Meter(sum(file_size(source, file) for file in files), progress)
        for file in files:
            yield from READERS[spec.format](spec, file, mapper, meter)
        meter.finish()
    except READ_ERRORS as error:
        raise ConsoleError(
            f"{clean_line(spec.source)}: the split {clean_line(split)} cannot be read: {read_problem(error)}"
        ) from None


def shown_split(spec: DataSpec, split: str) -> str:
    """A split and its file in the words of a message: ``the split train of pairs (pairs/train.jsonl)``."""
    where = f"the split {clean_line(split)} of {clean_line(spec.name)}"
    if spec.format == "hub":
        return where
    source, file = Path(spec.source), spec.splits.get(split, "")
    return f"{where} ({clean_line(source / file if source.is_dir() else source)})"


def split_location(spec: DataSpec, split: str) -> str:
    """The file, pattern or hub split that ``split`` stands for.

    Raises:
        ConsoleError: there is no such split.
    """
    splits = _splits(spec)
    if split not in splits:
        raise ConsoleError(
            f'{clean_line(spec.name)} has no split "{clean_line(split)}"; '
            f"it has {', '.join(map(clean_line, splits))}"
        )
    return splits[split]


def _splits(spec: DataSpec) -> dict[str, str]:
    return hub_splits(spec) if spec.format == "hub" else dict(spec.splits)
