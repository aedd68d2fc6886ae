"""Pairs without labels, read one by one from a file of any size: what ``nli-console predict`` is given."""

import csv
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from nli_console.data.files import READ_ERRORS, Meter, open_file, read_lines, read_problem, shown_names
from nli_console.data.rows import CANDIDATES
from nli_console.data.tabular import csv_rows, decoded_lines, not_json
from nli_console.errors import ConsoleError
from nli_console.text import clean_line

FORMATS = (".jsonl", ".csv", ".tsv")
_ROLES = ("premise", "hypothesis", "id")
_SHOWN_PROBLEMS = 10

Progress = Callable[[int, int, str], None]
"""Called with what is done, the total and the unit; may raise to leave."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of the file; ``id`` is ``None`` where the file has no such column. The texts are raw."""

    line: int
    id: str | None
    premise: str
    hypothesis: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be answered, and why; the text names the file and the line."""

    problem: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What a first reading tells of a file: its rows, and the SHA-256 of its bytes."""

    rows: int
    digest: str


def format_of(path: Path, option: str, formats: tuple[str, ...] = FORMATS) -> str:
    """One of ``formats``, by the name; ``option`` is who asks, for the message.

    Raises:
        ConsoleError: another ending.
    """
    ending = path.suffix.lower()
    if ending not in formats:
        raise ConsoleError(
            f"{option} {clean_line(path, limit=200)}: its name says no format; expected one that ends in "
            f"{' or '.join(formats)}"
        )
    return ending


def check(path: Path, progress: Progress | None = None) -> Checked:
    """Read the whole file once, so that a row that cannot be used is known before anything is computed.

    Raises:
        ConsoleError: it cannot be read, is empty, or has rows that cannot be used; the first ten are named.
    """
    rows, problems = 0, list[str]()
    for row in read_pairs(path, progress):
        if isinstance(row, BadRow):
            problems.append(row.problem)
        rows += 1
    if problems:
        shown = "\n".join(problems[:_SHOWN_PROBLEMS])
        rest = len(problems) - _SHOWN_PROBLEMS
        more = f"\nand {rest:,} more rows" if rest > 0 else ""
        raise ConsoleError(f"{shown}{more}\nnothing was predicted; mend or remove these rows and try again")
    if not rows:
        raise ConsoleError(f"{clean_line(path, limit=200)} has no rows; there is nothing to predict")
    return Checked(rows, _digest(path))


def read_pairs(path: Path, progress: Progress | None = None) -> Iterator[Pair | BadRow]:
    """The rows of the file in order, a row at a time.

    The columns of premise, hypothesis and id are recognised by their names, as those of datasets are.

    Raises:
        ConsoleError: the file cannot be read or parsed any further, or lacks a column.
    """
    try:
        meter = Meter(path.stat().st_size, progress)
        if format_of(path, "--input") == ".jsonl":
            yield from _json_lines(path, meter)
        else:
            yield from _separated(path, meter)
    except READ_ERRORS as error:
        raise ConsoleError(f"{clean_line(path, limit=200)}: {read_problem(error)}") from error
    meter.finish()


def _json_lines(path: Path, meter: Meter) -> Iterator[Pair | BadRow]:
    columns: dict[str, str] | None = None
    for number, line in read_lines(path, path.name, meter):
        if line.isspace():
            continue
        place = f"{clean_line(path)}, line {number}"
        try:
            row = from_json(line)
        except ValueError as error:
            yield BadRow(str(not_json(place, line, error)))
            continue
        if not isinstance(row, dict):
            yield BadRow(f"{place}: expected one JSON object per line, found {clean_line(row, limit=40)}")
            continue
        if columns is None:
            columns = _columns(list(row), place)
        yield _pair(place, number, {role: row.get(name) for role, name in columns.items()})


def _separated(path: Path, meter: Meter) -> Iterator[Pair | BadRow]:
    file = clean_line(path)
    lines = decoded_lines(path, path.name, file, meter)
    if format_of(path, "--input") == ".csv":
        rows = csv_rows(csv.reader(lines, strict=True), file)
    else:
        numbered = enumerate(lines, 1)
        rows = ((number, line.rstrip("\r\n").split("\t")) for number, line in numbered if not line.isspace())
    _, header = next(rows, (0, []))
    if not header:
        return
    header = [name.strip() for name in header]
    columns = _columns(header, f"{file}, line 1")
    places = {role: header.index(name) for role, name in columns.items()}
    for number, fields in rows:
        place = f"{file}, line {number}"
        if len(fields) != len(header):
            yield BadRow(
                f"{place} has {len(fields)} fields, the header has {len(header)}; "
                "quote a field that holds a comma (csv), or remove tabs inside texts (tsv)"
            )
            continue
        yield _pair(place, number, {role: fields[column] for role, column in places.items()})


def _columns(available: list[str], place: str) -> dict[str, str]:
    """Role → column; an id is not needed."""
    found: dict[str, str] = {}
    for role in _ROLES:
        name = next((name for name in CANDIDATES[role] if name in available), None)
        if name is not None:
            found[role] = name
        elif role != "id":
            raise ConsoleError(
                f"{place}: no column for the {role}: looked for {', '.join(CANDIDATES[role])}; the columns "
                f"are {shown_names(available, 20)}. Rename the one that holds it"
            )
    return found


def _pair(place: str, line: int, values: dict[str, Any]) -> Pair | BadRow:
    for role in ("premise", "hypothesis"):
        text = values[role]
        if text is None or (isinstance(text, str) and not text.strip()):
            return BadRow(f"{place}: the {role} is missing; add it or remove the row")
        if not isinstance(text, str):
            return BadRow(
                f"{place}: the {role} is of type {type(text).__name__} ({clean_line(text, limit=40)}); "
                "expected a text"
            )
    id = values.get("id")
    return Pair(line, None if id is None else str(id), values["premise"], values["hypothesis"])


def _digest(path: Path) -> str:
    total = hashlib.sha256()
    with open_file(path, path.name) as file:
        while block := file.read(1024 * 1024):
            total.update(block)
    return total.hexdigest()
