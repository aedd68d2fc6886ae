"""Which devices a waiter would take: what the environment allows, what is one's own, and what others use."""

import json
import os
from pathlib import Path

import pytest

from nli_console.record.evidence import gather
from nli_console.record.processes import own_identity
from nli_console.record.state import State, derive
from nli_console.supervisor.devices import Lookout, Wanted, allowed_gpus, gpu_of
from nli_console.supervisor.lease import Holder, Slots
from nli_console.supervisor.queue_actions import start
from nli_console.supervisor.telemetry.nvml import MODULE_VARIABLE
from nli_console.supervisor.telemetry.readings import Gpu, GpuProcess, GpuReading
from tests.supervisor.conftest import Desk, events_of, owner_of, until, worker_of


def gpu(uuid: str, *processes: GpuProcess, used: int = 0, lost: bool = False) -> Gpu:
    return Gpu(uuid, "H100", used, 80 * 2**30, 0, 60.0, 30, processes, lost)


READING = GpuReading(0.0, (gpu("GPU-a"), gpu("GPU-b"), gpu("GPU-c", lost=True)))


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["GPU-a", "GPU-b"]),
        ("1", ["GPU-b"]),
        ("1,0", ["GPU-b", "GPU-a"]),
        ("GPU-b", ["GPU-b"]),
        ("0,7,1", ["GPU-a"]),
        ("2", []),
        ("MIG-1f", ["MIG-1f"]),
    ],
)
def test_only_gpus_inside_the_environment_are_taken(visible: str | None, expected: list[str]) -> None:
    assert READING.gpus is not None
    assert allowed_gpus(READING.gpus, visible) == expected


def wanted(reading: GpuReading, wait: bool = True, **environment: str) -> Wanted:
    return Lookout(environment, lambda _: {}, cpu_slots=2, wait_for_foreign=wait).look(reading)


def test_a_machine_without_gpus_offers_its_cpu_slots() -> None:
    assert wanted(GpuReading(0.0, (), "no NVIDIA driver")).slots == ("cpu-0", "cpu-1")
    assert wanted(READING, CUDA_VISIBLE_DEVICES="").slots == ("cpu-0", "cpu-1")


def test_a_gpu_that_somebody_else_uses_is_named_and_waited_for_unless_told_not_to() -> None:
    bob = GpuProcess(os.getpid(), "bob", 30 * 2**30)
    reading = GpuReading(0.0, (gpu("GPU-a", bob),))
    assert wanted(reading).slots == ()
    assert wanted(reading).target == "GPU0: bob uses 30.0 GiB, not through the console"
    assert wanted(reading, wait=False).slots == ("gpu-GPU-a",)


def test_memory_in_use_by_nobody_visible_counts_as_use() -> None:
    reading = GpuReading(0.0, (gpu("GPU-a", used=5 * 2**30), gpu("GPU-b")))
    assert wanted(reading).slots == ("gpu-GPU-b",)


def test_a_driver_that_does_not_answer_is_waited_for() -> None:
    assert wanted(GpuReading(0.0, None, "no reading: hung")).slots == ()


ME = GpuProcess(os.getpid(), "me", 2 * 2**30)
MINE = Holder("run-7", "/runs/run-7", own_identity())


class Leases(dict[str, Holder]):
    """Slots in use, by name."""

    def held(self, prefix: str) -> dict[str, Holder]:
        return {slot: holder for slot, holder in self.items() if slot.startswith(prefix)}


def lookout(leases: Leases, wait: bool = True, cpu_slots: int = 1, **environment: str) -> Lookout:
    return Lookout(environment, leases.held, cpu_slots=cpu_slots, wait_for_foreign=wait)


def test_a_gpu_that_has_just_become_free_must_stay_so_for_a_while() -> None:
    watch = lookout(Leases())
    assert watch.look(GpuReading(100.0, (gpu("GPU-a", ME),)), 100.0).accepted == ()
    settling = watch.look(GpuReading(101.0, (gpu("GPU-a"),)), 101.0)
    assert (settling.slots, settling.accepted) == ((), ("gpu-GPU-a",))
    assert settling.target == "GPU0 to stay free for 5 s"
    assert watch.look(GpuReading(106.0, (gpu("GPU-a"),)), 106.0).slots == ("gpu-GPU-a",)


def test_a_gpu_that_was_free_from_the_start_is_taken_at_once() -> None:
    assert lookout(Leases()).look(GpuReading(100.0, (gpu("GPU-a"),)), 100.0).slots == ("gpu-GPU-a",)


