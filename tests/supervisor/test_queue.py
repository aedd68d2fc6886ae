"""The queue: slots, order, and those who leave it."""

import fcntl
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from nli_console.errors import ConsoleError
from nli_console.record.evidence import gather
from nli_console.record.processes import ProcessIdentity, alive, identity_of, own_identity
from nli_console.record.state import State, derive
from nli_console.supervisor import actions
from nli_console.supervisor.lease import Holder, Slots, Waiter
from nli_console.supervisor.sweep import send
from tests.supervisor.conftest import (
    PATIENCE,
    Desk,
    events_of,
    owner_of,
    result_of,
    supervisor_of,
    training,
    until,
    worker_of,
)


def holder(name: str, process: ProcessIdentity | None = None) -> Holder:
    return Holder(name, f"/runs/{name}", process or own_identity())


def test_a_run_waits_for_the_slot_and_starts_without_any_console(desk: Desk) -> None:
    first, second = desk.submit(steps=100_000, step_seconds=0.01), desk.submit(steps=1)
    desk.supervise(first)
    until(training(first.attempt(1)))
    waiting = desk.supervise(second)
    until(lambda: "waiting" in events_of(second.attempt(1)))
    state = derive(gather(second))
    assert state.state == State.QUEUED
    assert state.reason is not None
    assert first.id in state.reason.detail
    assert owner_of(second.attempt(1))["queued"]
    actions.stop(first, "anna", kill=True)
    until(lambda: result_of(first.attempt(1)))
    until(lambda: worker_of(second.attempt(1)))
    assert waiting.wait(PATIENCE) == 0


def test_two_slots_hold_two_runs(desk: Desk) -> None:
    runs = [desk.submit(steps=100_000, step_seconds=0.01, cpu_slots=2) for _ in range(3)]
    for run in runs[:2]:
        desk.supervise(run)
        until(training(run.attempt(1)))
    desk.supervise(runs[2])
    until(lambda: "waiting" in events_of(runs[2].attempt(1)))


def test_the_oldest_live_waiter_goes_first(desk: Desk) -> None:
    now = time.time()
    first = desk.submit(steps=100_000, step_seconds=0.01)
    dead, young, old = (desk.submit(steps=1, submitted=now - age) for age in (300, 100, 200))
    desk.supervise(first)
    until(training(first.attempt(1)))
    for run in (young, dead, old):
        desk.supervise(run)
        until(lambda run=run: "waiting" in events_of(run.attempt(1)))
    front = supervisor_of(dead.attempt(1))
    assert front is not None
    send(front, signal.SIGKILL)
    until(lambda: not alive(front))
    actions.stop(first, "anna", kill=True)
    ended = [until(lambda run=run: result_of(run.attempt(1))) for run in (old, young)]
    assert ended[0]["t"] < ended[1]["t"]
    assert result_of(dead.attempt(1)) is None
    state = derive(gather(dead))
    assert (state.state, state.reason and state.reason.code) == (State.QUEUED, "nobody_waits")
    with pytest.raises(ConsoleError, match="nobody is waiting"):
        actions.stop(dead, "anna")
    actions.resume(dead)
    assert until(lambda: result_of(dead.attempt(2)))["state"] == "finished"


def test_a_stop_in_the_queue_leaves_at_once(desk: Desk) -> None:
    first, second = desk.submit(steps=100_000, step_seconds=0.01), desk.submit(steps=1)
    desk.supervise(first)
    until(training(first.attempt(1)))
    waiting = desk.supervise(second)
    until(lambda: "waiting" in events_of(second.attempt(1)))
    assert "leaves the queue" in actions.stop(second, "anna")
    assert waiting.wait(PATIENCE) == 3
    assert result_of(second.attempt(1))["state"] == "stopped"
    assert "starting" not in events_of(second.attempt(1))
    assert Slots().waiting() == []


def test_a_slot_is_held_once_and_named(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "leases")
    lease = slots.take("cpu-0", holder("a"))
    assert lease is not None
    assert slots.take("cpu-0", holder("b")) is None
    assert slots.holder("cpu-0") == holder("a")
    lease.release()
    assert slots.holder("cpu-0") is None
    assert slots.take("cpu-0", holder("b")) is not None


def test_a_child_does_not_inherit_a_lease(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "leases")
    lease = slots.take("cpu-0", holder("a"))
    assert lease is not None
    with subprocess.Popen(["sleep", "60"], close_fds=False) as child:
        lease.release()
        assert slots.take("cpu-0", holder("b")) is not None
        child.kill()


def test_a_slot_file_that_was_cleaned_away_is_not_trusted(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "leases")
    first = slots.take("cpu-0", holder("a"))
    assert first is not None
    path = tmp_path / "leases" / "cpu-0.slot"
    path.unlink()
    second = slots.take("cpu-0", holder("b"))
    assert second is not None
    assert slots.take("cpu-0", holder("c")) is None


def test_a_waiter_lets_an_older_one_pass_only_where_both_want(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "leases")
    with Waiter(slots, holder("old"), 1.0) as old, Waiter(slots, holder("new"), 2.0) as new:
        blocker = slots.take("gpu-A", holder("x"))
        assert blocker is not None
        assert old.take(("gpu-A",)) is None
        assert new.take(("gpu-A",)) is None
        blocker.release()
        assert new.take(("gpu-A",)) is None
        other = new.take(("gpu-A", "gpu-B"))
        assert other is not None
        assert other.slot == "gpu-B"
        assert old.take(("gpu-A",)) is not None


def test_a_waiter_that_stopped_renewing_its_ticket_is_passed_over(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "leases")
    blocker = slots.take("cpu-0", holder("x"))
    assert blocker is not None
    with Waiter(slots, holder("frozen"), 1.0) as frozen, Waiter(slots, holder("new"), 2.0) as new:
        assert frozen.take(("cpu-0",)) is None
        blocker.release()
        assert new.take(("cpu-0",)) is None
        for ticket in (tmp_path / "leases" / "waiting").glob("frozen*"):
            os.utime(ticket, (0, 0))
        assert new.take(("cpu-0",)) is not None


def test_a_ticket_of_a_reused_pid_holds_nobody_up(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "leases")
    blocker = slots.take("cpu-0", holder("x"))
    assert blocker is not None
    me = own_identity()
    stranger = ProcessIdentity(me.pid, me.start_ticks - 1)
    with Waiter(slots, holder("gone", stranger), 1.0) as gone:
        assert gone.take(("cpu-0",)) is None
        blocker.release()
        with Waiter(slots, holder("new"), 2.0) as new:
            assert new.take(("cpu-0",)) is not None


@pytest.mark.parametrize("make", ["link", "file", "foreign"])
def test_a_lease_folder_that_is_not_one_s_own_is_refused(tmp_path: Path, make: str, monkeypatch) -> None:
    folder = tmp_path / "leases"
    if make == "link":
        folder.symlink_to(tmp_path)
    elif make == "file":
        folder.write_text("")
    else:
        folder.mkdir(mode=0o700)
        monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(ConsoleError, match="not a folder of yours"):
        Slots(folder)


def test_a_lease_folder_open_to_others_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "leases"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    Slots(folder)
    assert folder.stat().st_mode & 0o777 == 0o700


def test_flock_is_the_lock(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "leases")
    lease = slots.take("cpu-0", holder("a"))
    assert lease is not None
    with open(tmp_path / "leases" / "cpu-0.slot") as stream, pytest.raises(BlockingIOError):
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert identity_of(os.getpid()) == own_identity()
