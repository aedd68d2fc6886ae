"""The columns of the history: how each field looks in a cell, how wide it is, and which goes first."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from nli_console.record.groups import Group, base_name, runs_of
from nli_console.record.history_fields import FIELDS, HistoryField, Kind, Row, Vocabulary
from nli_console.record.state import State
from nli_console.record.store import RunSummary
from nli_console.record.summary import REPORTED, headline_split
from nli_console.text import UNKNOWN, format_accuracy
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.ink import Span, fit_left, shorten


@dataclass(frozen=True, slots=True)
class RunColumn:
    """One column. The higher its ``priority``, the earlier it goes when there is no room.

    ``width`` in cells, which may become up to ``grow`` more.
    """

    field: HistoryField
    width: int
    priority: int
    cell: Callable[[Row, Symbols], Span]
    right: bool = False
    grow: int = 0
    descending: bool = True

    @property
    def key(self) -> str:
        return self.field.name

    @property
    def title(self) -> str:
        return self.field.title

    def sort(self, row: Row) -> Any:
        """What rows are sorted by; ``None`` stands last."""
        return self.field.order(row)


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


def is_pinned(row: Row) -> bool:
    """Whether a row stands above the others: a run that is pinned, or a group that holds one."""
    return any(run.pinned for run in runs_of(row))


def _place(row: Row) -> str:
    """Behind ``queued``: the place in the queue, where somebody waits in it, or that the run is held back."""
    waiting = None if isinstance(row, Group) else row.waiting
    return f" {waiting.mark}" if waiting is not None and waiting.mark else ""


def name_span(row: Row, symbols: Symbols, *, opened: bool, group: Group | None) -> Span:
    """The name of a row: of a group with its size and a fold sign, of a run as a part of ``group`` above."""
    pin = f"{symbols.pinned} " if is_pinned(row) else ""
    if isinstance(row, Group):
        fold = symbols.unfolded if opened else symbols.folded
        return f"{pin}{fold} {row.name} {symbols.times}{len(row.runs)}", "bright"
    if group is None:
        return pin + row.name, "bright"
    same = row.seed is not None and base_name(row.name, row.seed) == group.name != row.name
    return f"{symbols.branch} {pin}{f'seed {row.seed}' if same else row.name}", "bright"


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


def _time(row: Row, symbols: Symbols) -> Span:
    return _plain(UNKNOWN if state_of(row) is State.QUEUED else short_duration(row.seconds))


def _plain(text: str, ink: str = "foreground") -> Span:
    return text, "muted" if text == UNKNOWN else ink


def _text(field: HistoryField, row: Row, _: Symbols) -> Span:
    return _plain(field.text(row))


@dataclass(frozen=True, slots=True)
class _Look:
    """How a field stands in its column; without a ``cell`` as its own text."""

    width: int
    priority: int = 20
    grow: int = 0
    right: bool = False
    descending: bool = True
    cell: Callable[[Row, Symbols], Span] | None = None


_LOOKS: dict[str, _Look] = {
    "state": _Look(13, 0, descending=False, cell=_state),
    "name": _Look(14, -1, 26, descending=False, cell=lambda row, _: (row.name, "bright")),
    "method": _Look(14, 4, descending=False),
    "model": _Look(14, 6, 16, descending=False),
    "data": _Look(10, grow=16, descending=False),
    "preset": _Look(12, grow=12, descending=False),
    "accuracy": _Look(_ACCURACY, 1, right=True, cell=_accuracy),
    "split": _Look(18, descending=False),
    "trainable": _Look(11, 7, right=True),
    "parameters": _Look(13, right=True),
    "time": _Look(7, 3, right=True, cell=_time),
    "memory": _Look(11, 8, right=True),
    "started": _Look(12, 5, right=True, cell=lambda row, _: _plain(format_moment(row.started))),
    "submitted": _Look(12, right=True, cell=lambda row, _: _plain(format_moment(row.submitted))),
    "tag": _Look(10, grow=16, descending=False),
    "note": _Look(14, grow=30, descending=False),
    "warning": _Look(12, grow=12, descending=False),
    "reason": _Look(14, grow=30, descending=False),
    "evaluates": _Look(14, grow=30, descending=False),
    "id": _Look(16, grow=30, descending=False),
    "group": _Look(16, grow=20, descending=False),
    "root": _Look(8, 2, 8, descending=False),
}
_USUAL_LOOK: dict[Kind, _Look] = {
    "share": _Look(8, right=True),
    "count": _Look(8, right=True),
    "number": _Look(8, right=True),
    "setting": _Look(8, grow=8, right=True),
}
"""Of fields that have no look of their own; a title that is longer makes a column wider."""

NAME, ROOT, STARTED = "name", "root", "started"
USUAL = ("state", NAME, "method", "model", "accuracy", "trainable", "time", "memory", STARTED)
"""What the history shows until somebody chooses."""
GAP = 2


def column_of(field: HistoryField) -> RunColumn:
    """The column of a field."""
    look = _LOOKS.get(field.name) or _USUAL_LOOK[field.kind]
    width = look.width if field.name in _LOOKS else max(look.width, min(len(field.title), 16))
    cell = look.cell or partial(_text, field)
    return RunColumn(field, width, look.priority, cell, look.right, look.grow, look.descending)


COLUMNS: tuple[RunColumn, ...] = tuple(map(column_of, FIELDS))
"""Of what every run has."""
_BY_KEY = {column.key: column for column in COLUMNS}


def find_column(key: str, vocabulary: Vocabulary) -> RunColumn | None:
    """The column of this name, or of a hyperparameter or split of this name; ``None`` where there is none."""
    field = vocabulary.find(key)
    return None if field is None else _BY_KEY.get(field.name) or column_of(field)


def usual_columns(*, several_roots: bool = False) -> tuple[RunColumn, ...]:
    """What is shown until somebody chooses: with the root of each run where there is more than one."""
    names = (*USUAL[:2], ROOT, *USUAL[2:]) if several_roots else USUAL
    return tuple(_BY_KEY[name] for name in names)


def chosen_columns(keys: Iterable[str], vocabulary: Vocabulary) -> tuple[RunColumn, ...]:
    """The columns that somebody chose: the name is always there, and the last go first for want of room."""
    found = {column.key: column for key in keys if (column := find_column(key, vocabulary)) is not None}
    if NAME not in found:
        found = {NAME: _BY_KEY[NAME], **found}
    return tuple(
        column if column.key == NAME else replace(column, priority=place)
        for place, column in enumerate(found.values())
    )


def fit(width: int, columns: Sequence[RunColumn]) -> list[tuple[RunColumn, int]]:
    """Those of ``columns`` that have room in ``width`` cells, with their widths; some grow into the rest."""
    chosen = sorted(columns, key=lambda column: column.priority)
    while len(chosen) > 2 and _needed(chosen) > width:
        chosen.pop()
    shown = [column for column in columns if column in chosen]
    widths = {column.key: column.width for column in shown}
    spare = width - _needed(shown)
    for column in shown:
        extra = max(0, min(column.grow, spare))
        widths[column.key] += extra
        spare -= extra
    if spare < 0:
        widths[NAME] = max(4, widths[NAME] + spare)
    return [(column, widths[column.key]) for column in shown]


def _needed(columns: list[RunColumn]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)


def about(run: RunSummary) -> list[Span]:
    """What no usual column says of a run: what its accuracy is of, whose it is, and what is odd about it."""
    spans: list[Span] = []
    split = headline_split(run.accuracy)
    if split is not None and (run.evaluates or split not in REPORTED):
        spans.append(
            (f"  accuracy on {run.data} {split}" if run.evaluates else f"  accuracy on {split}", "muted")
        )
    if run.read_only:
        spans.append((f"  {run.read_only}", "muted"))
    if run.newer:
        spans.append(("  written by a newer version of the console: some of it may be missing", "warning"))
    return spans


def cell_text(column: RunColumn, text: str, width: int) -> str:
    return fit_left(text, width) if column.right else shorten(text, width)
