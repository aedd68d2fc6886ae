"""However the console ends, runs go on and the terminal is given back; nothing that hangs holds it up."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from nli_console.record.state import State
from tests.end_to_end.conftest import World, go, is_in, reached, state_of, until
from tests.support.fake_runs import make_run

LEAVES_WITHIN = 2.0
"""Seconds on an idle machine."""


def patience() -> float:
    """:data:`LEAVES_WITHIN`, longer by as much as the machine is overloaded."""
    return LEAVES_WITHIN * max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.mark.slow
@pytest.mark.parametrize("end", ["kill", "hang up"])
def test_a_run_outlives_its_console(world: World, end: str) -> None:
    world.settings(steps=60, hold_at=[10], step_seconds=0.01)
    with world.terminal() as console:
        console.wait_for("Starts at once")
        console.press("f5")
        console.wait_for("10 of 60")
        if end == "kill":
            console.process.kill()
        else:
            console.hang_up()
        assert console.process.wait(timeout=60) != 0
    assert state_of(world.run) is State.RUNNING
    assert world.call("list", "--json").json[0]["state"] == "running"
    go(world.run, 10)
    until(is_in(world.run, State.FINISHED))
    assert reached(world.run, 60)()


@pytest.mark.slow
@pytest.mark.parametrize("end", ["q", "SIGTERM", "SIGHUP"])
def test_a_hung_driver_delays_neither_keys_nor_leaving(world: World, end: str) -> None:
    recording = world.folder / "nvml.json"
    recording.write_text(json.dumps({"hang": True}))
    world.environment |= {"NLI_CONSOLE_NVML": "tests.support.fake_nvml", "FAKE_NVML": str(recording)}
    make_run(world.runs_dir, "running", steps=30, name="mine")
    with world.terminal() as console:
        console.wait_for("1 running")
        console.wait_for("GPU: no reading")
        begun = time.monotonic()
        console.press("2")
        console.wait_for("30 of 60")
        console.press("/")
        console.type("mine")
        console.wait_for("filter mine")
        console.press("escape")
        console.wait_gone("filter mine")
        assert time.monotonic() - begun < 2 * patience()
        begun = time.monotonic()
        if end == "q":
            console.press("q")
        else:
            console.signal(signal.Signals[end])
        assert console.wait_exit() == (0 if end == "q" else 128 + signal.Signals[end])
        assert time.monotonic() - begun < patience()
        assert console.restored
    until(lambda: not helpers(world))


def helpers(world: World) -> list[int]:
    """Processes of any kind that carry this world's environment, such as a telemetry helper left behind."""
    mark = f"FAKE_NVML={world.environment['FAKE_NVML']}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
