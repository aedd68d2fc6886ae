"""A runs folder on another host's disk: what is known of its runs from here, and what may be done to them."""

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from nli_console.errors import ConsoleError
from nli_console.record import clocks, orders
from nli_console.record.evidence import gather
from nli_console.record.files import read_json, write_json
from nli_console.record.layout import RunLayout
from nli_console.record.processes import Processes
from nli_console.record.state import HEARTBEAT_SILENCE, State, derive
from nli_console.record.store import Store
from nli_console.supervisor import actions, queue_actions, reap
from tests.supervisor.conftest import race
from tests.support.fake_runs import DEAD, FakeState, make_run


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(clocks, "_measured", {})
    return tmp_path / "runs"


def elsewhere(root: Path, state: FakeState, *, silent: float = 0.0) -> RunLayout:
    """A run whose owner is another host, which was heard of ``silent`` seconds ago."""
    layout = make_run(root, state, steps=3)
    owner = layout.attempt(1).owner
    write_json(owner, {**(read_json(owner) or {}), "host": "node7"})
    os.utime(owner, (time.time() - silent,) * 2)
    return layout


def state_of(layout: RunLayout) -> State:
    return derive(gather(layout)).state


def test_a_heartbeat_says_that_a_run_is_at_work_and_its_silence_nothing(root: Path) -> None:
    assert state_of(elsewhere(root, "running")) is State.RUNNING
    assert state_of(elsewhere(root, "running", silent=HEARTBEAT_SILENCE + 10)) is State.UNREACHABLE


def test_the_heartbeat_is_as_old_as_the_file_server_says(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = elsewhere(root, "running", silent=3600)
    # The server's clock is an hour behind: what it dated an hour ago was written just now.
    monkeypatch.setattr(clocks, "_measure", lambda folder: -3600.0)
    assert state_of(slow) is State.RUNNING
    fast = elsewhere(root, "running")
    monkeypatch.setattr(clocks, "_measure", lambda folder: 3600.0)
    monkeypatch.setattr(clocks, "_measured", {})
    assert state_of(fast) is State.UNREACHABLE


def test_the_clock_of_the_server_is_read_from_a_file_that_does_not_stay(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root.mkdir()
    assert clocks.file_clock(root) == 0.0
    assert os.listdir(root) == []
    real = time.time
    monkeypatch.setattr(clocks, "time", SimpleNamespace(time=lambda: real() + 500, monotonic=time.monotonic))
    monkeypatch.setattr(clocks, "_measured", {})
    assert clocks.file_clock(root) == pytest.approx(-500, abs=2)
    # A folder that cannot be written to has no clock that could be asked.
    assert clocks.file_clock(root / "missing") == 0.0


def test_a_run_elsewhere_is_stopped_by_file_and_neither_resumed_nor_deleted(root: Path) -> None:
    live, silent = elsewhere(root, "running"), elsewhere(root, "running", silent=3600)
    for act, verb in ((actions.resume, "resumed"), (actions.delete, "deleted")):
        with pytest.raises(ConsoleError, match=f"is running on node7, so it cannot be {verb}; .* stop"):
            act(live)
        with pytest.raises(ConsoleError, match=f"node7 has been silent.* cannot be {verb}; look on node7"):
            act(silent)
    assert "stops after a checkpoint" in actions.stop(live, "anna")
    assert "node7 is silent" in actions.stop(silent, "anna")
    for layout in (live, silent):
        assert (read_json(layout.stop_request) or {})["by"] == "anna"


def test_a_run_that_waits_elsewhere_is_held_by_file_and_moved_only_there(root: Path) -> None:
    layout = elsewhere(root, "queued")
    queue_actions.hold(layout)
    assert orders.read_orders(layout, 0.0).held_by
    queue_actions.start(layout)
    assert orders.read_orders(layout, 0.0).start
    with pytest.raises(ConsoleError, match="waits on node7"):
        queue_actions.move(layout, "first")


def test_the_history_names_the_other_host(root: Path) -> None:
    elsewhere(root, "running")
    here = make_run(root, "running", steps=3)
    store = Store(root)
    store.refresh()
    assert {run.host for run in store.runs} == {"node7", ""}
    run = store.get(here.id)
    assert run is not None
    assert run.to_json()["host"] is None


def test_of_reapers_on_two_hosts_the_own_one_records_the_end_and_nobody_else(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = make_run(root, "running", steps=3, process=DEAD)
    owner = layout.attempt(1).owner
    write_json(owner, {**(read_json(owner) or {}), "host": "node7"})
    place = threading.local()

    class OnHost(Processes):
        def __init__(self) -> None:
            super().__init__()
            self.host = place.name

    monkeypatch.setattr(reap, "Processes", OnHost)

    def on(host: str) -> State | None:
        place.name = host
        ended = reap.reap(layout)
        return None if ended is None else ended.state

    answers = race(*(lambda host=host: on(host) for host in ("node7", "node8", "node7", "node9")))
    assert answers.count(State.LOST) == 1
    assert answers[1] is None
    assert answers[3] is None
    assert (read_json(layout.attempt(1).result) or {})["state"] == "lost"
