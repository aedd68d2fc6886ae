"""The device that a chat, or a prediction, may use: a slot of the queue that runs wait in too."""

import os
import time
from dataclasses import dataclass
from typing import Protocol

from nli_console.record.processes import own_identity
from nli_console.supervisor.devices import GPU_PREFIX, obstacle, wanted_slots
from nli_console.supervisor.lease import POLL, Holder, Lease, Slots, Waiter
from nli_console.supervisor.telemetry.monitor import GpuMonitor
from nli_console.worker.chat.channel import Tell
from nli_console.worker.stop import StopFlag

HOLDER = "chat"
"""What those who wait for the slot are told of who has it."""
_FIRST_READING = 2.0
_LOOK = 0.1


class Wanting(Protocol):
    """What a request for a device says of the queue: as ``[queue]`` of the settings."""

    @property
    def cpu_slots(self) -> int: ...

    @property
    def wait_for_foreign(self) -> bool: ...


@dataclass(frozen=True)
class Place:
    """A slot in use; it ends with this process."""

    lease: Lease

    @property
    def gpu(self) -> str | None:
        """The UUID of the GPU; ``None`` for the CPU."""
        slot = self.lease.slot
        return slot.removeprefix(GPU_PREFIX) if slot.startswith(GPU_PREFIX) else None


def take_place(request: Wanting, tell: Tell, flag: StopFlag, holder: str = HOLDER) -> Place:
    """Wait for a slot, telling whose it is, and make it the only device that torch will see.

    Call it before anything starts the driver: what this process sees is settled then.

    Raises:
        Stopped: a stop was asked for; nothing is held.
        ConsoleError: the folder of slots cannot be used.
    """
    slots, monitor = Slots(), GpuMonitor(1.0)
    told: dict[str, str] | None = None
    try:
        with Waiter(slots, Holder(holder, "", own_identity()), time.time()) as waiter:
            monitor.first(_FIRST_READING)
            while True:
                wanted = wanted_slots(
                    os.environ,
                    monitor.latest(),
                    cpu_slots=request.cpu_slots,
                    wait_for_foreign=request.wait_for_foreign,
                )
                lease = waiter.take(wanted.slots)
                if lease is not None:
                    break
                waiting = obstacle(wanted, slots.holder)
                if waiting != told:
                    tell("waiting", what=waiting["for"], holder=waiting.get("holder", ""))
                    told = waiting
                _rest(flag)
    finally:
        monitor.close()
    place = Place(lease)
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    os.environ["CUDA_VISIBLE_DEVICES"] = place.gpu or ""
    return place


def _rest(flag: StopFlag) -> None:
    for _ in range(round(POLL / _LOOK)):
        flag.check()
        time.sleep(_LOOK)
