"""One attempt from start to end: states, reasons, stops, limits, and nothing left behind."""

import contextlib
import os
import pty
import signal
import stat
import subprocess
import time
from typing import Any

import pytest

from nli_console.record.evidence import gather
from nli_console.record.files import write_json
from nli_console.record.journal import Tail
from nli_console.record.layout import ENVIRONMENT_TAG, RunLayout
from nli_console.record.processes import alive, identity_of, tagged_processes
from nli_console.record.state import State, derive
from nli_console.supervisor import actions
from nli_console.supervisor.environment import python_command
from nli_console.supervisor.sweep import send
from nli_console.supervisor.worker_process import WORKER_VARIABLE
from tests.supervisor.conftest import (
    PATIENCE,
    Desk,
    events_of,
    owner_of,
    result_of,
    steps_of,
    supervisor_of,
    training,
    until,
    worker_of,
)


def test_a_run_finishes(desk: Desk) -> None:
    run = desk.submit(steps=5, name="first")
    process = desk.supervise(run)
    assert process.wait(PATIENCE) == 0
    attempt = run.attempt(1)
    result = result_of(attempt)
    assert result is not None
    assert (result["state"], result["exit_code"], result["by"]) == ("finished", 0, "supervisor")
    assert steps_of(attempt) == [1, 2, 3, 4, 5]
    assert events_of(attempt) == ["lease", "starting", "worker_exit", "ended"]
    sample = Tail(attempt.system).read().records[0]
    assert sample["gpus"] == []
    assert sample["host_memory_total_bytes"] > sample["host_memory_used_bytes"] > 0
    assert derive(gather(run)).state == State.FINISHED
    assert list(attempt.path.glob(".reserve*")) == []


def test_nobody_else_can_read_what_an_attempt_writes(desk: Desk) -> None:
    run = desk.submit(steps=2)
    assert desk.supervise(run, preexec_fn=lambda: os.umask(0)).wait(PATIENCE) == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in run.attempt(1).path.rglob("*")}
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}
    assert stat.S_IMODE(run.attempt(1).path.stat().st_mode) == 0o700


def test_exit_code_0_without_a_final_record_is_not_finished(desk: Desk) -> None:
    run = desk.submit(end="exit", code=0)
    assert desk.supervise(run).wait(PATIENCE) == 1
    assert derive(gather(run)).state == State.FAILED


def test_a_traceback_becomes_the_reason(desk: Desk) -> None:
    run = desk.submit(end="raise", message="the tokenizer has no pad token")
    assert desk.supervise(run).wait(PATIENCE) == 1
    state = derive(gather(run))
    assert state.reason is not None
    assert (state.reason.code, state.reason.detail) == (
        "exception",
        "RuntimeError: the tokenizer has no pad token",
    )


def test_a_worker_killed_from_outside_has_failed_and_every_record_is_kept(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.001)
    process = desk.supervise(run)
    attempt = run.attempt(1)
    until(training(attempt, 50))
    worker = worker_of(attempt)
    assert worker is not None
    assert send(worker, signal.SIGKILL)
    result = until(lambda: result_of(attempt))
    assert (result["state"], result["signal"], result["reason"]["code"]) == ("failed", 9, "signal")
    assert process.wait(PATIENCE) == 1
    acknowledged = [int(line) for line in attempt.console_log.read_text().split()]
    read = steps_of(attempt)
    assert read[: len(acknowledged)] == acknowledged
    assert len(read) - len(acknowledged) <= 1


def test_no_process_of_a_run_is_left(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01, children=3, sessions=1)
    process = desk.supervise(run)
    until(training(run.attempt(1)))
    left = [identity for pid in tagged_processes(run.path) if (identity := identity_of(pid))]
    assert len(left) == 5
    worker = worker_of(run.attempt(1))
    assert worker is not None
    send(worker, signal.SIGKILL)
    assert process.wait(PATIENCE) == 1
    assert tagged_processes(run.path) == []
    # Those in the worker's group died with it; the one in a session of its own was looked for.
    assert "swept" in events_of(run.attempt(1))
    assert not [identity for identity in left if alive(identity)]


def test_stop_leaves_a_checkpoint_and_a_resumable_run(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01, save_seconds=0.2)
    process = desk.supervise(run)
    until(training(run.attempt(1)))
    assert "checkpoint" in actions.stop(run, "anna")
    assert process.wait(PATIENCE) == 3
    result = result_of(run.attempt(1))
    assert result is not None
    assert (result["state"], result["reason"]) == ("stopped", {"code": "user", "detail": "stopped by anna"})
    assert list(run.path.glob("saved-at-*"))
    assert derive(gather(run)).resumable


def test_a_worker_that_does_not_listen_is_told_louder_and_then_killed(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01, deaf=["SIGUSR2", "SIGTERM"])
    process = desk.supervise(run, short=True)
    until(training(run.attempt(1)))
    actions.stop(run, "anna")
    assert process.wait(PATIENCE) == 3
    assert events_of(run.attempt(1))[-4:] == ["stopping", "killing", "worker_exit", "ended"]
    result = result_of(run.attempt(1))
    assert result is not None
    assert (result["state"], result["signal"], result["reason"]["code"]) == ("stopped", 9, "user")


def test_a_request_to_kill_overtakes_a_polite_one(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01, save_seconds=600)
    process = desk.supervise(run)
    until(training(run.attempt(1)))
    actions.stop(run, "anna")
    until(lambda: "stopping" in events_of(run.attempt(1)))
    actions.stop(run, "anna", kill=True)
    assert process.wait(PATIENCE) == 3
    assert result_of(run.attempt(1))["signal"] == signal.SIGKILL


