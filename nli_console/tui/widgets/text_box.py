"""A text field of several rows that cannot hold terminal escapes, and does not blink."""

from dataclasses import dataclass
from typing import Any

from textual import events
from textual.message import Message
from textual.widgets import TextArea
from textual.widgets.text_area import EditResult, Location

from nli_console.text import clean


class TextBox(TextArea):
    """A :class:`TextArea`; what is typed, pasted or put in is cleaned before it is shown.

    With ``submits``, enter hands the text in, and ctrl+j begins another line.
    """

    DEFAULT_CSS = """
    TextBox, TextBox:focus, TextBox.-textual-compact {
        border: none;
        padding: 0 1;
        background: $field;
        color: $foreground;
        scrollbar-size-vertical: 1;
        scrollbar-size-horizontal: 0;
    }
    TextBox:focus, TextBox.-textual-compact:focus { background: $field-focus; color: $bright; }
    TextBox .text-area--placeholder { color: $faint; }
    """

    @dataclass
    class Submitted(Message):
        """The user pressed enter."""

        box: "TextBox"

        @property
        def control(self) -> "TextBox":
            return self.box

    def __init__(self, text: str = "", *, submits: bool = False, **options: Any) -> None:
        super().__init__(
            clean(text), compact=True, highlight_cursor_line=False, max_checkpoints=200, **options
        )
        self.submits = submits
        self.cursor_blink = False

    async def _on_key(self, event: events.Key) -> None:
        if self.submits and event.key == "enter":
            event.stop()
            event.prevent_default()
            self.post_message(self.Submitted(self))
        elif event.key == "ctrl+j":
            event.stop()
            event.prevent_default()
            self._replace_via_keyboard("\n", *self.selection)
        else:
            await super()._on_key(event)

    def _replace_via_keyboard(self, insert: str, start: Location, end: Location) -> EditResult | None:
        return super()._replace_via_keyboard(clean(insert), start, end)

    def put(self, text: str) -> None:
        """Replace the text; it can be undone."""
        cleaned = clean(text)
        if cleaned != self.text:
            self.replace(cleaned, self.document.start, self.document.end, maintain_selection_offset=False)
            self.move_cursor(self.document.start)
