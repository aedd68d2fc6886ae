"""Where a bare call opens, and that the first frame has the rows."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nli_console.settings import LoadedSettings
from nli_console.tui.app import ConsoleApp
from nli_console.tui.messages import ScreenDrawn
from nli_console.tui.screens.runs import RunsScreen
from nli_console.tui.sources import RunsReader
from nli_console.tui.style_memory import StyleMemory
from nli_console.tui.widgets.run_table import RunTable
from tests.support.fake_runs import make_run

SIZE = (120, 40)


async def until(pilot, condition) -> None:
    for _ in range(2400):
        if condition():
            return
        await pilot.pause(0.025)
    raise AssertionError("the screen did not get there")


async def test_with_a_history_the_first_frame_is_its_rows(
    loaded: Callable[..., LoadedSettings], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        make_run(tmp_path / "runs", "finished", steps=5, name=f"number {number}", run_id=f"run-{number}")
    drawn: list[int] = []

    begins = ConsoleApp.on_screen_drawn

    async def watched(app: ConsoleApp, message: ScreenDrawn) -> None:
        # Before what follows the first frame begins.
        drawn.append(message.screen.query_one(RunTable).listed)
        await begins(app, message)

    monkeypatch.setattr(ConsoleApp, "on_screen_drawn", watched)
    app = ConsoleApp(loaded(), start=None)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: drawn)
        assert drawn == [3]
        screen = app.screen
        assert isinstance(screen, RunsScreen)
        await until(pilot, lambda: screen.live is not None)


async def test_without_one_it_opens_on_the_form(loaded: Callable[..., LoadedSettings]) -> None:
    app = ConsoleApp(loaded(), start=None)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.current_mode == "launch")


async def test_a_file_system_that_does_not_answer_does_not_keep_it_from_opening(
    loaded: Callable[..., LoadedSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nli_console.tui.app._FIRST_LOOK", 0.02)
    monkeypatch.setattr(RunsReader, "read", lambda _: None)
    app = ConsoleApp(loaded(), start=None)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: app.current_mode == "launch")


def test_css_is_parsed_once_and_anew_with_other_colours() -> None:
    sheet = StyleMemory(variables={"tint": "#ff0000"})
    sheet.add_source("Label { color: $tint; }")
    sheet.parse()
    first = sheet.rules[0]
    sheet.set_variables({"tint": "#ff0000"})
    sheet.reparse()
    assert sheet.rules[0] is first
    sheet.set_variables({"tint": "#00ff00"})
    sheet.reparse()
    assert sheet.rules[0].styles.color.hex == "#00FF00"
