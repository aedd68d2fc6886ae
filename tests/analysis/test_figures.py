"""Figures of a report: places on axes, broken lines, and markup that cannot be forgotten to be escaped."""

import re

import pytest

from nli_console.analysis.figures.bars import Bar, BarSeries, bar_chart
from nli_console.analysis.figures.confusion import confusion_matrix
from nli_console.analysis.figures.lines import Axis, Point, Series, line_chart
from nli_console.analysis.figures.markup import element, join
from nli_console.analysis.figures.scale import Scale, padded, ticks

X, Y = Axis("step", lambda value: f"{value:g}"), Axis("loss", lambda value: f"{value:.1f}")


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.31, 1.12, [0.4, 0.6, 0.8, 1.0]),
        (0, 12_270, [0, 2500, 5000, 7500, 10_000]),
        (3.0, 3.0, [3.0]),
        (-0.002, 0.002, [-0.002, -0.001, 0, 0.001, 0.002]),
        (float("nan"), 1.0, []),
    ],
)
def test_ticks_are_round_numbers_within(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_a_scale_reaches_from_end_to_end():
    scale = Scale(10, 20, 100, 0)
    assert [scale(value) for value in (10, 15, 20)] == [100, 50, 0]
    assert Scale(5, 5, 0, 100)(5) == 50
    low, high = padded([2.0, 2.0])
    assert low < 2 < high


def test_what_is_not_markup_is_escaped():
    made = element("p", "<b>", ["&", element("i", '"')], 3, None, title='">', hidden=True, open=False)
    assert made == '<p title="&quot;&gt;" hidden>&lt;b&gt;&amp;<i>&quot;</i>3</p>'
    assert join("\x1b[31m\u202e") == "\ufffd[31m\ufffd"


def test_a_line_is_broken_where_a_value_is_missing():
    points = (Point(0, 1.0), Point(1, 0.8), Point(2, None), Point(3, 0.5))
    chart = line_chart("f", "Loss", [Series("a", points)], X, Y)
    lines = re.findall(r'<path d="([^"]*)" class="line', chart)
    assert [line.count("L") for line in lines] == [1, 1]
    assert "a: from 1.0 at 0 to 0.5 at 3, lowest 0.5, highest 1.0, 1 points missing." in chart
    assert line_chart("f", "Loss", [Series("a", (Point(0, None),))], X, Y) is None


def test_runs_differ_in_more_than_colour():
    points = (Point(0, 1.0), Point(1, 0.8))
    chart = line_chart("f", "Loss", [Series(str(i), points, i) for i in range(8)], X, Y, marks=True)
    legend, _, _ = chart.partition("</ul>")
    assert len(set(re.findall(r'stroke-dasharray="([^"]*)"', legend))) == 7
    assert len(set(re.findall(r"<(circle|rect|polygon|path) ", legend))) == 4


def test_bars_begin_at_zero_and_are_as_long_as_their_share():
    bars = {"half": Bar(0.5, 0.4, 0.6, 100), "all": Bar(1.0, None, None, None)}
    chart = bar_chart("f", "Genres", [BarSeries("a", bars)])
    found = re.findall(r'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)"', chart)
    (left, half), (same, whole) = [(float(x), float(width)) for x, width in found]
    assert left == same
    assert whole == pytest.approx(2 * half)
    assert bar_chart("f", "Genres", [BarSeries("a", {})]) is None


def test_a_matrix_is_as_dark_as_the_share_of_its_row():
    chart = confusion_matrix("f", "Confusion", ("yes", "no"), ((3, 1), (0, 0)))
    assert re.findall(r'fill-opacity="([\d.]+)"', chart) == ["0.56", "0.19", "0", "0"]
    assert "Of 4 yes rows: 3 yes, 1 no." in chart
    assert confusion_matrix("f", "Confusion", (), ()) is None
