"""Reading several folders with runs for the console: a thread each, so that one that hangs stops no other."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Condition, Event, Thread

from nli_console.opening import Root
from nli_console.record.roots import Placed, described, merged, placed_of, problem_of, silence_of
from nli_console.record.store import RunSummary
from nli_console.tui.background import describe
from nli_console.tui.messages import RunsListed
from nli_console.tui.sources import RunsReader

_TOGETHER = 0.3
"""Seconds that the folders get to answer before what is known is shown."""
SILENT = 5.0
"""Seconds without an answer after which a folder is said not to answer."""


class _Reader:
    """One folder and the thread that looks at it, once for every :meth:`ask`."""

    def __init__(self, root: Root, cache_dir: Path, placed: Placed, own: bool, changed: Condition) -> None:
        self.root = root
        self.runs: tuple[RunSummary, ...] = ()
        self.complete = True
        self.paused = False
        self.problem = ""
        self.version = 0
        self._own = own
        self._reader = RunsReader(root.path, cache_dir, placed)
        self._changed = changed
        self._due = Event()
        self._asked: float | None = None
        Thread(target=self._loop, name=f"console-root-{root.label}", daemon=True).start()

    def ask(self) -> None:
        """Look again, unless that is still being done."""
        if self._asked is None:
            self._asked = time.monotonic()
            self._due.set()

    def look_at_all(self) -> None:
        self._reader.look_at_all()

    @property
    def busy(self) -> bool:
        return self._asked is not None

    def silent(self, patience: float) -> bool:
        asked = self._asked
        return asked is not None and time.monotonic() - asked > patience

    def _loop(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()
            try:
                message = self._reader.read()
                # One's own folder is made by the first run.
                problem = "" if self._own and not self.root.path.exists() else problem_of(self.root)
            except Exception as error:
                message, problem = None, f"{described(self.root)}: {describe(error)}"
            with self._changed:
                if message is not None or problem != self.problem or not self.version:
                    self.version += 1
                if message is not None:
                    self.runs, self.complete = message.runs, message.complete
                    self.paused = message.paused
                self.problem = problem
                self._asked = None
                self._changed.notify_all()


class RootsReader:
    """The summaries of all folders together, when something changed in one of them.

    After ``patience`` seconds (:data:`SILENT`) a folder counts as silent.
    """

    def __init__(self, roots: Sequence[Root], cache_dir: Path, patience: float | None = None) -> None:
        self._changed = Condition()
        self._patience = SILENT if patience is None else patience
        self._readers = [
            _Reader(root, cache_dir, placed, place == 0, self._changed)
            for place, (root, placed) in enumerate(zip(roots, placed_of(roots), strict=True))
        ]
        self._told: object = None
        self.looked = Event()
        """Set after the first look, which :attr:`first` then holds."""
        self.first: RunsListed | None = None

    def read(self) -> RunsListed | None:
        """Look at every folder; ``None`` when nothing is new."""
        for reader in self._readers:
            reader.ask()
        with self._changed:
            self._changed.wait_for(self._all(lambda reader: not reader.busy), _TOGETHER)
            silent = [reader for reader in self._readers if reader.silent(self._patience)]
            waited_for = [reader for reader in self._readers if reader not in silent]
            notes = tuple(
                silence_of(reader.root) if reader in silent else reader.problem
                for reader in self._readers
                if reader in silent or reader.problem
            )
            complete = all(reader.version and reader.complete for reader in waited_for)
            told = ([reader.version for reader in self._readers], notes, complete)
            if told == self._told:
                return None
            self._told = told
            runs = merged(reader.runs for reader in self._readers)
        listed = RunsListed(tuple(runs), complete=complete, notes=notes, paused=self._readers[0].paused)
        if self.first is None:
            self.first = listed
            self.looked.set()
        return listed

    def look_at_all(self) -> None:
        """Something was just changed: the next read looks at every run."""
        for reader in self._readers:
            reader.look_at_all()

    def _all(self, holds: Callable[[_Reader], bool]) -> Callable[[], bool]:
        return lambda: all(holds(reader) for reader in self._readers)
