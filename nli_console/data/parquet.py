"""Rows of parquet files, streamed. pyarrow is loaded only when rows are really read."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from nli_console.data.files import UNPACKED_LIMIT, Meter, file_size, is_zip, not_utf8, open_file, shown_file
from nli_console.data.parquet_footer import Footer, read_footer
from nli_console.data.rows import LabelTable, RowMapper, find_columns, known_integers
from nli_console.data.spec import DataSpec, Example
from nli_console.errors import ConsoleError
from nli_console.settings import Columns
from nli_console.text import clean_line, format_bytes

BATCH_ROWS = 8192


def parquet_examples(spec: DataSpec, name: str, mapper: RowMapper, meter: Meter) -> Iterator[Example | None]:
    """Examples of a parquet file; ``None`` for a row without a gold label.

    Integer labels take their names from the ``ClassLabel`` that the datasets library stores in the file.

    Raises:
        ConsoleError: not a parquet file, pyarrow is missing, or as :class:`RowMapper` says.
    """
    source = Path(spec.source)
    place = shown_file(source, name)
    with _seekable(source, name) as file:
        footer, columns = _look(spec, place, file)
        mapper.name_integers(_names_of_integers(footer, columns))
        wanted = [column for column in columns.model_dump().values() if column is not None]
        row, size = 0, file.seek(0, io.SEEK_END)
        for batch in _batches(file, wanted, place):
            table = {column: _values(batch.column(column), column, place, row) for column in wanted}
            for values in zip(*columns_in_order(columns, table, batch.num_rows), strict=True):
                row += 1
                yield mapper.example(place, f"row {row}", *values)
            meter.advance(size * batch.num_rows // max(footer.rows, 1))


def _values(array: Any, column: str, place: str, before: int) -> list[Any]:
    """The values of a column of one batch; ``before`` rows of the file precede it."""
    try:
        return array.to_pylist()
    except UnicodeDecodeError:
        return [_value(value, column, f"{place}, row {row}") for row, value in enumerate(array, before + 1)]


def _value(value: Any, column: str, place: str) -> Any:
    try:
        return value.as_py()
    except UnicodeDecodeError as error:
        raise not_utf8(f"{place}, {clean_line(column, limit=60)}", error) from None


def check_parquet(spec: DataSpec, name: str) -> Footer:
    """Check the columns and label names of a parquet file by its footer, without pyarrow.

    Raises:
        ConsoleError: not a parquet file, a column is missing, or a label name is unknown.
    """
    source = Path(spec.source)
    place = shown_file(source, name)
    with _seekable(source, name) as file:
        footer, columns = _look(spec, place, file)
    labels = LabelTable(spec)
    for value, label in enumerate(footer.class_names.get(columns.label, ())):
        if str(value) not in (spec.labels or {}):
            labels.index(label, place, f"name of label {value}")
    return footer


def columns_in_order(columns: Columns, table: dict[str, list[Any]], rows: int) -> list[list[Any]]:
    """The columns as :meth:`RowMapper.example` takes them; a column that is not there is all ``None``."""
    nothing: list[Any] = [None] * rows
    roles = (
        columns.premise,
        columns.hypothesis,
        columns.label,
        columns.id,
        columns.genre,
        columns.annotator_labels,
    )
    return [nothing if name is None else table[name] for name in roles]


def _look(spec: DataSpec, place: str, file: BinaryIO) -> tuple[Footer, Columns]:
    try:
        footer = read_footer(file)
    except ValueError as error:
        raise ConsoleError(f"{place} is not a parquet file: {error}; download it again") from None
    return footer, find_columns(footer.columns, spec, place)


def _names_of_integers(footer: Footer, columns: Columns) -> tuple[str, ...] | None:
    known = known_integers(footer.columns)
    return footer.class_names.get(columns.label) or (None if known is None else tuple(known))


def _batches(file: BinaryIO, wanted: list[str], place: str) -> Iterator[Any]:
    try:
        import pyarrow
        from pyarrow.parquet import ParquetFile
    except ImportError as error:
        raise ConsoleError(
            f"{place} needs pyarrow to be read ({error}); install it: pip install pyarrow"
        ) from None
    try:
        yield from ParquetFile(file).iter_batches(BATCH_ROWS, columns=wanted)
    except pyarrow.ArrowException as error:
        reason = clean_line(error, limit=160)
        raise ConsoleError(f"{place} cannot be read as parquet: {reason}; download it again") from None


@contextmanager
def _seekable(source: Path, name: str) -> Iterator[BinaryIO]:
    """Open the file; a member of a zip is unpacked into memory, where going backwards costs nothing.

    Raises:
        ConsoleError: the member is too large for that.
    """
    packed = is_zip(source)
    if packed and (size := file_size(source, name)) > UNPACKED_LIMIT:
        raise ConsoleError(
            f"{shown_file(source, name)} has {format_bytes(size)}, and a parquet file in a zip may have "
            f"{format_bytes(UNPACKED_LIMIT)}; unpack the zip and name the folder"
        )
    with open_file(source, name) as file:
        yield io.BytesIO(file.read()) if packed else file
