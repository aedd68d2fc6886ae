"""Help, generated from the key registry: searchable and never cut."""

import textwrap
from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from nli_console.tui.keys import Group, key_name, search
from nli_console.tui.screens.base import ConsoleModal
from nli_console.tui.widgets.text_input import TextInput

_OTHERS = 6
"""Rows of the title, the search field and the hint, with the lines between them."""


class HelpScreen(ConsoleModal[None]):
    """Every key of ``groups`` with its sentence; typing narrows the list."""

    BINDINGS = [
        Binding("down", "scroll('scroll_down')", show=False),
        Binding("up", "scroll('scroll_up')", show=False),
        Binding("pagedown", "scroll('scroll_page_down')", show=False),
        Binding("pageup", "scroll('scroll_page_up')", show=False),
        Binding("f1", "cancel", show=False),
    ]

    def __init__(self, groups: Sequence[str | Group]) -> None:
        super().__init__()
        self._groups = groups

    def body(self) -> ComposeResult:
        yield Static("Keys", markup=False, classes="title")
        yield TextInput(placeholder="type to search")
        with VerticalScroll(can_focus=False):
            yield Static(id="keys", markup=False)
        yield Static("up and down scroll, esc closes", markup=False, classes="hint")

    def on_mount(self) -> None:
        self.query_one(TextInput).focus()

    @on(TextInput.Changed)
    def _search(self, event: TextInput.Changed) -> None:
        self._show(event.value)

    def on_resize(self) -> None:
        self.query_one(VerticalScroll).styles.max_height = self.rows_for_list(_OTHERS)
        self._show(self.query_one(TextInput).value)

    def _show(self, query: str) -> None:
        found = search(self._groups, query)
        lead = max((len(key_name(key.keys)) for _, keys in found for key in keys), default=0) + 2
        # Not the size of the list: it follows only after this, and holds the place of its scroll bar free.
        room = max(self.columns_inside - lead - 2, 20)
        lines: list[Content] = []
        for group, keys in found:
            lines += [Content(""), Content.styled(group.title, "bold $bright")]
            for key in keys:
                sentence = textwrap.wrap(key.help, room)
                lines.append(Content.assemble((key_name(key.keys).ljust(lead), "$accent"), sentence[0]))
                lines += [Content(" " * lead + rest) for rest in sentence[1:]]
        text = (
            Content("\n").join(lines[1:])
            if lines
            else Content.styled("No key or sentence matches.", "$muted")
        )
        self.query_one("#keys", Static).update(text)
        self.query_one(VerticalScroll).scroll_home(animate=False)

    def action_scroll(self, how: str) -> None:
        getattr(self.query_one(VerticalScroll), how)(animate=False)
