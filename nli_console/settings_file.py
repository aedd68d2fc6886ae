"""Reading a TOML file into a pydantic model, with errors that name the line, the key and what to write."""

import difflib
import re
import stat
import tomllib
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from nli_console.errors import ConsoleError
from nli_console.text import clean_line, format_bytes

SIZE_LIMIT = 64 * 1024
"""Bytes, several hundred datasets: what is refused has to be told at once, line by line."""
LINE_LIMIT = 4096
"""Characters in one line: tomllib's time grows with the square of the length of a dotted key."""
DEPTH_LIMIT = 64
SHOWN_ERRORS = 5

Schema = TypeVar("Schema", bound=BaseModel)
Location = tuple[str | int, ...]

_TOKEN = re.compile(
    r'''(?P<string>"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')'''
    r"|(?P<comment>\#[^\n]*)|(?P<newline>\n)|(?P<open>[\[{])|(?P<close>[\]}])|(?P<equals>=)|(?P<bare>[\w-]+)",
    re.DOTALL,
)
_DEEP_KEY = re.compile(
    r"""(?:^|[{,])[ \t]*\[{0,2}[ \t]*(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){16}""",
    re.ASCII | re.MULTILINE,
)
"""A dotted key of more parts than any setting has: tomllib's time grows with the square of their number."""
_BOUNDS = {
    Ge: ("ge", "from"),
    Gt: ("gt", "above"),
    Le: ("le", "up to"),
    Lt: ("lt", "below"),
    MaxLen: ("max_length", "of at most"),
}


def read_settings_file(path: Path, schema: type[Schema]) -> Schema:
    """Read the TOML file at ``path`` into ``schema``. A byte order mark and CR LF line ends are accepted.

    Raises:
        ConsoleError: see :func:`nli_console.settings.load_settings`.
    """
    name = clean_line(path)
    text = _read_text(path, name)
    table = _parse(text, name)
    try:
        return schema.model_validate(table)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False)
    lines = _key_lines(text)
    placed = [(_place(problem["loc"], lines), dict(problem)) for problem in problems]
    placed.sort(key=lambda pair: pair[0])
    shown = [
        f"{name}, line {number}: {_describe(problem, schema)}" for number, problem in placed[:SHOWN_ERRORS]
    ]
    if len(placed) > SHOWN_ERRORS:
        shown.append(f"{name} has {len(placed) - SHOWN_ERRORS:,} more problems")
    raise ConsoleError("\n".join(shown))


def key_line(path: Path, *keys: str) -> int | None:
    """The line of ``path`` on which a key stands, or the table around it; ``None`` where neither does.

    Raises:
        ConsoleError: the file cannot be read.
    """
    return _line_of_key(keys, _key_lines(_read_text(path, clean_line(path))))


def _read_text(path: Path, name: str) -> str:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ConsoleError(f"{name} is not a regular file; settings are read from a TOML file")
        if status.st_size > SIZE_LIMIT:
            raise ConsoleError(
                f"{name} has {format_bytes(status.st_size)}; at most {format_bytes(SIZE_LIMIT)}"
            )
        with path.open("rb") as stream:
            raw = stream.read(SIZE_LIMIT)
    except OSError as error:
        raise ConsoleError(f"{name} cannot be read: {error.strerror or error}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConsoleError(
            f"{name}, line {line}: byte 0x{raw[error.start]:02x} is not valid UTF-8; save the file as UTF-8"
        ) from None
    return text.replace("\r\n", "\n")


