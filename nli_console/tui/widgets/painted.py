"""Repainting only what changed, down to the cell."""

from rich.style import Style
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

from nli_console.tui.widgets.ink import Line, changed_span, to_strip


class Painted(Widget):
    """A widget that knows what it showed last. Subclasses draw in :meth:`strip_at` and call :meth:`repaint`.

    A repaint that changes nothing sends nothing to the terminal.
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._painted: dict[int, Strip] = {}
        self._painted_size = Size(0, 0)

    def strip_at(self, y: int, width: int) -> Strip:
        """The content of screen line ``y`` of this widget, exactly ``width`` cells."""
        raise NotImplementedError

    def render_line(self, y: int) -> Strip:
        strip = self.strip_at(y, self.drawn_width)
        self._painted[y] = strip
        return strip.apply_style(Style(bgcolor=self.background_colors[1].rich_color))

    @property
    def drawn_width(self) -> int:
        """Cells of a line: the content without the scroll bar."""
        return self.scrollable_content_region.width

    def repaint(self) -> int:
        """Redraw the lines that changed; return how many did."""
        width, height = self.drawn_width, self.size.height
        if self._painted_size != Size(width, height):
            self._painted.clear()
            self._painted_size = Size(width, height)
            self.refresh()
            return height
        regions = []
        for y in range(height):
            painted = self._painted.get(y)
            if painted is None:
                regions.append(Region(0, y, width, 1))
                continue
            span = changed_span(painted, self.strip_at(y, width))
            if span is not None:
                regions.append(Region(span[0], y, span[1] - span[0], 1))
        if regions:
            self.refresh(*regions)
        return len(regions)


class Lines(Painted):
    """Some lines of text, as tall as they are or ``rows`` tall.

    :meth:`show` repaints only the cells that changed.
    """

    DEFAULT_CSS = "Lines { height: 0; width: 1fr; }"

    def __init__(
        self,
        lines: list[Line] | None = None,
        *,
        rows: int | None = None,
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.lines: list[Line] = lines or []
        self._grows = rows is None
        self._rows = 0
        if rows is not None:
            self.styles.height = rows

    def show(self, lines: list[Line]) -> None:
        """Replace what is shown."""
        self.lines = lines
        if self._grows and len(lines) != self._rows:
            self._rows = len(lines)
            self.styles.height = self._rows
        self.repaint()

    def strip_at(self, y: int, width: int) -> Strip:
        return to_strip(self, self.lines[y] if y < len(self.lines) else (), width)

    @property
    def text(self) -> str:
        """What is shown, without colours."""
        return "\n".join("".join(text for text, _ in line) for line in self.lines)
