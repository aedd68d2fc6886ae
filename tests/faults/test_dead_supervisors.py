"""Supervisors that die, races between those who find or start a run, and identities that lie."""

import os
import signal
import subprocess
import sys
import time

import pytest

from nli_console.errors import ConsoleError
from nli_console.record.evidence import attempt_numbers, gather
from nli_console.record.files import read_json, write_json
from nli_console.record.processes import alive, identity_of, own_identity, tagged_processes
from nli_console.record.state import State, derive
from nli_console.supervisor import actions
from nli_console.supervisor.attempt import Owner
from nli_console.supervisor.reap import reap, sweep_orphans
from nli_console.supervisor.sweep import send
from tests.supervisor.conftest import (
    PATIENCE,
    Desk,
    all_gone,
    owner_of,
    race,
    result_of,
    supervisor_of,
    training,
    until,
    worker_of,
)


def kill_supervisor(run) -> None:
    supervisor = supervisor_of(run.attempt(1))
    assert supervisor is not None
    send(supervisor, signal.SIGKILL)
    until(lambda: not alive(supervisor))


def test_a_killed_supervisor_takes_its_worker_along_and_is_recorded_once(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01)
    desk.supervise(run)
    until(training(run.attempt(1)))
    kill_supervisor(run)
    until(all_gone(run))
    assert list(run.path.glob("saved-at-*"))
    assert derive(gather(run)).state == State.LOST
    recorded = [answer for answer in race(lambda: reap(run), lambda: reap(run)) if answer is not None]
    assert len(recorded) == 1
    result = result_of(run.attempt(1))
    assert result is not None
    assert (result["state"], result["reason"]["code"], result["by"]) == ("lost", "supervisor_died", "reaper")
    assert reap(run) is None


def test_a_run_whose_processes_were_all_killed_is_lost_and_resumable(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01)
    desk.supervise(run)
    until(training(run.attempt(1)))
    worker = worker_of(run.attempt(1))
    assert worker is not None
    kill_supervisor(run)
    send(worker, signal.SIGKILL)
    until(lambda: not alive(worker))
    state = derive(gather(run))
    assert (state.state, state.resumable) == (State.LOST, True)


def test_a_batch_job_that_starts_again_goes_on_after_a_killed_one(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01)
    desk.supervise(run)
    until(training(run.attempt(1)))
    kill_supervisor(run)
    until(all_gone(run))
    desk.supervise(run)
    until(training(run.attempt(2)))
    assert result_of(run.attempt(1))["state"] == "lost"


def test_a_resume_waits_for_a_worker_that_saves_because_its_supervisor_died(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01, save_seconds=0.5)
    desk.supervise(run)
    until(training(run.attempt(1)))
    kill_supervisor(run)
    actions.resume(run)
    assert list(run.path.glob("saved-at-*"))
    assert result_of(run.attempt(1))["state"] == "lost"
    until(training(run.attempt(2)))


def test_what_outlives_a_dead_supervisor_is_orphaned_until_it_is_swept(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "_LEAVING", 0.0)
    run = desk.submit(steps=100_000, step_seconds=0.01, sessions=2)
    desk.supervise(run)
    until(training(run.attempt(1)))
    kill_supervisor(run)
    worker = worker_of(run.attempt(1))
    until(lambda: not alive(worker))
    assert derive(gather(run)).state == State.ORPHANED
    assert reap(run) is None
    with pytest.raises(ConsoleError, match="stop --kill"):
        actions.resume(run)
    assert len(sweep_orphans(run)) == 2
    assert tagged_processes(run.path) == []
    assert result_of(run.attempt(1))["state"] == "lost"


def test_a_worker_that_finished_just_before_its_supervisor_died_has_finished(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01)
    desk.supervise(run)
    until(training(run.attempt(1)))
    kill_supervisor(run)
    until(all_gone(run))
    write_json(run.attempt(1).final, {"v": 1, "completed": True, "stopped": False, "reason": None})
    ended = reap(run)
    assert ended is not None
    assert ended.state == State.FINISHED


def test_a_live_run_is_not_reaped(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01)
    desk.supervise(run)
    until(training(run.attempt(1)))
    assert reap(run) is None
    with pytest.raises(ConsoleError, match="alive"):
        sweep_orphans(run)
    assert alive(worker_of(run.attempt(1)))


def test_a_second_supervisor_leaves_the_first_undisturbed(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01)
    desk.supervise(run)
    until(training(run.attempt(1)))
    before = supervisor_of(run.attempt(1)), worker_of(run.attempt(1))
    second = desk.supervise(run)
    assert second.wait(PATIENCE) == 73
    assert attempt_numbers(run) == [1]
    assert (supervisor_of(run.attempt(1)), worker_of(run.attempt(1))) == before
    assert alive(before[0])
    assert alive(before[1])


