"""The line chart: what it draws, and that it sends no more than changed."""

import math

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region

from nli_console.tui.theme import DARK
from nli_console.tui.widgets.buckets import Buckets, smooth
from nli_console.tui.widgets.chart import LineChart
from nli_console.tui.widgets.chart_scale import nice_scale
from nli_console.tui.widgets.raster import EMPTY, MARK, RAW, SMOOTH, Column, Mark, add_marks, rasterise
from nli_console.tui.widgets.sparkline import progress_bar, sparkline


def line(values: list[float | None]) -> Buckets:
    series = Buckets()
    for step, value in enumerate(values):
        series.add(step, value)
    return series


def cells_of(
    series: Buckets, columns: int, rows: int, symbols: str = "braille", smoothing: float = 0.0
) -> list[Column]:
    across, extent = 2 if symbols == "braille" else 1, series.last_step + 1
    merged = series.columns(0, extent, columns * across)
    averaged = smooth(series, smoothing, merged, extent).columns
    scale = nice_scale(0.0, 1.0, rows)
    return rasterise(merged, averaged, scale, rows, symbols, raw_values=smoothing > 0)  # pyright: ignore[reportArgumentType]


def drawn(series: Buckets, columns: int, rows: int, symbols: str = "braille") -> list[str]:
    cells = cells_of(series, columns, rows, symbols)
    return ["".join(characters[row] for characters, _ in cells) for row in range(rows)]


def test_a_rising_line_rises_in_every_kind_of_symbols() -> None:
    series = line([step / 7 for step in range(8)])
    assert drawn(series, 4, 2, "braille") == ["  ⡠⠊", "⡠⠊  "]
    assert drawn(series, 8, 4, "ascii") == ["      **", "    **  ", "  **    ", "**      "]
    blocks = drawn(series, 8, 2, "block")
    assert blocks[0].startswith("    ")
    assert blocks[1].endswith("    ")


def test_a_gap_of_nan_is_not_bridged() -> None:
    rows = drawn(line([0.5] * 4 + [None] * 4 + [0.5] * 4), 12, 3, "ascii")
    assert "****    ****" in rows


def test_steps_without_a_record_are_bridged() -> None:
    series = Buckets()
    series.add(0, 0.5)
    series.add(11, 0.5)
    assert "*" * 12 in drawn(series, 12, 3, "ascii")


def test_raw_values_stand_behind_their_average() -> None:
    series = line([0.2, 0.8] * 20)
    cells = cells_of(series, 20, 10, smoothing=0.95)
    kinds = {kind for _, column in cells for kind in column}
    assert kinds == {EMPTY, RAW, SMOOTH}


def test_without_smoothing_there_is_only_the_line() -> None:
    cells = cells_of(line([0.2, 0.8] * 20), 20, 10)
    assert RAW not in {kind for _, column in cells for kind in column}


def test_a_mark_shows_its_interval() -> None:
    blank = [(" " * 10, bytes(10))] * 5
    cells = add_marks(blank, [Mark(2, 0.5, 0.2, 0.8)], 0, 5, nice_scale(0.0, 1.0, 10), ascii_only=True)
    assert cells[2] == ("  |||o||  ", bytes([0, 0, MARK, MARK, MARK, MARK, MARK, MARK, 0, 0]))
    assert cells[1] == blank[1]


@pytest.mark.parametrize(("value", "bar"), [(0, "▁"), (50, "▄"), (100, "▇"), (250, "▇"), (None, " ")])
def test_sparkline_compares_over_time(value: float | None, bar: str) -> None:
    assert sparkline([value], 3, 0, 100) == "  " + bar


def test_bars_have_an_ascii_form() -> None:
    assert sparkline([0, 100], 2, 0, 100, ascii_only=True).isascii()
    assert progress_bar(0.5, 10, ascii_only=True) == "#####-----"
    assert progress_bar(None, 4) == "────"


class ChartApp(App[None]):
    CSS = "Screen { background: $background; }"

    def __init__(self, chart: LineChart) -> None:
        super().__init__()
        self.chart = chart
        self.register_theme(DARK)
        self.theme = DARK.name

    def compose(self) -> ComposeResult:
        yield self.chart


def loss(steps: int) -> Buckets:
    return line([0.3 + math.exp(-step / 300) + 0.05 * math.sin(step) for step in range(steps)])


def text_of(chart: LineChart) -> str:
    width, height = chart.size
    return "\n".join(chart.strip_at(y, width).text for y in range(height))


