"""Which slots a run may take now: GPUs that the environment allows, or the CPU's."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nli_console.supervisor.lease import Holder
from nli_console.supervisor.telemetry.readings import Gpu, GpuReading
from nli_console.text import clean_line, format_bytes

GPU_PREFIX = "gpu-"
CPU_PREFIX = "cpu-"
_HIDDEN_USE = 1024**3
"""Bytes in use that no visible process accounts for (another container's) and that count as use."""
_MIG = re.compile(r"MIG-[0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Slots that would be taken now, and what is waited for where there is none."""

    slots: tuple[str, ...]
    obstacle: str = ""


def wanted_slots(
    environment: Mapping[str, str], reading: GpuReading, *, cpu_slots: int, wait_for_foreign: bool
) -> Wanted:
    """The slots a run may take, in order of preference.

    ``environment`` is the worker's: its ``CUDA_VISIBLE_DEVICES`` bounds the choice, and an empty one means
    the CPU.
    """
    cpu = Wanted(tuple(f"{CPU_PREFIX}{number}" for number in range(cpu_slots)))
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1", "none", "NoDevFiles"):
        return cpu
    if reading.gpus is None:
        return Wanted((), f"the GPU driver ({reading.note})" if reading.note else "the GPU driver")
    if not reading.gpus:
        return cpu
    allowed = allowed_gpus(reading.gpus, visible)
    if not allowed:
        return Wanted(
            (), f"a GPU: CUDA_VISIBLE_DEVICES={clean_line(visible, limit=80)} names none of this machine"
        )
    taken = (
        {uuid: use for uuid in allowed if (use := foreign_use(reading.find(uuid)))}
        if wait_for_foreign
        else {}
    )
    slots = tuple(f"{GPU_PREFIX}{uuid}" for uuid in allowed if uuid not in taken)
    return Wanted(slots, "; ".join(taken.values()))


def obstacle(wanted: Wanted, holder_of: Callable[[str], Holder | None]) -> dict[str, str]:
    """What a waiter waits for, and who has it where that is known: ``{"for": "a GPU", "holder": …}``."""
    if not wanted.slots:
        return {"for": wanted.obstacle}
    kind = "a GPU" if wanted.slots[0].startswith(GPU_PREFIX) else "a CPU slot"
    held_by = [holder.run_id for slot in wanted.slots if (holder := holder_of(slot))]
    return {"for": kind, "holder": ", ".join(held_by)} if held_by else {"for": kind}


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


def foreign_use(gpu: Gpu | None, *, without: int | None = None) -> str:
    """In words, who uses a GPU whose slot is free, that is: without the console. Empty when nobody does.

    ``without`` is the pid of the worker that has the slot and is not counted; then only processes that can be
    seen count.
    """
    if gpu is None:
        return ""
    users: dict[str, int] = {}
    for process in gpu.processes:
        if process.pid == without:
            continue
        user = clean_line(process.user or "another container", limit=40)
        users[user] = users.get(user, 0) + (process.used_bytes or 0)
    if users:
        who = ", ".join(
            f"{user} {format_bytes(size) if size else ''}".strip() for user, size in users.items()
        )
        return f"{gpu.name}: in use by {who}"
    if without is None and (gpu.used_bytes or 0) > _HIDDEN_USE:
        return f"{gpu.name}: {format_bytes(gpu.used_bytes)} in use by processes that cannot be seen from here"
    return ""