def test_of_two_supervisors_at_once_one_does_the_run(desk: Desk) -> None:
    run = desk.submit(steps=1)
    rivals = [desk.supervise(run), desk.supervise(run)]
    assert sorted(process.wait(PATIENCE) for process in rivals) == [0, 73]
    assert attempt_numbers(run) == [1]


def test_two_hundred_times_two_claims_and_one_attempt_each(desk: Desk) -> None:
    run = desk.submit()
    argv = [sys.executable, "-P", "-m", "tests.supervisor.rivals", str(run.path), "200"]
    rivals = subprocess.run(argv, stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=True)
    codes = [sorted(int(code) for code in line.split()) for line in rivals.stdout.splitlines()]
    assert codes == [[0, 73]] * 200
    assert attempt_numbers(run) == list(range(1, 201))


def test_a_reused_pid_is_neither_the_run_nor_signalled(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01)
    desk.supervise(run)
    until(training(run.attempt(1)))
    kill_supervisor(run)
    until(all_gone(run))
    with subprocess.Popen(["sleep", "60"]) as bystander:
        now = identity_of(bystander.pid)
        assert now is not None
        then = {"pid": now.pid, "start_ticks": now.start_ticks - 1}
        write_json(run.attempt(1).owner, {**owner_of(run.attempt(1)), "supervisor": then, "worker": then})
        assert derive(gather(run)).state == State.LOST
        sweep_orphans(run)
        assert bystander.poll() is None
        bystander.kill()


def test_another_boot_ends_a_run_whatever_its_pids_are_now(desk: Desk) -> None:
    run = desk.submit()
    fake_attempt(run, boot_id="00000000-0000-0000-0000-000000000000")
    ended = reap(run)
    assert ended is not None
    assert (ended.state, ended.reason and ended.reason.code) == (State.LOST, "reboot")


def test_a_zombie_supervisor_is_dead(desk: Desk) -> None:
    run = desk.submit()
    with subprocess.Popen(["sleep", "60"]) as process:
        identity = identity_of(process.pid)
        assert identity is not None
        fake_attempt(run, supervisor=identity.to_json(), worker=identity.to_json())
        assert reap(run) is None
        os.kill(process.pid, signal.SIGKILL)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        ended = reap(run)
    assert ended is not None
    assert ended.state == State.LOST


def test_silence_of_another_host_proves_nothing(desk: Desk) -> None:
    run = desk.submit()
    fake_attempt(run, host="elsewhere")
    os.utime(run.attempt(1).owner, (0, 0))
    assert reap(run) is None
    assert derive(gather(run)).state == State.UNREACHABLE
    for act in (actions.resume, actions.delete):
        with pytest.raises(ConsoleError, match="elsewhere"):
            act(run)
    assert "elsewhere" in actions.stop(run, "anna")
    assert (read_json(run.stop_request) or {})["by"] == "anna"


def test_resume_goes_on_in_a_new_attempt(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01)
    desk.supervise(run)
    until(training(run.attempt(1)))
    kill_supervisor(run)
    until(all_gone(run))
    actions.resume(run)
    until(training(run.attempt(2)))
    assert result_of(run.attempt(1))["state"] == "lost"
    with pytest.raises(ConsoleError, match="is running"):
        actions.resume(run)
    with pytest.raises(ConsoleError, match="is running"):
        actions.delete(run)
    actions.stop(run, "anna", kill=True)
    until(lambda: result_of(run.attempt(2)))


def test_a_run_that_others_can_write_to_is_not_resumed(desk: Desk) -> None:
    run = desk.submit(steps=1, end="exit")
    assert desk.supervise(run).wait(PATIENCE) == 1
    run.path.chmod(0o707)
    with pytest.raises(ConsoleError, match="not loaded"):
        actions.resume(run)
    assert attempt_numbers(run) == [1]


def test_a_deleted_run_can_be_brought_back_until_the_trash_is_emptied(desk: Desk) -> None:
    run = desk.submit(steps=1)
    assert desk.supervise(run).wait(PATIENCE) == 0
    trashed = actions.delete(run)
    assert not run.path.exists()
    assert trashed.is_dir()
    assert actions.trashed(desk.runs_dir) == [run.id]
    assert derive(gather(actions.restore(desk.runs_dir, run.id))).state == State.FINISHED
    actions.delete(run)
    assert actions.empty_trash(desk.runs_dir) == 1
    with pytest.raises(ConsoleError, match="not in the trash"):
        actions.restore(desk.runs_dir, run.id)
    with pytest.raises(ConsoleError, match="not in the trash"):
        actions.restore(desk.runs_dir, "../x")


def fake_attempt(run, **changed) -> None:
    """An attempt that says it is supervised by this very process."""
    attempt = run.attempt(1)
    attempt.path.mkdir(parents=True, mode=0o700)
    owner = Owner(1, own_identity(), own_identity(), queued=False, started=time.time())
    write_json(attempt.owner, {**owner.to_json(), **changed})
