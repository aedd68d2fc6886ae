"""Which slots a run may take now: GPUs that the environment allows, or the CPU's."""

import math
import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from nli_console.record.processes import start_ticks
from nli_console.record.waiting import Obstacle
from nli_console.supervisor.lease import CHAT, Holder
from nli_console.supervisor.telemetry.readings import Gpu, GpuReading
from nli_console.text import clean_line, format_bytes

GPU_PREFIX = "gpu-"
CPU_PREFIX = "cpu-"
SETTLE = 5.0
"""Seconds that a GPU which others used must stay free: their next process may be about to start."""
_HIDDEN_USE = 1024**3
"""Bytes in use that no visible process accounts for (another container's) and that count as use."""
_MIG = re.compile(r"MIG-[0-9A-Za-z-]+")
_BESIDE = "+"
_MOST_BESIDE = 16
"""Runs that may be started one beside another on a device, knowingly."""

Held = Callable[[str], Mapping[str, Holder]]
"""The slots in use whose names begin with a prefix, as :meth:`nli_console.supervisor.lease.Slots.held`."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """``slots`` would be taken now, the best first; ``accepted`` as soon as those who have them leave.

    ``target`` says what is waited for where none can be had, ``holders`` which runs or chats have it.
    """

    slots: tuple[str, ...] = ()
    accepted: tuple[str, ...] = ()
    target: str = ""
    obstacle: Obstacle | None = None
    holders: tuple[Holder, ...] = ()


class Lookout:
    """Watches the devices for one waiter.

    ``environment`` is the worker's: its ``CUDA_VISIBLE_DEVICES`` bounds the choice, and an empty one means
    the CPU. With ``wait_for_foreign`` a GPU that somebody uses without the console is waited for until it
    has been free for ``settle`` seconds; without, it is only taken last.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        held: Held,
        *,
        cpu_slots: int,
        wait_for_foreign: bool,
        settle: float = SETTLE,
    ) -> None:
        self._visible = environment.get("CUDA_VISIBLE_DEVICES")
        self._held = held
        self._cpu_slots = cpu_slots
        self._wait = wait_for_foreign
        self._settle = settle
        self._ours: dict[str, float] = {}
        self._foreign: dict[str, float] = {}

    def look(self, reading: GpuReading, now: float | None = None) -> Wanted:
        """What may be taken. ``now`` is in seconds since the epoch, as the reading's time is."""
        blocked = self._blocked(reading)
        if blocked is not None:
            return blocked
        if self._on_cpu(reading):
            return self._cpu()
        return self._gpu(reading, time.time() if now is None else now)

    def beside(self, reading: GpuReading) -> tuple[str, ...]:
        """Every slot for who starts knowingly beside others, the emptiest device first; the lock decides."""
        if self._blocked(reading) is not None:
            return ()
        if self._on_cpu(reading):
            return tuple(f"{CPU_PREFIX}{number}" for number in range(self._cpu_slots + _MOST_BESIDE))
        ours = {gpu_of(slot) for slot in self._held(GPU_PREFIX)}
        gpus = sorted(
            allowed_gpus(reading.gpus or (), self._visible),
            key=lambda uuid: (uuid in ours, bool(foreign_use(reading, uuid)), _used(reading.find(uuid))),
        )
        names = [f"{GPU_PREFIX}{uuid}" for uuid in gpus]
        return (
            *names,
            *(f"{name}{_BESIDE}{more}" for more in range(1, _MOST_BESIDE) for name in names),
        )

    def _on_cpu(self, reading: GpuReading) -> bool:
        named = self._visible is not None and self._visible.strip() in ("", "-1", "none", "NoDevFiles")
        return named or reading.gpus == ()

    def _blocked(self, reading: GpuReading) -> Wanted | None:
        if self._on_cpu(reading):
            return None
        if reading.gpus is None:
            note = f" ({clean_line(reading.note, limit=100)})" if reading.note else ""
            return Wanted(target=f"the GPU driver{note}", obstacle="driver")
        if not allowed_gpus(reading.gpus, self._visible):
            named = f"CUDA_VISIBLE_DEVICES={clean_line(self._visible, limit=80)} names none of this machine"
            return Wanted(target=f"a GPU: {named}" if self._visible else "a GPU", obstacle="no_gpu")
        return None

    def _cpu(self) -> Wanted:
        slots = tuple(f"{CPU_PREFIX}{number}" for number in range(self._cpu_slots))
        held = self._held(CPU_PREFIX)
        # A run that was started beside others counts, too: the slots say how many may use the CPU at once.
        full = len(held) >= self._cpu_slots
        return Wanted(
            () if full else slots, slots, "a CPU slot", _obstacle(held.values()), tuple(held.values())
        )

    def _gpu(self, reading: GpuReading, now: float) -> Wanted:
        held = self._held(GPU_PREFIX)
        free: list[str] = []
        accepted: list[str] = []
        used: dict[str, str] = {}
        settling: list[str] = []
        holders: list[Holder] = []
        mine: list[str] = []
        for uuid in allowed_gpus(reading.gpus or (), self._visible):
            ours = [holder for slot, holder in held.items() if gpu_of(slot) == uuid]
            use = foreign_use(reading, uuid)
            if ours:
                holders += ours
                mine.append(gpu_name(reading, uuid))
                self._ours[uuid] = now
                accepted.append(uuid)
            elif reading.t <= self._ours.get(uuid, -math.inf):
                # The reading may still show the processes of the run that has just left.
                accepted.append(uuid)
            elif use and self._wait:
                self._foreign[uuid] = now
                used[uuid] = use
            elif use:
                used[uuid] = use
                free.append(uuid)
            elif self._wait and now - self._foreign.get(uuid, -math.inf) < self._settle:
                settling.append(gpu_name(reading, uuid))
                accepted.append(uuid)
            else:
                free.append(uuid)
        free.sort(key=lambda uuid: uuid in used)
        target, obstacle = "a GPU", _obstacle(holders)
        if used:
            # What of one's own holds the other GPUs follows the last part.
            target = "; ".join([*used.values(), *([", ".join(mine)] if mine else ())])
            obstacle = "foreign"
        elif settling:
            target = f"{', '.join(settling)} to stay free for {self._settle:.0f} s"
            obstacle, holders = "settling", []
        slots = tuple(f"{GPU_PREFIX}{uuid}" for uuid in free)
        return Wanted(
            slots,
            (*slots, *(f"{GPU_PREFIX}{uuid}" for uuid in accepted)),
            target,
            obstacle,
            tuple(holders),
        )


