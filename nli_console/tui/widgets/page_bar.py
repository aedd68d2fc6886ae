"""The names of the pages of one place, the current one marked."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.message import Message

from nli_console.tui.widgets.ink import Span
from nli_console.tui.widgets.painted import Lines

_GAP = 3


class PageBar(Lines):
    """One line; a click on a name turns to that page. ``hint`` is the key that turns to the next."""

    @dataclass
    class Turned(Message):
        """A page was asked for."""

        page: str

    def __init__(self, pages: Sequence[str], *, hint: str = "", id: str | None = None) -> None:
        super().__init__(id=id, rows=1)
        self._pages = pages
        self._hint = hint

    def show_page(self, page: str) -> None:
        line: list[Span] = []
        for name in self._pages:
            line += [(name, "bold underline bright" if name == page else "muted"), (" " * _GAP, "muted")]
        if self._hint:
            line += [(f" {self._hint}", "accent"), (" next page", "muted")]
        self.show([line])

    def on_click(self, event: events.Click) -> None:
        left = self.styles.padding.left
        for name in self._pages:
            left += len(name) + _GAP
            if event.x < left:
                self.post_message(self.Turned(name))
                return
