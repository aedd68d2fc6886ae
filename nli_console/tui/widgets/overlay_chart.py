"""Curves of several runs over one another, one colour and one letter a run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip

from nli_console.record.findings import CurvePoint
from nli_console.text import format_duration, format_number
from nli_console.tui.symbols import ChartSymbols
from nli_console.tui.widgets.buckets import Bucket
from nli_console.tui.widgets.chart_scale import Scale, labelled, nice_scale, tick_label
from nli_console.tui.widgets.ink import Span, fit_left, ink_style, to_strip, width_of
from nli_console.tui.widgets.painted import Painted
from nli_console.tui.widgets.raster import EMPTY, GRIDS, rasterise

Axis = Literal["step", "epoch", "samples", "seconds"]
AXES: dict[Axis, str] = {"step": "steps", "epoch": "epochs", "samples": "samples", "seconds": "time"}
"""Attribute of a point → what it is called."""
_GUTTER = 7
_KINDS = 250
"""No more runs than a byte holds."""


@dataclass(frozen=True, slots=True)
class RunCurve:
    """One run: ``letter`` names it, ``ink`` is its colour."""

    letter: str
    ink: str
    points: Sequence[CurvePoint]


@dataclass(frozen=True, slots=True)
class _Line:
    """A value per column of dots; a bucket without one interrupts the line."""

    merged: list[Bucket | None]
    averaged: list[float | None]


class OverlayChart(Painted):
    """Lines over a common axis, smoothed as one run's loss is; the first run is in front.

    Where values are not finite a line is interrupted. In ASCII every line is drawn with its letter.
    """

    DEFAULT_CSS = "OverlayChart { height: 1fr; min-height: 4; width: 1fr; }"

    def __init__(self, *, symbols: ChartSymbols = "braille", id: str | None = None) -> None:
        super().__init__(id=id)
        self.symbols: ChartSymbols = symbols
        self.title = ""
        self.axis: Axis = "step"
        self.smoothing = 0.0
        self.percent = False
        self.log_axis = False
        self.empty = ""
        self._curves: Sequence[RunCurve] = ()
        self._cells: list[tuple[str, bytes]] = []
        self._scale: Scale | None = None
        self._end = 0.0
        self._prepared: Size | None = None

    def show(
        self,
        title: str,
        curves: Sequence[RunCurve],
        *,
        axis: Axis,
        smoothing: float = 0.0,
        percent: bool = False,
        log: bool = False,
        empty: str = "no values",
    ) -> None:
        """Draw the curves.

        Args:
            smoothing: weight of the moving average, 0 (none) to below 1.
            percent: whether values are shares.
            empty: what is said where there is no value.
        """
        self.title, self._curves, self.axis = title, curves, axis
        self.smoothing, self.percent, self.log_axis, self.empty = smoothing, percent, log, empty
        self._prepare()
        self.repaint()

    def on_resize(self) -> None:
        self._prepare()
        self.repaint()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._painted.clear()

    @property
    def _plot(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return max(self.size.height - 2, 1), max(self.size.width - _GUTTER, 1)

    def _prepare(self) -> None:
        """Make the cells of all columns for the present size."""
        self._prepared = self.size
        rows, columns = self._plot
        count = columns * GRIDS[self.symbols].across
        reach = [
            x for curve in self._curves for point in curve.points if (x := self._place(point)) is not None
        ]
        self._end = max(reach, default=0.0)
        lines = [self._line(curve, count) for curve in self._curves]
        held = [value for line in lines for value in line.averaged if value is not None]
        if self.log_axis:
            held = [value for value in held if value > 0]
        if not held or self._end <= 0:
            self._scale, self._cells = None, []
            return
        scale = self._scale = nice_scale(min(held), max(held), rows, self.log_axis)
        drawn = [
            rasterise(line.merged, line.averaged, scale, rows, self.symbols, raw_values=False)
            for line in lines
        ]
        self._cells = [self._stack([line[column] for line in drawn]) for column in range(columns)]

    def _place(self, point: CurvePoint) -> float | None:
        return getattr(point, self.axis)

    def _line(self, curve: RunCurve, count: int) -> "_Line":
        """The average runs over the points, and a column shows the mean of it over its own points."""
        merged: list[Bucket | None] = [None] * count
        totals, weights = [0.0] * count, [0.0] * count
        average: float | None = None
        for point in curve.points:
            x = self._place(point)
            if x is None or not self._end:
                continue
            column = min(int(x / self._end * count), count - 1)
            finite = 0 if point.value is None else 1 if self.percent else point.n - point.nan
            bucket = merged[column] or Bucket()
            bucket.add(Bucket(finite, (point.value or 0.0) * finite, nan=point.nan))
            merged[column] = bucket
            if point.value is None or not finite:
                continue
            keep = self.smoothing**finite if self.smoothing else 0.0
            average = point.value if average is None else keep * average + (1 - keep) * point.value
            totals[column] += finite * average
            weights[column] += finite
        averaged = [
            None if bucket is None or bucket.gap or not weight else total / weight
            for bucket, total, weight in zip(merged, totals, weights, strict=True)
        ]
        return _Line(merged, averaged)

    def _stack(self, layers: Sequence[tuple[str, bytes]]) -> tuple[str, bytes]:
        """One column: of every cell the first layer that has something there, and 1 + its number."""
        characters, kinds = list(layers[0][0]), bytearray(len(layers[0][1]))
        for number in range(min(len(layers), _KINDS) - 1, -1, -1):
            text, drawn = layers[number]
            for row, kind in enumerate(drawn):
                if kind != EMPTY:
                    characters[row] = self._curves[number].letter if self.symbols == "ascii" else text[row]
                    kinds[row] = 1 + number
        return "".join(characters), bytes(kinds)

    # Drawing

    def strip_at(self, y: int, width: int) -> Strip:
        height = self.size.height
        if self._prepared != self.size:
            self._prepare()
        if y == 0:
            return to_strip(self, self._title(), width)
        if self._scale is None:
            text = self.empty if y == max(height // 2, 1) else ""
            return to_strip(self, [(" " * max((width - len(text)) // 2, 0), "muted"), (text, "muted")], width)
        if y == height - 1:
            return to_strip(self, self._x_axis(width), width)
        row = y - 1
        tick = labelled(self._scale, self._plot[0]).get(row)
        label = "" if tick is None else f"{100 * tick:.4g} %" if self.percent else tick_label(tick)
        rule = "|" if self.symbols == "ascii" else ("┤" if label else "│")
        segments = [
            Segment(fit_left(label, _GUTTER - 2) + " ", ink_style(self, "muted")),
            Segment(rule, ink_style(self, "line")),
            *self._row(row, width - _GUTTER),
        ]
        return Strip(segments, width)

    def _row(self, row: int, count: int) -> list[Segment]:
        """One segment per run of cells of one colour; empty cells join those before them."""
        segments: list[Segment] = []
        run: list[str] = []
        kind = 0
        for characters, kinds in self._cells[:count]:
            if kinds[row] not in (kind, 0):
                segments.append(Segment("".join(run), self._style(kind)))
                run, kind = [], kinds[row]
            run.append(characters[row])
        run.append(" " * (count - len(self._cells)))
        segments.append(Segment("".join(run), self._style(kind)))
        return [segment for segment in segments if segment.text]

    def _style(self, kind: int):
        return ink_style(self, self._curves[kind - 1].ink if kind else "foreground")

    def _title(self) -> list[Span]:
        spans: list[Span] = [(self.title, "bold foreground")]
        for curve in self._curves:
            spans.append((f"  {curve.letter}", f"bold {curve.ink}" if curve.points else "faint"))
        if self._scale is not None and self.smoothing:
            spans.append((f"  smoothed ({self.smoothing:g})", "muted"))
        if self.log_axis:
            spans.append(("  log", "muted"))
        return spans

    def _x_axis(self, width: int) -> list[Span]:
        corner, dash = ("+", "-") if self.symbols == "ascii" else ("└", "─")
        name = _AXIS_TEXTS[self.axis]
        plot, end = width - _GUTTER, f" {name(self._end)}"
        unit = "" if self.axis == "seconds" else f" {AXES[self.axis]}"
        spans: list[Span] = [(" " * (_GUTTER - 1), "muted"), (corner, "line"), ("0 ", "muted")]
        end += unit
        if plot < len(end) + 4:
            return [*spans, (dash * max(plot - 2, 0), "line")]
        for share in (0.25, 0.5, 0.75):
            label = f" {name(self._end * share)} "
            column = int(plot * share) - len(label) // 2
            before = _GUTTER + column - width_of(spans)
            if before >= 4 and column + len(label) + 4 <= plot - len(end):
                spans += [(dash * before, "line"), (label, "muted")]
        spans.append((dash * max(width - width_of(spans) - len(end), 0), "line"))
        return [*spans, (end, "muted")]


_AXIS_TEXTS: dict[Axis, Callable[[float], str]] = {
    "step": lambda x: f"{x:,.0f}",
    "epoch": lambda x: format_number(round(x, 2)),
    "samples": lambda x: f"{x:,.0f}",
    "seconds": format_duration,
}
