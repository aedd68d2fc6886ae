"""R in Runs writes a report of the selected run, or of those that are marked."""

from pathlib import Path

import pytest
from textual.widgets import Input

from nli_console.tui.screens.prompt import Prompt
from tests.support.fake_reports import write_report
from tests.support.fake_runs import make_run
from tests.tui.test_runs_screen import console, screen_text, shown, until


async def test_a_report_is_written_where_its_name_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    layout = make_run(tmp_path / "runs", "finished", steps=9, name="mine")
    write_report(layout)
    app = console(tmp_path / "runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, layout)
        await pilot.press("R")
        await until(pilot, lambda: isinstance(app.screen, Prompt))
        field = app.screen.query_one(Input)
        assert field.value == f"{layout.id}.html"
        field.value = str(tmp_path / "none" / "report.html")
        await until(pilot, lambda: "there is no such folder" in screen_text(app))
        field.value = str(tmp_path / "report.txt")
        await until(pilot, lambda: "expected a name that ends in .html" in screen_text(app))
        field.value = str(tmp_path / "report.html")
        await pilot.press("enter")
        await until(pilot, lambda: any("Written:" in note.message for note in app._notifications))
    assert layout.id in (tmp_path / "report.html").read_text()