def _parse(text: str, name: str) -> dict[str, Any]:
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE_LIMIT:
            raise ConsoleError(
                f"{name}, line {number} has {len(line):,} characters, at most {LINE_LIMIT:,}; break it"
            )
    deep = _DEEP_KEY.search(text)
    if deep is not None:
        line = _line_of(text, deep.start())
        raise ConsoleError(f"{name}, line {line}: a key of more than 16 parts; no setting has one")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ConsoleError(
            f"{name}, line {_deep_line(text)}: brackets nest deeper than {DEPTH_LIMIT}; close them earlier"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise ConsoleError(_syntax_message(str(error), text, name)) from None
    except ValueError as error:
        # int() refuses more than 4,300 digits with its own words and without a place.
        digits = re.search(r"[0-9_]{4000,}", text)
        place = f", line {_line_of(text, digits.start())}" if digits else ""
        raise ConsoleError(f"{name}{place}: {clean_line(error, limit=120)}; write a smaller number") from None


def _deep_line(text: str) -> int:
    """The line where brackets are nested deeper than the limit."""
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += {"open": 1, "close": -1}.get(token.lastgroup or "", 0)
        if depth > DEPTH_LIMIT:
            return _line_of(text, token.start())
    return 1


def _syntax_message(problem: str, text: str, name: str) -> str:
    place = re.search(r" \((?:at line (\d+), column \d+|at end of document)\)$", problem)
    what = problem[: place.start()] if place else problem
    number = int(place[1]) if place and place[1] else text.rstrip("\n").count("\n") + 1
    line = clean_line(text.split("\n")[number - 1], limit=80)
    if what == "Cannot overwrite a value" or "twice" in what:
        hint = "this key or table was set before; keep one of the two"
    elif what == "Invalid value":
        hint = "not a TOML value; texts stand in quotes, truth values are true or false"
    else:
        hint = f"{clean_line(what, limit=120)}; correct this line"
    return f"{name}, line {number}: {line or '(empty)'}: {hint}"


def _line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _key_lines(text: str) -> dict[tuple[str, ...], int]:
    """Line of every table header and key of a valid TOML text; keys of inline tables are not among them."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    parts: list[str] = []
    number, depth, header, in_value = 1, 0, False, False
    for token in _TOKEN.finditer(text):
        kind, value = token.lastgroup, token[0]
        if kind == "newline" and depth == 0:
            if header:
                table = tuple(parts)
                lines.setdefault(table, number)
            parts, header, in_value = [], False, False
        elif kind == "open":
            header = header or not (in_value or parts)
            depth += 1
        elif kind == "close":
            depth -= 1
        elif kind == "equals" and depth == 0:
            for length in range(1, len(parts) + 1):
                lines.setdefault((*table, *parts[:length]), number)
            in_value = True
        elif kind in ("bare", "string") and not in_value:
            parts.append(_key(value))
        number += value.count("\n")
    if header:
        lines.setdefault(tuple(parts), number)
    return lines


def _key(token: str) -> str:
    if token[0] not in "\"'":
        return token
    return next(iter(tomllib.loads(f"{token} = 0")))


def _keys(location: Location) -> tuple[str, ...]:
    return tuple(str(part) for part in location if part != "[key]")


def _place(location: Location, lines: dict[tuple[str, ...], int]) -> int:
    """The line of the deepest key of ``location`` that stands at the start of a line."""
    return _line_of_key(_keys(location), lines) or 1


def _line_of_key(keys: tuple[str, ...], lines: dict[tuple[str, ...], int]) -> int | None:
    return next((lines[keys[:length]] for length in range(len(keys), 0, -1) if keys[:length] in lines), None)


def _describe(problem: dict[str, Any], schema: type[BaseModel]) -> str:
    location: Location = problem["loc"]
    path = ".".join(_shown_key(part) for part in _keys(location))
    field, annotation = _declaration(schema, location)
    if problem["type"] == "extra_forbidden":
        return f"{path} is not a setting; {_known_keys(schema, location)}"
    if problem["type"] == "missing":
        return f"{path} is missing; write {location[-1]} = …, {field.description if field else ''}"
    advice = ""
    if field is not None and not field.is_required() and not _is_model(annotation):
        default = field.get_default(call_default_factory=True)
        advice = "" if default is None else f" or delete the line for {_shown_value(default)}"
    value, expected = _shown_value(problem["input"]), _expected(annotation, field)
    return f"{path} = {value}: expected {expected}; correct it{advice}"


def _shown_key(part: str) -> str:
    return part if re.fullmatch(r"[\w-]{1,60}", part) else f'"{clean_line(part, limit=60)}"'


def _shown_value(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (str, Path)):
        return f'"{clean_line(value, limit=60)}"'
    if isinstance(value, (dict, BaseModel)):
        return "a table"
    if isinstance(value, list):
        return "[]" if not value else f"an array of {len(value)}"
    if isinstance(value, int) and abs(value) >= 10**20:
        return "a huge whole number"
    return clean_line(value, limit=60)


def _known_keys(schema: type[BaseModel], location: Location) -> str:
    _, annotation = _declaration(schema, location[:-1])
    known = list(annotation.model_fields) if _is_model(annotation) else []
    close = difflib.get_close_matches(str(location[-1])[:200], known, n=1)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"known here: {', '.join(known)}"


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _declaration(schema: type[BaseModel], location: Location) -> tuple[FieldInfo | None, Any]:
    """The field that ``location`` leads to (``None`` inside a dict or list) and its type."""
    field: FieldInfo | None = None
    annotation: Any = schema
    for part in location:
        if _is_model(annotation):
            field = annotation.model_fields.get(str(part))
            annotation = None if field is None else _plain(field.annotation)
        else:
            field = None
            arguments = get_args(annotation)
            annotation = _plain(arguments[-1]) if arguments else None
    return field, annotation


def _plain(annotation: Any) -> Any:
    """``X`` of ``X | None`` and of ``Annotated[X, …]``."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return _plain(next(kind for kind in get_args(annotation) if kind is not type(None)))
    return annotation


def _expected(annotation: Any, field: FieldInfo | None) -> str:
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f'"{choice}"' for choice in get_args(annotation))
    if _is_model(annotation) or get_origin(annotation) is dict:
        return "a table"
    if get_origin(annotation) is list:
        return "an array of texts in quotes" + "".join(_bounds(field))
    if annotation is bool:
        return "true or false"
    if annotation is int:
        return "a whole number" + "".join(_bounds(field))
    if annotation is float:
        return "a number" + "".join(_bounds(field))
    return "a text in quotes"


def _bounds(field: FieldInfo | None) -> Iterator[str]:
    for bound in field.metadata if field else ():
        if type(bound) in _BOUNDS:
            attribute, word = _BOUNDS[type(bound)]
            yield f" {word} {getattr(bound, attribute)}"
