"""A curve of any length in bounded memory: buckets of steps whose width doubles when they are full."""

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace

CAPACITY = 2048


@dataclass(slots=True)
class Bucket:
    """What is known of the values of neighbouring steps. ``n`` counts finite values, ``nan`` the others."""

    n: float = 0.0
    total: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    nan: float = 0.0

    def add(self, other: "Bucket") -> None:
        self.n += other.n
        self.total += other.total
        self.low = min(self.low, other.low)
        self.high = max(self.high, other.high)
        self.nan += other.nan

    @property
    def mean(self) -> float:
        return self.total / self.n

    @property
    def gap(self) -> bool:
        """Whether the bucket is better shown as a hole: at least half of its values were not finite."""
        return self.nan > 0 and self.nan >= self.n


class Buckets:
    """One curve over steps: minimum, mean, maximum and NaN count per bucket.

    Appending is O(1); a fold to twice the width happens each time the number of steps doubles.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        if capacity < 2 or capacity % 2:
            raise ValueError(f"capacity: {capacity}; expected an even number of at least 2")
        self.capacity = capacity
        self.clear()

    def clear(self) -> None:
        """Forget every value (an earlier attempt's steps were superseded)."""
        self.width = 1
        self.buckets: list[Bucket] = []
        self.last_step = -1
        self.nan = 0
        self.last_value: float | None = None
        self.version = getattr(self, "version", 0) + 1

    def __bool__(self) -> bool:
        return bool(self.buckets)

    def add(self, step: int, value: float | None) -> None:
        """Append the value of one step; ``None``, NaN and infinity count as NaN."""
        if value is None or not math.isfinite(value):
            self._bucket(step, step).nan += 1
            self.nan += 1
            self.last_value = None
            return
        bucket = self._bucket(step, step)
        bucket.n += 1
        bucket.total += value
        bucket.low = min(bucket.low, value)
        bucket.high = max(bucket.high, value)
        self.last_value = value

    def add_block(
        self,
        first: int,
        last: int,
        n: int,
        low: float | None,
        mean: float | None,
        high: float | None,
        nan: int,
    ) -> None:
        """Append what is known of the steps ``first`` to ``last``, spread evenly over their buckets."""
        self._bucket(last, first)
        spanned = range(first // self.width, last // self.width + 1)
        share = 1 / len(spanned)
        finite = n - nan if mean is not None and low is not None and high is not None else 0
        for index in spanned:
            bucket = self.buckets[index]
            bucket.nan += nan * share
            if finite > 0 and mean is not None and low is not None and high is not None:
                bucket.add(Bucket(finite * share, mean * finite * share, low, high))
        self.nan += nan
        self.last_value = mean

    def _bucket(self, step: int, first: int) -> Bucket:
        """The bucket of ``step``, after making room for it."""
        while step // self.width >= self.capacity:
            self._fold()
        index = step // self.width
        while len(self.buckets) <= index:
            self.buckets.append(Bucket())
        self.last_step = max(self.last_step, step)
        self.version += 1
        return self.buckets[index]

    def _fold(self) -> None:
        folded = [replace(bucket) for bucket in self.buckets[::2]]
        for target, other in zip(folded, self.buckets[1::2], strict=False):
            target.add(other)
        self.buckets = folded
        self.width *= 2

    def copy(self) -> "Buckets":
        """What is held now, for another thread: appending in step order changes only one of the two."""
        twin = copy(self)
        twin.buckets = self.buckets.copy()
        if twin.buckets:
            twin.buckets[-1] = replace(twin.buckets[-1])
        return twin

    def columns(self, first: int, extent: int, count: int) -> list[Bucket | None]:
        """Merge the ``extent`` steps from ``first`` on into ``count`` columns; ``None`` for empty ones."""
        merged: list[Bucket | None] = [None] * count
        start = max(first // self.width, 0)
        end = min((first + extent - 1) // self.width + 1, len(self.buckets))
        for index in range(start, end):
            bucket = self.buckets[index]
            if not bucket.n and not bucket.nan:
                continue
            column = self.column_of(index, first, extent, count)
            held = merged[column]
            if held is None:
                held = merged[column] = Bucket()
            held.add(bucket)
        return merged

    def column_of(self, index: int, first: int, extent: int, count: int) -> int:
        """Which of ``count`` columns over the ``extent`` steps from ``first`` on shows a bucket."""
        return min(max((index * self.width - first) * count // extent, 0), count - 1)


@dataclass(frozen=True, slots=True)
class Smoothed:
    """One value per column, and the average at the end of the curve."""

    columns: list[float | None]
    newest: float | None


def smooth(series: Buckets, weight: float, columns: Sequence[Bucket | None], extent: int) -> Smoothed:
    """Exponential moving average of a curve, for the ``columns`` into which its first ``extent`` steps fell.

    ``weight`` is that of one record (``0.9``: each record counts for a tenth), so a bucket of n records moves
    the average by ``1 - weight ** n``. Starts at the first mean instead of zero. The average runs over the
    buckets, and what a column shows is the mean of its buckets' averages: the curve and its end are the same
    at every width. Columns without a finite value give ``None``.
    """
    totals, counts = [0.0] * len(columns), [0.0] * len(columns)
    average: float | None = None
    for index, bucket in enumerate(series.buckets):
        if not bucket.n:
            continue
        keep = weight**bucket.n if weight else 0.0
        average = newest = bucket.mean if average is None else keep * average + (1 - keep) * bucket.mean
        column = series.column_of(index, 0, extent, len(columns))
        totals[column] += bucket.n * newest
        counts[column] += bucket.n
    return Smoothed(
        [
            None if held is None or held.gap or not count else total / count
            for held, total, count in zip(columns, totals, counts, strict=True)
        ],
        average,
    )
