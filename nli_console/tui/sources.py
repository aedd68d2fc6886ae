"""What the app reads again and again: the machine and the run folders. Called on daemon threads only."""

from collections.abc import Sequence
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from nli_console.opening import Root
from nli_console.record.orders import paused_by
from nli_console.record.roots import Placed, placed_of
from nli_console.record.store import RunSummary, Store
from nli_console.tui.messages import MachineRead, RunsListed
from nli_console.tui.status import Machine

if TYPE_CHECKING:
    from nli_console.supervisor.telemetry.host import HostSampler
    from nli_console.supervisor.telemetry.monitor import GpuMonitor
    from nli_console.tui.roots_reader import RootsReader

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


def reader_of(roots: Sequence[Root], cache_dir: Path) -> "RunsReader | RootsReader":
    """What reads the history: one folder in the simplest way, several with a thread each."""
    if len(roots) == 1:
        return RunsReader(roots[0].path, cache_dir, placed_of(roots)[0])
    from nli_console.tui.roots_reader import RootsReader

    return RootsReader(roots, cache_dir)


class RunsReader:
    """The summaries of all runs, when one of them changed.

    The first read is of the newest runs alone, so that a long history is on the screen before all of it is
    known; ``more`` says that the rest should be read at once. ``placed`` says whose the runs are.
    """

    def __init__(self, runs_dir: Path, cache_dir: Path, placed: Placed | None = None) -> None:
        self._store = Store(runs_dir, cache_dir)
        self._placed = placed
        self._runs_dir = runs_dir
        self._told = False
        self._paused = False
        self._new: list[RunSummary] = []
        self.looked = Event()
        """Set after the first look, which :attr:`first` then holds."""
        self.first: RunsListed | None = None
        self.more = False
        self._thorough = Event()

    def look_at_all(self) -> None:
        """Something was just changed: the next read looks at every run."""
        self._thorough.set()

    def read(self) -> RunsListed | None:
        """Look at the run folders; ``None`` when nothing is new."""
        first, known = not self._told, self.more
        thorough = self.more or self._thorough.is_set()
        self._thorough.clear()
        changed = self._store.refresh(newest=_FIRST if first else None, thorough=thorough)
        self.more = first and len(changed.added) == _FIRST
        self._new += (*changed.added, *changed.changed)
        if not first:
            self._settle()
        before, self._paused = self._paused, bool(paused_by(self._runs_dir))
        if not (first or changed or known != self.more or before != self._paused):
            return None
        self._told = True
        runs = tuple(self._placed.place(self._store.runs) if self._placed else self._store.runs)
        listed = RunsListed(runs, complete=not self.more, paused=self._paused)
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