def test_a_request_from_before_the_attempt_is_ignored(desk: Desk) -> None:
    run = desk.submit(steps=5)
    write_json(run.stop_request, {"v": 1, "t": time.time() - 1, "by": "anna", "kind": "stop"})
    assert desk.supervise(run).wait(PATIENCE) == 0


def test_the_scheduler_s_terminate_stops_politely(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01)
    process = desk.supervise(run)
    until(training(run.attempt(1)))
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 3
    result = result_of(run.attempt(1))
    assert result is not None
    assert (result["state"], result["reason"]["code"]) == ("stopped", "signal")
    assert list(run.path.glob("saved-at-*"))


def test_the_time_limit_stops_a_run(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01, time_limit=0.5)
    assert desk.supervise(run).wait(PATIENCE) == 3
    assert result_of(run.attempt(1))["reason"]["code"] == "time_limit"


def test_the_time_limit_holds_while_a_model_is_loading(desk: Desk) -> None:
    """A worker that hangs in its load has nothing to save: it does not get the time of a checkpoint."""
    run = desk.submit(loading=600, time_limit=0.5)
    assert desk.supervise(run, short=True, checkpoint=600).wait(PATIENCE) == 3
    result = result_of(run.attempt(1))
    assert result is not None
    assert (result["state"], result["reason"]["code"]) == ("stopped", "time_limit")
    assert result["reason"]["detail"] == "the time limit of 0.5 s was reached"


def test_a_run_outlives_its_terminal(desk: Desk) -> None:
    run = desk.submit(steps=150, step_seconds=0.01)
    argv, environment = python_command("tests.supervisor.launch_in_terminal", str(run.path))
    child, terminal = pty.fork()
    if child == 0:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup leaves it ignored, and exec keeps that
        os.execve(argv[0], argv, environment)
    with open(terminal, "rb", buffering=0) as stream:
        assert b"launched" in stream.read(100)
    os.kill(child, signal.SIGHUP)
    os.waitpid(child, 0)
    supervisor = until(lambda: supervisor_of(run.attempt(1)))
    assert alive(supervisor)
    assert until(lambda: result_of(run.attempt(1)))["state"] == "finished"


def test_a_worker_carries_the_tag_and_sees_no_gpu_but_its_own(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01)
    desk.supervise(run)
    until(training(run.attempt(1)))
    worker = worker_of(run.attempt(1))
    assert worker is not None
    with open(f"/proc/{worker.pid}/environ") as stream:
        environment = dict(entry.split("=", 1) for entry in stream.read().split("\0") if entry)
    assert environment[ENVIRONMENT_TAG] == str(run.path)
    assert environment["CUDA_VISIBLE_DEVICES"] == ""
    assert environment["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    assert owner_of(run.attempt(1))["gpu"] == []
    assert os.getpgid(worker.pid) == worker.pid


def test_on_finish_gets_the_run_and_its_failure_is_noted(desk: Desk) -> None:
    note = desk.runs_dir / "note"
    good = desk.submit(
        steps=1, name="a {b}; c", on_finish=["sh", "-c", f'echo "$@" > {note}', "-", "{name}", "{state}"]
    )
    assert desk.supervise(good).wait(PATIENCE) == 0
    assert note.read_text() == "a {b}; c finished\n"
    assert "on_finish" not in events_of(good.attempt(1))
    bad = desk.submit(steps=1, on_finish=["/no/such/program"])
    assert desk.supervise(bad).wait(PATIENCE) == 0
    assert events_of(bad.attempt(1))[-1] == "on_finish"


def test_a_worker_that_cannot_start_is_a_failed_run(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKER_VARIABLE, "/no/such/worker")
    run = desk.submit()
    assert desk.supervise(run).wait(PATIENCE) == 1
    assert "could not be started" in result_of(run.attempt(1))["reason"]["detail"]


def test_a_folder_that_is_no_run_is_refused_in_a_sentence(desk: Desk, tmp_path) -> None:
    run = desk.submit()
    run.spec.unlink()
    process = desk.supervise(run)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 2
    assert b"no spec.json" in said
    assert b"Traceback" not in said


def test_a_hang_up_that_the_caller_ignores_stays_ignored(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01)
    process = desk.supervise(run, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    until(training(run.attempt(1)))
    process.send_signal(signal.SIGHUP)
    steps = len(steps_of(run.attempt(1)))
    until(training(run.attempt(1), steps + 100))
    assert "stopping" not in events_of(run.attempt(1))


def test_exit_codes_are_seen_although_the_caller_ignored_its_children(desk: Desk) -> None:
    run = desk.submit(end="exit", code=5)
    process = desk.supervise(run, preexec_fn=lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN))
    assert process.wait(PATIENCE) == 1
    assert ended(run)["exit_code"] == 5


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_still_gets_its_result(desk: Desk) -> None:
    desk.runs_dir.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "runs", desk.runs_dir], check=True)
    try:
        run = desk.submit(steps=100_000, step_seconds=0.01)
        process = desk.supervise(run)
        until(training(run.attempt(1)))
        with contextlib.suppress(OSError), open(desk.runs_dir / "filler", "wb", buffering=0) as filler:
            while filler.write(bytes(4096)):
                pass
        assert process.wait(PATIENCE) == 1
        assert ended(run)["reason"]["code"] == "disk_full"
        assert steps_of(run.attempt(1))[0] == 1
    finally:
        subprocess.run(["umount", "-l", desk.runs_dir], check=True)


def ended(run: RunLayout) -> dict[str, Any]:
    result = result_of(run.attempt(1))
    assert result is not None
    return result
