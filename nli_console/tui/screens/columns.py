"""A dialog that chooses the columns of the history, their order, and what the rows are sorted by."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from nli_console.record.history_fields import HistoryField, Vocabulary
from nli_console.tui.history_view import HistoryView
from nli_console.tui.screens.base import ConsoleModal
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.run_columns import NAME, RunColumn, column_of, usual_columns

_OTHERS = 7
"""Rows of the title, the explanation and the hint, with the lines between them."""
_TITLE = 22
_KEYS = "space shows or hides, left and right move, s sorts, r: the usual ones, enter takes it"


class ColumnChooser(ConsoleModal[HistoryView]):
    """Returns the view, or ``None``. What is shown stands on top, in its order; below it what there is."""

    BINDINGS = [
        Binding("space", "switch", show=False, priority=True),
        Binding("left", "shift(-1)", show=False, priority=True),
        Binding("right", "shift(1)", show=False, priority=True),
        Binding("s", "sort", show=False),
        Binding("r", "usual", show=False),
        Binding("enter", "accept", show=False, priority=True),
    ]

    def __init__(
        self, shown: Sequence[RunColumn], view: HistoryView, vocabulary: Vocabulary, symbols: Symbols
    ) -> None:
        super().__init__()
        self._fields: dict[str, HistoryField] = {field.name: field for field in vocabulary.fields}
        self._fields |= {column.key: column.field for column in shown}
        self._shown = [column.key for column in shown]
        self._usual = [column.key for column in usual_columns(several_roots=bool(_rooted(vocabulary)))]
        self._view = view
        self._symbols = symbols
        self._touched = False

    def body(self) -> ComposeResult:
        yield Static("Columns of the history", markup=False, classes="title")
        yield Static(
            "Where a terminal is too narrow for all of them, the last ones go first.",
            markup=False,
            classes="explanation",
        )
        yield OptionList(markup=False)
        yield Static(_KEYS, markup=False, classes="hint")

    def on_mount(self) -> None:
        self._fill(self._shown[0])
        self.query_one(OptionList).focus()

    def on_resize(self) -> None:
        hint = 1 + len(_KEYS) // self.columns_inside
        self.query_one(OptionList).styles.max_height = self.rows_for_list(_OTHERS + hint)

    @property
    def _rows(self) -> list[str]:
        return [*self._shown, *(name for name in self._fields if name not in self._shown)]

    def _fill(self, at: str) -> None:
        options = self.query_one(OptionList)
        rows = self._rows
        options.clear_options()
        options.add_options([Option(self._line(name), id=name) for name in rows])
        options.highlighted = rows.index(at)

    def _line(self, name: str) -> Content:
        symbols, field = self._symbols, self._fields[name]
        shown = name in self._shown
        box = symbols.checked if shown else symbols.unchecked
        arrow = ""
        if name == self._view.sort:
            down, up = ("v", "^") if symbols.ascii else ("↓", "↑")
            arrow = f" {down if self._view.descending else up}"
        title = f"{field.title}{arrow}".ljust(_TITLE)
        about = field.help if field.title == field.name else f"{field.help} ({field.name})"
        mark = f"[{box}]" if symbols.ascii else box
        return Content.assemble(
            (f"{mark} ", "$accent" if shown else "$muted"),
            (title, "$bright" if shown else "$foreground"),
            (about, "$muted"),
        )

    @property
    def _at(self) -> str:
        return self._rows[self.query_one(OptionList).highlighted or 0]

    def action_switch(self) -> None:
        name = self._at
        if name == NAME:
            self.app.bell()
            return
        self._touched = True
        if name in self._shown:
            self._shown.remove(name)
        else:
            self._shown.append(name)
        self._fill(name)

    def action_shift(self, by: int) -> None:
        """Move a column that is shown to the left or right."""
        name = self._at
        if name not in self._shown:
            return
        self._touched = True
        place = self._shown.index(name)
        other = min(max(place + by, 0), len(self._shown) - 1)
        self._shown[place], self._shown[other] = self._shown[other], self._shown[place]
        self._fill(name)

    def action_sort(self) -> None:
        name = self._at
        view = self._view
        if name == view.sort:
            self._view = HistoryView(view.columns, name, not view.descending)
        else:
            self._view = HistoryView(view.columns, name, column_of(self._fields[name]).descending)
        self._fill(name)

    def action_usual(self) -> None:
        self._touched = True
        self._shown = list(self._usual)
        self._fill(self._shown[0])

    def action_accept(self) -> None:
        columns = self._view.columns
        if self._touched:
            columns = None if self._shown == self._usual else tuple(self._shown)
        self.dismiss(HistoryView(columns, self._view.sort, self._view.descending))


def _rooted(vocabulary: Vocabulary) -> bool:
    return any(run.root for run in vocabulary.runs)
