"""Read-only look-ups of processes in ``/proc``: who is alive, and who belongs to a run.

A bare pid proves nothing, because pids are reused and a zombie still answers signal 0. A process is
therefore named by its pid together with its start time in clock ticks since boot (``proc(5)``, field 22
of ``/proc/PID/stat``), valid on one host during one boot. Nothing here signals or starts a process.
"""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nli_console.record.layout import ENVIRONMENT_TAG

PROC = Path("/proc")
_BOOT_ID = "sys/kernel/random/boot_id"
_DEAD_STATES = frozenset("ZXx")
_ENVIRON_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process of this boot: ``pid`` and ``start_ticks`` (clock ticks between boot and its start)."""

    pid: int
    start_ticks: int

    def to_json(self) -> dict[str, int]:
        """The form that ``owner.json`` holds."""
        return {"pid": self.pid, "start_ticks": self.start_ticks}

    @classmethod
    def from_json(cls, value: object) -> "ProcessIdentity | None":
        """Read :meth:`to_json` back; ``None`` for anything that is not two positive integers."""
        if not isinstance(value, Mapping):
            return None
        fields: Mapping[Any, Any] = value
        pid, ticks = fields.get("pid"), fields.get("start_ticks")
        if type(pid) is not int or type(ticks) is not int or pid <= 0 or ticks < 0:
            return None
        return cls(pid, ticks)


def host_name() -> str:
    """Name of this host, as written into ``owner.json``."""
    return socket.gethostname()


def boot_id(proc: Path = PROC) -> str:
    """The kernel's random id of this boot; empty where the kernel does not tell."""
    try:
        return (proc / _BOOT_ID).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def start_ticks(pid: int, proc: Path = PROC) -> int | None:
    """Start time of ``pid`` in clock ticks since boot; ``None`` when it is gone or a zombie."""
    found = _stat(pid, proc)
    return None if found is None or found[0] in _DEAD_STATES else found[1]


def identity_of(pid: int, proc: Path = PROC) -> ProcessIdentity | None:
    """Identity of a living process; ``None`` when it is gone or a zombie."""
    ticks = start_ticks(pid, proc)
    return None if ticks is None else ProcessIdentity(pid, ticks)


def own_identity() -> ProcessIdentity:
    """Identity of the calling process.

    Raises:
        RuntimeError: when ``/proc`` is not mounted.
    """
    identity = identity_of(os.getpid())
    if identity is None:
        raise RuntimeError("/proc/self/stat cannot be read; nli-console needs a mounted /proc")
    return identity


def alive(identity: ProcessIdentity | None, proc: Path = PROC) -> bool:
    """Whether exactly this process still runs: same pid, same start, not a zombie."""
    return identity is not None and start_ticks(identity.pid, proc) == identity.start_ticks


def tagged_processes(run_dir: Path, proc: Path = PROC) -> list[int]:
    """Pids of living processes whose environment names ``run_dir``, the caller included when it is tagged.

    Processes of other users cannot be read and are left out.
    """
    return sorted(tag_index(proc).get(str(run_dir.resolve()), ()))


def tag_index(proc: Path = PROC) -> dict[str, list[int]]:
    """One pass over ``/proc/*/environ``: run folder → pids that carry its tag, zombies left out."""
    prefix = f"{ENVIRONMENT_TAG}=".encode()
    found: dict[str, list[int]] = {}
    try:
        names = os.listdir(proc)
    except OSError:
        return found
    for name in names:
        if not name.isdigit():
            continue
        try:
            with open(proc / name / "environ", "rb") as stream:
                environment = stream.read(_ENVIRON_LIMIT)
        except OSError:
            continue
        if prefix not in environment:
            continue
        for entry in environment.split(b"\0"):
            if entry.startswith(prefix):
                if start_ticks(int(name), proc) is not None:
                    found.setdefault(os.fsdecode(entry[len(prefix) :]), []).append(int(name))
                break
    return found


class Processes:
    """What this host's process table says, asked at most once per question: make a new one per look.

    The table of tags costs a pass over ``/proc``, so it is read only when somebody asks, and shared by
    all runs that are looked at together.
    """

    def __init__(self, proc: Path = PROC) -> None:
        self._proc = proc
        self._tags: dict[str, list[int]] | None = None
        self.host = host_name()
        self.boot_id = boot_id(proc)

    def alive(self, identity: ProcessIdentity | None) -> bool:
        """:func:`alive` on this table."""
        return alive(identity, self._proc)

    def tagged(self, run_dir: Path) -> list[int]:
        """:func:`tagged_processes` on this table."""
        if self._tags is None:
            self._tags = tag_index(self._proc)
        return sorted(self._tags.get(str(run_dir.resolve()), ()))


def _stat(pid: int, proc: Path) -> tuple[str, int] | None:
    """State letter and start ticks. The name in brackets may hold brackets: cut behind the last one."""
    try:
        with open(proc / str(pid) / "stat", "rb") as stream:
            fields = stream.read(4096).rpartition(b")")[2].split()
        return fields[0].decode("ascii"), int(fields[19])
    except (OSError, IndexError, ValueError):
        return None
