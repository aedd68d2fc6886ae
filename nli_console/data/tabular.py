"""Rows of text files: JSON lines, comma-separated and tab-separated values."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from nli_console.data.files import LINE_LIMIT, Meter, not_utf8, read_lines, shown_file
from nli_console.data.rows import RowMapper, find_columns, known_integers
from nli_console.data.spec import DataSpec, Example
from nli_console.errors import ConsoleError
from nli_console.settings import Columns
from nli_console.text import clean_line

csv.field_size_limit(LINE_LIMIT)

_VOTES = tuple(f"label{number}" for number in range(1, 6))


def jsonl_examples(spec: DataSpec, name: str, mapper: RowMapper, meter: Meter) -> Iterator[Example | None]:
    """Examples of a file with one JSON object per line; ``None`` for a row without a gold label.

    The columns are those of the first object.

    Raises:
        ConsoleError: a line is not a JSON object or not UTF-8, or as :class:`RowMapper` says.
    """
    source = Path(spec.source)
    file = shown_file(source, name)
    columns: Columns | None = None
    for number, line in read_lines(source, name, meter):
        if line.isspace():
            continue
        try:
            row = from_json(line)
        except ValueError as error:
            raise not_json(f"{file}, line {number}", line, error) from None
        if not isinstance(row, dict):
            raise ConsoleError(
                f"{file}, line {number}: expected one JSON object per line, found {clean_line(row, limit=40)}"
            )
        if columns is None:
            columns = find_columns(list(row), spec, f"{file}, line {number}")
            mapper.name_integers(known_integers(list(row)))
        if columns.label not in row:
            # A null says that there is no gold label; a row that lacks the key has been made otherwise.
            raise ConsoleError(
                f'{file}, line {number} lacks "{clean_line(columns.label, limit=60)}" of the first row; '
                "write it, null where there is no gold label, or remove the row"
            )
        get = row.get
        yield mapper.example(
            file,
            f"line {number}",
            get(columns.premise),
            get(columns.hypothesis),
            get(columns.label),
            get(columns.id),
            get(columns.genre),
            get(columns.annotator_labels),
        )


def not_json(place: str, line: bytes, error: ValueError) -> ConsoleError:
    """The error for a line that is no JSON; ``place`` names file and line."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as undecodable:
        return not_utf8(place, undecodable)
    reason = clean_line(error, limit=120).replace(" at line 1 column ", " at column ")
    return ConsoleError(f"{place} is not JSON: {reason}; expected one JSON object per line")


def csv_examples(spec: DataSpec, name: str, mapper: RowMapper, meter: Meter) -> Iterator[Example | None]:
    """Examples of a comma-separated file with a header, quoted as RFC 4180 says.

    Raises:
        ConsoleError: a quote stays open, a row has more or fewer fields than the header, or as
            :class:`RowMapper` says.
    """
    source = Path(spec.source)
    file = shown_file(source, name)
    reader = csv.reader(decoded_lines(source, name, file, meter), strict=True)
    rows = csv_rows(reader, file)
    return _separated(spec, file, rows, mapper)


def csv_rows(reader: Any, file: str) -> Iterator[tuple[int, list[str]]]:
    """The rows of a strict ``csv.reader``, each with the number of its first line.

    Raises:
        ConsoleError: a quote stays open, or a lone carriage return.
    """
    start = 1
    try:
        for fields in reader:
            if fields:
                yield start, fields
            start = reader.line_num + 1
    except csv.Error as error:
        place = f"{file}, row from line {start} on"
        if "new-line" in str(error):
            raise _lone_return(place) from None
        raise ConsoleError(
            f"{place}: {clean_line(error, limit=80)}; "
            'close the quotes, and write "" for a quote inside a quoted field'
        ) from None


def _lone_return(place: str) -> ConsoleError:
    return ConsoleError(
        f"{place}: a carriage return without a line feed; save it with Unix or Windows line ends"
    )


def tsv_examples(spec: DataSpec, name: str, mapper: RowMapper, meter: Meter) -> Iterator[Example | None]:
    """Examples of a tab-separated file with a header. A quote is a character like any other.

    Raises:
        ConsoleError: a row has more or fewer fields than the header, or as :class:`RowMapper` says.
    """
    source = Path(spec.source)
    file = shown_file(source, name)
    lines = enumerate(decoded_lines(source, name, file, meter), 1)
    rows = ((number, line.rstrip("\r\n").split("\t")) for number, line in lines if not line.isspace())
    return _separated(spec, file, rows, mapper)


def decoded_lines(source: Path, name: str, file: str, meter: Meter) -> Iterator[str]:
    """The lines of a file as text, with their ends; raises ``ConsoleError`` for bytes that are not UTF-8."""
    for number, line in read_lines(source, name, meter):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise not_utf8(f"{file}, line {number}", error) from None


def _separated(
    spec: DataSpec, file: str, rows: Iterator[tuple[int, list[str]]], mapper: RowMapper
) -> Iterator[Example | None]:
    _, header = next(rows, (0, []))
    if not header:
        return
    if any("\r" in name for name in header):
        raise _lone_return(f"{file}, line 1")
    header = [name.strip() for name in header]
    columns = find_columns(header, spec, f"{file}, line 1")
    mapper.name_integers(None)
    named = (columns.premise, columns.hypothesis, columns.label, columns.id, columns.genre)
    places = [_place(column, header, file) for column in named]
    votes = _votes(spec, columns, header, file)
    for number, fields in rows:
        if len(fields) != len(header):
            noun = "field" if len(fields) == 1 else "fields"
            raise ConsoleError(
                f"{file}, line {number} has {len(fields)} {noun}, the header has {len(header)}; "
                "quote a field that holds a comma (csv), or remove tabs inside texts (tsv)"
            )
        values = [None if place is None else fields[place] for place in places]
        voted = fields[votes[0]] if len(votes) == 1 else [fields[place] for place in votes if fields[place]]
        yield mapper.example(file, f"line {number}", *values, annotator_labels=voted)


def _place(column: str | None, header: list[str], file: str) -> int | None:
    if column is None:
        return None
    if header.count(column) > 1:
        raise ConsoleError(
            f'{file}, line 1 has {header.count(column)} columns called "{clean_line(column, limit=60)}"; '
            "rename all but one"
        )
    return header.index(column)


def _votes(spec: DataSpec, columns: Columns, header: list[str], file: str) -> list[int]:
    """The columns of the annotators' labels: one, or label1 … label5 as in GLUE and MultiNLI's txt files."""
    place = _place(columns.annotator_labels, header, file)
    if place is not None:
        return [place]
    if spec.columns is not None or columns.label != "gold_label":
        return []
    return [header.index(name) for name in _VOTES if name in header]
