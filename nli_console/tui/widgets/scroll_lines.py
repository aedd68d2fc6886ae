"""Lines that scroll: evaluations, settings, the log."""

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.cells import cell_len, chop_cells
from textual.binding import BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from nli_console.tui.widgets.ink import Line, to_strip
from nli_console.tui.widgets.painted import Painted

Builder = Callable[[int], list[Line]]


class ScrollLines(Painted, ScrollView, can_focus=True):
    """Lines made for a width by a builder; arrows, pages, home and end scroll.

    With ``follow`` it stays at the end while lines are added, until it is scrolled away from there.
    """

    DEFAULT_CSS = """
    ScrollLines { width: 1fr; height: 1fr; overflow-x: hidden; overflow-y: auto; scrollbar-size-vertical: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        ("j", "scroll_down", ""),
        ("k", "scroll_up", ""),
    ]

    def __init__(self, *, follow: bool = False, id: str | None = None) -> None:
        super().__init__(id=id)
        self.lines: list[Line] = []
        self.follow = follow
        self._build: Builder | None = None
        self._at_end = True

    def show(self, build: Builder) -> None:
        """Show what ``build`` makes of the width; called again when the width changes."""
        self._build = build
        self._rebuild()

    def _rebuild(self) -> None:
        if self._build is None or not self.size:
            return
        self.lines = self._build(self._room)
        self.virtual_size = Size(self.size.width, len(self.lines))
        self.repaint()
        if self.follow and self._at_end:
            self.call_after_refresh(self._to_end)

    def _to_end(self) -> None:
        # A key may have scrolled away, or begun to, since this was asked for.
        if self._at_end and self.scroll_target_y == self.scroll_y:
            # By force: that there is a scroll bar now is noticed at the next layout.
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        self._at_end = new_value >= self.max_scroll_y

    def on_resize(self) -> None:
        self._rebuild()

    @property
    def _room(self) -> int:
        """The width beside the scroll bar, which is there as soon as the lines do not fit."""
        return max(self.size.width - 1, 1)

    def strip_at(self, y: int, width: int) -> Strip:
        place = self.scroll_offset.y + y
        return to_strip(self, self.lines[place] if place < len(self.lines) else (), width)

    @property
    def text(self) -> str:
        """All lines, without colours."""
        return "\n".join("".join(text for text, _ in line) for line in self.lines)


def wrap(text: str, width: int) -> list[str]:
    """``text`` in pieces of at most ``width`` cells, broken at spaces where possible."""
    if width < 1:
        return []
    pieces: list[str] = []
    for line in text.expandtabs(4).split("\n"):
        held: str | None = None
        for word in line.split(" "):
            joined = word if held is None else f"{held} {word}"
            if cell_len(joined) <= width:
                held = joined
                continue
            if held:
                pieces.append(held)
            chopped = chop_cells(word, width) or [""]
            pieces.extend(chopped[:-1])
            held = chopped[-1]
        pieces.append(held or "")
    return pieces


def field(label: str, value: str, width: int, *, ink: str = "foreground", indent: int = 18) -> list[Line]:
    """A label and its value, wrapped under itself."""
    room = max(width - indent, 8)
    return [
        [((label if index == 0 else "").ljust(indent)[:indent], "muted"), (piece, ink)]
        for index, piece in enumerate(wrap(value, room) or [""])
    ]


def heading(text: str) -> Sequence[tuple[str, str]]:
    return [(text, "bold foreground")]
