"""Axes and buckets of the charts."""

import math

import pytest

from nli_console.tui.widgets.buckets import Buckets, smooth
from nli_console.tui.widgets.chart_scale import extent_of, nice_scale, robust_range, step_labels, tick_label


@pytest.mark.parametrize(
    ("low", "high"), [(0.0, 1.0), (0.31, 1.12), (-3.0, 4.0), (1e-6, 3e-6), (5.0, 5.0), (0.0, 0.0), (1e5, 9e9)]
)
def test_axis_holds_its_values_and_ends_at_ticks(low: float, high: float) -> None:
    scale = nice_scale(low, high, rows=12)
    assert scale.low <= low
    assert scale.high >= high
    assert scale.ticks[0] == scale.low
    assert scale.ticks[-1] == scale.high
    assert 2 <= len(scale.ticks) <= 8


@pytest.mark.parametrize(("low", "high"), [(0.02, 1.3), (1e-8, 1.0), (0.5, 0.5), (0.0, 2.0), (0.9, 1.1)])
def test_log_axis_holds_positive_values(low: float, high: float) -> None:
    scale = nice_scale(low, high, rows=12, log=True)
    assert scale.log
    assert 0 < scale.low <= (low or scale.low)
    assert scale.high >= high
    middle = math.sqrt(scale.low * scale.high)
    assert scale.position(middle) == pytest.approx(0.5)
    assert scale.position(0.0) is None


def test_axis_of_values_that_are_all_below_zero_is_never_logarithmic() -> None:
    assert not nice_scale(-3.0, -1.0, rows=12, log=True).log


def test_axis_stays_while_values_fit_and_moves_when_they_leave_it() -> None:
    scale = nice_scale(0.3, 1.1, rows=12)
    assert scale.fits(0.35, 1.0, log=False)
    assert not scale.fits(0.35, 1.6, log=False)
    assert not scale.fits(0.35, 0.38, log=False), "values that use a tenth of the axis deserve a closer one"
    assert not scale.fits(0.35, 1.0, log=True)


def test_tick_labels_are_short() -> None:
    assert tick_label(1e-5) == "1e-5"
    assert tick_label(0.25) == "0.25"
    assert tick_label(1200) == "1200"


def test_the_axis_ends_at_round_steps_while_live_and_at_the_end_of_the_run() -> None:
    assert [extent_of(step, 1200, live=True) - 1 for step in (0, 20, 21, 600, 1000, 1001, 1200)] == [
        20, 20, 50, 1000, 1000, 1200, 1200,
    ]  # fmt: skip
    assert [extent_of(step, 270, live=True) - 1 for step in (150, 200, 201, 270)] == [200, 200, 270, 270]
    assert extent_of(599, 1200, live=False) - 1 == 599
    assert extent_of(3, 7, live=True) - 1 == 7
    assert extent_of(5000, None, live=True) - 1 == 5000


@pytest.mark.parametrize("columns", [23, 40, 53, 80, 113])
@pytest.mark.parametrize("last", [1, 2, 7, 20, 270, 1536, 12_270, 1_000_000])
def test_labels_of_steps_are_round_differ_and_do_not_touch(last: int, columns: int) -> None:
    end = f" {last:,} steps"
    before, named = 2, []
    for column, label in step_labels(last + 1, columns, end):
        assert column > before
        before = column + len(label)
        named.append(int(label.replace(",", "")))
        assert abs(column + len(label) / 2 - named[-1] * columns / (last + 1)) <= 1.5
    assert before < columns - len(end) or not named
    assert named == sorted(set(named))
    assert all(0 < step < last for step in named)
    assert all(str(step).rstrip("0") in {"1", "2", "5"} for step in named[:1])


def test_a_wide_axis_has_several_labels() -> None:
    assert [label for _, label in step_labels(271, 80, " 270 steps")] == [" 50 ", " 100 ", " 150 ", " 200 "]


def test_one_exploding_step_does_not_flatten_the_curve() -> None:
    lows, highs = [0.9] * 200, [1.1] * 199 + [500.0]
    assert robust_range(lows, highs, [1.0] * 200) == (0.9, 1.1)
    assert robust_range(lows, [1.1] * 199 + [1.15], [1.0] * 200) == (0.9, 1.15)


def test_folding_keeps_sums_and_extremes() -> None:
    series = Buckets(capacity=8)
    values = [math.sin(step / 5) for step in range(100)]
    for step, value in enumerate(values):
        series.add(step, value)
    assert len(series.buckets) <= 8
    assert sum(bucket.n for bucket in series.buckets) == 100
    assert sum(bucket.total for bucket in series.buckets) == pytest.approx(sum(values))
    assert min(bucket.low for bucket in series.buckets) == min(values)
    assert max(bucket.high for bucket in series.buckets) == max(values)
    assert series.last_step == 99


def test_a_block_counts_as_its_records() -> None:
    series = Buckets(capacity=8)
    series.add_block(0, 255, 256, 0.5, 1.0, 2.0, 6)
    (column,) = series.columns(0, 256, 1)
    assert column is not None
    assert column.n == pytest.approx(250)
    assert column.mean == pytest.approx(1.0)
    assert (column.low, column.high) == (0.5, 2.0)
    assert series.nan == 6


def test_a_million_steps_stay_bounded() -> None:
    series = Buckets()
    for first in range(0, 1_000_000, 256):
        series.add_block(first, first + 255, 256, 0.1, 0.2, 0.3, 0)
    assert len(series.buckets) <= series.capacity
    columns = series.columns(0, 1_000_000, 200)
    assert all(column is not None and column.mean == pytest.approx(0.2) for column in columns)


def test_values_that_are_not_finite_are_counted_and_leave_a_gap() -> None:
    series = Buckets()
    for step, value in enumerate([1.0, None, math.nan, math.inf, 1.0]):
        series.add(step, value)
    assert series.nan == 3
    assert smooth(series, 0.5, series.columns(0, 5, 5), 5).columns == [1.0, None, None, None, 1.0]


def test_smoothing_means_the_same_at_every_width() -> None:
    series = Buckets()
    for step in range(64):
        series.add(step, 0.0 if step < 32 else 1.0)
    smoothed = {count: smooth(series, 0.9, series.columns(0, 64, count), 64) for count in (64, 16, 5)}
    newest = {held.newest for held in smoothed.values()}
    assert newest == {smoothed[64].newest}
    assert smoothed[64].newest == pytest.approx(1 - 0.9**32)
    fine = smoothed[64].columns
    for first, middle in zip(range(0, 64, 4), smoothed[16].columns, strict=True):
        assert middle == pytest.approx(sum(fine[first : first + 4]) / 4)
    assert smooth(series, 0.0, series.columns(0, 64, 64), 64).columns[32] == 1.0


def test_a_copy_does_not_see_what_is_appended_later() -> None:
    series = Buckets(capacity=4)
    series.add(0, 1.0)
    twin = series.copy()
    for step in range(1, 20):
        series.add(step, 5.0)
    assert twin.last_step == 0
    assert [bucket.high for bucket in twin.buckets] == [1.0]
