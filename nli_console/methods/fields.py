"""One rendering source for hyperparameters: what a form, an option, a table or a message says of a field."""

import contextlib
import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from types import UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import annotated_types
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from nli_console.errors import ConsoleError
from nli_console.methods.base import Hyperparameters

H = TypeVar("H", bound=Hyperparameters)

Kind = Literal["int", "float", "bool", "choice", "list", "text"]

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})


@dataclass(frozen=True)
class FieldDescription:
    """One hyperparameter as it is shown. ``minimum`` and ``maximum`` are ``None`` where there is no bound.

    Attributes:
        reader: reads a text in place of the kind's own reading; a ``ValueError`` says what was expected.
        writer: makes the text of a value, such that ``reader`` gives the value back.
        meaning: what a value means, in words, where its text alone may mislead; empty where it does not.
        options: names that a text may hold, with a word on each, for a list to choose from.
    """

    name: str
    option: str
    kind: Kind
    default: Any
    help: str
    group: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    minimum_exclusive: bool = False
    maximum_exclusive: bool = False
    choices: tuple[str, ...] = ()
    advanced: bool = False
    reader: Callable[[str], Any] | None = None
    writer: Callable[[Any], str] | None = None
    meaning: Callable[[Any], str] | None = None
    options: Callable[[], Mapping[str, str]] | None = None

    @property
    def bounds(self) -> str:
        """``1…1024``, ``> 0, ≤ 1``, ``≥ 0``, ``linear, cosine or constant``; empty where anything goes."""
        if self.choices:
            return either(self.choices)
        inclusive = not self.minimum_exclusive and not self.maximum_exclusive
        if self.minimum is not None and self.maximum is not None and inclusive:
            return f"{_plain(self.minimum)}…{_plain(self.maximum)}"
        low = (
            "" if self.minimum is None else f"{'>' if self.minimum_exclusive else '≥'} {_plain(self.minimum)}"
        )
        high = (
            "" if self.maximum is None else f"{'<' if self.maximum_exclusive else '≤'} {_plain(self.maximum)}"
        )
        return ", ".join(part for part in (low, high) if part)

    def format(self, value: Any) -> str:
        """The text of a value, such that :func:`parse` gives the value back."""
        return format_value(value) if self.writer is None else self.writer(value)

    def arguments(self, value: Any) -> list[str]:
        """The command-line words that give the field this value: ``--lora-r 8``, ``--no-use-dora``."""
        if self.kind == "bool":
            return [self.option if value else self.option.replace("--", "--no-", 1)]
        return [self.option, format_value(value)]


def format_value(value: Any) -> str:
    """A hyperparameter as text: ``yes``, ``3e-4``, ``query,value``."""
    match value:
        case bool():
            return "yes" if value else "no"
        case float():
            return _plain(value)
        case tuple() | list():
            return ",".join(str(part) for part in value)
        case _:
            return str(value)


class FieldError(ConsoleError):
    """One value that cannot be used.

    ``problem`` says what is wrong (``must be at most 1``), for a form that shows it beside the field;
    the message itself speaks of the option (``--learning-rate 3: must be at most 1``).
    """

    def __init__(self, name: str, problem: str, value: str | None = None) -> None:
        shown = "" if value is None else f" {value if value.strip() else repr(value)}"
        super().__init__(f"{option_of(name)}{shown}: {problem}")
        self.name = name
        self.problem = problem


def option_of(name: str) -> str:
    """``learning_rate`` → ``--learning-rate``."""
    return "--" + name.replace("_", "-")


def describe(model: type[Hyperparameters]) -> list[FieldDescription]:
    """Every field of a method's hyperparameters, in the order of declaration."""
    return [_describe(name, info) for name, info in model.model_fields.items()]


def parse(field: FieldDescription, text: str) -> Any:
    """The value that a person typed for ``field``, bounds checked.

    Raises:
        FieldError: not a value of that kind, or outside the bounds.
    """
    stripped = text.strip()
    try:
        return _check_bounds(field, (field.reader or partial(_read, field))(stripped))
    except ValueError as error:
        raise FieldError(field.name, str(error), text) from None


def validate(model: type[H], values: Mapping[str, Any]) -> tuple[H | None, list[FieldError]]:
    """Hyperparameters from values of any source (texts of a form or an option, a preset, a record).

    Returns the model and no errors, or ``None`` and every error found; an error speaks of the option.
    """
    fields = {field.name: field for field in describe(model)}
    read: dict[str, Any] = {}
    errors: list[FieldError] = []
    for name, value in values.items():
        field = fields.get(name)
        if field is None:
            errors.append(
                FieldError(name, f"is not a hyperparameter of this method{_closest_option(name, fields)}")
            )
            continue
        try:
            read[name] = parse(field, value) if isinstance(value, str) else _check_kind(field, value)
        except FieldError as error:
            errors.append(error)
        except ValueError as error:
            errors.append(FieldError(name, str(error), field.format(value)))
    if errors:
        return None, errors
    try:
        validated = model.model_validate(read)
    except ValidationError as error:
        return None, [_translate(fields, problem) for problem in error.errors(include_url=False)]
    errors = [
        FieldError(name, problem, fields[name].format(getattr(validated, name)))
        for name, problem in validated.conflicts()
    ]
    return (None, errors) if errors else (validated, [])


