"""A text field that cannot hold terminal escapes, and does not blink (each blink is bytes on the wire)."""

from typing import Any

from textual.widgets import Input

from nli_console.text import clean_line


class TextInput(Input):
    """An :class:`Input` of one row; what is typed or pasted is cleaned before it is shown."""

    DEFAULT_CSS = """
    TextInput, TextInput:focus, TextInput.-textual-compact {
        height: 1;
        border: none;
        padding: 0 1;
        background: $field;
        color: $foreground;
    }
    TextInput:focus, TextInput.-textual-compact:focus { background: $field-focus; color: $bright; }
    TextInput.-problem { color: $error; }
    TextInput > .input--placeholder, TextInput > .input--suggestion { color: $faint; }
    """

    def __init__(self, value: str = "", **options: Any) -> None:
        super().__init__(value, compact=True, **options)
        self.cursor_blink = False

    def validate_value(self, value: str) -> str:
        cleaned = clean_line(value)
        # A blank that was just typed at the end must stay, or no second word could be typed.
        return cleaned + " " if value.endswith(" ") and cleaned else cleaned
