"""Curves of several runs over one another: axes, letters, interruptions."""

from collections.abc import Callable

import pytest
from textual.app import App, ComposeResult

from nli_console.record.findings import CurvePoint
from nli_console.tui.theme import DARK
from nli_console.tui.widgets.overlay_chart import OverlayChart, RunCurve


def curve(letter: str, values: list[float | None], *, last: int = 100) -> RunCurve:
    points = []
    for place, value in enumerate(values):
        share = (place + 1) / len(values)
        lost = int(value is None)
        points.append(CurvePoint(int(last * share), 3 * share, None, 60 * share, value, n=1, nan=lost))
    return RunCurve(letter, "run-1" if letter == "A" else "run-2", points)


class Charted(App[None]):
    def compose(self) -> ComposeResult:
        yield OverlayChart(symbols="ascii")

    def on_mount(self) -> None:
        self.register_theme(DARK)
        self.theme = DARK.name


@pytest.fixture
def draw() -> Callable:
    async def lines(*curves: RunCurve, **how) -> list[str]:
        app = Charted()
        async with app.run_test(size=(47, 12)) as pilot:
            app.query_one(OverlayChart).show("loss", curves, **{"axis": "step", **how})
            await pilot.pause()
            return [strip.text for strip in app.screen._compositor.render_strips()]

    return lines


async def test_every_run_is_drawn_with_its_letter_at_its_height(draw: Callable) -> None:
    found = await draw(curve("A", [1.0] * 40), curve("B", [0.5] * 40))
    assert found[1].lstrip().startswith("1 |AAAA")
    assert found[-2].lstrip().startswith("0.5 |BBBB")
    assert found[0].startswith("loss  A  B")


async def test_the_axis_is_as_long_as_the_longest_run(draw: Callable) -> None:
    found = await draw(curve("A", [1.0] * 40, last=50), curve("B", [0.5] * 40, last=100))
    assert found[-1].endswith("100 steps")
    assert found[1].count("A") == pytest.approx(20, abs=1)
    assert found[-2].count("B") == pytest.approx(40, abs=1)


@pytest.mark.parametrize(("axis", "end"), [("epoch", "3 epochs"), ("seconds", "1 min 00 s")])
async def test_the_other_axes(draw: Callable, axis: str, end: str) -> None:
    found = await draw(curve("A", [1.0] * 40), curve("B", [0.5] * 40, last=10), axis=axis)
    assert found[-1].endswith(end)
    # The first value stands where its step ends, not at the beginning of the axis.
    assert found[1].count("A") == found[-2].count("B") == 39


async def test_where_no_run_knows_the_axis_that_is_said(draw: Callable) -> None:
    found = await draw(curve("A", [1.0, 0.5]), axis="samples", empty="nothing to draw")
    assert "nothing to draw" in "".join(found)


async def test_a_loss_that_is_not_finite_interrupts_the_line(draw: Callable) -> None:
    found = await draw(curve("A", [1.0] * 10 + [None] * 10 + [1.0] * 20), curve("B", [0.5] * 40))
    assert "A     " in found[1]
    assert found[1].rstrip().endswith("A")


async def test_an_accuracy_is_in_percent_and_not_smoothed_by_its_rows(draw: Callable) -> None:
    points = [CurvePoint(step, None, None, None, step / 100, n=2000) for step in (50, 60, 70, 100)]
    found = await draw(RunCurve("A", "run-1", points), percent=True)
    assert found[1].lstrip().startswith("100 %")
