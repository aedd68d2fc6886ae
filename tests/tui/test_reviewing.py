"""Compare and Errors: how they look, what their keys do, and the way back; once with real runs."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from nli_console.tui.app import ConsoleApp
from nli_console.tui.messages import OpenRun
from nli_console.tui.screens import compare, explain
from nli_console.tui.screens.compare import CompareScreen
from nli_console.tui.screens.explain import ExplainScreen
from nli_console.tui.screens.picker import Picker
from nli_console.tui.screens.prompt import Prompt
from nli_console.tui.screens.runs import RunsScreen
from nli_console.tui.widgets.error_table import ErrorTable
from nli_console.tui.widgets.overlay_chart import OverlayChart
from nli_console.tui.widgets.scroll_lines import ScrollLines
from nli_console.tui.widgets.text_input import TextInput
from tests.support.fake_predictions import pairs, write_data, write_predictions
from tests.support.fake_runs import make_run
from tests.tui.reviewing import Answering, summaries
from tests.tui.test_runs_screen import screen_text, until

SIZES = [(120, 40), (80, 24), (60, 20)]


@pytest.fixture
def app(loaded: Callable, monkeypatch: pytest.MonkeyPatch) -> Callable[..., ConsoleApp]:
    """A console on Runs whose analysis answers at once; keywords are of the interface."""
    monkeypatch.setattr(compare, "Asking", Answering)
    monkeypatch.setattr(explain, "Asking", Answering)
    return lambda **interface: ConsoleApp(loaded(interface=interface), select="none")


async def compared(pilot: Pilot, count: int = 2) -> CompareScreen:
    await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
    pilot.app.push_screen(CompareScreen(summaries(count)))
    await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen) and pilot.app.screen.found)
    assert isinstance(pilot.app.screen, CompareScreen)
    return pilot.app.screen


async def explained(pilot: Pilot, *, two: bool = True) -> ExplainScreen:
    await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
    pilot.app.push_screen(ExplainScreen(*summaries(2 if two else 1)))
    await until(pilot, lambda: isinstance(pilot.app.screen, ExplainScreen) and pilot.app.screen.found)
    assert isinstance(pilot.app.screen, ExplainScreen)
    return pilot.app.screen


# How they look


@pytest.mark.parametrize("size", SIZES)
def test_compare(snap_compare, app, size):
    async def open_it(pilot) -> None:
        await compared(pilot, 3)
        await pilot.pause()

    assert snap_compare(app(), terminal_size=size, run_before=open_it)


@pytest.mark.parametrize("size", SIZES)
def test_errors_of_two_runs(snap_compare, app, size):
    async def open_it(pilot) -> None:
        await explained(pilot)
        await pilot.press("down")
        await pilot.pause()

    assert snap_compare(app(), terminal_size=size, run_before=open_it)


def test_errors_of_one_run_in_ascii(snap_compare, app):
    async def open_it(pilot) -> None:
        await explained(pilot, two=False)
        await pilot.pause()

    assert snap_compare(app(symbols="ascii"), terminal_size=(120, 40), run_before=open_it)


# Keys of Compare


async def test_a_short_terminal_turns_between_figures_and_curves(app) -> None:
    async with app().run_test(size=(80, 24)) as pilot:
        screen = await compared(pilot)
        assert not screen.query_one(OverlayChart).display
        await pilot.press("right_square_bracket")
        assert screen.query_one(OverlayChart).display
        for axis in ("epochs", "samples", "10 min", "steps"):
            await pilot.press("a")
            await until(pilot, lambda end=axis: f" {end}\n" in screen_text(pilot.app))
        await pilot.press("v")
        await until(pilot, lambda: "held-out accuracy" in screen_text(pilot.app))


async def test_escape_leads_back_to_the_runs_and_ends_the_process(app) -> None:
    async with app().run_test(size=(80, 24)) as pilot:
        screen = await compared(pilot)
        asking = screen._asking  # pyright: ignore[reportPrivateUsage]
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        assert asking.closed  # pyright: ignore[reportAttributeAccessIssue]


async def test_a_run_that_is_asked_for_elsewhere_is_not_hidden(app) -> None:
    async with app().run_test(size=(80, 24)) as pilot:
        await compared(pilot)
        pilot.app.post_message(OpenRun("run-1"))
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))


async def test_the_tables_are_written_to_a_file_that_is_not_there_yet(app, tmp_path: Path) -> None:
    async with app().run_test(size=(80, 24)) as pilot:
        await compared(pilot)
        names = {"a.md": True, "a.doc": False, "missing/a.csv": False, "b.tex": True, "c.html": True}
        for name, written in names.items():
            await pilot.press("w")
            await until(pilot, lambda: isinstance(pilot.app.screen, Prompt))
            pilot.app.screen.query_one(TextInput).value = str(tmp_path / name)
            await pilot.press("enter")
            if not written:
                assert isinstance(pilot.app.screen, Prompt)
                await pilot.press("escape")
            await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        await until(pilot, lambda: (tmp_path / "c.html").exists())
        assert (tmp_path / "a.md").read_text() == "markdown of 2 runs\n"
        assert (tmp_path / "b.tex").read_text() == "latex of 2 runs\n"
        assert (tmp_path / "c.html").read_text() == "report of 2 runs\n"
        assert sorted(path.name for path in tmp_path.iterdir() if path.suffix) == ["a.md", "b.tex", "c.html"]


async def test_errors_of_more_than_two_runs_asks_which(app) -> None:
    async with app().run_test(size=(80, 24)) as pilot:
        await compared(pilot, 3)
        await pilot.press("E")
        await until(pilot, lambda: isinstance(pilot.app.screen, Picker))
        assert "A and C" in screen_text(pilot.app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ExplainScreen) and pilot.app.screen.found)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))


# Keys of Errors


async def test_a_slice_becomes_a_filter_and_escape_takes_one_layer_at_a_time(app) -> None:
    async with app().run_test(size=(80, 24)) as pilot:
        screen = await explained(pilot)
        await pilot.press("f")
        await until(pilot, lambda: isinstance(pilot.app.screen, Picker))
        assert "91.7 (88.6" in screen_text(pilot.app) or "n = 484" in screen_text(pilot.app)
        await pilot.press(*"telephone", "enter")
        await until(pilot, lambda: "genre telephone" in screen_text(pilot.app))
        assert screen.asked.genre == "telephone"
        await pilot.press("enter")
        await until(pilot, lambda: screen.has_class("-zoomed"))
        await pilot.press("n", "escape")
        assert screen.query_one(ErrorTable).place == 1
        assert not screen.has_class("-zoomed")
        await pilot.press("escape")
        assert screen.asked.filters == {}
        await pilot.press("right_square_bracket", "escape")
        assert isinstance(pilot.app.screen, ExplainScreen)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))


async def test_which_order_split_and_text(app) -> None:
    async with app().run_test(size=(80, 24)) as pilot:
        screen = await explained(pilot)
        assert "answered differently" in screen_text(pilot.app)
        await pilot.press("w")
        await until(pilot, lambda: "right by full fine-tuning alone" in screen_text(pilot.app))
        await pilot.press("o", "s")
        await until(pilot, lambda: "on mismatched" in screen_text(pilot.app))
        assert screen.asked.order == "row"
        await pilot.press("slash", *"apples", "enter")
        await until(pilot, lambda: len(screen.query_one(ErrorTable).examples) == 1)
        assert screen.asked.contains == "apples"


async def test_a_hostile_row_is_shown_clean(app) -> None:
    async with app().run_test(size=(120, 40)) as pilot:
        screen = await explained(pilot)
        assert "[/red]" in screen.query_one("#row", ScrollLines).text
        assert "\x1b" not in screen.query_one("#row", ScrollLines).text


# With real runs and the real process


async def test_marked_runs_are_compared_and_explained(loaded: Callable, tmp_path: Path) -> None:
    settings = loaded()
    rows = pairs(60)
    data = write_data(tmp_path / "pairs", rows)
    for name, wrong in (("good", (3,)), ("bad", range(30))):
        layout = make_run(settings.runs_dir, "finished", steps=30, name=name, data=data)
        write_predictions(layout, rows, wrong)
    app = ConsoleApp(settings, select="none")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and app.screen.table.total == 2)
        await pilot.press("C")
        await until(pilot, lambda: any("mark 2 to 8" in said.message for said in app._notifications))
        await pilot.press("home", "space", "space", "C")
        await until(pilot, lambda: "by 48.3 points (95 %: " in screen_text(app))
        assert "p < 0.001, n = 60" in screen_text(app)
        await pilot.press("E")
        await until(pilot, lambda: "29 of 60 rows are answered differently" in screen_text(app))
        assert rows[29].premise in screen_text(app)
        await pilot.press("v")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press("up", "home", "enter")
        await until(pilot, lambda: "of 60 rows are wrong" in screen_text(app))
