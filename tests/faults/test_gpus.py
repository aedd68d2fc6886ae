"""GPUs that are taken, lost or silent, and the ways to run out of memory, each told from the others."""

import getpass
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nli_console.record.evidence import gather
from nli_console.record.journal import Tail
from nli_console.record.layout import RunLayout
from nli_console.record.state import State, derive
from nli_console.settings import LoadedSettings, Settings
from nli_console.supervisor import aftermath
from nli_console.supervisor.environment import python_command
from nli_console.tui.app import ConsoleApp
from tests.supervisor.conftest import PATIENCE, Desk, result_of, training, until, worker_of
from tests.supervisor.test_telemetry import H100, IDLE, Play, helpers
from tests.supervisor.test_telemetry import play as play

COUNTING = (
    "import sys; from nli_console.supervisor import supervise; counts = iter({}); "
    "supervise.oom_kills = lambda: next(counts); sys.exit(supervise.main(sys.argv[1]))"
)


def processes_seen(run: RunLayout) -> list[Any]:
    samples = Tail(run.attempt(1).system).read().records
    return samples[-1]["gpus"][0]["processes"] if samples and samples[-1]["gpus"] else []


def test_a_gpu_that_is_taken_between_the_check_and_the_start(desk: Desk, play: Play) -> None:
    """Fault: another user's program takes the GPU after it was found free. The reason names who has it."""
    play(IDLE)
    run = desk.submit(
        steps=50, at=30, hold_at=[10], end="raise", message="CUDA out of memory. Tried to allocate 2.00 GiB"
    )
    process = desk.supervise(run)
    until(training(run.attempt(1), 10))
    worker = worker_of(run.attempt(1))
    assert worker is not None
    play({**H100, "processes": [[os.getpid(), 61 * 2**30], [worker.pid, 2**30]]})
    until(lambda: len(processes_seen(run)) == 2)
    (run.path / "go-10").touch()
    assert process.wait(PATIENCE) == 1
    result = result_of(run.attempt(1))
    assert result is not None
    assert result["reason"]["code"] == "cuda_oom"
    taken = f"GPU0: {getpass.getuser()} uses 61.0 GiB, not through the console"
    assert result["reason"]["detail"].endswith(f"({taken})"), "the run's own memory is not counted"


def test_a_gpu_that_falls_off_the_bus(desk: Desk, play: Play) -> None:
    """Fault: the driver says that the GPU is lost (error 15). Failed: gpu_lost, not an exception."""
    play(IDLE)
    run = desk.submit(
        steps=50, at=30, hold_at=[10], end="raise", message="CUDA error: unspecified launch failure"
    )
    process = desk.supervise(run)
    until(training(run.attempt(1), 10))
    play({**IDLE, "lost": True})
    until(lambda: any(r["gpu_note"] for r in Tail(run.attempt(1).system).read().records))
    (run.path / "go-10").touch()
    assert process.wait(PATIENCE) == 1
    state = derive(gather(run))
    assert (state.state, state.reason and state.reason.code) == (State.FAILED, "gpu_lost")


@pytest.mark.parametrize(
    ("counts", "code", "words"),
    [
        ([3, 4], "host_oom", "the host's memory was used up"),
        ([3, 3], "signal", "somebody killed the worker"),
        ([None, None], "signal", "probably out of host memory, unless somebody killed"),
    ],
    ids=["the kernel", "a person", "nobody can say"],
)
def test_a_kill_is_blamed_on_the_host_memory_where_the_kernel_counted_it(
    desk: Desk, counts: list[int | None], code: str, words: str
) -> None:
    """Fault: the host runs out of memory and the kernel kills the worker. Not "killed by a signal"."""
    run = desk.submit(steps=5, at=3, end="kill")
    _, environment = python_command("nli_console.supervisor.supervise")
    argv = [sys.executable, "-P", "-c", COUNTING.format(counts), str(run.path)]
    assert subprocess.run(argv, env=environment, timeout=PATIENCE, check=False).returncode == 1
    result = result_of(run.attempt(1))
    assert result is not None
    assert (result["signal"], result["reason"]["code"]) == (signal.SIGKILL, code)
    assert words in result["reason"]["detail"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB", "cuda_oom"),
        ("CUDA error: out of memory", "cuda_oom"),
        ("[Errno 28] No space left on device", "disk_full"),
        ("boom", "exception"),
    ],
)
def test_out_of_gpu_memory_is_told_from_the_rest(desk: Desk, message: str, code: str) -> None:
    """Fault: the GPU's memory is used up, and the worker dies of it without a word of its own."""
    run = desk.submit(steps=5, at=3, end="raise", message=message)
    desk.supervise(run).wait(PATIENCE)
    result = result_of(run.attempt(1))
    assert result is not None
    assert result["reason"]["code"] == code
    if code == "disk_full":
        assert result["reason"]["detail"].endswith(" free)"), "how much is free is said"


@pytest.mark.parametrize(
    ("name", "text"),
    [("memory.events", "low 0\noom 2\noom_kill 7\n"), ("memory.oom_control", "under_oom 0\noom_kill 7\n")],
    ids=["cgroup v2", "cgroup v1"],
)
def test_the_kernels_count_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    """Fault: host memory. The counter of this process's own cgroup comes first."""
    (tmp_path / name).write_text(text)
    monkeypatch.setattr(aftermath, "_memory_counters", lambda: [tmp_path / "absent", tmp_path / name])
    assert aftermath.oom_kills() == 7


async def test_keys_answer_while_the_driver_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, play: Play
) -> None:
    """Fault: the driver hangs (30 s, or for good). Keys are answered meanwhile, and leaving is immediate."""
    play(IDLE, hang=True)
    hanging = tmp_path / "nvml.json.hangs"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("NLI_CONSOLE_ENGINE", "sh -c 'cat > /dev/null'")
    values = Settings.model_validate({"runs_dir": tmp_path / "runs", "cache_dir": tmp_path / "cache"})
    app = ConsoleApp(LoadedSettings(values, None, None))
    async with app.run_test(size=(120, 40)) as pilot:
        for _ in range(3000):
            if hanging.exists():
                break
            await pilot.pause(0.02)
        for key, mode in (("2", "runs"), ("4", "data"), ("1", "launch")):
            await pilot.press(key)
            await pilot.pause()
            assert app.screen.mode == mode  # pyright: ignore[reportAttributeAccessIssue]
        assert json.loads((tmp_path / "nvml.json").read_text())["hang"], "the driver still hangs"
        assert helpers()
        await pilot.press("q")
    until(lambda: not helpers())
