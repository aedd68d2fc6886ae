"""Clocks that are set, and processes that stand still: nothing is called dead, late or negative for it."""

import os
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from nli_console.record.evidence import gather
from nli_console.record.journal import Journal
from nli_console.record.layout import RunLayout
from nli_console.record.live import LiveRun
from nli_console.record.processes import alive
from nli_console.record.state import State, derive
from nli_console.record.store import Store
from nli_console.supervisor import actions
from tests.supervisor.conftest import Desk, steps_of, training, until, worker_of
from tests.support.fake_runs import make_run, train_record

HOUR, DAY = 3600.0, 86_400.0


def test_a_stopped_worker_is_stalled_and_recovers(desk: Desk) -> None:
    """Fault: SIGSTOP for a minute, then SIGCONT. Stalled, not failed; then it runs again."""
    run = desk.submit(steps=100_000, step_seconds=0.01)
    desk.supervise(run)
    until(training(run.attempt(1), 5))
    worker = worker_of(run.attempt(1))
    assert worker is not None
    os.kill(worker.pid, signal.SIGSTOP)
    until(lambda: _letter(worker.pid) == "T")
    # A minute later, without waiting for it.
    state = derive(gather(run, now=time.time() + 60))
    assert (state.state, state.resumable) == (State.STALLED, False)
    assert state.reason is not None
    assert state.reason.detail.endswith("s while training")
    before = len(steps_of(run.attempt(1)))
    os.kill(worker.pid, signal.SIGCONT)
    until(training(run.attempt(1), before + 5))
    assert derive(gather(run)).state is State.RUNNING
    assert alive(worker)


def _letter(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("offset", [-DAY, -HOUR, HOUR, DAY])
@pytest.mark.parametrize("state", ["queued", "starting", "running", "stopping"])
def test_a_clock_that_is_set_kills_no_run(tmp_path: Path, offset: float, state: str) -> None:
    """Fault: the clock goes back an hour or ahead a day. A live run of this host stays live."""
    layout = make_run(tmp_path, state, steps=5)  # pyright: ignore[reportArgumentType]
    found = derive(gather(layout, now=time.time() + offset))
    assert found.state.live
    assert found.state not in (State.UNREACHABLE, State.ORPHANED)
    assert not found.resumable
    store = Store(tmp_path)
    store.refresh(time.time() + offset)
    (run,) = store.runs
    assert run.seconds is None or run.seconds >= 0


@pytest.mark.parametrize("offset", [-HOUR, DAY])
def test_order_and_time_left_do_not_follow_the_clock(tmp_path: Path, offset: float) -> None:
    """Fault: the clock is set in the middle of a run. Steps keep their order, no time left is negative."""
    layout = make_run(tmp_path, "running", steps=0, total_steps=100)
    now = time.time()
    with Journal(layout.attempt(1).metrics) as journal:
        for step in range(1, 41):
            moment = now + 0.35 * step + (offset if step > 20 else 0)
            journal.append({**train_record(100 + step, moment, step, 100), "seconds": 0.35})
        for index, done in enumerate((0, 200, 400)):
            moment = now + 20 + index + (offset if index else 0)
            phase = {"kind": "phase", "phase": "evaluating", "done": done, "total": 1000, "unit": "rows"}
            journal.append({"v": 1, "seq": 200 + index, "t": moment, **phase})
    live = LiveRun(layout)
    live.poll()
    assert [block.last_step for block in live.points] == list(range(1, 41))
    assert live.eta.training == pytest.approx(60 * 0.35)
    assert all(left is None or left >= 0 for left in (live.eta.phase, live.eta.evaluation, live.eta.total))


def test_a_request_counts_although_the_clock_went_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: the clock was set back after the run began. A request to stop it is not taken for an old one."""
    layout: RunLayout = make_run(tmp_path, "running", steps=5)
    monkeypatch.setattr(actions, "time", SimpleNamespace(time=lambda: time.time() - DAY))
    actions.stop(layout, "anna")
    assert derive(gather(layout)).state is State.STOPPING
