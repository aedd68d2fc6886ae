"""What the app reads again and again: the machine and the run folders. Called on daemon threads only."""

from pathlib import Path

from nli_console.record.orders import paused_by
from nli_console.record.store import Store
from nli_console.supervisor.reap import record_ends
from nli_console.supervisor.telemetry.host import HostSampler
from nli_console.supervisor.telemetry.monitor import GpuMonitor
from nli_console.tui.messages import MachineRead, RunsListed
from nli_console.tui.status import Machine

_FIRST = 200
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

    def __init__(self, runs_dir: Path) -> None:
        self._runs_dir = runs_dir
        self._store = Store(runs_dir)
        self._told = False
        self._paused = False
        self.more = False

    def read(self) -> RunsListed | None:
        """Look at the run folders; ``None`` when nothing is new."""
        first, known = not self._told, self.more
        changed = self._store.refresh(newest=_FIRST if first else None)
        self.more = first and len(changed.added) == _FIRST
        record_ends((*changed.added, *changed.changed))
        before, self._paused = self._paused, bool(paused_by(self._runs_dir))
        if not (first or changed or known != self.more or before != self._paused):
            return None
        self._told = True
        return RunsListed(tuple(self._store.runs), complete=not self.more, paused=self._paused)
