"""One dialog for every list: the palette, presets, models, datasets and choices. Typing filters."""

from dataclasses import dataclass

from rich.cells import cell_len
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from nli_console.text import clean_line
from nli_console.tui.screens.base import ConsoleModal
from nli_console.tui.widgets.text_input import TextInput

_OTHERS = 6
"""Rows of the title, the filter and the hint, with the lines between them."""
_DETAIL_ROWS = 6
_MARGINS = 3
"""Columns beside a row of the list: its padding and the scroll bar."""
_LABEL = 40
"""Cells of a label that details are aligned behind."""


@dataclass(frozen=True, slots=True)
class Choosable:
    """One row: ``value`` is what the dialog returns; ``lead`` stands in a column before the label."""

    value: str
    label: str
    detail: str = ""
    lead: str = ""

    def named(self, words: list[str]) -> bool:
        """Whether the label alone holds every word."""
        return all(word in self.label.casefold() for word in words)

    def matches(self, words: list[str]) -> bool:
        text = f"{self.lead} {self.label} {self.detail}".casefold()
        return all(word in text for word in words)


class Picker(ConsoleModal[str]):
    """Returns the chosen value, or ``None``. All texts may be untrusted."""

    BINDINGS = [
        Binding("down,ctrl+n", "move('cursor_down')", show=False),
        Binding("up", "move('cursor_up')", show=False),
        Binding("pagedown", "move('page_down')", show=False),
        Binding("pageup", "move('page_up')", show=False),
    ]

    def __init__(self, title: str, rows: list[Choosable], *, current: str | None = None) -> None:
        super().__init__()
        self._title = clean_line(title)
        self._rows = rows
        self._current = current
        self._lead = max((cell_len(row.lead) + 2 for row in rows if row.lead), default=0)
        self._label = max((min(cell_len(row.label), _LABEL) + 2 for row in rows), default=0)

    def body(self) -> ComposeResult:
        yield Static(self._title, markup=False, classes="title")
        yield TextInput(placeholder="type to filter")
        yield OptionList(markup=False)
        yield Static(id="detail", markup=False)
        yield Static("enter chooses, esc closes", markup=False, classes="hint")

    def on_mount(self) -> None:
        self._fill("")
        self.query_one(TextInput).focus()

    def on_resize(self) -> None:
        """Below the list stands the highlighted row's detail in full, where a row has no room for its own."""
        options, detail = self.query_one(OptionList), self.query_one("#detail", Static)
        room = self.columns_inside
        longest = max((cell_len(row.detail) for row in self._rows), default=0)
        detail.display = self._lead + self._label + longest > room - _MARGINS
        rows = min(longest // room + 2, _DETAIL_ROWS)
        detail.styles.height = rows
        options.styles.max_height = self.rows_for_list(_OTHERS + (rows + 1 if detail.display else 0))

    @on(TextInput.Changed)
    def _filter(self, event: TextInput.Changed) -> None:
        self._fill(event.value)

    def _fill(self, query: str) -> None:
        words = query.casefold().split()
        shown = [(index, row) for index, row in enumerate(self._rows) if row.matches(words)]
        # Who types a name means it, whatever sentence holds the same letters.
        shown.sort(key=lambda found: not found[1].named(words))
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([Option(self._line(row), id=str(index)) for index, row in shown])
        if not shown:
            options.add_option(Option(Content.styled("nothing matches", "$muted"), disabled=True))
            return
        values = [row.value for _, row in shown]
        options.highlighted = values.index(self._current) if not words and self._current in values else 0

    def _line(self, row: Choosable) -> Content:
        return Content.assemble(
            (row.lead.ljust(self._lead), "$accent"),
            (clean_line(row.label).ljust(self._label), "$bright"),
            (clean_line(row.detail), "$muted"),
        )

    @on(OptionList.OptionHighlighted)
    def _explain(self, event: OptionList.OptionHighlighted) -> None:
        """The whole sentence of the highlighted row, which its line may have had to cut."""
        if event.option.id is not None:
            self.query_one("#detail", Static).update(
                Content(clean_line(self._rows[int(event.option.id)].detail))
            )

    def action_move(self, how: str) -> None:
        options = self.query_one(OptionList)
        getattr(options, f"action_{how}")()

    @on(TextInput.Submitted)
    def _submit(self) -> None:
        self.query_one(OptionList).action_select()

    @on(OptionList.OptionSelected)
    def _choose(self, event: OptionList.OptionSelected) -> None:
        if event.option.id is not None:
            self.dismiss(self._rows[int(event.option.id)].value)
