"""A question with one verb: the verb's key or enter agrees, everything else leaves things as they are."""

from textual import events
from textual.app import ComposeResult
from textual.widgets import Static

from nli_console.text import clean
from nli_console.tui.screens.base import ConsoleModal


class Confirm(ConsoleModal[bool]):
    """Returns ``True`` when agreed. ``text`` may hold untrusted names."""

    DEFAULT_CSS = """
    Confirm { align: center middle; }
    """

    def __init__(self, text: str, verb: str) -> None:
        super().__init__()
        self._text = clean(text)
        self._verb = verb

    def body(self) -> ComposeResult:
        yield Static(self._text, markup=False, classes="title")
        yield Static(f"enter or y: {self._verb}   esc or n: leave it", markup=False, classes="hint")

    def on_key(self, event: events.Key) -> None:
        event.stop()
        event.prevent_default()
        if event.key in ("enter", "y"):
            self.dismiss(True)
        elif event.key in ("escape", "n", "q"):
            self.dismiss(False)