def gpu_of(slot: str) -> str | None:
    """The UUID of the GPU that a slot is a place on; ``None`` for a CPU slot."""
    if not slot.startswith(GPU_PREFIX):
        return None
    return slot.removeprefix(GPU_PREFIX).partition(_BESIDE)[0]


def holder_text(holder: Holder) -> str:
    """``20261123-140255-lora (pid 4242)``."""
    who = "a chat of yours" if is_chat(holder) else holder.run_id
    return f"{who} (pid {holder.process.pid})"


def is_chat(holder: Holder) -> bool:
    """Whether a chat has the slot."""
    return holder.run_id == CHAT and not holder.run_dir


def allowed_gpus(gpus: tuple[Gpu, ...], visible: str | None) -> list[str]:
    """UUIDs inside ``CUDA_VISIBLE_DEVICES``; like CUDA, an entry that names nothing ends the list.

    Numbers count in PCI order, the order in which the driver lists the GPUs. A MIG partition is taken as it
    is named.
    """
    usable = [gpu for gpu in gpus if not gpu.lost]
    if visible is None:
        return [gpu.uuid for gpu in usable]
    chosen: list[str] = []
    for entry in (part.strip() for part in visible.split(",")):
        if _MIG.fullmatch(entry):
            chosen.append(entry)
            continue
        if entry.isdigit():
            match = gpus[int(entry)] if int(entry) < len(gpus) else None
        else:
            match = next((gpu for gpu in gpus if entry and gpu.uuid.startswith(entry)), None)
        if match is None or match.lost:
            break
        chosen.append(match.uuid)
    return chosen


def gpu_name(reading: GpuReading, uuid: str) -> str:
    """``GPU0``, by its place in the driver's list; a MIG partition by its UUID."""
    return next((f"GPU{n}" for n, gpu in enumerate(reading.gpus or ()) if gpu.uuid == uuid), uuid)


def foreign_use(reading: GpuReading, uuid: str, *, seen_only: bool = False) -> str:
    """In words, who uses a GPU that no run or chat of one's own has. Empty when nobody does.

    ``GPU0: bob uses 61.2 GiB, not through the console``. A process that has ended since counts no more. With
    ``seen_only`` nor does one that cannot be seen from here: it may have been one's own.
    """
    gpu = reading.find(uuid)
    if gpu is None:
        return ""
    name = gpu_name(reading, uuid)
    users: dict[str, int] = {}
    gone = 0
    for process in gpu.processes:
        if seen_only and process.user is None:
            continue
        if process.user is not None and start_ticks(process.pid) is None:
            gone += process.used_bytes or 0
            continue
        user = clean_line(process.user or "somebody in another container", limit=40)
        users[user] = users.get(user, 0) + (process.used_bytes or 0)
    if users:
        who = ", ".join(
            f"{user} uses {format_bytes(size)}" if size else f"{user} uses it" for user, size in users.items()
        )
        return f"{name}: {who}, not through the console"
    hidden = (gpu.used_bytes or 0) - gone
    if hidden > _HIDDEN_USE and not seen_only:
        return f"{name}: processes that cannot be seen from here use {format_bytes(hidden)}"
    return ""


def _obstacle(holders: Collection[Holder]) -> Obstacle:
    if not holders:
        return "order"
    return "chat" if any(is_chat(holder) for holder in holders) else "slot"


def _used(gpu: Gpu | None) -> int:
    return 0 if gpu is None else gpu.used_bytes or 0
