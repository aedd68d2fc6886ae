"""Killed processes, torn files, full disks: what a person sees, and how it goes on."""

import contextlib
import json
import os
import subprocess

import pytest

from nli_console.record.files import read_json
from nli_console.record.state import State
from tests.end_to_end.conftest import (
    World,
    go,
    is_in,
    kill,
    reached,
    state_of,
    steps_of,
    supervisor_of,
    until,
    worker_of,
)


@pytest.mark.slow
@pytest.mark.parametrize("who", ["worker", "supervisor", "both"])
def test_a_killed_process_is_told_recorded_and_resumed(world: World, who: str) -> None:
    world.settings(steps=60, hold_at=[20], step_seconds=0.01)
    layout = world.launch()
    until(reached(layout, 20))
    attempt = layout.attempt(1)
    worker, supervisor = worker_of(attempt), supervisor_of(attempt)
    ended = State.FAILED if who == "worker" else State.LOST
    with world.terminal() as console:
        console.wait_for("1 running")
        console.press("2")
        console.wait_for("20 of 60")
        if who in ("supervisor", "both"):
            kill(supervisor)
        if who in ("worker", "both"):
            kill(worker)
        console.wait_for("0 running")
        console.wait_for("SIGKILL" if who == "worker" else "supervisor ended without a word")
        console.wait_for(f"reached step {steps_of(layout)[-1]} of 60")
        result = until(lambda: read_json(attempt.result))
        assert (result["state"], result["by"]) == (ended, "supervisor" if who == "worker" else "reaper")
        console.press("r")
        until(lambda: console.pump(0.05) is not None and reached(layout, 20, attempt=2)())
        console.wait_for("1 running")
        go(layout, 20)
        console.wait_for("finished")
        console.press("q")
        assert console.wait_exit() == 0
    (listed,) = world.call("list", "--json").json
    assert (listed["state"], listed["attempts"]) == ("finished", 2)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["list", "show"])
def test_a_lost_run_is_recorded_by_whoever_lists_it(world: World, command: str) -> None:
    world.settings(steps=60, hold_at=[20], step_seconds=0.01)
    layout = world.launch()
    until(reached(layout, 20))
    kill(supervisor_of(layout.attempt(1)))
    until(is_in(layout, State.LOST))
    assert not layout.attempt(1).result.exists()
    answer = world.call(command, *([] if command == "list" else [layout.id]), "--json").json
    assert (answer[0] if command == "list" else answer)["state"] == "lost"
    result = read_json(layout.attempt(1).result)
    assert result is not None
    assert (result["state"], result["reason"]["code"], result["by"]) == ("lost", "supervisor_died", "reaper")


@pytest.mark.slow
def test_a_torn_line_and_a_nan_loss_are_shown_as_what_they_are(world: World) -> None:
    world.settings(steps=60, hold_at=[20], step_seconds=0.01, nan_at=12)
    layout = world.launch()
    until(reached(layout, 20))
    kill(supervisor_of(layout.attempt(1)))
    until(is_in(layout, State.LOST))
    metrics = layout.attempt(1).metrics
    torn = json.dumps({"v": 1, "seq": 999, "t": 0, "kind": "train", "step": 21, "loss": 99.0})
    with metrics.open("ab") as stream:
        stream.write(torn[:-9].encode())
    with world.terminal() as console:
        console.wait_for("1 NaN")
        console.wait_for("reached step 20 of 60")
        assert "99" not in console.text.partition("loss")[2].partition("accuracy")[0]
        console.press("q")
        assert console.wait_exit() == 0
    shown = world.call("show", layout.id, "--json").json
    assert (shown["state"], shown["step"]) == ("lost", 20)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk_is_named_and_what_was_written_is_kept(world: World) -> None:
    world.runs_dir.mkdir(mode=0o700)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "runs", world.runs_dir],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("this sandbox lets nobody mount a file system")
    try:
        world.settings(steps=100_000, step_seconds=0.01)
        layout = world.launch("--ignore", "disk_space")
        filler = world.runs_dir / "filler"
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as stream:
            while stream.write(bytes(4096)):
                pass
        watched = world.call("watch", layout.id)
        assert watched.code == 1, watched
        assert "disk full" in watched.out
        assert world.call("list", "--json").json[0]["reason"]["code"] == "disk_full"
        refused = world.call("run", "lora", "--detach", "--ignore", "disk_space")
        assert refused.code == 2
        assert "No space left on device" in refused.err
        assert steps_of(layout)[0] == 1
        filler.unlink()
        assert world.call("resume", layout.id).code == 0
        until(lambda: steps_of(layout, 2))
        assert state_of(layout) is State.RUNNING
        world.call("stop", layout.id, "--kill")
        until(is_in(layout, State.STOPPED, State.FAILED))
    finally:
        world.clear()
        subprocess.run(["umount", "-l", world.runs_dir], check=True)
