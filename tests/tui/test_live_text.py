"""What the live view says about a run."""

from pathlib import Path

from nli_console.record.samples import Guard
from nli_console.record.state import Reason, RunState, State
from nli_console.record.store import RunSummary
from nli_console.tui.run_view import RunView
from nli_console.tui.symbols import symbols
from nli_console.tui.widgets.live_text import header

RUN = RunSummary("a", Path("/runs/a"), RunState(State.RUNNING, Reason("phase", "training")), name="a run")


def texts(*guards: Guard, width: int = 80) -> list[str]:
    view = RunView("a", guards=guards)
    return ["".join(text for text, _ in line) for line in header(RUN, view, width, symbols("ascii"))]


def test_an_active_warning_of_the_worker_stands_in_the_header():
    lines = texts(Guard("nan_steps", "warning", "the loss is NaN at step 3", 3, True))
    assert lines[-1] == "! warning  the loss is NaN at step 3"


def test_a_run_without_warnings_says_nothing_of_them():
    assert not any("warning" in line for line in texts())


def test_a_long_warning_is_cut_to_the_width():
    lines = texts(Guard("x", "error", "long " * 40, 1, True), width=60)
    assert lines[-1].startswith("x error  long")
    assert len(lines[-1]) == 60