async def test_one_more_step_repaints_a_sliver() -> None:
    chart = LineChart("loss")
    async with ChartApp(chart).run_test(size=(100, 30)) as pilot:
        series = loss(600)
        chart.show(series, total_steps=1023, live=True)
        await pilot.pause()
        regions: list[Region] = []
        chart.refresh = lambda *changed, **_: regions.extend(changed) or chart  # pyright: ignore[reportAttributeAccessIssue]
        series.add(600, 0.42)
        chart.show(series, total_steps=1023, live=True)
        plot = [region for region in regions if region.y > 0]
        assert sum(region.area for region in plot) <= 30
        assert regions, "the newest value in the title changed"


async def test_an_unchanged_chart_repaints_nothing() -> None:
    chart = LineChart("loss")
    async with ChartApp(chart).run_test(size=(100, 30)) as pilot:
        series = loss(600)
        chart.show(series, live=True)
        await pilot.pause()
        regions: list[Region] = []
        chart.refresh = lambda *changed, **_: regions.extend(changed) or chart  # pyright: ignore[reportAttributeAccessIssue]
        chart.show(series.copy(), live=True)
        assert regions == []


async def test_a_run_is_drawn_again_after_another_one_was_shown() -> None:
    chart = LineChart("accuracy", percent=True)
    async with ChartApp(chart).run_test(size=(100, 30)) as pilot:
        points = [Mark(10, 0.5, 0.4, 0.6)]
        chart.show(Buckets(), marks=points, another=True)
        await pilot.pause()
        before = text_of(chart)
        chart.show(chart.series, marks=points, another=True)
        assert text_of(chart) == before
        assert "●" in before


async def test_the_title_tells_the_weight_of_the_smoothing() -> None:
    chart = LineChart("loss", smoothing=0.97)
    async with ChartApp(chart).run_test(size=(100, 30)) as pilot:
        chart.show(loss(100))
        await pilot.pause()
        assert "smoothed (0.97)" in text_of(chart)
        chart.set_smoothing(0.0)
        assert "smoothed" not in text_of(chart)


async def test_the_smoothed_value_of_the_title_is_the_same_at_every_size() -> None:
    chart = LineChart("loss", smoothing=0.9)
    async with ChartApp(chart).run_test(size=(140, 30)) as pilot:
        chart.show(loss(700))
        told = set()
        for width in (140, 100, 61):
            await pilot.resize_terminal(width, 30)
            await pilot.pause()
            told.add(text_of(chart).splitlines()[0].strip())
        assert len(told) == 1
        assert "smoothed (0.9)" in told.pop()


async def test_nan_is_counted_in_the_title() -> None:
    chart = LineChart("loss")
    async with ChartApp(chart).run_test(size=(100, 30)) as pilot:
        chart.show(line([1.0, 0.9, None, None, 0.8] * 10))
        await pilot.pause()
        assert "20 NaN" in text_of(chart)


async def test_log_axis_has_other_labels() -> None:
    chart = LineChart("loss")
    async with ChartApp(chart).run_test(size=(100, 30)) as pilot:
        chart.show(line([10.0 ** (-step / 10) for step in range(40)]))
        await pilot.pause()
        chart.toggle_log()
        await pilot.pause()
        assert "0.001" in text_of(chart)
        assert "  log" in text_of(chart)


async def test_ascii_chart_is_ascii() -> None:
    chart = LineChart("loss", symbols="ascii")
    async with ChartApp(chart).run_test(size=(70, 16)) as pilot:
        chart.show(loss(300), marks=[Mark(100, 0.8, 0.7, 0.9)])
        await pilot.pause()
        assert text_of(chart).isascii()


@pytest.mark.parametrize("size", [(20, 4), (60, 5), (30, 20), (200, 60)])
async def test_every_size_is_filled_exactly(size: tuple[int, int]) -> None:
    chart = LineChart("loss")
    async with ChartApp(chart).run_test(size=size) as pilot:
        chart.show(loss(500), marks=[Mark(400, 0.5)])
        await pilot.pause()
        assert all(len(row) == chart.size.width for row in text_of(chart).split("\n"))


async def test_an_empty_chart_says_so() -> None:
    chart = LineChart("loss", empty="no training step yet")
    async with ChartApp(chart).run_test(size=(60, 12)) as pilot:
        await pilot.pause()
        assert "no training step yet" in text_of(chart)
