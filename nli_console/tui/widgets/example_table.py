"""The examples of a split, a line each: virtual, and read no further than somebody scrolls."""

from collections.abc import Sequence
from dataclasses import dataclass

from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from nli_console.data.browse import Found
from nli_console.text import clean_line
from nli_console.tui.widgets.ink import LABEL_INKS, Span, fit_left, shorten, to_strip
from nli_console.tui.widgets.painted import Painted

_SHORT = {"entailment": "entail", "neutral": "neutral", "contradiction": "contra"}
_ROOMY = 70
"""Cells from which a line has the whole label and the genre."""
_GENRE = 12


class ExampleTable(Painted, ScrollView, can_focus=True):
    """Keeps the selected place; :meth:`add` appends without repainting what stands there."""

    DEFAULT_CSS = """
    ExampleTable {
        width: 1fr; height: 1fr; min-height: 3;
        overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1;
    }
    """
    ALLOW_SELECT = False

    @dataclass
    class Highlighted(Message):
        """Another example is selected, the ``place``-th of those that are listed."""

        place: int

    class Opened(Message):
        """The selected example was asked for by enter or a double click."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.examples: list[Found] = []
        self.place = 0
        self.empty_lines: Sequence[str] = ()

    def clear(self, *empty_lines: str) -> None:
        """Forget all examples; the lines are shown as long as there is none."""
        self.examples = []
        self.place = 0
        self.empty_lines = empty_lines
        self._resize()
        self.scroll_to(y=0, animate=False)
        self.repaint()

    def add(self, examples: Sequence[Found]) -> None:
        first = not self.examples
        self.examples.extend(examples)
        self._resize()
        self.repaint()
        if first and self.examples:
            self.post_message(self.Highlighted(0))

    @property
    def selected(self) -> Found | None:
        return self.examples[self.place] if self.place < len(self.examples) else None

    def move(self, rows: int) -> None:
        """Select the example ``rows`` further down."""
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
        return to_strip(self, self._line(self.examples[place], width, bool(background)), width, background)

    def _line(self, example: Found, width: int, selected: bool) -> list[Span]:
        numbers = max(len(f"{self.examples[-1].row:,}"), 4)
        roomy = width >= _ROOMY
        label = example.label if roomy else _SHORT.get(example.label, example.label)
        spans: list[Span] = [
            (fit_left(f"{example.row:,}", numbers) + "  ", "foreground" if selected else "muted"),
            (shorten(label, 13 if roomy else 7) + "  ", LABEL_INKS.get(example.label, "foreground")),
        ]
        if roomy and example.genre is not None:
            spans.append((shorten(example.genre, _GENRE) + "  ", "foreground" if selected else "muted"))
        text = clean_line(example.hypothesis, limit=width)
        return [*spans, (text, "bright" if selected else "foreground")]

    def _empty(self, y: int, width: int) -> Strip:
        first = max((self.size.height - len(self.empty_lines)) // 2, 0)
        text = self.empty_lines[y - first] if 0 <= y - first < len(self.empty_lines) else ""
        return to_strip(self, [(text.center(width).rstrip(), "foreground" if y == first else "muted")], width)
