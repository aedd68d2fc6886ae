"""What the live view says about a run."""

from pathlib import Path

from nli_console.record.samples import Guard, Phase, Start
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


def test_a_long_warning_is_wrapped():
    lines = texts(
        Guard("x", "error", "the loss is NaN at step 3; lower the learning rate", 1, True), width=40
    )
    assert lines[-2:] == ["x error  the loss is NaN at step 3;", "lower the learning rate"]


def test_a_warning_that_is_too_long_ends_in_an_ellipsis():
    lines = texts(Guard("x", "error", "long " * 60, 1, True), width=60)
    assert lines[-2].startswith("x error  long")
    assert lines[-1].endswith("long…")
    assert all(len(line) <= 60 for line in lines)


def ended(state: State, reason: Reason, width: int = 60, rows: int = 3, **of_state: bool) -> list[str]:
    run = RunSummary("a", Path("/runs/a"), RunState(state, reason, **of_state), name="a run")
    view = RunView("a", step=500, start=Start(1, 0, 1000))
    lines = header(run, view, width, symbols("ascii"), rows)
    return ["".join(text for text, _ in line) for line in lines[1:]]


def test_a_reason_that_is_too_long_ends_in_an_ellipsis():
    lines = ended(State.FAILED, Reason("exception", "word " * 60))
    assert len(lines) == 4
    assert lines[2].endswith("word…")
    assert lines[3] == "reached step 500 of 1,000"


def test_the_key_that_resumes_is_never_cut_off():
    stopped = ended(State.STOPPED, Reason("user", "by tester"), resumable=True)
    assert stopped == ["asked for: by tester at step 500 of 1,000  r resumes it"]
    narrow = ended(State.STOPPED, Reason("user", "by tester"), width=44, resumable=True)
    assert narrow == ["asked for: by tester at step 500 of 1,000", "r resumes it"]


def test_a_queued_run_that_nobody_waits_for_names_the_key_that_starts_it():
    run = RunSummary(
        "a", Path("/runs/a"), RunState(State.QUEUED, Reason("nobody_waits", "nobody waits"), True)
    )
    lines = header(run, None, 60, symbols("ascii"))
    assert "".join(text for text, _ in lines[-1]) == "nobody waits  r starts it"


def progress(**view: float | None) -> str:
    shown = RunView("a", step=10, start=Start(1, 0, 100), phase=Phase("training"), **view)
    return "".join(text for text, _ in header(RUN, shown, 80, symbols("ascii"))[-1])


def test_before_the_first_evaluation_the_time_left_is_a_lower_bound():
    assert progress(eta=None, eta_at_least=7200.0).endswith("ETA over 2 h 00 min")
    assert progress(eta=7300.0, eta_at_least=7200.0).endswith("ETA 2 h 01 min")
    assert progress(eta=None, eta_at_least=None).endswith("ETA –")