def test_a_gpu_of_one_s_own_run_is_no_foreign_use_and_its_end_needs_a_new_reading() -> None:
    leases = Leases({"gpu-GPU-a": MINE})
    watch = lookout(leases)
    busy = GpuReading(100.0, (gpu("GPU-a", ME),))
    held = watch.look(busy, 100.0)
    assert (held.slots, held.accepted, held.holders) == ((), ("gpu-GPU-a",), (MINE,))
    assert held.obstacle == "slot"
    leases.clear()
    # The reading is older than the end of the run, so what it shows is the run itself.
    assert watch.look(busy, 100.5).accepted == ("gpu-GPU-a",)
    assert watch.look(GpuReading(101.0, (gpu("GPU-a"),)), 101.0).slots == ("gpu-GPU-a",)


def test_what_others_use_and_what_one_s_own_run_has_are_told_apart() -> None:
    reading = GpuReading(100.0, (gpu("GPU-a", ME), gpu("GPU-b", ME), gpu("GPU-c")))
    leases = Leases({"gpu-GPU-b": MINE, "gpu-GPU-c": MINE})
    held = lookout(leases).look(reading, 100.0)
    assert held.target == "GPU0: me uses 2.0 GiB, not through the console; GPU1, GPU2"
    assert held.holders == (MINE, MINE)


def test_a_process_that_has_ended_since_the_reading_counts_no_more() -> None:
    ended = GpuProcess(2**22 - 7, "bob", 30 * 2**30)
    reading = GpuReading(100.0, (gpu("GPU-a", ended, used=30 * 2**30),))
    assert lookout(Leases()).look(reading, 100.0).slots == ("gpu-GPU-a",)


def test_without_waiting_for_others_a_gpu_that_nobody_uses_is_taken_first() -> None:
    reading = GpuReading(100.0, (gpu("GPU-a", ME), gpu("GPU-b")))
    assert lookout(Leases(), wait=False).look(reading, 100.0).slots == ("gpu-GPU-b", "gpu-GPU-a")


def test_a_run_that_was_started_beside_others_takes_up_a_cpu_slot_of_the_others() -> None:
    leases = Leases({"cpu-3": MINE})
    reading = GpuReading(0.0, ())
    assert lookout(leases).look(reading).slots == ()
    assert lookout(leases, cpu_slots=2).look(reading).slots == ("cpu-0", "cpu-1")


def test_beside_others_the_emptiest_gpu_comes_first() -> None:
    leases = Leases({"gpu-GPU-a": MINE})
    reading = GpuReading(0.0, (gpu("GPU-a"), gpu("GPU-b", ME), gpu("GPU-c", used=7), gpu("GPU-d", lost=True)))
    slots = lookout(leases).beside(reading)
    assert slots[:3] == ("gpu-GPU-c", "gpu-GPU-b", "gpu-GPU-a")
    assert slots[3] == "gpu-GPU-c+1"
    assert {gpu_of(slot) for slot in slots} == {"GPU-a", "GPU-b", "GPU-c"}
    assert lookout(leases).beside(GpuReading(0.0, None, "hung")) == ()


def test_a_run_waits_for_a_gpu_that_somebody_uses_and_starts_beside_them_when_told_to(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = tmp_path / "nvml.json"
    h100 = {"uuid": "GPU-a", "name": "NVIDIA H100", "total": 80 * 2**30, "used": 61 * 2**30}
    recording.write_text(json.dumps({"gpus": [{**h100, "processes": [[os.getpid(), 61 * 2**30]]}]}))
    monkeypatch.setenv("FAKE_NVML", str(recording))
    monkeypatch.setenv(MODULE_VARIABLE, "tests.support.fake_nvml")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    run = desk.submit(steps=100_000, step_seconds=0.01)
    desk.supervise(run)
    until(lambda: "waiting" in events_of(run.attempt(1)))
    state = derive(gather(run))
    assert state.state is State.QUEUED
    assert state.reason is not None
    assert "GPU0: " in state.reason.detail
    assert " uses 61.0 GiB, not through the console; place 1 of 1" in state.reason.detail
    assert "wait_for_foreign = false" in state.reason.advice
    start(run, beside=True)
    until(lambda: worker_of(run.attempt(1)))
    assert owner_of(run.attempt(1))["gpu"] == ["GPU-a"]
    assert list(Slots().held("gpu-")) == ["gpu-GPU-a"]
