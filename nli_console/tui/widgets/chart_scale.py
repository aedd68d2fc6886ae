"""Axes: bounds that rarely move, ticks at round numbers, and the step range of the x axis."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count

from nli_console.text import format_number

FIRST_END = 20
_BETWEEN = 4
"""Cells of the line between two labels of the x axis."""
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
_KEEP_SHARE = 0.4


@dataclass(frozen=True)
class Scale:
    """A y axis from ``low`` to ``high``; with ``log``, equal distances are equal ratios."""

    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool = False

    def position(self, value: float) -> float | None:
        """0 at ``low``, 1 at ``high``, beyond for what lies outside; ``None`` where a log axis ends."""
        if not self.log:
            return (value - self.low) / (self.high - self.low)
        if value <= 0:
            return None
        return (math.log10(value) - math.log10(self.low)) / (math.log10(self.high) - math.log10(self.low))

    def fits(self, low: float, high: float, log: bool) -> bool:
        """Whether values from ``low`` to ``high`` are shown in full and fill a good part of the axis."""
        if log != self.log:
            return False
        bottom, top = self.position(low), self.position(high)
        if bottom is None or top is None:
            return False
        return bottom >= -1e-9 and top <= 1 + 1e-9 and top - bottom >= _KEEP_SHARE


def nice_scale(low: float, high: float, rows: int, log: bool = False) -> Scale:
    """The tightest axis over ``low`` … ``high`` that begins and ends at a tick, with ticks every few rows."""
    wanted = max(2, min(6, rows // 2))
    if log and high > 0:
        return _log_scale(low if low > 0 else high / 1000, high, wanted)
    if high <= low:
        margin = abs(high) * 0.1 or 0.1
        low, high = low - margin, high + margin
    raw = (high - low) / wanted
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = magnitude * next(factor for factor in _ROUND if factor * magnitude >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(_tidy(index * step) for index in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], ticks)


def _log_scale(low: float, high: float, wanted: int) -> Scale:
    decades = math.log10(high / low) if high > low else 0.0
    factors = (1.0,) if decades > wanted else (1.0, 3.0) if decades > 1.5 else (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1
    candidates = [_tidy(factor * 10.0**power) for power in range(first, last + 1) for factor in factors]
    start = max((index for index, tick in enumerate(candidates) if tick <= low * (1 + 1e-9)), default=0)
    stop = min(index for index, tick in enumerate(candidates) if tick >= high * (1 - 1e-9))
    if stop == start:
        stop += 1
    ticks = candidates[start : stop + 1]
    stride = max(1, math.ceil((len(ticks) - 1) / wanted))
    return Scale(ticks[0], ticks[-1], tuple(ticks[::stride]), log=True)


def _tidy(value: float) -> float:
    """Drop the dust of binary arithmetic: 0.30000000000000004 → 0.3."""
    return float(f"{value:.10g}")


def labelled(scale: Scale, rows: int) -> dict[int, float]:
    """Which of ``rows`` rows, counted from the top, is labelled with which tick; not every tick has room."""
    intervals = len(scale.ticks) - 1
    strides = [stride for stride in range(1, intervals + 1) if intervals % stride == 0]
    stride = next((held for held in strides if (rows - 1) * held >= 1.6 * intervals), intervals)
    labels: dict[int, float] = {}
    for tick in scale.ticks[:: max(stride, 1)]:
        position = scale.position(tick)
        if position is not None and 0 <= position <= 1:
            labels[rows - 1 - round(position * (rows - 1))] = tick
    return labels


def tick_label(value: float) -> str:
    return format_number(value).replace("e-0", "e-").replace("e+0", "e+")


def extent_of(last_step: int, total_steps: int | None, live: bool) -> int:
    """How many steps the x axis holds, step 0 included.

    While a run is going the axis ends at a round step at first, and grows by half a decade at most, so that
    columns keep their place in between; then at the run's own end. A run that has ended fills the width.
    """
    steps = last_step + 1
    if not live:
        return max(steps, 2)
    end = next(step for step in _round_steps(FIRST_END) if step >= last_step)
    if total_steps is not None and last_step <= total_steps <= end:
        end = total_steps
    return max(end + 1, 2)


def step_labels(extent: int, columns: int, end: str) -> list[tuple[int, str]]:
    """Labels of the x axis between its ends, each with the column at which it begins.

    They stand at round steps, centred over their columns, with room between each other and before the text
    ``end``, which closes the axis.
    """
    found: list[tuple[int, str]] = []
    widest = len(f" {extent - 1:,} ")
    step = next(held for held in _round_steps(1) if held * columns >= (widest + _BETWEEN) * extent)
    for number in range(step, extent - 1, step):
        label = f" {number:,} "
        column = number * columns // extent - len(label) // 2
        if column >= _BETWEEN and column + len(label) + _BETWEEN // 2 <= columns - len(end):
            found.append((column, label))
    return found


def _round_steps(first: int) -> Iterator[int]:
    """1, 2, 5, 10, 20, 50 …, from ``first`` on."""
    return (step for power in count() for step in (10**power, 2 * 10**power, 5 * 10**power) if step >= first)


def robust_range(lows: list[float], highs: list[float], centre: list[float]) -> tuple[float, float] | None:
    """Bounds that hold all of ``centre`` and all of ``lows`` and ``highs`` that are not far off.

    One exploding step must not flatten the rest of a curve: what lies further out than half the range of the
    inner 96 % is left to the edge.
    """
    if not centre:
        return None
    lows, highs = sorted(lows), sorted(highs)
    cut = len(lows) // 50
    low, high = min(lows[cut], *centre), max(highs[-1 - cut], *centre)
    margin = (high - low) / 2
    return (
        min(low, next(value for value in lows if value >= low - margin)),
        max(high, next(value for value in reversed(highs) if value <= high + margin)),
    )
