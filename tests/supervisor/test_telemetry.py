"""GPU and host readings against a recorded driver: what it says, what it does not say, and when it hangs."""

import getpass
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from nli_console.record.evidence import gather
from nli_console.record.journal import Tail
from nli_console.record.layout import RunLayout
from nli_console.record.processes import alive, identity_of
from nli_console.record.state import State, derive
from nli_console.supervisor import actions
from nli_console.supervisor.telemetry.host import HostSampler
from nli_console.supervisor.telemetry.monitor import GpuMonitor
from nli_console.supervisor.telemetry.nvml import MODULE_VARIABLE, read_gpus
from nli_console.supervisor.telemetry.readings import GpuReading
from tests.supervisor.conftest import PATIENCE, Desk, owner_of, training, until, worker_of
from tests.support import fake_nvml

H100 = {
    "uuid": "GPU-5c1f0a52-7f7b-0b0c-3f53-9a8f6c9f1a11",
    "name": "NVIDIA H100 80GB HBM3",
    "used": 61 * 2**30,
    "total": 80 * 2**30,
    "utilisation": 97,
    "power": 540_250,
    "temperature": 64,
    "processes": [],
}
IDLE = {**H100, "used": 2**20, "utilisation": 0}

Play = Callable[..., None]


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Put a recorded driver in place; call again to change what it says."""
    path = tmp_path / "nvml.json"

    def put(*gpus: dict[str, Any], **also: Any) -> None:
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"gpus": list(gpus), **also}))
        temporary.rename(path)

    put()
    monkeypatch.setenv("FAKE_NVML", str(path))
    monkeypatch.setenv(MODULE_VARIABLE, "tests.support.fake_nvml")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return put


def helpers(above: int | None = None) -> list[psutil.Process]:
    """Telemetry helpers below the process ``above``, by default this one."""
    found = []
    for process in psutil.Process(above).children(recursive=True):
        try:
            if "nli_console.supervisor.telemetry.nvml" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_reading_has_the_driver_s_units_converted(play: Play) -> None:
    play({**H100, "processes": [[os.getpid(), 3 * 2**30]]})
    reading = read_gpus(fake_nvml)
    assert reading.gpus is not None
    (gpu,) = reading.gpus
    assert (gpu.used_bytes, gpu.total_bytes) == (61 * 2**30, 80 * 2**30)
    assert (gpu.utilisation, gpu.power_watts, gpu.temperature) == (97, 540.25, 64)
    assert [(p.user, p.used_bytes) for p in gpu.processes] == [(getpass.getuser(), 3 * 2**30)]
    assert GpuReading.from_json(json.loads(json.dumps(reading.to_json()))) == reading


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a process of another user")
def test_another_user_s_process_is_named(play: Play) -> None:
    with subprocess.Popen(["sleep", "60"], user="nobody") as process:
        play({**H100, "processes": [[process.pid, None]]})
        reading = read_gpus(fake_nvml)
        process.kill()
    assert reading.gpus is not None
    assert [(p.user, p.used_bytes) for p in reading.gpus[0].processes] == [("nobody", None)]


def test_what_the_driver_does_not_support_is_unknown(play: Play) -> None:
    play({**H100, "power": None, "processes": None})
    reading = read_gpus(fake_nvml)
    assert reading.gpus is not None
    assert reading.gpus[0].power_watts is None
    assert reading.gpus[0].processes == ()
    assert reading.note is None


def test_a_gpu_that_vanished_is_said_to_have(play: Play) -> None:
    play(H100, {**H100, "uuid": "GPU-b", "lost": True})
    reading = read_gpus(fake_nvml)
    assert reading.gpus is not None
    assert [gpu.lost for gpu in reading.gpus] == [False, True]
    assert "fallen off the bus" in (reading.note or "")


def test_the_monitor_follows_the_driver(play: Play) -> None:
    play(H100)
    monitor = GpuMonitor(0.05)
    try:
        first = monitor.first(PATIENCE).find(H100["uuid"])
        assert first is not None
        assert first.utilisation == 97
        play({**H100, "utilisation": 12})
        until(lambda: (gpu := monitor.latest().find(H100["uuid"])) and gpu.utilisation == 12)
        play(H100, error=999)
        until(lambda: monitor.latest().gpus is None)
        assert "error 999" in (monitor.latest().note or "")
    finally:
        monitor.close()


def test_a_hung_driver_becomes_a_note_and_holds_nobody_up(play: Play) -> None:
    play(H100)
    monitor = GpuMonitor(0.05, patience=0.2)
    until(lambda: monitor.latest().gpus)
    play(H100, hang=True)
    until(lambda: "has not answered" in (monitor.latest().note or ""))
    assert monitor.latest().gpus is None
    monitor.close()
    until(lambda: not helpers())


def test_a_driver_that_is_not_loaded_is_the_same_as_no_gpu(play: Play) -> None:
    play(error=fake_nvml.NVML_ERROR_DRIVER_NOT_LOADED)
    monitor = GpuMonitor(1)
    assert monitor.first(PATIENCE).gpus == ()
    monitor.close()


@pytest.mark.skipif(os.path.exists("/dev/nvidiactl"), reason="this machine has a driver")
def test_without_a_driver_no_helper_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(MODULE_VARIABLE, raising=False)
    until(lambda: not helpers())
    monitor = GpuMonitor(1)
    assert monitor.latest().gpus == ()
    assert monitor.latest().note == "no NVIDIA driver on this machine"
    assert helpers() == []
    monitor.close()


def test_the_helper_does_not_outlive_a_killed_console(play: Play) -> None:
    play(H100)
    code = (
        "from nli_console.supervisor.telemetry.monitor import GpuMonitor; import time; "
        "m = GpuMonitor(0.05); m.first(120); print('up', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as console:
        assert console.stdout is not None
        assert console.stdout.readline() == b"up\n"
        (helper,) = helpers(console.pid)
        identity = identity_of(helper.pid)
        console.kill()
    until(lambda: not alive(identity))


def test_the_tree_of_a_worker_is_added_up(tmp_path: Path) -> None:
    code = (
        "import subprocess; subprocess.Popen(['sleep', '60']); "
        "held = bytearray(50_000_000); print(flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0
    ) as worker:
        assert worker.stdout is not None
        worker.stdout.readline()
        sample = HostSampler(tmp_path, worker.pid).sample()
        os.killpg(worker.pid, signal.SIGKILL)
    assert sample.worker_rss_bytes is not None
    assert sample.worker_rss_bytes > 50_000_000
    assert sample.disk_free_bytes is not None
    assert sample.disk_free_bytes > 0


def test_a_worker_that_is_gone_has_no_reading(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        sampler = HostSampler(tmp_path, process.pid)
        process.kill()
    assert sampler.sample().worker_rss_bytes is None


def test_a_run_gets_one_gpu_by_uuid_and_its_readings_are_kept(desk: Desk, play: Play) -> None:
    play(IDLE, {**IDLE, "uuid": "GPU-b"})
    run = desk.submit(steps=100_000, step_seconds=0.01)
    desk.supervise(run)
    until(training(run.attempt(1)))
    worker = worker_of(run.attempt(1))
    assert worker is not None
    environment = Path(f"/proc/{worker.pid}/environ").read_text().split("\0")
    assert f"CUDA_VISIBLE_DEVICES={IDLE['uuid']}" in environment
    assert owner_of(run.attempt(1))["gpu"] == [IDLE["uuid"]]
    record = until(lambda: Tail(run.attempt(1).system).read().records)[0]
    assert [(gpu["uuid"], gpu["total_bytes"]) for gpu in record["gpus"]] == [(IDLE["uuid"], 80 * 2**30)]
    second = desk.submit(steps=1)
    assert desk.supervise(second).wait(PATIENCE) == 0
    assert owner_of(second.attempt(1))["gpu"] == ["GPU-b"]


def test_a_gpu_in_foreign_use_is_waited_for(desk: Desk, play: Play) -> None:
    play({**H100, "processes": [[os.getpid(), 61 * 2**30]]})
    run = desk.submit(steps=1)
    process = desk.supervise(run)
    # Until the driver has answered for the first time, that is what is waited for.
    until(lambda: f"{getpass.getuser()} uses 61.0 GiB" in waits_for(run))
    assert derive(gather(run)).state == State.QUEUED
    play(IDLE)
    assert process.wait(PATIENCE) == 0


def waits_for(run: RunLayout) -> str:
    reason = derive(gather(run)).reason
    return reason.detail if reason is not None else ""


def test_a_driver_that_hangs_in_mid_run_changes_nothing_for_the_run(desk: Desk, play: Play) -> None:
    play(IDLE)
    run = desk.submit(steps=100_000, step_seconds=0.01)
    process = desk.supervise(run)
    until(training(run.attempt(1)))
    play(IDLE, hang=True)
    actions.stop(run, "anna")
    assert process.wait(PATIENCE) == 3
