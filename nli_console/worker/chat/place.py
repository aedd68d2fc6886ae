"""The device that a chat, or a prediction, may use: a slot of the queue that runs wait in too."""

import os
import time
from dataclasses import dataclass
from typing import Protocol

from nli_console.record.processes import own_identity
from nli_console.supervisor.devices import Lookout, gpu_of
from nli_console.supervisor.lease import CHAT, POLL, Holder, Lease, Slots, Waiter
from nli_console.supervisor.telemetry.monitor import GpuMonitor
from nli_console.supervisor.turn import Turn
from nli_console.worker.chat.channel import Tell
from nli_console.worker.stop import StopFlag

HOLDER = CHAT
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
        return gpu_of(self.lease.slot)


def take_place(request: Wanting, tell: Tell, flag: StopFlag, holder: str = HOLDER) -> Place:
    """Wait for a slot, telling whose it is, and make it the only device that torch will see.

    Call it before anything starts the driver: what this process sees is settled then.

    Raises:
        Stopped: a stop was asked for; nothing is held.
        ConsoleError: the folder of slots cannot be used.
    """
    slots, monitor = Slots(), GpuMonitor(1.0)
    lookout = Lookout(
        os.environ,
        slots.held,
        cpu_slots=request.cpu_slots,
        wait_for_foreign=request.wait_for_foreign,
    )
    told: tuple[str, str] | None = None
    try:
        with Waiter(slots, Holder(holder, "", own_identity()), time.time()) as waiter:
            turn = Turn(waiter, lookout)
            monitor.first(_FIRST_READING)
            while (lease := turn.look(monitor.latest())) is None:
                waiting = turn.waiting["for"], turn.waiting.get("holder", "")
                if waiting != told:
                    tell("waiting", what=waiting[0], holder=waiting[1])
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
