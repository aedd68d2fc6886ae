"""Reading what the live view shows, on the poller's thread: the selected run, and those that are live."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

from nli_console.record.store import RunSummary
from nli_console.tui.run_view import RunView

if TYPE_CHECKING:
    from nli_console.tui.run_follower import RunFollower

KEPT = 24
LIVE_AT_ONCE = 8


@dataclass
class RunsRead(Message):
    """New views of some runs; those that did not change are left out."""

    views: tuple[RunView, ...]


class RunReaders:
    """Followers of the runs that are looked at.

    The event loop says which (:meth:`follow`, :meth:`pause`); everything else happens on one thread that
    calls :meth:`read`. A run that was looked at stays open for a while, so that going back costs nothing.
    """

    def __init__(self) -> None:
        self._wanted: tuple[RunSummary, ...] = ()
        self._paused = False
        self._followers: OrderedDict[str, RunFollower] = OrderedDict()
        self._seen: dict[str, RunSummary] = {}

    def follow(self, selected: RunSummary | None, runs: Sequence[RunSummary]) -> None:
        """Read ``selected`` first, then the newest live ones of ``runs``."""
        live = [run for run in runs if run.state.state.live and run is not selected]
        self._wanted = (*((selected,) if selected else ()), *live[:LIVE_AT_ONCE])

    def pause(self, paused: bool) -> None:
        """Read nothing while nobody looks."""
        self._paused = paused

    def read(self) -> RunsRead | None:
        """Read what is new of the wanted runs; ``None`` when nothing is."""
        if self._paused:
            return None
        views = [view for run in self._wanted if (view := self._read(run)) is not None]
        while len(self._followers) > KEPT:
            run_id, _ = self._followers.popitem(last=False)
            self._seen.pop(run_id, None)
        return RunsRead(tuple(views)) if views else None

    def _read(self, run: RunSummary) -> RunView | None:
        follower = self._followers.get(run.id)
        ended = not run.state.state.live
        if follower is not None and ended and self._seen.get(run.id) is run:
            return None
        if follower is None:
            # Not before the first frame stands.
            from nli_console.tui.run_follower import RunFollower

            follower = self._followers[run.id] = RunFollower(run.layout)
        self._followers.move_to_end(run.id)
        self._seen[run.id] = run
        return follower.read(ended=ended)
