"""A line chart that is cheap on the wire: only the cells that changed are sent."""

from collections.abc import Sequence

from rich.segment import Segment
from textual.geometry import Size
from textual.strip import Strip

from nli_console.text import format_number
from nli_console.tui.symbols import ChartSymbols
from nli_console.tui.widgets.buckets import Bucket, Buckets, smooth
from nli_console.tui.widgets.chart_scale import (
    Scale,
    extent_of,
    labelled,
    nice_scale,
    robust_range,
    step_labels,
    tick_label,
)
from nli_console.tui.widgets.ink import Span, fit_left, ink_style, to_strip, width_of
from nli_console.tui.widgets.painted import Painted
from nli_console.tui.widgets.raster import (
    EMPTY,
    GRIDS,
    MARK,
    RAW,
    RULE,
    SMOOTH,
    Column,
    Mark,
    add_marks,
    rasterise,
)

_INKS = {EMPTY: "foreground", RAW: "chart-raw", SMOOTH: "chart-line", MARK: "accent", RULE: "line"}
_GUTTER = 7


class LineChart(Painted):
    """One curve over steps: raw values dimmed behind their moving average, and measured points in front.

    A value that is not finite interrupts the line and is counted in the title. The x axis grows in steps
    while ``live`` and fills the width afterwards; the y axis moves only when values leave it or use little
    of it.
    """

    DEFAULT_CSS = "LineChart { height: 1fr; min-height: 4; width: 1fr; }"

    def __init__(
        self,
        title: str,
        *,
        symbols: ChartSymbols = "braille",
        smoothing: float = 0.9,
        log: bool = False,
        percent: bool = False,
        empty: str = "no values yet",
        id: str | None = None,
        classes: str | None = None,
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.title = title
        self.symbols: ChartSymbols = symbols
        self.smoothing = smoothing
        self.log_axis = log
        self.percent = percent
        self.empty = empty
        self.series = Buckets()
        self.marks: Sequence[Mark] = ()
        self.mark_title = ""
        self.reading = ""
        self.unit = "steps"
        self.total_steps: int | None = None
        self.live = False
        self._scale: Scale | None = None
        self._columns: list[Column] = []
        self._drawn: tuple[object, ...] = ()
        self._title: list[Span] = []
        self._scale_rows = 0
        self._extent = 2
        self._last_step = 0
        self._prepared: Size | None = None

    def show(
        self,
        series: Buckets,
        *,
        marks: Sequence[Mark] = (),
        total_steps: int | None = None,
        live: bool = False,
        another: bool = False,
        last_step: int = 0,
    ) -> None:
        """Draw ``series``; ``another`` says that it belongs to another run, so that the axes start afresh.

        The x axis reaches at least to ``last_step``, which lets two charts share it.
        """
        self.series, self.marks, self.total_steps, self.live = series, marks, total_steps, live
        self._last_step = last_step
        if another:
            # What was drawn before may look the same to the comparison, but its axes are gone.
            self._scale, self._drawn = None, ()
        self._draw()

    def toggle_log(self) -> None:
        self.log_axis = not self.log_axis
        self._draw()

    def set_smoothing(self, weight: float) -> None:
        """``weight`` of the moving average, 0 (none) to below 1."""
        self.smoothing = weight
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._painted.clear()

    def on_resize(self) -> None:
        self._draw()

    @property
    def _plot_rows(self) -> int:
        return max(self.size.height - 2, 1)

    @property
    def _plot_columns(self) -> int:
        return max(self.size.width - _GUTTER, 1)

    def _draw(self) -> None:
        """Bring the cells up to date and repaint those that differ."""
        if not self.is_attached or not self.size:
            return
        drawn = (
            id(self.series),
            self.series.version,
            tuple(self.marks),
            self.total_steps,
            self._last_step,
            self.live,
            self.log_axis,
            self.smoothing,
            self.size,
        )
        if drawn != self._drawn:
            self._drawn = drawn
            self._prepare()
            self.repaint()

    def _prepare(self) -> None:
        """Make the cells of all columns for the present size."""
        self._prepared = self.size
        rows, count = self._plot_rows, self._plot_columns * GRIDS[self.symbols].across
        last = max([self.series.last_step, self._last_step, *(mark.step for mark in self.marks)])
        self._extent = extent_of(last, self.total_steps, self.live)
        merged = self.series.columns(0, self._extent, count)
        smoothed = smooth(self.series, self.smoothing, merged, self._extent)
        averaged = smoothed.columns
        bounds = self._bounds(merged, averaged)
        if bounds is None:
            self._scale, self._columns = None, []
        else:
            scale = self._scale
            if scale is None or rows != self._scale_rows or not scale.fits(*bounds, self.log_axis):
                scale = self._scale = nice_scale(*bounds, rows, self.log_axis)
                self._scale_rows = rows
            columns = rasterise(merged, averaged, scale, rows, self.symbols, raw_values=self.smoothing > 0)
            self._columns = add_marks(
                columns, self.marks, 0, self._extent, scale, ascii_only=self.symbols == "ascii"
            )
        self._title = self._title_spans(smoothed.newest, merged)

    def _bounds(
        self, merged: Sequence[Bucket | None], averaged: Sequence[float | None]
    ) -> tuple[float, float] | None:
        held = [bucket for bucket in merged if bucket is not None and bucket.n]
        centre = [value for value in averaged if value is not None]
        for mark in self.marks:
            centre += [value for value in (mark.value, mark.low, mark.high) if value is not None]
        lows = [bucket.low for bucket in held] if self.smoothing else []
        highs = [bucket.high for bucket in held] if self.smoothing else []
        if self.log_axis:
            lows, highs, centre = (
                [value for value in values if value > 0] for values in (lows, highs, centre)
            )
        if not lows or not highs:
            return (min(centre), max(centre)) if centre else None
        return robust_range(lows, highs, centre or lows)

    def _title_spans(self, newest: float | None, merged: Sequence[Bucket | None]) -> list[Span]:
        spans: list[Span] = [(self.title, "bold foreground")]
        if self.series:
            last = self.series.last_value
            spans += [("  ", "muted"), (format_number(last) if last is not None else "NaN", "foreground")]
            if self.smoothing and newest is not None:
                spans += [
                    (f"  smoothed ({self.smoothing:g}) ", "muted"),
                    (format_number(newest), "chart-line"),
                ]
        elif self.reading:
            spans += [("  ", "muted"), (self.reading, "foreground")]
        if self.series.nan:
            spans += [("  ", "muted"), (f"{self.series.nan:,} NaN", "bold error")]
        if self._scale is not None:
            beyond = sum(
                1 for bucket in merged if bucket is not None and bucket.n and bucket.high > self._scale.high
            )
            if beyond and self.smoothing:
                spans += [("  spikes cut off", "muted")]
        if self.log_axis:
            spans += [("  log", "muted")]
        if self.marks and self.mark_title:
            point = "o" if self.symbols == "ascii" else "●"
            spans += [("  ", "muted"), (f"{point} {self.mark_title}", "accent")]
        return spans

    def strip_at(self, y: int, width: int) -> Strip:
        height = self.size.height
        if self._prepared != self.size:
            self._prepare()
        if y == 0:
            return to_strip(self, self._title or [(self.title, "bold foreground")], width)
        if self._scale is None:
            text = self.empty if y == max(height // 2, 1) else ""
            return to_strip(self, [(" " * max((width - len(text)) // 2, 0), "muted"), (text, "muted")], width)
        if y == height - 1:
            return to_strip(self, self._axis(width), width)
        row = y - 1
        label = self._labels().get(row, "")
        rule = "|" if self.symbols == "ascii" else ("┤" if label else "│")
        segments = [
            Segment(fit_left(label, _GUTTER - 2) + " ", ink_style(self, "muted")),
            Segment(rule, ink_style(self, "line")),
        ]
        segments += self._row(row, width - _GUTTER)
        return Strip(segments, width)

    def _row(self, row: int, count: int) -> list[Segment]:
        """One segment per run of one colour; empty cells join the run before them."""
        segments: list[Segment] = []
        run: list[str] = []
        kind = EMPTY
        for characters, kinds in self._columns[:count]:
            here = kinds[row]
            if here not in (kind, EMPTY):
                if kind != EMPTY or run:
                    segments.append(Segment("".join(run), ink_style(self, _INKS[kind])))
                    run = []
                kind = here
            run.append(characters[row])
        run.append(" " * (count - len(self._columns)))
        segments.append(Segment("".join(run), ink_style(self, _INKS[kind])))
        return [segment for segment in segments if segment.text]

    def _labels(self) -> dict[int, str]:
        if self._scale is None:
            return {}
        return {
            row: _percent_label(tick) if self.percent else tick_label(tick)
            for row, tick in labelled(self._scale, self._plot_rows).items()
        }

    def _axis(self, width: int) -> list[Span]:
        corner, dash = ("+", "-") if self.symbols == "ascii" else ("└", "─")
        plot, last = width - _GUTTER, self._extent - 1
        end = f" {last:,} {self.unit[:-1] if last == 1 else self.unit}"
        spans: list[Span] = [(" " * (_GUTTER - 1), "muted"), (corner, "line"), ("0 ", "muted")]
        if plot < len(end) + 4:
            return [*spans, (dash * (plot - 2), "line")]
        for column, label in step_labels(self._extent, plot, end):
            spans += [(dash * (_GUTTER + column - width_of(spans)), "line"), (label, "muted")]
        spans.append((dash * (width - width_of(spans) - len(end)), "line"))
        return [*spans, (end, "muted")]


def _percent_label(share: float) -> str:
    """A share as a label of the axis; without its space where the gutter has no room for it."""
    label = f"{100 * share:.4g} %"
    return label if len(label) <= _GUTTER - 2 else label.replace(" ", "")
