"""The columns of the history: what they say, how wide they are, what they sort by and which goes first."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nli_console.record.state import State
from nli_console.record.store import RunSummary
from nli_console.text import UNKNOWN, format_accuracy, format_bytes, format_count
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.ink import Span, fit_left, shorten

REPORTED = ("validation_matched", "validation_mismatched", "selection")
"""Splits in the order in which one of them stands for a run."""


@dataclass(frozen=True, slots=True)
class RunColumn:
    """One column. The higher its ``priority``, the earlier it goes when there is no room.

    ``width`` in cells, which may become up to ``grow`` more.
    """

    key: str
    title: str
    width: int
    priority: int
    cell: Callable[[RunSummary, Symbols], Span]
    sort: Callable[[RunSummary], Any]
    right: bool = False
    grow: int = 0
    descending: bool = True


def headline_accuracy(run: RunSummary) -> tuple[float, float | None, float | None] | None:
    """The accuracy that stands for a run, with its interval: the first it has of :data:`REPORTED`."""
    for split in (*REPORTED, *sorted(run.accuracy)):
        held = run.accuracy.get(split)
        if held is not None:
            return held.value, held.low, held.high
    return None


def _state(run: RunSummary, symbols: Symbols) -> Span:
    state = run.state.state
    return f"{symbols.states.get(state, '?')} {state.value}", f"state-{state.value}"


def _accuracy(run: RunSummary, symbols: Symbols) -> Span:
    held = headline_accuracy(run)
    if held is None:
        return UNKNOWN, "muted"
    return format_accuracy(*held).replace("±", symbols.minus_plus), "bright"


def _accuracy_value(run: RunSummary) -> float | None:
    held = headline_accuracy(run)
    return None if held is None else held[0]


def format_moment(moment: float | None, now: float | None = None) -> str:
    """``14:02`` today, ``21 Nov 14:02`` this year, ``21 Nov 2024`` before."""
    if moment is None:
        return UNKNOWN
    try:
        then, today = time.localtime(moment), time.localtime(now)
    except (OverflowError, ValueError, OSError):
        return UNKNOWN
    if then.tm_year != today.tm_year:
        return time.strftime("%d %b %Y", then)
    return time.strftime("%H:%M" if then.tm_yday == today.tm_yday else "%d %b %H:%M", then)


def short_duration(seconds: float | None) -> str:
    """At most seven cells: ``47s``, ``3m 05s``, ``2h 07m``, ``3d 04h``."""
    if seconds is None or not 0 <= seconds < 8_640_000:
        return UNKNOWN
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    if whole < 86400:
        return f"{whole // 3600}h {whole % 3600 // 60:02d}m"
    return f"{whole // 86400}d {whole % 86400 // 3600:02d}h"


def _begun(run: RunSummary) -> float | None:
    """When a run started, or was submitted where it still waits: the newest stand together."""
    return run.submitted if run.started is None else run.started


def _time(run: RunSummary, symbols: Symbols) -> Span:
    return _plain(UNKNOWN if run.state.state is State.QUEUED else short_duration(run.seconds))


def _plain(text: str, ink: str = "foreground") -> Span:
    return text, "muted" if text == UNKNOWN else ink


def _of(attribute: str, form: Callable[[Any], str] = str) -> dict[str, Any]:
    """Cell and sort key of a column that shows one attribute of the summary."""
    return {
        "cell": lambda run, _: _plain(form(getattr(run, attribute))),
        "sort": lambda run: getattr(run, attribute),
    }


COLUMNS: tuple[RunColumn, ...] = (
    RunColumn("state", "state", 13, 0, _state, lambda run: run.state.state.value, descending=False),
    RunColumn("name", "name", 14, 0, lambda run, _: (run.name, "bright"), lambda run: run.name.casefold(),
              grow=26, descending=False),
    RunColumn("method", "method", 14, 4, **_of("method"), descending=False),
    RunColumn("model", "model", 14, 6, **_of("model"), grow=16, descending=False),
    RunColumn("accuracy", "accuracy", 13, 1, _accuracy, _accuracy_value, right=True),
    RunColumn("trainable_parameters", "trainable", 11, 7, **_of("trainable_parameters", format_count),
              right=True),
    RunColumn("seconds", "time", 7, 3, _time, lambda run: run.seconds, right=True),
    RunColumn("peak_memory_bytes", "peak memory", 11, 8, **_of("peak_memory_bytes", format_bytes),
              right=True),
    RunColumn("started", "started", 12, 5, lambda run, _: _plain(format_moment(run.started)), _begun,
              right=True),
)  # fmt: skip
BY_KEY = {column.key: column for column in COLUMNS}
GAP = 2


def fit(width: int) -> list[tuple[RunColumn, int]]:
    """The columns that have room in ``width`` cells, with their widths; some grow into what is left."""
    chosen = sorted(COLUMNS, key=lambda column: column.priority)
    while len(chosen) > 2 and _needed(chosen) > width:
        chosen.pop()
    shown = [column for column in COLUMNS if column in chosen]
    widths = {column.key: column.width for column in shown}
    spare = width - _needed(shown)
    for column in shown:
        extra = max(0, min(column.grow, spare))
        widths[column.key] += extra
        spare -= extra
    if spare < 0:
        widths["name"] = max(4, widths["name"] + spare)
    return [(column, widths[column.key]) for column in shown]


def _needed(columns: list[RunColumn]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def cell_text(column: RunColumn, text: str, width: int) -> str:
    return fit_left(text, width) if column.right else shorten(text, width)


def haystack(run: RunSummary) -> str:
    """What a filter searches: every column as it is shown or stored, the id, the data, tags and notes."""
    held = headline_accuracy(run)
    accuracy = "" if held is None else format_accuracy(*held)
    return (
        f"{run.state.state.value} {run.name} {run.id} {run.method} {run.model} {run.data} {accuracy} "
        f"{run.trainable_parameters or ''} {' '.join(run.tags)} {run.notes}"
    ).casefold()


def matches(text: str, words: list[str]) -> bool:
    """Whether ``text`` holds every word, and none that is written with a leading ``!``."""
    for word in words:
        if word.startswith("!"):
            if word[1:] and word[1:] in text:
                return False
        elif word not in text:
            return False
    return True
