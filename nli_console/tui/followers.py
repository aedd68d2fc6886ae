"""Following runs of several folders: a thread for each root, so that one that hangs stops no other."""

from collections.abc import Sequence

from textual.message_pump import MessagePump

from nli_console.record.store import RunSummary
from nli_console.tui.background import Poller
from nli_console.tui.run_readers import RunReaders


class Followers:
    """:class:`RunReaders` by root; what they read is posted to ``target``."""

    def __init__(self, target: MessagePump, interval: float) -> None:
        self._target = target
        self._interval = interval
        self._readers: dict[str, tuple[RunReaders, Poller]] = {}
        self._paused = False
        self._started = False

    def start(self) -> None:
        """Begin to read."""
        self._started = True
        for _, poller in self._readers.values():
            poller.start()

    def follow(self, selected: RunSummary | None, runs: Sequence[RunSummary]) -> None:
        """Read ``selected`` first, then the newest live ones of ``runs``."""
        live: dict[str, list[RunSummary]] = {} if selected is None else {selected.root: []}
        for run in runs:
            if run.state.state.live:
                live.setdefault(run.root, []).append(run)
        for root in live.keys() | self._readers.keys():
            here = selected if selected is not None and selected.root == root else None
            self._of(root)[0].follow(here, live.get(root, ()))

    def _of(self, root: str) -> tuple[RunReaders, Poller]:
        if root not in self._readers:
            readers = RunReaders()
            readers.pause(self._paused)
            poller = Poller(readers.read, self._target, self._interval, title="reading runs")
            self._readers[root] = readers, poller
            if self._started:
                poller.start()
        return self._readers[root]

    def pause(self, paused: bool) -> None:
        """Read nothing while nobody looks."""
        self._paused = paused
        for readers, poller in self._readers.values():
            readers.pause(paused)
            if not paused:
                poller.poke()

    def poke(self) -> None:
        """Read now."""
        for _, poller in self._readers.values():
            poller.poke()

    def stop(self) -> None:
        for _, poller in self._readers.values():
            poller.stop()