def require(model: type[H], values: Mapping[str, Any]) -> H:
    """:func:`validate`, raising all errors as one message, a line each.

    Raises:
        ConsoleError: at least one value cannot be used.
    """
    validated, errors = validate(model, values)
    if validated is None:
        raise ConsoleError("\n".join(str(error) for error in errors))
    return validated


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean "value"?`` when a known name is close, else nothing."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def either(names: Iterable[str]) -> str:
    """``linear, cosine or constant``."""
    *first, last = names
    return f"{', '.join(first)} or {last}" if first else last


def _closest_option(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name.replace("-", "_"), list(known), n=1, cutoff=0.6)
    return f"; did you mean {option_of(close[0])}?" if close else ""


def _plain(value: float) -> str:
    """A number without needless zeros that reads back exactly: ``0.06``, ``3e-4``, ``32``."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{Decimal(repr(value)):e}" if 0 < abs(value) < 1e-3 else repr(value)


def _describe(name: str, info: FieldInfo) -> FieldDescription:
    extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
    kind, choices = _kind(info.annotation)
    minimum = maximum = None
    minimum_exclusive = maximum_exclusive = False
    for bound in info.metadata:
        match bound:
            case annotated_types.Ge():
                minimum = bound.ge
            case annotated_types.Gt():
                minimum, minimum_exclusive = bound.gt, True
            case annotated_types.Le():
                maximum = bound.le
            case annotated_types.Lt():
                maximum, maximum_exclusive = bound.lt, True
    return FieldDescription(
        name=name,
        option=option_of(name),
        kind=kind,
        default=info.get_default(call_default_factory=True, validated_data={}),
        help=info.description or "",
        group=str(extra.get("group", "")),
        unit=str(extra.get("unit", "")),
        minimum=minimum,  # type: ignore[arg-type]  # bounds here are always numbers
        maximum=maximum,  # type: ignore[arg-type]
        minimum_exclusive=minimum_exclusive,
        maximum_exclusive=maximum_exclusive,
        choices=choices,
        advanced=bool(extra.get("advanced", False)),
    )


def _kind(annotation: Any) -> tuple[Kind, tuple[str, ...]]:
    origin = get_origin(annotation)
    if origin is Literal:
        return "choice", tuple(str(choice) for choice in get_args(annotation))
    if origin in (Union, UnionType):
        (inner,) = (part for part in get_args(annotation) if part is not type(None))
        return _kind(inner)
    if origin in (tuple, list):
        return "list", ()
    simple: dict[Any, Kind] = {bool: "bool", int: "int", float: "float", str: "text"}
    return simple[annotation], ()


def _read(field: FieldDescription, text: str) -> Any:
    """``text`` as a value of the field's kind; a ``ValueError`` says what was expected."""
    match field.kind:
        case "int":
            return _read_int(text)
        case "float":
            return _read_float(text)
        case "bool":
            if text.lower() in _TRUE | _FALSE:
                return text.lower() in _TRUE
            raise ValueError("must be yes or no")
        case "choice":
            if text.lower() in field.choices:
                return text.lower()
            raise ValueError(f"must be {either(field.choices)}{did_you_mean(text, field.choices)}")
        case "list":
            return tuple(part for part in text.replace(",", " ").split() if part)
        case "text":
            return text


def _read_float(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"must be a number{_hint(text)}") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("must be a finite number")
    return value


def _hint(text: str) -> str:
    """How what was typed is written: ``, such as 0.1`` for ``10%``."""
    if text.endswith("%"):
        with contextlib.suppress(ValueError):
            return f", such as {float(text[:-1]) / 100:g}"
    return "; write the decimal point as a dot" if "," in text else ""


def _read_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        value = _read_float(text)
        if not value.is_integer():
            raise ValueError("must be a whole number") from None
        return int(value)


def _check_kind(field: FieldDescription, value: Any) -> Any:
    """A value that is no text (from TOML or JSON), converted where nothing is lost."""
    match field.kind, value:
        case (("int" | "float"), bool()):
            raise ValueError("must be a number")
        case "int", float() if value.is_integer():
            return _check_bounds(field, int(value))
        case ("int", int()) | ("float", int() | float()):
            return _check_bounds(field, value)
        case "int", float():
            raise ValueError("must be a whole number")
        case (("int" | "float"), _):
            raise ValueError("must be a number")
        case "bool", bool():
            return value
        case "bool", _:
            raise ValueError("must be yes or no")
        case "list", list() | tuple():
            if not all(isinstance(part, str) for part in value):
                raise ValueError("must be a list of names")
            return tuple(value)
        case "list", _:
            raise ValueError("must be a list of names")
        case _:
            raise ValueError(f"must be {field.bounds or 'text'}")


def _check_bounds(field: FieldDescription, value: Any) -> Any:
    if field.kind not in ("int", "float"):
        return value
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("must be a finite number")
    unit = f" {field.unit}" if field.unit else ""
    low, high = field.minimum, field.maximum
    if low is not None and (value < low or (field.minimum_exclusive and value == low)):
        words = "more than" if field.minimum_exclusive else "at least"
        raise ValueError(f"must be {words} {_plain(low)}{unit}")
    if high is not None and (value > high or (field.maximum_exclusive and value == high)):
        words = "less than" if field.maximum_exclusive else "at most"
        raise ValueError(f"must be {words} {_plain(high)}{unit}")
    return value


def _translate(fields: Mapping[str, FieldDescription], problem: Any) -> FieldError:
    """What only the model itself could find: a custom validator's sentence, or the library's own words."""
    name = str(problem["loc"][0]) if problem["loc"] else ""
    cause = problem.get("ctx", {}).get("error")
    sentence = str(cause) if cause is not None else str(problem["msg"])
    field = fields.get(name)
    return FieldError(name, sentence, None if field is None else field.format(problem["input"]))
