"""What the status line says: readings of this machine and counts of runs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.content import Content

from nli_console.record.state import State
from nli_console.text import clean_line, format_bytes

if TYPE_CHECKING:
    from nli_console.supervisor.telemetry.host import HostReading
    from nli_console.supervisor.telemetry.readings import Gpu


@dataclass(frozen=True, slots=True)
class Machine:
    """One look at the machine. ``gpus`` is ``None`` where nobody can say; ``note`` then says why."""

    host: "HostReading | None" = None
    gpus: "tuple[Gpu, ...] | None" = ()
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """What the line is made of."""

    machine: Machine = Machine()
    running: int = 0
    queued: int = 0
    paused: bool = False

    @classmethod
    def of(cls, machine: Machine, states: Iterable[State], paused: bool = False) -> "Status":
        states = list(states)
        queued = states.count(State.QUEUED)
        return cls(machine, sum(state.live for state in states) - queued, queued, paused)

    def forms(self) -> list[list[Content]]:
        """Ways to say it, longest first; the last one has the counts alone."""
        counts = Content.assemble(
            (f"{self.running} running", "bold $state-running" if self.running else "$muted"),
            (f" {self.queued} queued", "$state-queued") if self.queued else "",
            (", queue paused", "bold $warning") if self.paused else "",
        )
        gpus = list(self.machine.gpus or ())
        if gpus:
            return [
                [*(_gpu(index, gpu, 2) for index, gpu in enumerate(gpus)), counts],
                [*(_gpu(index, gpu, 1) for index, gpu in enumerate(gpus)), counts],
                [*(_gpu(index, gpu, 0) for index, gpu in enumerate(gpus)), counts],
                [_busiest(gpus), counts],
                [counts],
            ]
        host = self.machine.host
        if host is None:
            return [[counts]]
        cpu = Content.styled(f"CPU {host.host_cpu_percent:.0f} %", "$muted")
        used, total = format_bytes(host.host_memory_used_bytes), format_bytes(host.host_memory_total_bytes)
        memory = Content.styled(f"memory {used} of {total}", "$muted")
        silent = self.machine.gpus is None and self.machine.note is not None
        note = [Content.styled("GPU: no reading", "$warning")] if silent else []
        return [[*note, cpu, memory, counts], [*note, cpu, counts], [cpu, counts], [counts]]


def _gpu(index: int, gpu: "Gpu", detail: int) -> Content:
    """Detail 0: number and load; 1: memory as well; 2: name and power as well."""
    load = "–" if gpu.utilisation is None else f"{gpu.utilisation} %"
    parts: list[tuple[str, str]] = [(f"GPU{index} ", "$muted")]
    if detail >= 2:
        parts.append((f"{clean_line(gpu.name, limit=24).removeprefix('NVIDIA ')} ", "$foreground"))
    if detail >= 1 and gpu.used_bytes is not None and gpu.total_bytes is not None:
        used = format_bytes(gpu.used_bytes).removesuffix(" GiB")
        full = gpu.used_bytes > 0.9 * gpu.total_bytes
        parts.append((f"{used}/{format_bytes(gpu.total_bytes)} ", "$warning" if full else "$foreground"))
    parts.append((load, "$foreground"))
    if detail >= 2 and gpu.power_watts is not None:
        parts.append((f" {gpu.power_watts:.0f} W", "$muted"))
    return Content.assemble(*parts)


def _busiest(gpus: "list[Gpu]") -> Content:
    load = max((gpu.utilisation or 0) for gpu in gpus)
    return Content.styled(f"{len(gpus)} GPUs, at most {load} %", "$foreground")
