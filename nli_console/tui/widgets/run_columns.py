"""The columns of the history: what they say, how wide they are, what they sort by and which goes first."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nli_console.record.groups import Group, base_name, runs_of
from nli_console.record.state import State
from nli_console.record.store import RunSummary
from nli_console.record.summary import headline_split
from nli_console.text import UNKNOWN, format_accuracy, format_bytes, format_count
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.ink import Span, fit_left, shorten

Row = RunSummary | Group
"""What has a row of its own: a run, or a group of runs."""


@dataclass(frozen=True, slots=True)
class RunColumn:
    """One column. The higher its ``priority``, the earlier it goes when there is no room.

    ``width`` in cells, which may become up to ``grow`` more.
    """

    key: str
    title: str
    width: int
    priority: int
    cell: Callable[[Row, Symbols], Span]
    sort: Callable[[Row], Any]
    right: bool = False
    grow: int = 0
    descending: bool = True


def headline_accuracy(run: RunSummary) -> tuple[float, float | None, float | None] | None:
    """The accuracy that stands for a run, with its interval."""
    split = headline_split(run.accuracy)
    if split is None:
        return None
    held = run.accuracy[split]
    return held.value, held.low, held.high


def state_of(row: Row) -> State:
    """The state of a run, or the one that stands for a group."""
    return row.state if isinstance(row, Group) else row.state.state


def _state(row: Row, symbols: Symbols) -> Span:
    state = state_of(row)
    done = ""
    if isinstance(row, Group) and state is not State.FINISHED:
        done = f"{row.finished}/{len(row.runs)} "
    text = f"{symbols.states.get(state, '?')} {done}{state.value}{_place(row)}"
    # A mark behind the state says that a worker warns of something.
    guards = [guard for run in runs_of(row) for guard in run.guards]
    if not guards:
        return text, f"state-{state.value}"
    bad = any(guard.severity == "error" for guard in guards)
    return f"{text} {symbols.error if bad else symbols.warning}", "error" if bad else "warning"


def _place(row: Row) -> str:
    """Behind ``queued``: the place in the queue, where somebody waits in it."""
    waiting = None if isinstance(row, Group) else row.waiting
    return "" if waiting is None or waiting.place is None else f" {waiting.place}"


def name_span(row: Row, symbols: Symbols, *, opened: bool, group: Group | None) -> Span:
    """The name of a row: of a group with its size and a fold sign, of a run as a part of ``group`` above."""
    if isinstance(row, Group):
        return (
            f"{symbols.unfolded if opened else symbols.folded} {row.name} {symbols.times}{len(row.runs)}",
            "bright",
        )
    if group is None:
        return row.name, "bright"
    same = row.seed is not None and base_name(row.name, row.seed) == group.name != row.name
    return f"{symbols.branch} {f'seed {row.seed}' if same else row.name}", "bright"


_ACCURACY = 13
"""Cells of an accuracy with its ±; one with both ends of its interval is rounded to fit."""


def _accuracy(row: Row, symbols: Symbols) -> Span:
    held = _around(row)
    if held is None:
        return UNKNOWN, "muted"
    text = format_accuracy(*held).replace("±", symbols.minus_plus)
    value, low, high = held
    if isinstance(row, Group) and low is not None:
        text = f"{100 * value:.1f} {symbols.minus_plus} {100 * (value - low):.1f} %"
    elif len(text) > _ACCURACY and low is not None and high is not None:
        text = f"{100 * value:.0f} ({100 * low:.0f}–{100 * high:.0f})%"
    return text, "bright"


def _around(row: Row) -> tuple[float, float | None, float | None] | None:
    """Of a run the accuracy with its interval; of a group mean and one standard deviation on either side."""
    if not isinstance(row, Group):
        return headline_accuracy(row)
    spread = row.headline
    if spread is None:
        return None
    if spread.deviation is None:
        return spread.mean, None, None
    return spread.mean, spread.mean - spread.deviation, spread.mean + spread.deviation


def _accuracy_value(row: Row) -> float | None:
    held = _around(row)
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


def _begun(row: Row) -> float | None:
    """When a run started, or was submitted where it still waits: the newest stand together."""
    return row.submitted if row.started is None else row.started


def _time(row: Row, symbols: Symbols) -> Span:
    return _plain(UNKNOWN if state_of(row) is State.QUEUED else short_duration(row.seconds))


def _plain(text: str, ink: str = "foreground") -> Span:
    return text, "muted" if text == UNKNOWN else ink


def _of(attribute: str, form: Callable[[Any], str] = str) -> dict[str, Any]:
    """Cell and sort key of a column that shows one attribute, which a run and a group both have."""
    return {
        "cell": lambda row, _: _plain(form(getattr(row, attribute))),
        "sort": lambda row: getattr(row, attribute),
    }


COLUMNS: tuple[RunColumn, ...] = (
    RunColumn("state", "state", 13, 0, _state, lambda row: state_of(row).value, descending=False),
    RunColumn("name", "name", 14, 0, lambda row, _: (row.name, "bright"), lambda row: row.name.casefold(),
              grow=26, descending=False),
    RunColumn("method", "method", 14, 4, **_of("method_title"), descending=False),
    RunColumn("model", "model", 14, 6, **_of("model"), grow=16, descending=False),
    RunColumn("accuracy", "accuracy", _ACCURACY, 1, _accuracy, _accuracy_value, right=True),
    RunColumn("trainable_parameters", "trainable", 11, 7, **_of("trainable_parameters", format_count),
              right=True),
    RunColumn("seconds", "time", 7, 3, _time, lambda row: row.seconds, right=True),
    RunColumn("peak_memory_bytes", "peak memory", 11, 8, **_of("peak_memory_bytes", format_bytes),
              right=True),
    RunColumn("started", "started", 12, 5, lambda row, _: _plain(format_moment(row.started)), _begun,
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
    """What a filter searches: every column as shown or stored, id, data, tags, notes and warnings."""
    held = headline_accuracy(run)
    accuracy = "" if held is None else format_accuracy(*held)
    return (
        f"{run.state.state.value} {run.name} {run.id} {run.group or ''} {run.method_title} {run.evaluates} "
        f"{run.model} {run.data} "
        f"{accuracy} {run.trainable_parameters or ''} {' '.join(run.tags)} {run.notes} "
        f"{' '.join(f'{guard.severity} {guard.id}' for guard in run.guards)}"
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
