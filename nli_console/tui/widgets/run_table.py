"""The history of runs: virtual, never refilled; a refresh repaints the cells that changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter

from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from nli_console.record.groups import Group
from nli_console.record.history_fields import Row, Vocabulary
from nli_console.record.matching import Query
from nli_console.record.store import RunSummary
from nli_console.tui.history_view import HistoryView
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.ink import Span, ink_style, to_strip
from nli_console.tui.widgets.painted import Painted
from nli_console.tui.widgets.run_columns import (
    GAP,
    NAME,
    STARTED,
    RunColumn,
    cell_text,
    find_column,
    name_span,
)
from nli_console.tui.widgets.run_lines import RunLines
from nli_console.tui.widgets.table_columns import TableColumns

_MARK_WIDTH = 2
_SLICE = 0.005
"""Seconds of the event loop that preparing the filter takes at a time."""


class RunTable(Painted, ScrollView, can_focus=True):
    """One line a run or group of runs, whose runs stand below it once it is opened.

    The selected row is kept by its id, whatever is added, removed, sorted or filtered.
    """

    DEFAULT_CSS = """
    RunTable {
        width: 1fr; height: 1fr; min-height: 3;
        overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;
    }
    """
    ALLOW_SELECT = False

    sort_key: reactive[str] = reactive(STARTED, init=False, repaint=False)
    descending: reactive[bool] = reactive(True, init=False, repaint=False)

    @dataclass
    class Highlighted(Message):
        """Another row is selected; ``None`` when there is none."""

        row_id: str | None

    @dataclass
    class Opened(Message):
        """A run was asked for by a double click."""

        run_id: str

    @dataclass
    class Arranged(Message):
        """Order, filter, marks or number of runs changed."""

    def __init__(self, symbols: Symbols, *, view: HistoryView | None = None, id: str | None = None) -> None:
        super().__init__(id=id)
        self.symbols = symbols
        self.marked: set[str] = set()
        self.selected_id: str | None = None
        self.empty_lines: Sequence[str] = ("No runs yet.",)
        self.vocabulary = Vocabulary()
        start = view or HistoryView()
        self._columns = TableColumns(start.columns)
        self.set_reactive(RunTable.sort_key, start.sort)
        self.set_reactive(RunTable.descending, start.descending)
        self._query = Query()
        self._home: str | None = None
        self._lines = RunLines()
        self._unprepared: Iterator[RunSummary] = iter(())

    # What it holds

    def show(self, runs: Sequence[RunSummary]) -> None:
        """Take over the newest summaries. Unchanged ones should be the same objects as before."""
        in_place = self._lines.take(runs, self._query, self.sort_column)
        if in_place is None:
            return
        self.vocabulary = Vocabulary(tuple(runs))
        self._columns.look(self.vocabulary)
        if in_place:
            self.repaint()
            return
        self.marked &= self._lines.runs.keys()
        self._arrange()
        self._unprepared = self._lines.unprepared()
        self._prepare()

    def select(self, run_id: str) -> bool:
        """Select a run, opening its group; ``False`` when it is not listed or filtered out."""
        group = self._lines.group_of(run_id)
        if group is not None and run_id not in self._lines.positions:
            self._lines.opened.add(group.id)
            self._arrange()
        if run_id not in self._lines.positions:
            return False
        self._go_to(self._lines.positions[run_id])
        return True

    @property
    def row(self) -> Row | None:
        """The selected run or group."""
        return self._lines.row(self.selected_id)

    @property
    def selected(self) -> RunSummary | None:
        """The selected run; of a group the one to look at."""
        row = self.row
        return row.lead if isinstance(row, Group) else row

    @property
    def marked_runs(self) -> list[RunSummary]:
        """The marked runs that pass the filter, as they stand."""
        return [run for run in self._lines.in_order() if run.id in self.marked]

    @property
    def targets(self) -> list[RunSummary]:
        """The marked runs in their order, or what is selected when none is marked: all runs of a group."""
        return self.marked_runs or ([] if self.row is None else list(self._lines.passing(self.row)))

    @property
    def listed(self) -> int:
        """How many runs pass the filter."""
        return self._lines.listed

    @property
    def total(self) -> int:
        return len(self._lines.runs)

    @property
    def arrow(self) -> str:
        """Points down when the largest value is on top."""
        return ("v" if self.descending else "^") if self.symbols.ascii else ("↓" if self.descending else "↑")

    # Order and filter

    def _prepare(self) -> None:
        """Prepare the filter a slice at a time, so that its first letter is as quick as the others."""
        begun = perf_counter()
        for run in self._unprepared:
            self._lines.prepare(run)
            if perf_counter() - begun > _SLICE:
                self.set_timer(4 * _SLICE, self._prepare)
                return

    def _arrange(self) -> None:
        lines = self._lines
        place = lines.positions.get(self.selected_id or "", 0)
        lines.arrange(self._query, self.sort_column, self.descending)
        self.virtual_size = Size(self.size.width, len(lines.order) + 1)
        if self.selected_id not in lines.positions:
            group = lines.group_of(self.selected_id or "")
            if group is not None and group.id in lines.positions:
                self.selected_id = group.id
            else:
                place = min(place, len(lines.order) - 1)
                self.selected_id = lines.order[place] if place >= 0 else None
            self.post_message(self.Highlighted(self.selected_id))
        self._reveal()
        self.repaint()
        self.post_message(self.Arranged())

    @property
    def filter(self) -> str:
        """The filter in force, as it was typed. Setting one raises ``QueryError`` where it cannot be read."""
        return self._query.text

    @filter.setter
    def filter(self, text: str) -> None:
        if text.strip() != self._query.text:
            from nli_console.record.query import parse

            query = parse(text, self.vocabulary)
            if not self._query:
                self._home = self.selected_id
            self._query = query
            self._arrange()
            # A word that is only half typed may fit nothing: what was selected is found again.
            if self._home in self._lines.positions:
                self._go_to(self._lines.positions[self._home])

    @property
    def sort_column(self) -> RunColumn:
        """The column that the rows are sorted by, shown or not."""
        return self._columns.sorted_by(self.sort_key, self.vocabulary)

    @property
    def columns(self) -> tuple[RunColumn, ...]:
        """The columns in their order, those included that have no room."""
        return self._columns.shown

    @property
    def view(self) -> HistoryView:
        """Columns and order, as they are kept."""
        return HistoryView(self._columns.chosen, self.sort_key, self.descending)

    @view.setter
    def view(self, view: HistoryView) -> None:
        self._columns.choose(view.columns, self.vocabulary)
        self.set_reactive(RunTable.sort_key, view.sort)
        self.set_reactive(RunTable.descending, view.descending)
        self._arrange()

    def watch_sort_key(self) -> None:
        self._arrange()

    def watch_descending(self) -> None:
        self._arrange()

    def sort_by(self, key: str) -> None:
        """Sort by a column; once more turns the order round."""
        column = find_column(key, self.vocabulary)
        if column is None:
            return
        if column.key == self.sort_key:
            self.descending = not self.descending
            return
        self.set_reactive(RunTable.descending, column.descending)
        self.sort_key = column.key

    def sort_by_next(self) -> None:
        """Sort by the next of the columns that are shown."""
        keys = [column.key for column in self.columns]
        place = keys.index(self.sort_key) if self.sort_key in keys else -1
        self.sort_by(keys[(place + 1) % len(keys)])

    # Groups

    def fold(self, opened: bool | None = None) -> bool:
        """Open or close the selected group, or the one around the selected run; ``False`` without a group."""
        group = self.row if isinstance(self.row, Group) else self._lines.group_of(self.selected_id or "")
        if group is None:
            return False
        if opened is None:
            opened = group.id not in self._lines.opened
        if opened != (group.id in self._lines.opened):
            self._lines.opened ^= {group.id}
            self._arrange()
            if opened:
                self._reveal(below=len(self._lines.passing(group)))
        return True

    # Moving

    def move(self, rows: int) -> None:
        """Select the row ``rows`` further down."""
        if self._lines.order:
            place = self._lines.positions.get(self.selected_id or "", 0)
            self._go_to(min(max(place + rows, 0), len(self._lines.order) - 1))

    def toggle_mark(self) -> None:
        """Mark what is selected, all runs of a group, or take the marks away, and go on to the next row."""
        if self.row is None:
            return
        ids = {run.id for run in self._lines.passing(self.row)}
        self.marked = self.marked - ids if ids <= self.marked else self.marked | ids
        self.move(1)
        self.repaint()
        self.post_message(self.Arranged())

    def _go_to(self, place: int) -> None:
        row_id = self._home = self._lines.order[place]
        changed = row_id != self.selected_id
        self.selected_id = row_id
        self._reveal()
        self.repaint()
        if changed:
            self.post_message(self.Highlighted(row_id))

    @property
    def _rows(self) -> int:
        return max(self.size.height - 1, 1)

    def _reveal(self, below: int = 0) -> None:
        """Scroll until the selected row is seen, and as many of the rows ``below`` it as have room."""
        place = self._lines.positions.get(self.selected_id or "")
        if place is None or not self.size:
            return
        top, last = self.scroll_offset.y, place + min(below, self._rows - 1)
        if place < top:
            self.scroll_to(y=place, animate=False)
        elif last >= top + self._rows:
            self.scroll_to(y=last - self._rows + 1, animate=False)

    def on_resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self._lines.order) + 1)
        self._reveal()

    def on_focus(self) -> None:
        self.repaint()

    def on_blur(self) -> None:
        self.repaint()

    def on_key(self, event: events.Key) -> None:
        moves = {
            "up": -1, "k": -1, "down": 1, "j": 1, "pageup": -self._rows, "pagedown": self._rows,
            "home": -len(self._lines.order), "end": len(self._lines.order),
        }  # fmt: skip
        rows = moves.get(event.key)
        if rows is not None:
            event.stop()
            event.prevent_default()
            self.move(rows)
        elif event.key in ("right", "left") and self.fold(event.key == "right"):
            event.stop()
            event.prevent_default()

    def on_click(self, event: events.Click) -> None:
        if event.y == 0:
            column = self._columns.at(event.x - _MARK_WIDTH)
            if column is not None:
                self.sort_by(column.key)
            return
        place = self.scroll_offset.y + event.y - 1
        if place < len(self._lines.order):
            self._go_to(place)
            if event.chain == 2 and not (isinstance(self.row, Group) and self.fold()):
                self.post_message(self.Opened(self._lines.order[place]))

    # Drawing

    def strip_at(self, y: int, width: int) -> Strip:
        if not self._lines.order:
            return self._empty(y, width)
        if y == 0:
            return self._header(width)
        place = self.scroll_offset.y + y - 1
        if place >= len(self._lines.order):
            return to_strip(self, (), width)
        return self._row(self._lines[self._lines.order[place]], width)

    def _empty(self, y: int, width: int) -> Strip:
        lines = (
            self.empty_lines
            if not self._lines.runs
            else (f"No run matches {self.filter}", "Press esc to clear the filter.")
        )
        first = max((self.size.height - len(lines)) // 2, 0)
        text = lines[y - first] if 0 <= y - first < len(lines) else ""
        return to_strip(self, [(text.center(width).rstrip(), "foreground" if y == first else "muted")], width)

    def _header(self, width: int) -> Strip:
        spans = [(" " * _MARK_WIDTH, "muted")]
        for column, size in self._columns.fitted(width - _MARK_WIDTH):
            sorted_by = column.key == self.sort_key
            title = f"{column.title} {self.arrow}" if sorted_by else column.title
            spans.append((cell_text(column, title, size), "bold foreground" if sorted_by else "muted"))
            spans.append((" " * GAP, "muted"))
        return to_strip(self, spans[:-1], width)

    def _row(self, row: Row, width: int) -> Strip:
        background = ""
        if row.id == self.selected_id:
            background = "selected-focus" if self.has_focus else "selected"
        segments = [Segment(self._mark_of(row) + " ", ink_style(self, "accent", background))]
        left = width - _MARK_WIDTH
        columns = self._columns.fitted(left)
        for index, (column, size) in enumerate(columns):
            text, ink = self._name_of(row) if column.key == NAME else column.cell(row, self.symbols)
            padding = "" if index == len(columns) - 1 else " " * GAP
            if row.id == self.selected_id and ink in ("foreground", "muted"):
                ink = "bright"
            segments.append(
                Segment(cell_text(column, text, size) + padding, ink_style(self, ink, background))
            )
            left -= size + len(padding)
        if left > 0:
            segments.append(Segment(" " * left, ink_style(self, "foreground", background)))
        return Strip(segments, width) if left >= 0 else Strip(segments).adjust_cell_length(width)

    def _mark_of(self, row: Row) -> str:
        """Whether all, some or none of the runs of a row are marked."""
        marked = [run.id in self.marked for run in self._lines.passing(row)]
        if not any(marked):
            return " "
        return self.symbols.changed if all(marked) else self.symbols.info

    def _name_of(self, row: Row) -> Span:
        opened = row.id in self._lines.opened
        return name_span(row, self.symbols, opened=opened, group=self._lines.group_of(row.id))
