"""Lines of coloured text without markup: what every own widget draws with.

A line is a sequence of ``(text, ink)``; an ink is a word such as ``muted`` or ``bold state-running`` that the
theme gives a colour; a word such as ``on-heat-3`` gives a background. Text is never parsed, so no name, path
or log line can become a style or a link.
"""

from collections.abc import Sequence

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

Span = tuple[str, str]
Line = Sequence[Span]

LABEL_INKS = {"entailment": "success", "neutral": "secondary", "contradiction": "error"}
"""What each label is written in."""
_ATTRIBUTES = ("bold", "underline")
_ON = "on-"
_styles: dict[tuple[str, str, str], Style] = {}


def ink_style(widget: Widget, ink: str, background: str = "") -> Style:
    """The style of ``ink`` in the app's theme; an unknown colour word is the theme's foreground.

    The same arguments give the same object, which makes comparing lines cheap.
    """
    key = (widget.app.theme, ink, background)
    style = _styles.get(key)
    if style is not None:
        return style
    variables = widget.app.theme_variables
    words = ink.split()
    under = next((word.removeprefix(_ON) for word in words if word.startswith(_ON)), background)
    colour = next(
        (word for word in words if word not in _ATTRIBUTES and not word.startswith(_ON)), "foreground"
    )
    value = variables.get(colour, variables.get("foreground"))
    style = Style(
        color=value if value is not None and value.startswith("#") else None,
        bgcolor=variables.get(under) if under else None,
        bold="bold" in words or None,
        underline="underline" in words or None,
    )
    _styles[key] = style
    return style


def to_strip(widget: Widget, line: Line, width: int, background: str = "") -> Strip:
    """``line`` in exactly ``width`` cells: padded, or cut with an ellipsis."""
    segments: list[Segment] = []
    left = width
    for text, ink in line:
        if left <= 0:
            break
        size = cell_len(text)
        if size > left:
            text = shorten(text, left)
            size = left
        if text:
            segments.append(Segment(text, ink_style(widget, ink, background)))
        left -= size
    if left > 0:
        segments.append(Segment(" " * left, ink_style(widget, "foreground", background)))
    return Strip(segments, width)


def shorten(text: str, width: int) -> str:
    """Exactly ``width`` cells: padded with spaces, or cut with an ellipsis."""
    if width <= 0:
        return ""
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…"


def fit_left(text: str, width: int) -> str:
    """:func:`shorten`, but aligned to the right."""
    size = cell_len(text)
    return " " * (width - size) + text if size <= width else shorten(text, width)


def width_of(line: Line) -> int:
    return sum(cell_len(text) for text, _ in line)


def pack(parts: Sequence[Line], width: int, gap: str = "  ") -> list[Line]:
    """Parts one behind the other, in as many lines as it takes; a part is broken in none of them."""
    lines: list[list[Span]] = []
    for part in parts:
        if lines and width_of(lines[-1]) + len(gap) + width_of(part) <= width:
            lines[-1] += [(gap, "foreground"), *part]
        else:
            lines.append(list(part))
    return list(lines)


def changed_span(old: Strip, new: Strip) -> tuple[int, int] | None:
    """First and one past the last cell in which two strips differ; ``None`` when they look the same."""
    if old is new:
        return None
    before, after = _cells(old), _cells(new)
    if len(before) != len(after):
        return 0, max(len(before), len(after))
    if before == after:
        return None
    first = next(index for index, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1])
    last = len(after) - 1
    while before[last] == after[last]:
        last -= 1
    return first, last + 1


def _cells(strip: Strip) -> list[tuple[str, Style | None]]:
    cells: list[tuple[str, Style | None]] = []
    for text, style, _ in strip:
        if text.isascii():
            cells.extend((character, style) for character in text)
            continue
        for character in text:
            cells.append((character, style))
            cells.extend([("", style)] * (cell_len(character) - 1))
    return cells
