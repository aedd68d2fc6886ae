"""What the app reads again and again: the machine and the run folders. Called on daemon threads only."""

from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from nli_console.record.orders import paused_by
from nli_console.record.store import RunSummary, Store
from nli_console.tui.messages import MachineRead, RunsListed
from nli_console.tui.status import Machine

if TYPE_CHECKING:
    from nli_console.supervisor.telemetry.host import HostSampler
    from nli_console.supervisor.telemetry.monitor import GpuMonitor

_FIRST = 100
"""Runs that the first look at the history takes: more than any screen shows."""


class MachineReader:
    """Host and GPUs; the driver is asked by a helper process, so that only that can hang."""

    def __init__(self, interval: float, folder: Path) -> None:
        self._interval = interval
        self._folder = folder
        self._gpus: GpuMonitor | None = None
        self._host: HostSampler | None = None

    def read(self) -> MachineRead:
        if self._gpus is None or self._host is None:
            from nli_console.supervisor.telemetry.host import HostSampler
            from nli_console.supervisor.telemetry.monitor import GpuMonitor

            self._gpus, self._host = GpuMonitor(self._interval), HostSampler(self._folder)
        reading = self._gpus.latest()
        return MachineRead(Machine(self._host.sample(), reading.gpus, reading.note))

    def close(self) -> None:
        """End the helper process without waiting for it."""
        if self._gpus is not None:
            self._gpus.close()


class RunsReader:
    """The summaries of all runs, when one of them changed.

    The first read is of the newest runs alone, so that a long history is on the screen before all of it is
    known; ``more`` says that the rest should be read at once.
    """

    def __init__(self, runs_dir: Path, cache_dir: Path) -> None:
        self._store = Store(runs_dir, cache_dir)
        self._runs_dir = runs_dir
        self._told = False
        self._paused = False
        self._new: list[RunSummary] = []
        self.looked = Event()
        """Set after the first look, which :attr:`first` then holds."""
        self.first: RunsListed | None = None
        self.more = False

    def read(self) -> RunsListed | None:
        """Look at the run folders; ``None`` when nothing is new."""
        first, known = not self._told, self.more
        changed = self._store.refresh(newest=_FIRST if first else None)
        self.more = first and len(changed.added) == _FIRST
        self._new += (*changed.added, *changed.changed)
        if not first:
            self._settle()
        before, self._paused = self._paused, bool(paused_by(self._runs_dir))
        if not (first or changed or known != self.more or before != self._paused):
            return None
        self._told = True
        listed = RunsListed(tuple(self._store.runs), complete=not self.more, paused=self._paused)
        if first:
            self.first = listed
            self.looked.set()
        return listed

    def _settle(self) -> None:
        """What can wait until the first rows are on the screen: record ends that nobody has recorded."""
        from nli_console.supervisor.reap import record_ends

        record_ends(self._new)
        self._new = []
        if not self.more:
            self._store.keep()
