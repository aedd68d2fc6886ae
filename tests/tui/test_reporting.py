"""R in Runs writes a report of the selected run, or of those that are marked."""

from collections.abc import Sequence
from pathlib import Path
from threading import Event
from threading import enumerate as enumerate_threads

import pytest
from textual.widgets import Input

from nli_console.record.layout import RunLayout
from nli_console.supervisor.analysis import Analysis, Progress
from nli_console.tui.reporting import write
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


async def test_a_report_shows_how_far_it_is_and_is_stopped_with_escape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held, ended = Event(), Event()

    def report(self: Analysis, runs: Sequence[RunLayout], progress: Progress) -> str:
        progress("reading", 1, 4, "runs")
        held.wait()
        ended.set()
        return "<html>"

    monkeypatch.setattr(Analysis, "report", report)
    layout = make_run(tmp_path / "runs", "finished", steps=9, name="[red]mine")
    app = console(tmp_path / "runs")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await shown(pilot, layout)
        write(app.screen, [app.screen.table.selected], tmp_path / "report.html")
        await until(pilot, lambda: "reading 1 of 4 runs" in screen_text(app))
        assert 'Writing the report of "[red]mine"' in screen_text(app)
        await pilot.press("escape")
        await until(pilot, lambda: "no report was written" in screen_text(app))
        held.set()
        await until(pilot, ended.is_set)
        # The process that was asked is gone, and the thread has left the work.
        await until(pilot, lambda: not any(each.name == "console-analysis" for each in enumerate_threads()))
    assert not (tmp_path / "report.html").exists()


async def test_a_report_that_cannot_be_written_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Analysis, "report", lambda *_: "<html>")
    layout = make_run(tmp_path / "runs", "finished", steps=9)
    (tmp_path / "report.html").write_text("somebody else's")
    app = console(tmp_path / "runs")
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await shown(pilot, layout)
        write(app.screen, [app.screen.table.selected], tmp_path / "report.html")
        await until(pilot, lambda: any("File exists" in note.message for note in app._notifications))
    assert (tmp_path / "report.html").read_text() == "somebody else's"
