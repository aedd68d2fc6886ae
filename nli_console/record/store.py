"""The history: every run folder under some roots, read again only where something changed."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nli_console.record.evidence import gather
from nli_console.record.files import folder_size
from nli_console.record.finding import listed_ids
from nli_console.record.history_cache import HistoryCache, Settled
from nli_console.record.labels import read_labels
from nli_console.record.layout import RunLayout
from nli_console.record.processes import Processes
from nli_console.record.state import derive
from nli_console.record.summary import Accuracy, RunSummary, summarise

__all__ = ["Accuracy", "RunSummary", "Store", "StoreChange"]

_RACY = 2.0
_AT_ONCE = 1000
"""Ended runs that a look which is not thorough takes; the others have their turn in the next ones."""


@dataclass(frozen=True, slots=True)
class StoreChange:
    """What a refresh found, against the one before: summaries that are new or differ, ids that are gone."""

    added: tuple[RunSummary, ...] = ()
    changed: tuple[RunSummary, ...] = ()
    removed: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


class Store:
    """The runs under ``roots``. Reads only, keeps no file open, and is used from one thread at a time.

    A run whose end is recorded is read once and then only looked at by the modification times of its folders:
    a label or a new attempt changes them. Everything else is looked at on every refresh. Of two runs of the
    same id the one in the earlier root is shown.

    With ``cache_dir``, rows of ended runs are kept there for the next console.
    """

    def __init__(self, roots: Sequence[Path] | Path, cache_dir: Path | None = None) -> None:
        self.roots = (roots,) if isinstance(roots, Path) else tuple(roots)
        self._caches = [] if cache_dir is None else [HistoryCache(cache_dir, root) for root in self.roots]
        self._kept: dict[str, Settled] = {}
        self._whole = False
        self._unkept = False
        self._turn = 0
        self._runs: dict[str, RunSummary] = {}
        self._settled: dict[str, tuple[int, ...]] = {}
        self._sizes: dict[str, int] = {}

    @property
    def runs(self) -> list[RunSummary]:
        """Every run, newest id first, as of the last refresh."""
        return sorted(self._runs.values(), key=lambda run: run.id, reverse=True)

    def get(self, run_id: str) -> RunSummary | None:
        """The run of this id as of the last refresh."""
        return self._runs.get(run_id)

    def refresh(
        self, now: float | None = None, *, newest: int | None = None, thorough: bool = True
    ) -> StoreChange:
        """Look at every run folder again. ``now`` is in seconds since the epoch.

        With ``newest``, only that many are read that are not known yet: enough to show something at once.
        Where it need not be ``thorough``, of very many ended runs only some are looked at, in turns.
        """
        moment = time.time() if now is None else now
        self._recall(newest)
        table = Processes()
        found: dict[str, RunSummary] = {}
        left = newest
        turns = 1 if thorough else max(len(self._settled) // _AT_ONCE, 1)
        self._turn += 1
        for root in self.roots:
            base = str(root.resolve())
            for place, run_id in enumerate(self._ids(root, base)):
                if run_id in found:
                    continue
                known_run = self._runs.get(run_id)
                if (
                    known_run is not None
                    and (place + self._turn) % turns
                    and f"{base}/{run_id}" in self._settled
                ):
                    found[run_id] = known_run
                    continue
                if left is not None and known_run is None:
                    if left == 0:
                        break
                    left -= 1
                found[run_id] = self._look(base, run_id, table, moment)
        known, self._runs = self._runs, found
        if newest is None:
            self._kept.clear()
        removed = tuple(run_id for run_id in known if run_id not in found)
        for run_id in removed:
            self._forget(str(known[run_id].path))
        return StoreChange(
            tuple(run for run_id, run in found.items() if run_id not in known),
            tuple(
                run
                for run_id, run in found.items()
                if run_id in known and run is not known[run_id] and run != known[run_id]
            ),
            removed,
        )

    def keep(self) -> None:
        """Write the rows of ended runs to the cache, where they differ from what stands there."""
        if not self._unkept:
            return
        self._unkept = False
        for cache in self._caches:
            cache.save(self._settled, self.runs)

    def _recall(self, newest: int | None) -> None:
        """Get the kept rows: before the first look the newest, before the first whole look all."""
        if self._whole:
            return
        self._whole = newest is None
        for cache in self._caches:
            self._kept |= cache.load(whole=self._whole)

    def size_on_disk(self, run: RunSummary) -> int:
        """Bytes that the run's folder takes, checkpoints included; walks the folder, so ask for few runs.

        The size of an ended run is remembered until something in its folder changes.
        """
        folder = str(run.path)
        if folder in self._sizes:
            return self._sizes[folder]
        size = folder_size(run.path)
        if folder in self._settled:
            self._sizes[folder] = size
        return size

    def _ids(self, root: Path, base: str) -> list[str]:
        """The ids in ``root``; those known when it cannot be read just now, as on a server that restarts."""
        try:
            return listed_ids(root)
        except OSError:
            return [run_id for run_id, run in self._runs.items() if str(run.path.parent) == base]

    def _look(self, base: str, run_id: str, table: Processes, now: float) -> RunSummary:
        folder = f"{base}/{run_id}"
        signature = _signature(folder)
        known = self._runs.get(run_id)
        if known is not None and signature and self._settled.get(folder) == signature:
            return known
        kept = self._kept.get(folder)
        if kept is not None and signature and kept[0] == signature:
            self._settled[folder] = signature
            return kept[1]
        self._forget(folder)
        layout = RunLayout(Path(folder))
        evidence = gather(layout, table, now=now)
        summary = summarise(layout, read_labels(layout), evidence, derive(evidence), now)
        recorded = evidence.result is not None or (evidence.final is not None and evidence.final.completed)
        # A change within the clock tick of a folder's time would go unseen, so a young folder is read again.
        if recorded and signature and now - max(signature[1::2]) / 1e9 > _RACY:
            self._settled[folder] = signature
            self._unkept = True
        return summary

    def _forget(self, folder: str) -> None:
        self._settled.pop(folder, None)
        self._sizes.pop(folder, None)


def _signature(folder: str) -> tuple[int, ...]:
    """Inode and modification time (ns) of a run folder and of its attempts; empty when one is gone."""
    try:
        own, attempts = os.lstat(folder), os.lstat(f"{folder}/attempts")
    except OSError:
        return ()
    return own.st_ino, own.st_mtime_ns, attempts.st_ino, attempts.st_mtime_ns
