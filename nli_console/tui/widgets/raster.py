"""Curves as characters: pure functions from values to the cells of a chart."""

from collections.abc import Sequence
from dataclasses import dataclass

from nli_console.tui.symbols import ChartSymbols
from nli_console.tui.widgets.buckets import Bucket
from nli_console.tui.widgets.chart_scale import Scale

EMPTY, RAW, SMOOTH, MARK, RULE = range(5)
"""What a cell shows; a later one hides an earlier one."""

Column = tuple[str, bytes]
"""One column of cells from top to bottom: the characters, and what each of them is."""

_BRAILLE_LEFT = (0x40, 0x04, 0x02, 0x01)
_BRAILLE_RIGHT = (0x80, 0x20, 0x10, 0x08)


@dataclass(frozen=True)
class Grid:
    """Dots per cell, horizontally and vertically, of one kind of symbols."""

    across: int
    up: int


GRIDS: dict[ChartSymbols, Grid] = {"braille": Grid(2, 4), "block": Grid(1, 2), "ascii": Grid(1, 1)}


@dataclass(frozen=True)
class Mark:
    """A measured point with its interval, in steps and values."""

    step: int
    value: float
    low: float | None = None
    high: float | None = None


def rasterise(
    merged: Sequence[Bucket | None],
    averaged: Sequence[float | None],
    scale: Scale,
    rows: int,
    symbols: ChartSymbols,
    *,
    raw_values: bool,
) -> list[Column]:
    """Draw a curve: with ``raw_values`` the envelope of these, and the smoothed line in front of it.

    ``merged`` (:meth:`Buckets.columns`) and ``averaged`` (:func:`smooth`) have one entry per dot column.
    Where values are not finite the line is interrupted; columns in which no step fell are bridged.
    """
    grid = GRIDS[symbols]
    dots = rows * grid.up
    raw = [0] * len(merged)
    line = [0] * len(merged)
    before: tuple[int, int] | None = None
    for index, bucket in enumerate(merged):
        if bucket is None:
            continue
        if bucket.n and raw_values:
            raw[index] = _span(_dot(bucket.low, scale, dots), _dot(bucket.high, scale, dots))
        value = averaged[index]
        if value is None:
            before = None
            continue
        height = _dot(value, scale, dots)
        if before is None:
            line[index] |= 1 << height
        else:
            _connect(line, before, (index, height))
        before = (index, height)
    return [
        _cells(raw[first : first + grid.across], line[first : first + grid.across], rows, symbols)
        for first in range(0, len(merged), grid.across)
    ]


def add_marks(
    columns: list[Column], marks: Sequence[Mark], first: int, extent: int, scale: Scale, ascii_only: bool
) -> list[Column]:
    """Draw measured points with their intervals over ``columns``."""
    if not columns or not marks:
        return columns
    columns = list(columns)
    rows = len(columns[0][0])
    point, bar = ("o", "|") if ascii_only else ("●", "│")
    for mark in marks:
        column = int((mark.step - first) * len(columns) / extent)
        if not 0 <= column < len(columns):
            continue
        characters, kinds = list(columns[column][0]), bytearray(columns[column][1])
        row = rows - 1 - _dot(mark.value, scale, rows)
        if mark.low is not None and mark.high is not None:
            for y in range(rows - 1 - _dot(mark.high, scale, rows), rows - _dot(mark.low, scale, rows)):
                if kinds[y] != MARK or characters[y] != point:
                    characters[y], kinds[y] = bar, MARK
        characters[row], kinds[row] = point, MARK
        columns[column] = ("".join(characters), bytes(kinds))
    return columns


def _dot(value: float, scale: Scale, dots: int) -> int:
    """The dot row of a value, 0 at the bottom; what lies outside the axis is drawn at its edge."""
    position = scale.position(value)
    if position is None:
        return 0
    return min(dots - 1, max(0, round(position * (dots - 1))))


def _span(low: int, high: int) -> int:
    return ((1 << (high - low + 1)) - 1) << low


def _connect(line: list[int], before: tuple[int, int], after: tuple[int, int]) -> None:
    """Draw from one point to the next without doubling the dots of the first."""
    (start, from_height), (end, to_height) = before, after
    distance = end - start
    height = from_height
    for offset in range(1, distance + 1):
        target = from_height + round((to_height - from_height) * offset / distance)
        if target > height:
            line[start + offset] |= _span(height + 1, target)
        elif target < height:
            line[start + offset] |= _span(target, height - 1)
        else:
            line[start + offset] |= 1 << target
        height = target


def _cells(raw: Sequence[int], line: Sequence[int], rows: int, symbols: ChartSymbols) -> Column:
    if not any(raw) and not any(line):
        return " " * rows, bytes(rows)
    up = GRIDS[symbols].up
    mask = (1 << up) - 1
    characters: list[str] = []
    kinds = bytearray(rows)
    for row in range(rows):
        shift = (rows - 1 - row) * up
        front = [dots >> shift & mask for dots in line]
        if any(front):
            characters.append(_glyph(front, symbols, "*"))
            kinds[row] = SMOOTH
            continue
        back = [dots >> shift & mask for dots in raw]
        if any(back):
            characters.append(_glyph(back, symbols, "."))
            kinds[row] = RAW
        else:
            characters.append(" ")
    return "".join(characters), bytes(kinds)


def _glyph(dots: list[int], symbols: ChartSymbols, ascii_glyph: str) -> str:
    if symbols == "ascii":
        return ascii_glyph
    if symbols == "block":
        return " ▄▀█"[dots[0]]
    code = 0x2800
    left, right = dots[0], dots[1] if len(dots) > 1 else 0
    for bit in range(4):
        if left >> bit & 1:
            code |= _BRAILLE_LEFT[bit]
        if right >> bit & 1:
            code |= _BRAILLE_RIGHT[bit]
    return chr(code)
