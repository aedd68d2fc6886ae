"""The history of runs: virtual, never refilled; a refresh repaints the cells that changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from nli_console.record.store import RunSummary
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.ink import ink_style, to_strip
from nli_console.tui.widgets.painted import Painted
from nli_console.tui.widgets.run_columns import (
    BY_KEY,
    COLUMNS,
    GAP,
    RunColumn,
    cell_text,
    fit,
    haystack,
    matches,
)

_MARK_WIDTH = 2
_SLICE = 0.005
"""Seconds of the event loop that preparing the filter takes at a time."""


class RunTable(Painted, ScrollView, can_focus=True):
    """One line a run. The selected run is kept by its id, whatever is added, removed, sorted or filtered."""

    DEFAULT_CSS = """
    RunTable {
        width: 1fr; height: 1fr; min-height: 3;
        overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;
    }
    """
    ALLOW_SELECT = False

    filter: reactive[str] = reactive("", init=False, repaint=False)
    sort_key: reactive[str] = reactive("started", init=False, repaint=False)
    descending: reactive[bool] = reactive(True, init=False, repaint=False)

    @dataclass
    class Highlighted(Message):
        """Another run is selected; ``None`` when there is none."""

        run_id: str | None

    @dataclass
    class Opened(Message):
        """A run was asked for by a double click."""

        run_id: str

    @dataclass
    class Arranged(Message):
        """Order, filter, marks or number of runs changed."""

    def __init__(self, symbols: Symbols, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.symbols = symbols
        self.marked: set[str] = set()
        self.selected_id: str | None = None
        self.empty_lines: Sequence[str] = ("No runs yet.",)
        self._runs: dict[str, RunSummary] = {}
        self._haystacks: dict[str, tuple[RunSummary, str]] = {}
        self._order: list[str] = []
        self._positions: dict[str, int] = {}
        self._columns: list[tuple[RunColumn, int]] = []
        self._fitted = -1
        self._unindexed: Iterator[str] = iter(())

    # What it holds

    def show(self, runs: Sequence[RunSummary]) -> None:
        """Take over the newest summaries. Unchanged ones should be the same objects as before."""
        before = self._runs
        after = {run.id: run for run in runs}
        if len(before) == len(after):
            changed = [run for key, run in after.items() if before.get(key) is not run]
            if not changed:
                return
            in_place = all(run.id in before and self._same_place(before[run.id], run) for run in changed)
        else:
            in_place = False
        self._runs = after
        if in_place:
            self.repaint()
            return
        self.marked &= after.keys()
        self._arrange()
        self._unindexed = iter([run_id for run_id in after if run_id not in self._haystacks])
        self._index()

    def select(self, run_id: str) -> bool:
        """Select a run; ``False`` when it is not listed or filtered out."""
        if run_id not in self._positions:
            return False
        self._go_to(self._positions[run_id])
        return True

    @property
    def selected(self) -> RunSummary | None:
        return self._runs.get(self.selected_id) if self.selected_id else None

    @property
    def targets(self) -> list[RunSummary]:
        """The marked runs in their order, or the selected one when none is marked."""
        marked = [self._runs[key] for key in self._order if key in self.marked]
        return marked or ([self.selected] if self.selected else [])

    @property
    def listed(self) -> int:
        """How many runs pass the filter."""
        return len(self._order)

    @property
    def total(self) -> int:
        return len(self._runs)

    @property
    def arrow(self) -> str:
        """Points down when the largest value is on top."""
        return ("v" if self.descending else "^") if self.symbols.ascii else ("↓" if self.descending else "↑")

    # Order and filter

    def _same_place(self, old: RunSummary, new: RunSummary) -> bool:
        """Whether replacing ``old`` by ``new`` can neither move nor hide a row."""
        if self.filter:
            found = matches(self._haystack(new), self.filter.casefold().split())
            if found != (new.id in self._positions):
                return False
        sort = BY_KEY[self.sort_key].sort
        return sort(old) == sort(new)

    def _haystack(self, run: RunSummary) -> str:
        held = self._haystacks.get(run.id)
        if held is None or held[0] is not run:
            held = self._haystacks[run.id] = (run, haystack(run))
        return held[1]

    def _index(self) -> None:
        """Prepare the filter a slice at a time, so that its first letter is as quick as the others."""
        begun = perf_counter()
        for run_id in self._unindexed:
            if run_id in self._runs:
                self._haystack(self._runs[run_id])
            if perf_counter() - begun > _SLICE:
                self.set_timer(4 * _SLICE, self._index)
                return

    def _arrange(self) -> None:
        sort = BY_KEY[self.sort_key].sort
        runs = list(self._runs.values())
        if self.filter:
            words = self.filter.casefold().split()
            runs = [run for run in runs if matches(self._haystack(run), words)]
        known: list[tuple[Any, str]] = []
        unknown: list[str] = []
        for run in runs:
            value = sort(run)
            if value is None:
                unknown.append(run.id)
            else:
                known.append((value, run.id))
        known.sort(reverse=self.descending)
        unknown.sort(reverse=self.descending)
        place = self._positions.get(self.selected_id or "", 0)
        self._order = [key for _, key in known] + unknown
        self._positions = {key: index for index, key in enumerate(self._order)}
        self.virtual_size = Size(self.size.width, len(self._order) + 1)
        if self.selected_id not in self._positions:
            place = min(place, len(self._order) - 1)
            self.selected_id = self._order[place] if place >= 0 else None
            self.post_message(self.Highlighted(self.selected_id))
        self._reveal()
        self.repaint()
        self.post_message(self.Arranged())

    def watch_filter(self) -> None:
        self._arrange()

    def watch_sort_key(self) -> None:
        self._arrange()

    def watch_descending(self) -> None:
        self._arrange()

    def sort_by(self, key: str) -> None:
        """Sort by a column; once more turns the order round."""
        if key == self.sort_key:
            self.descending = not self.descending
            return
        self.set_reactive(RunTable.descending, BY_KEY[key].descending)
        self.sort_key = key

    def sort_by_next(self) -> None:
        keys = [column.key for column in COLUMNS]
        self.sort_by(keys[(keys.index(self.sort_key) + 1) % len(keys)])

    # Moving

    def move(self, rows: int) -> None:
        """Select the run ``rows`` further down."""
        if self._order:
            place = self._positions.get(self.selected_id or "", 0)
            self._go_to(min(max(place + rows, 0), len(self._order) - 1))

    def toggle_mark(self) -> None:
        """Mark the selected run or take its mark away, and go on to the next one."""
        if self.selected_id is None:
            return
        self.marked ^= {self.selected_id}
        self.move(1)
        self.repaint()
        self.post_message(self.Arranged())

    def _go_to(self, place: int) -> None:
        run_id = self._order[place]
        changed = run_id != self.selected_id
        self.selected_id = run_id
        self._reveal()
        self.repaint()
        if changed:
            self.post_message(self.Highlighted(run_id))

    @property
    def _rows(self) -> int:
        return max(self.size.height - 1, 1)

    def _reveal(self) -> None:
        place = self._positions.get(self.selected_id or "")
        if place is None or not self.size:
            return
        top = self.scroll_offset.y
        if place < top:
            self.scroll_to(y=place, animate=False)
        elif place >= top + self._rows:
            self.scroll_to(y=place - self._rows + 1, animate=False)

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._order) + 1)
        self._reveal()

    def on_focus(self) -> None:
        self.repaint()

    def on_blur(self) -> None:
        self.repaint()

    def on_key(self, event: events.Key) -> None:
        moves = {
            "up": -1, "k": -1, "down": 1, "j": 1, "pageup": -self._rows, "pagedown": self._rows,
            "home": -len(self._order), "end": len(self._order),
        }  # fmt: skip
        rows = moves.get(event.key)
        if rows is not None:
            event.stop()
            event.prevent_default()
            self.move(rows)

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            key = self._column_at(event.x)
            if key is not None:
                self.sort_by(key)
            return
        place = self.scroll_offset.y + event.y - 1
        if place < len(self._order):
            self._go_to(place)
            if event.chain == 2:
                self.post_message(self.Opened(self._order[place]))

    def _column_at(self, x: int) -> str | None:
        left = _MARK_WIDTH
        for column, width in self._columns:
            if left <= x < left + width + GAP:
                return column.key
            left += width + GAP
        return None

    # Drawing

    def strip_at(self, y: int, width: int) -> Strip:
        if self._fitted != width:
            self._columns, self._fitted = fit(width - _MARK_WIDTH), width
        if not self._order:
            return self._empty(y, width)
        if y == 0:
            return self._header(width)
        place = self.scroll_offset.y + y - 1
        if place >= len(self._order):
            return to_strip(self, (), width)
        return self._row(self._runs[self._order[place]], width)

    def _empty(self, y: int, width: int) -> Strip:
        lines = (
            self.empty_lines
            if not self._runs
            else (f'No run matches "{self.filter}".', "Press esc to clear the filter.")
        )
        first = max((self.size.height - len(lines)) // 2, 0)
        text = lines[y - first] if 0 <= y - first < len(lines) else ""
        return to_strip(self, [(text.center(width).rstrip(), "foreground" if y == first else "muted")], width)

    def _header(self, width: int) -> Strip:
        spans = [(" " * _MARK_WIDTH, "muted")]
        for column, size in self._columns:
            sorted_by = column.key == self.sort_key
            title = f"{column.title} {self.arrow}" if sorted_by else column.title
            spans.append((cell_text(column, title, size), "bold foreground" if sorted_by else "muted"))
            spans.append((" " * GAP, "muted"))
        return to_strip(self, spans[:-1], width)

    def _row(self, run: RunSummary, width: int) -> Strip:
        background = ""
        if run.id == self.selected_id:
            background = "selected-focus" if self.has_focus else "selected"
        mark = self.symbols.changed if run.id in self.marked else " "
        segments = [Segment(mark + " ", ink_style(self, "accent", background))]
        left = width - _MARK_WIDTH
        for index, (column, size) in enumerate(self._columns):
            text, ink = column.cell(run, self.symbols)
            padding = "" if index == len(self._columns) - 1 else " " * GAP
            if run.id == self.selected_id and ink in ("foreground", "muted"):
                ink = "bright"
            segments.append(
                Segment(cell_text(column, text, size) + padding, ink_style(self, ink, background))
            )
            left -= size + len(padding)
        if left > 0:
            segments.append(Segment(" " * left, ink_style(self, "foreground", background)))
        return Strip(segments, width) if left >= 0 else Strip(segments).adjust_cell_length(width)
