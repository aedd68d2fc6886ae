"""The headless commands as a person or a script uses them: exit codes, Ctrl-C, and a run's whole life."""

import signal
import subprocess
from pathlib import Path

import pytest

from nli_console.record.state import State
from tests.end_to_end.conftest import (
    World,
    go,
    is_in,
    kill,
    reached,
    run_state,
    state_of,
    supervisor_of,
    until,
)
from tests.support.fake_runs import make_run
from tests.support.terminal import Terminal


@pytest.mark.slow
def test_the_life_of_a_run(world: World) -> None:
    world.settings(steps=60, hold_at=[10], step_seconds=0.01)
    detached = world.call("run", "lora", "--detach", "--name", "my run")
    assert detached.code == 0
    layout = world.run
    assert f"nli-console watch {layout.id}" in detached.out
    until(reached(layout, 10))
    assert world.call("show", "my run", "--json").json["state"] == "running"
    refused = world.call("delete", layout.id)
    assert (refused.code, layout.path.exists()) == (2, True)
    assert f"nli-console stop {layout.id}" in refused.err

    assert "stops after a checkpoint" in world.call("stop", layout.id[:12]).out
    watched = world.call("watch", layout.id)
    assert watched.code == 3
    assert f"nli-console resume {layout.id}" in watched.out
    assert "there is nothing to stop" in world.call("stop", layout.id).err

    assert world.call("resume", layout.id).code == 0
    until(reached(layout, 10, attempt=2))
    go(layout, 10)
    watched = world.call("watch", layout.id)
    assert watched.code == 0
    assert f"{layout.id} finished" in watched.out
    assert "the command that runs it again" in world.call("resume", layout.id).err

    assert world.call("delete", layout.id).code == 0
    assert world.call("list", "--json").json == []
    assert world.call("restore", layout.id[:12]).code == 0
    (listed,) = world.call("list", "--json").json
    assert (listed["id"], listed["state"], listed["attempts"]) == (layout.id, "finished", 2)


@pytest.mark.slow
def test_a_run_whose_supervisor_is_killed_ends_with_4(world: World) -> None:
    world.settings(steps=60, hold_at=[10], step_seconds=0.01)
    process = world.start("run", "lora")
    until(lambda: world.runs and reached(world.run, 10)())
    kill(supervisor_of(world.run.attempt(1)))
    out, err = process.communicate(timeout=120)
    assert process.returncode == 4, out + err
    assert "lost: its supervisor ended without a word" in out
    assert f"nli-console resume {world.run.id}" in out


@pytest.mark.slow
def test_a_time_limit_ends_a_run_with_3_and_json_on_stdout_alone(world: World) -> None:
    world.settings(steps=60, hold_at=[10], step_seconds=0.01)
    result = world.call("run", "full", "--time-limit", "1", "--json")
    assert result.code == 3
    assert (result.json["state"], result.json["reason"]["code"]) == ("stopped", "time_limit")


@pytest.mark.slow
def test_in_a_terminal_the_first_ctrl_c_detaches_and_the_second_stops(world: World) -> None:
    """What is written is tested with the commands; here it is the run that counts."""
    world.settings(steps=60, hold_at=[10], step_seconds=0.01)
    with world.terminal("run", "lora", size=(80, 24)) as terminal:
        terminal.wait_for(r"training  step 10 of 60 \(16 %\)  loss 0\.1")
        terminal.press("ctrl+c")
        terminal.wait_for("detached; .* goes on")
        assert terminal.wait_exit() == 0
    assert state_of(world.run) is State.RUNNING
    with world.terminal("resume", world.run.id) as terminal:
        terminal.wait_for("is running, so it cannot be resumed")
        assert terminal.wait_exit() == 2
    with world.terminal("watch", world.run.id, size=(80, 24)) as terminal:
        terminal.wait_for("step 10 of 60")
        terminal.press("ctrl+c")
        assert terminal.wait_exit() == 130
    world.call("stop", world.run.id)
    until(is_in(world.run, State.STOPPED))
    until(lambda: run_state(world.run).resumable)
    with world.terminal("resume", world.run.id, "--watch", size=(80, 24)) as terminal:
        terminal.wait_for("step 10 of 60")
        terminal.press("ctrl+c")
        terminal.wait_for("stop it:")
        terminal.press("ctrl+c")
        assert terminal.wait_exit() == 3
    assert state_of(world.run) is State.STOPPED


COMMANDS = [
    ["list"],
    ["show", "20260101-a"],
    ["watch", "20260101-a"],
    ["methods"],
    ["presets"],
    ["doctor"],
    ["run", "lora", "--dry-run"],
    ["run", "lora"],
    ["demo"],
    ["data", "show", "pairs"],
    ["stop", "20260101-a"],
]


def libraries_are_being_loaded(pid: int) -> bool:
    """Whether the program is past the interpreter's own start: it has mapped pydantic's library, or ended."""
    try:
        return b"pydantic_core" in Path(f"/proc/{pid}/maps").read_bytes()
    except OSError:
        return True


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["while loading", "at work"])
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_ctrl_c_never_shows_a_traceback(world: World, command: list[str], moment: str) -> None:
    make_run(world.runs_dir, "running", steps=20, run_id="20260101-a")
    world.settings(steps=60, hold_at=[10], step_seconds=0.01)
    process = world.start(*command, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    until(lambda: libraries_are_being_loaded(process.pid) or process.poll() is not None)
    said = ""
    if moment == "at work" and command[0] in ("run", "demo", "watch"):
        said = process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=180)
    assert "Traceback" not in said + rest, said + rest
    assert "KeyboardInterrupt" not in said + rest, said + rest
    # Interrupted while it compiles a string, as dataclasses do, CPython ends by the signal; a shell says 130.
    assert process.returncode in (0, 2, 130, -signal.SIGINT), said + rest


@pytest.mark.slow
def test_ctrl_c_in_the_console_names_the_key_that_leaves(world: World) -> None:
    with world.terminal("demo") as console:
        console.wait_for("1 running|running")
        console.press("ctrl+c")
        console.wait_for("q leaves the console")
        console.press("q")
        assert console.wait_exit() == 0
        assert isinstance(console, Terminal)
        assert console.restored
