"""Datasets of the Hugging Face hub: which ones are known, and reading one (in the worker only)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nli_console.data.files import Progress
from nli_console.data.layouts import split_of
from nli_console.data.parquet import BATCH_ROWS, columns_in_order
from nli_console.data.rows import HUB_ORDER, RowMapper, find_columns, known_integers
from nli_console.data.spec import DataSpec, Example
from nli_console.errors import ConsoleError
from nli_console.text import clean_line


@dataclass(frozen=True, slots=True)
class Known:
    """A dataset whose splits are known without asking the hub; ``a+b`` joins two splits."""

    source: str
    config: str | None
    splits: dict[str, str]


def _same(*names: str) -> dict[str, str]:
    return {name: name for name in names}


_MULTINLI = Known("nyu-mll/multi_nli", None, _same("train", "validation_matched", "validation_mismatched"))
_GLUE = Known("nyu-mll/glue", "mnli", _same("train", "validation_matched", "validation_mismatched"))
_SNLI = Known("stanfordnlp/snli", None, _same("train", "validation", "test"))
_ANLI = Known(
    "facebook/anli",
    None,
    {"train": "train_r1+train_r2+train_r3"}
    | {f"validation_r{i}": f"dev_r{i}" for i in (1, 2, 3)}
    | {f"test_r{i}": f"test_r{i}" for i in (1, 2, 3)},
)
KNOWN: Mapping[str, Known] = {
    "nyu-mll/multi_nli": _MULTINLI,
    "multi_nli": _MULTINLI,
    "multinli": _MULTINLI,
    "nyu-mll/glue": _GLUE,
    "glue": _GLUE,
    "mnli": _GLUE,
    "stanfordnlp/snli": _SNLI,
    "snli": _SNLI,
    "facebook/anli": _ANLI,
    "anli": _ANLI,
}
"""Names a user may type. The unlabelled test sets of GLUE are left out."""


def hub_splits(spec: DataSpec) -> dict[str, str]:
    """Our split names → the hub's, asking the hub for a dataset that is not known.

    Raises:
        ConsoleError: the hub cannot be reached or does not know the dataset.
    """
    if spec.splits:
        return dict(spec.splits)
    from datasets import get_dataset_split_names

    try:
        names = get_dataset_split_names(spec.source, spec.config)
    except Exception as error:
        raise _unreachable(spec, error) from None
    return {split_of(name) or name: name for name in names}


def hub_examples(
    spec: DataSpec, hub_split: str, mapper: RowMapper, progress: Progress | None
) -> Iterator[Example | None]:
    """Examples of a hub split (or of a local folder that the datasets library understands).

    Downloads what is not cached. Integer labels take their names from the dataset's ``ClassLabel``.

    Raises:
        ConsoleError: offline, unknown dataset, configuration or split, or as :class:`RowMapper` says.
    """
    from datasets import ClassLabel, load_dataset

    try:
        data: Any = load_dataset(spec.source, spec.config, split=hub_split)
    except Exception as error:
        raise _unreachable(spec, error) from None
    place = f"{clean_line(spec.source)} {clean_line(hub_split)}"
    columns = find_columns(data.column_names, spec, place)
    feature = data.features[columns.label]
    known = spec.source in KNOWN or known_integers(data.column_names) is not None
    mapper.name_integers(feature.names if isinstance(feature, ClassLabel) else HUB_ORDER if known else None)
    wanted = [column for column in columns.model_dump().values() if column is not None]
    row = 0
    for batch in data.select_columns(wanted).with_format("arrow").iter(batch_size=BATCH_ROWS):
        table = {column: batch.column(column).to_pylist() for column in wanted}
        for values in zip(*columns_in_order(columns, table, batch.num_rows), strict=True):
            row += 1
            yield mapper.example(place, f"row {row}", *values)
        if progress is not None:
            progress(row, len(data), "rows")


def _unreachable(spec: DataSpec, error: Exception) -> ConsoleError:
    name = clean_line(spec.source) + (f" ({clean_line(spec.config)})" if spec.config else "")
    return ConsoleError(
        f"the dataset {name} cannot be loaded: {type(error).__name__}: {clean_line(error, limit=300)}. "
        "Check the name and the network, or name a folder with its files"
    )
