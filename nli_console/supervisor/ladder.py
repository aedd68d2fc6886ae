"""The stop ladder: ask for a checkpoint, then TERM, then KILL."""

import signal
import time
from dataclasses import dataclass

from nli_console.record.state import Reason

CHECKPOINT_GRACE = 600.0
"""Seconds for finishing a step, writing a checkpoint and hashing it: gigabytes on a slow disk."""
LOADING_GRACE = 60.0
"""The same before training has begun, when there is nothing to save: a read that hangs, a slow disk."""
TERM_GRACE = 60.0
"""Seconds between TERM and KILL after a polite stop."""
KILL_GRACE = 3.0
"""The same after a request to kill."""


@dataclass(frozen=True, slots=True)
class Graces:
    """Seconds that each rung waits; tests use shorter ones."""

    checkpoint: float = CHECKPOINT_GRACE
    term: float = TERM_GRACE
    kill: float = KILL_GRACE
    loading: float = LOADING_GRACE


@dataclass(frozen=True, slots=True)
class Rung:
    """A signal to send now; ``group`` when it goes to the whole process group and not to the worker alone."""

    signal: int
    group: bool


class Ladder:
    """Says which signal is due, in :func:`time.monotonic` seconds, so a clock that jumps changes nothing."""

    def __init__(self, graces: Graces) -> None:
        self.cause: Reason | None = None
        self._graces = graces
        self._next: list[tuple[float, Rung]] = []
        self._killing = False

    def ask(self, cause: Reason, *, kill: bool = False, saves: bool = True, now: float | None = None) -> bool:
        """Begin to stop, or hurry when ``kill`` follows a polite request; ``False`` when nothing changes.

        ``saves``: whether the worker may have something to save, which takes its time.
        """
        if self._killing or (self.cause is not None and not kill):
            return False
        start = time.monotonic() if now is None else now
        self.cause = self.cause or cause
        self._killing = kill
        graces = self._graces
        if kill:
            self._next = [
                (start, Rung(signal.SIGTERM, group=True)),
                (start + graces.kill, Rung(signal.SIGKILL, group=True)),
            ]
        else:
            patience = graces.checkpoint if saves else graces.loading
            self._next = [
                (start, Rung(signal.SIGUSR2, group=False)),
                (start + patience, Rung(signal.SIGTERM, group=True)),
                (start + patience + graces.term, Rung(signal.SIGKILL, group=True)),
            ]
        return True

    def due(self, now: float | None = None) -> Rung | None:
        """The next signal whose time has come, once."""
        moment = time.monotonic() if now is None else now
        if self._next and self._next[0][0] <= moment:
            return self._next.pop(0)[1]
        return None
