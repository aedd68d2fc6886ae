"""Rows of a dataset, a line each: virtual, with one of them selected."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from nli_console.tui.widgets.ink import Line, to_strip
from nli_console.tui.widgets.painted import Painted

T = TypeVar("T")


class RowTable(Painted, ScrollView, Generic[T], can_focus=True):
    """Keeps the selected place; :meth:`add` appends without repainting what stands there.

    Subclasses draw a row in :meth:`line_of`.
    """

    DEFAULT_CSS = """
    RowTable {
        width: 1fr; height: 1fr; min-height: 3;
        overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;
    }
    """
    ALLOW_SELECT = False

    @dataclass
    class Highlighted(Message):
        """Another row is selected, the ``place``-th of those that are listed."""

        place: int

    class Opened(Message):
        """The selected row was asked for by enter or a double click."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.examples: list[T] = []
        self.place = 0
        self.empty_lines: Sequence[str] = ()

    def line_of(self, row: T, width: int, selected: bool) -> Line:
        """One row in at most ``width`` cells."""
        raise NotImplementedError

    def clear(self, *empty_lines: str) -> None:
        """Forget all rows; the lines are shown as long as there is none."""
        self.examples = []
        self.place = 0
        self.empty_lines = empty_lines
        self._resize()
        self.scroll_to(y=0, animate=False)
        self.repaint()

    def add(self, examples: Sequence[T]) -> None:
        first = not self.examples
        self.examples.extend(examples)
        self._resize()
        self.repaint()
        if first and self.examples:
            self.post_message(self.Highlighted(0))

    @property
    def selected(self) -> T | None:
        return self.examples[self.place] if self.place < len(self.examples) else None

    def move(self, rows: int) -> None:
        """Select the row ``rows`` further down."""
        if not self.examples:
            return
        place = min(max(self.place + rows, 0), len(self.examples) - 1)
        changed, self.place = place != self.place, place
        top = self.scroll_offset.y
        if place < top:
            self.scroll_to(y=place, animate=False)
        elif place >= top + self.size.height:
            self.scroll_to(y=place - self.size.height + 1, animate=False)
        self.repaint()
        if changed:
            self.post_message(self.Highlighted(place))

    def _resize(self) -> None:
        self.virtual_size = Size(self.size.width, len(self.examples))

    def on_resize(self) -> None:
        self._resize()
        self.move(0)

    def on_focus(self) -> None:
        self.repaint()

    def on_blur(self) -> None:
        self.repaint()

    def on_key(self, event: events.Key) -> None:
        page = max(self.size.height - 1, 1)
        moves = {
            "up": -1, "k": -1, "down": 1, "j": 1, "pageup": -page, "pagedown": page,
            "home": -len(self.examples), "end": len(self.examples),
        }  # fmt: skip
        rows = moves.get(event.key)
        if rows is None and event.key != "enter":
            return
        event.stop()
        event.prevent_default()
        if rows is not None:
            self.move(rows)
        elif self.examples:
            self.post_message(self.Opened())

    def on_click(self, event: events.Click) -> None:
        place = self.scroll_offset.y + event.y
        if place < len(self.examples):
            self.move(place - self.place)
            if event.chain == 2:
                self.post_message(self.Opened())

    def strip_at(self, y: int, width: int) -> Strip:
        if not self.examples:
            return self._empty(y, width)
        place = self.scroll_offset.y + y
        if place >= len(self.examples):
            return to_strip(self, (), width)
        background = ""
        if place == self.place:
            background = "selected-focus" if self.has_focus else "selected"
        return to_strip(self, self.line_of(self.examples[place], width, bool(background)), width, background)

    def _empty(self, y: int, width: int) -> Strip:
        first = max((self.size.height - len(self.empty_lines)) // 2, 0)
        text = self.empty_lines[y - first] if 0 <= y - first < len(self.empty_lines) else ""
        return to_strip(self, [(text.center(width).rstrip(), "foreground" if y == first else "muted")], width)
