"""What a run waits for: the ``waiting`` event of its supervisor in words, and what one can do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from nli_console.record.glance import end_of
from nli_console.text import clean_line

Obstacle = Literal["slot", "chat", "order", "foreign", "settling", "driver", "no_gpu", "paused", "held"]
"""What is in the way: a run or a chat of one's own, older waiters, a process of somebody else on a GPU, a
GPU that has only just become free, a driver that does not answer, an environment that names no GPU of this
machine, the pause of the queue, a hold on this run.
"""


def _both(advice: str) -> tuple[str, str]:
    """Advice that is the same on the command line and in Runs."""
    return advice, advice


_ADVICE: dict[str, tuple[str, str]] = {
    "slot": (
        "it starts when that one ends; `nli-console queue start {id} --beside` starts it beside that one",
        "it starts when that one ends; g starts it beside that one",
    ),
    "chat": (
        "press u in Chat, or quit that console, to free the slot; "
        "`nli-console queue start {id} --beside` starts it beside the chat",
        "press u in Chat, or quit that console, to free the slot; g starts it beside the chat",
    ),
    "order": ("`nli-console queue first {id}` puts it first", "f puts it first"),
    "foreign": (
        "it starts when the GPU is free; `nli-console queue start {id} --beside` shares it; "
        "with wait_for_foreign = false under [queue] in settings.toml later runs do not wait",
        "it starts when the GPU is free; g shares it; "
        "with wait_for_foreign = false under [queue] in settings.toml later runs do not wait",
    ),
    "settling": _both("it starts when the GPU stays free"),
    "driver": _both("see what `nvidia-smi` says; stop it and for the CPU launch with CUDA_VISIBLE_DEVICES= "),
    "no_gpu": _both("stop it and launch it where CUDA_VISIBLE_DEVICES names a GPU of this machine"),
    "paused": (
        "`nli-console queue resume` ends the pause; `nli-console queue start {id}` starts this run alone",
        "p ends the pause; g starts this run alone",
    ),
    "held": (
        "`nli-console queue release {id}` lets it wait its turn again",
        "h lets it wait its turn again",
    ),
}
"""What can be done, as commands and as keys of Runs."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """``target`` is waited for and ``holder`` has it; both are clean. ``place`` counts from 1 to ``of``.

    ``run_id`` is who waits.
    """

    target: str
    holder: str = ""
    place: int | None = None
    of: int | None = None
    obstacle: Obstacle | None = None
    run_id: str = "RUN"

    @property
    def sentence(self) -> str:
        """``a CPU slot, held by run-7 (pid 4242); place 2 of 3 in the queue``."""
        text = f"{self.target}, held by {self.holder}" if self.holder else self.target
        if self.place is None:
            return text
        return f"{text}; place {self.place} of {self.of or self.place} in the queue"

    @property
    def mark(self) -> str:
        """What stands behind ``queued``: the place, or that the run is held back; empty where unknown."""
        if self.obstacle == "held":
            return "held"
        return "" if self.place is None else str(self.place)

    @property
    def advice(self) -> str:
        """What a person can do about it, with commands; empty where nothing is known."""
        return _ADVICE[self.obstacle][0].format(id=self.run_id) if self.obstacle else ""

    @property
    def keys(self) -> str:
        """The same with the keys of Runs."""
        return _ADVICE[self.obstacle][1] if self.obstacle else ""


def waiting_of(record: Mapping[str, Any], run_id: str) -> Waiting:
    """Read a ``waiting`` event of a run; everything in it may be untrusted."""
    target, holder, code = record.get("for"), record.get("holder"), record.get("obstacle")
    return Waiting(
        clean_line(target, limit=200) if target else "its turn in the queue",
        clean_line(holder, limit=200) if holder else "",
        _whole(record.get("place")),
        _whole(record.get("of")),
        code if code in get_args(Obstacle) else None,
        run_id,
    )


def last_waiting(events: Path | str, run_id: str) -> Waiting | None:
    """What a queued run waits for, from the last ``waiting`` event; ``None`` when there is none."""
    for record in reversed(end_of(events)[0]):
        if record.get("event") == "waiting":
            return waiting_of(record, run_id)
    return None


def _whole(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None
