"""Fewer bytes to the terminal than Textual's own partial update.

Textual repaints whole widgets, and after a layout everything that moved. Here what a screen last sent is
remembered, and of a partial update only the cells that look different are sent. A full update (another
screen, another size, a repaint that was asked for) is always sent whole, and starts the memory afresh.
"""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from rich.color import ColorSystem
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from textual._compositor import ChopsUpdate, Compositor, CompositorMap, LayoutUpdate
from textual.screen import Screen
from textual.strip import Strip

Cell = tuple[str, str]
"""Text and colour codes of a cell; the cells behind a wide character hold the empty text."""

_BRIDGED = 12
"""Unchanged cells between two changed ones that cost less to send again than to jump over."""


class Memory:
    """What the terminal shows, line by line, as far as one compositor knows; ``None`` is unknown."""

    last_painter: "Memory | None" = None
    """Who sent last: what another screen has painted over cannot be relied on."""

    def __init__(self) -> None:
        self.lines: list[list[Cell | None]] = []

    def begin(self, rows: int, columns: int, *, afresh: bool) -> None:
        """Get ready for an update of a screen of this size; ``afresh`` forgets everything."""
        other = Memory.last_painter is not self
        if afresh or other or len(self.lines) != rows or (rows and len(self.lines[0]) != columns):
            self.lines = [[None] * columns for _ in range(rows)]
        Memory.last_painter = self


class SparseUpdate(ChopsUpdate):
    """A partial update that sends changed cells alone."""

    def __init__(self, update: ChopsUpdate, memory: Memory, columns: int) -> None:
        super().__init__(update.chops, update.spans, update.chop_ends)
        self._memory = memory
        self._columns = columns

    def render_segments(self, console: Console) -> str:
        self._memory.begin(len(self.chops), self._columns, afresh=False)
        written: list[str] = []
        for y, first, last in self.spans:
            line = self._memory.lines[y]
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                if strip is None or x >= last or end <= first:
                    continue
                cells = cells_of(strip, console)
                if len(cells) != end - x:
                    line[x:end] = [None] * (end - x)
                    written += [Control.move_to(x, y).segment.text, strip.render(console)]
                    continue
                start, stop = max(first, x), min(last, end)
                for begin, finish in changed_runs(line, cells, x, start, stop):
                    written += [Control.move_to(begin, y).segment.text, render(cells[begin - x : finish - x])]
                line[start:stop] = cells[start - x : stop - x]
        return "".join(written)


class WholeUpdate(LayoutUpdate):
    """A full update that is remembered."""

    def __init__(self, update: LayoutUpdate, memory: Memory) -> None:
        super().__init__([list(line) for line in update.strips], update.region)
        self._memory = memory

    def render_segments(self, console: Console) -> str:
        self._memory.begin(self.region.height, self.region.width, afresh=True)
        written: list[str] = []
        for y, line in enumerate(self.strips):
            cells = [cell for strip in line for cell in cells_of(strip, console)]
            written.append(Control.move_to(0, y).segment.text)
            if len(cells) == self.region.width:
                self._memory.lines[y] = [*cells]
                written.append(render(cells))
            else:
                written += [strip.render(console) for strip in line]
        return "".join(written)


class FrugalCompositor(Compositor):
    """Textual's compositor with :class:`SparseUpdate` and :class:`WholeUpdate`."""

    def __init__(self) -> None:
        super().__init__()
        self._memory = Memory()

    @property
    def full_map(self) -> CompositorMap:
        """Where every widget is; what has moved or gone since it was last arranged is painted again.

        Asked for between the end of a widget and the next layout, Textual forgets where the widget was: the
        layout then finds nothing changed, and the widget stays on the terminal.
        """
        before = self._full_map
        now = super().full_map
        if now is not before:
            places = (
                geometry.clip.intersection(geometry.region) for _, geometry in now.items() ^ before.items()
            )
            self._dirty_regions.update(place for place in places if place)
        return now

    def render_full_update(self, simplify: bool = False) -> LayoutUpdate:
        update = super().render_full_update(simplify)
        return update if simplify else WholeUpdate(update, self._memory)

    def render_partial_update(self) -> ChopsUpdate | None:
        update = super().render_partial_update()
        return None if update is None else SparseUpdate(update, self._memory, self.size.width)


def make_frugal(screen: Screen) -> None:
    """Give ``screen`` the frugal compositor; call right after the screen was made."""
    screen._compositor = FrugalCompositor()  # pyright: ignore[reportPrivateUsage]


def cells_of(segments: Iterable[Segment], console: Console) -> list[Cell]:
    """One entry per cell; a mark without a width of its own stands with the character before it."""
    system = console._color_system or ColorSystem.TRUECOLOR  # pyright: ignore[reportPrivateUsage]
    cells: list[Cell] = []
    for text, style, _ in segments:
        codes = "" if style is None else Strip.render_ansi(style, system)
        if text.isascii():
            cells.extend([(character, codes) for character in text])
            continue
        for character in text:
            width = cell_len(character)
            if width:
                cells.append((character, codes))
                cells.extend([("", codes)] * (width - 1))
            elif cells:
                cells[-1] = (cells[-1][0] + character, cells[-1][1])
    return cells


def changed_runs(
    old: Sequence[Cell | None], new: Sequence[Cell], offset: int, start: int, stop: int
) -> list[tuple[int, int]]:
    """First and one past the last column of every run of cells between ``start`` and ``stop`` that differs.

    ``old`` is a whole line, ``new`` begins in its column ``offset``. No wide character is cut in two.
    """
    runs: list[tuple[int, int]] = []
    if old[start:stop] == new[start - offset : stop - offset]:
        return runs
    for column in range(start, stop):
        if old[column] == new[column - offset]:
            continue
        if runs and column - runs[-1][1] <= _BRIDGED:
            runs[-1] = (runs[-1][0], column + 1)
        else:
            runs.append((column, column + 1))
    return [_whole_characters(run, new, offset, stop) for run in runs]


def render(cells: Iterable[Cell]) -> str:
    """The cells as text with one escape sequence per change of style, ended by a reset."""
    written: list[str] = []
    before = ""
    for text, codes in cells:
        if codes != before:
            written.append(f"\x1b[0;{codes}m" if codes else "\x1b[0m")
            before = codes
        written.append(text)
    if before:
        written.append("\x1b[0m")
    return "".join(written)


def _whole_characters(run: tuple[int, int], cells: Sequence[Cell], offset: int, stop: int) -> tuple[int, int]:
    first, last = run
    while first > offset and not cells[first - offset][0]:
        first -= 1
    while last < stop and not cells[last - offset][0]:
        last += 1
    return first, last
