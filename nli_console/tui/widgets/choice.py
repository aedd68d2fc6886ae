"""A field with a few possible values, on one row."""

from dataclasses import dataclass

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from nli_console.tui.symbols import Symbols

YES_NO = ("yes", "no")


class Choice(Widget, can_focus=True):
    """Shows one of ``choices``: left, right and space step through them, enter asks for the list.

    Free-standing values (a preset that was removed) are shown although they are no choice any more.
    """

    DEFAULT_CSS = """
    Choice { height: 1; padding: 0 1; background: $field; color: $foreground; pointer: pointer; }
    Choice:hover { background: $field-focus; }
    Choice:focus { background: $selected-focus; color: $bright; }
    Choice.-problem { color: $error; }
    """
    BINDINGS = [
        Binding("left", "step(-1)", show=False),
        Binding("right,space", "step(1)", show=False),
        Binding("enter", "ask", show=False),
    ]

    value: reactive[str] = reactive("", init=False)

    @dataclass
    class Changed(Message):
        """The user chose another value."""

        choice: "Choice"
        value: str

        @property
        def control(self) -> "Choice":
            return self.choice

    @dataclass
    class Asked(Message):
        """The user wants to choose from a list."""

        choice: "Choice"

        @property
        def control(self) -> "Choice":
            return self.choice

    def __init__(
        self, value: str, choices: tuple[str, ...], symbols: Symbols, *, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self.choices = choices
        self._symbols = symbols
        self.set_reactive(Choice.value, value)

    @property
    def is_switch(self) -> bool:
        return self.choices == YES_NO

    def render(self) -> Content:
        if self.is_switch:
            mark = self._symbols.checked if self.value == "yes" else self._symbols.unchecked
            return Content.assemble(
                (mark if not self._symbols.ascii else f"[{mark}]", "bold"), f" {self.value}"
            )
        room = max(self.size.width - 2, 1)
        text = Content(self.value).truncate(room, ellipsis=True)
        return Content.assemble(text, " " * (room - text.cell_length), " ", (self._symbols.open, "$muted"))

    def action_step(self, by: int) -> None:
        if not self.choices:
            return
        at = self.choices.index(self.value) if self.value in self.choices else -1
        self.choose(self.choices[(at + by) % len(self.choices)])

    def action_ask(self) -> None:
        if self.is_switch:
            self.action_step(1)
        else:
            self.post_message(self.Asked(self))

    def choose(self, value: str) -> None:
        """Set the value as if the user had chosen it."""
        if value != self.value:
            self.value = value
            self.post_message(self.Changed(self, value))

    def on_click(self, event: events.Click) -> None:
        event.stop()
        self.action_ask()
