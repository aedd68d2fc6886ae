"""What the values of a filter mean, by the kind of their field: shares, sizes, times, dates, words."""

import operator
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from nli_console.record.history_fields import HistoryField, Kind, words_of
from nli_console.record.matching import Test
from nli_console.record.summary import RunSummary
from nli_console.text import clean_line, parse_duration

EXAMPLES: dict[Kind, tuple[str, tuple[str, ...]]] = {
    "text": ("a part of it; quote what has blanks", ()),
    "word": ("a word or its beginning", ()),
    "words": ("a word or its beginning", ()),
    "share": ("a share, such as 0.85 or 85%", ("0.85", "85%")),
    "count": ("a number, such as 12, 5k or 1.2M", ()),
    "number": ("a number, such as 0.35", ()),
    "bytes": ("a size, such as 10GiB", ("1GiB", "10GiB")),
    "seconds": ("a time, such as 90s, 45m or 2h30m", ("10m", "1h")),
    "moment": ("a date such as 2026-11-01, today, or an age such as 7d", ("today", "yesterday", "7d", "30d")),
    "setting": ("a value", ()),
}
"""By kind of field: what a value looks like, and some to offer."""

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
_NUMBER = re.compile(r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?P<unit>.*)", re.DOTALL)
_COUNTS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9}
_PREFIXES = ("b", "k kb kib", "m mb mib", "g gb gib", "t tb tib")
_SIZES = {unit: 1024.0**power for power, units in enumerate(_PREFIXES) for unit in units.split()}
_DATE = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2}):(\d{2}))?)?)?")
_AGE = re.compile(r"\d+(?:\.\d+)?[a-z].*")
_SAME = 1e-9
"""Relative difference below which two settings are the same number."""
_YES, _NO = frozenset({"yes", "true", "on"}), frozenset({"no", "false", "off"})


class ValueProblem(Exception):
    """Why a value cannot be used; ``incomplete`` when more typing may mend it."""

    def __init__(self, problem: str, *, incomplete: bool = False) -> None:
        super().__init__(problem)
        self.incomplete = incomplete


@dataclass(frozen=True, slots=True)
class Span:
    """The values that a text stands for: one number as exact as it was written, or a stretch of time."""

    low: float
    high: float
    includes_high: bool = True

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high if self.includes_high else self.low <= value < self.high


def test_of(field: HistoryField, sign: str, text: str) -> Test:
    """Whether a run's value of ``field`` is as ``sign`` and ``text`` say; ``!=`` is read as ``=``.

    Raises:
        ValueProblem: the text is no value of that kind.
    """
    if field.kind in ("text", "word", "words"):
        return _words_test(field, sign, text.casefold())
    if field.kind == "setting":
        return _setting_test(field, sign, text)
    if sign not in _COMPARE and ".." in text:
        low, _, high = text.partition("..")
        return _range_test(field, low, high)
    if field.kind == "moment" and _is_age(text):
        return _age_test(field, sign, text)
    span = span_of(field.kind, text)
    value = field.value
    if sign not in _COMPARE:
        return lambda run: (held := value(run)) is not None and span.holds(held)
    compare, edge = _edge(sign, span)
    return lambda run: (held := value(run)) is not None and compare(held, edge)


def _edge(sign: str, span: Span) -> tuple[Callable[[Any, Any], bool], float]:
    """A day is later than a date from its end on, and as late as it from its beginning on."""
    if span.includes_high:
        middle = (span.low + span.high) / 2
        return _COMPARE[sign], middle
    match sign:
        case ">":
            return operator.ge, span.high
        case ">=":
            return operator.ge, span.low
        case "<":
            return operator.lt, span.low
        case _:
            return operator.lt, span.high


def _words_test(field: HistoryField, sign: str, wanted: str) -> Test:
    value = field.value
    if sign != ":":
        return lambda run: (
            wanted in [word.casefold() for word in words_of(field, value(run))]
            or (not wanted and not words_of(field, value(run)))
        )
    if field.kind == "text":
        return lambda run: wanted in (value(run) or "").casefold()
    return lambda run: any(word.casefold().startswith(wanted) for word in words_of(field, value(run)))


def _setting_test(field: HistoryField, sign: str, text: str) -> Test:
    """A hyperparameter is compared as what it is: a number, yes or no, or a text."""
    value = field.value
    number = _plain_number(text)
    if sign in _COMPARE:
        if number is None:
            raise ValueProblem("expects a number to compare with, such as 1e-4")
        compare, wanted = _COMPARE[sign], number
        return lambda run: _is_number(held := value(run)) and compare(held, wanted)
    plain = text.casefold()

    def same(run: RunSummary) -> bool:
        held = value(run)
        if isinstance(held, bool):
            return plain in (_YES if held else _NO)
        if _is_number(held):
            return number is not None and abs(held - number) <= _SAME * max(abs(held), abs(number))
        if held is None:
            return plain == "none" and field.name in run.hyperparameters
        texts = [str(part).casefold() for part in held] if isinstance(held, list) else [str(held).casefold()]
        return any(plain in each if sign == ":" else plain == each for each in texts)

    return same


