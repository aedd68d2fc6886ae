"""Readings of the host and of a worker with its children, through ``psutil``."""

from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True, slots=True)
class HostReading:
    """Memory and disk in bytes, CPU in percent of one core (worker) and of the machine (host)."""

    worker_rss_bytes: int | None
    worker_cpu_percent: float | None
    host_memory_used_bytes: int
    host_memory_total_bytes: int
    host_cpu_percent: float
    disk_free_bytes: int | None


class HostSampler:
    """Samples one worker's process tree (``worker`` is its pid) and the file system that holds ``folder``.

    CPU figures are averages since the sample before; the first is 0.
    """

    def __init__(self, folder: Path, worker: int | None = None) -> None:
        self._folder = str(folder)
        self._known: dict[int, psutil.Process] = {}
        self._root: psutil.Process | None = None
        if worker is not None:
            try:
                self._root = psutil.Process(worker)
            except psutil.Error:
                self._root = None
        psutil.cpu_percent(None)

    def sample(self) -> HostReading:
        """Read now. Takes milliseconds; a file system that hangs makes it hang too."""
        memory = psutil.virtual_memory()
        rss, cpu = self._tree()
        try:
            usage = psutil.disk_usage(self._folder)
            # What keeps no files, such as /sys, is not full.
            free = usage.free if usage.total else None
        except OSError:
            free = None
        return HostReading(
            rss, cpu, memory.total - memory.available, memory.total, psutil.cpu_percent(None), free
        )

    def _tree(self) -> tuple[int | None, float | None]:
        if self._root is None:
            return None, None
        try:
            members = [self._root, *self._root.children(recursive=True)]
        except psutil.Error:
            return None, None
        known, rss, cpu = {}, 0, 0.0
        for member in members:
            process = self._known.get(member.pid)
            if process is None or process != member:
                process = member
            try:
                rss += process.memory_info().rss
                cpu += process.cpu_percent(None)
            except psutil.Error:
                continue
            known[process.pid] = process
        self._known = known
        return rss, cpu