def _range_test(field: HistoryField, low: str, high: str) -> Test:
    """``a..b`` with both ends; one of them may be left out."""
    if not low and not high:
        raise ValueProblem(f"expects {EXAMPLES[field.kind][0]} on at least one side of ..", incomplete=True)
    if field.kind == "moment" and (_is_age(low) or _is_age(high)):
        raise ValueProblem("a range of dates takes dates, such as 2026-11-01..2026-11-15")
    least = span_of(field.kind, low).low if low else float("-inf")
    most = span_of(field.kind, high) if high else Span(0.0, float("inf"))
    end = Span(least, most.high, most.includes_high)
    value = field.value
    return lambda run: (held := value(run)) is not None and end.holds(held)


def _age_test(field: HistoryField, sign: str, text: str) -> Test:
    """``started:7d`` and ``started<7d``: within the last seven days; ``started>7d``: longer ago than that."""
    try:
        age = parse_duration(text)
    except ValueError as error:
        raise ValueProblem(str(error)) from None
    value = field.value
    if sign in (">", ">="):
        return lambda run: (held := value(run)) is not None and held <= time.time() - age
    return lambda run: (held := value(run)) is not None and held > time.time() - age


def span_of(kind: Kind, text: str) -> Span:
    """What a text of a numeric kind stands for, in the unit of the record.

    Raises:
        ValueProblem: it cannot be read.
    """
    if kind == "moment":
        return _date(text)
    if kind == "seconds":
        try:
            seconds = parse_duration(text)
        except ValueError:
            raise ValueProblem(f"expects {EXAMPLES[kind][0]}") from None
        return Span(seconds - 0.5, seconds + 0.5)
    match = _NUMBER.fullmatch(text.strip())
    if match is None:
        raise ValueProblem(f"expects {EXAMPLES[kind][0]}")
    unit = match["unit"].strip().casefold()
    scale = _scale(kind, unit, match["number"])
    number = float(match["number"]) * scale
    return Span(number - (half := _half(match["number"], kind, unit) * scale), number + half)


def _scale(kind: Kind, unit: str, number: str) -> float:
    """What one of ``unit`` is in the unit of the record."""
    match kind:
        case "share":
            if unit not in ("", "%"):
                raise ValueProblem(f"expects {EXAMPLES[kind][0]}")
            if unit == "" and float(number) > 1:
                raise ValueProblem(f"is above 1; a share is written as 0.85 or 85%, so {number}%?")
            return 0.01 if unit else 1.0
        case "count":
            if unit not in _COUNTS:
                raise ValueProblem(f"expects {EXAMPLES[kind][0]}")
            return _COUNTS[unit]
        case "bytes":
            if unit not in _SIZES:
                raise ValueProblem(f"needs a unit, such as {number}GiB", incomplete=not unit)
            return _SIZES[unit]
        case _:
            if unit:
                raise ValueProblem(f"expects {EXAMPLES[kind][0]}")
            return 1.0


def _half(number: str, kind: Kind, unit: str) -> float:
    """Half of the last digit that was written: 86.4% is whatever is shown as 86.4 %."""
    if kind == "count" and not unit:
        return 0.0
    mantissa, _, exponent = number.lower().partition("e")
    return 0.5 * 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))


def _is_age(text: str) -> bool:
    return _AGE.fullmatch(text.strip().casefold()) is not None


def _date(text: str) -> Span:
    word = text.strip().casefold()
    today = datetime.now().replace(hour=0, minute=0, second=0, microsecond=0)
    if word in ("today", "yesterday"):
        begin = today - timedelta(days=word == "yesterday")
        return Span(begin.timestamp(), (begin + timedelta(days=1)).timestamp(), False)
    match = _DATE.fullmatch(text.strip())
    if match is None:
        raise ValueProblem(f"expects {EXAMPLES['moment'][0]}")
    year, month, day, hour, minute = (None if part is None else int(part) for part in match.groups())
    try:
        begin = datetime(year or 0, month or 1, day or 1, hour or 0, minute or 0)
        end = _after(begin, month, day, hour)
        return Span(begin.timestamp(), end.timestamp(), False)
    except (ValueError, OverflowError):
        raise ValueProblem(f'there is no date "{clean_line(text, limit=40)}"') from None


def _after(begin: datetime, month: int | None, day: int | None, hour: int | None) -> datetime:
    """Where the year, month, day or minute that was named ends."""
    if month is None:
        return begin.replace(year=begin.year + 1)
    if day is None:
        return begin.replace(year=begin.year + month // 12, month=month % 12 + 1)
    return begin + (timedelta(days=1) if hour is None else timedelta(minutes=1))


def _plain_number(text: str) -> float | None:
    match = _NUMBER.fullmatch(text.strip())
    return float(match["number"]) if match is not None and not match["unit"] else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
