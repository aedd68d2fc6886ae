"""A request to stop: a flag that signal handlers set and that the work looks at between two steps."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from nli_console.record.state import Reason

STOP_SIGNALS = (signal.SIGUSR2, signal.SIGTERM)


class Stopped(BaseException):
    """Leaves whatever is going on after a stop was asked for.

    Not an ``Exception``, so that no library that retries or logs errors swallows it.
    """


class StopFlag:
    """Whether somebody asked this process to stop; ``reason`` where it was a part of the process itself."""

    def __init__(self) -> None:
        self.requested = False
        self._at_once = False
        self.reason: Reason | None = None

    def ask(self, reason: Reason) -> None:
        """Ask for a stop from within; the first reason stands."""
        self.requested = True
        self.reason = self.reason or reason

    def install(self) -> None:
        """Let SIGUSR2 and SIGTERM set the flag; Ctrl-C belongs to the console."""
        for number in STOP_SIGNALS:
            signal.signal(number, self._set)
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    def check(self) -> None:
        """Raise :class:`Stopped` when a stop was asked for."""
        if self.requested:
            raise Stopped

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within, a stop does not wait until somebody looks: for long loads, with nothing to save."""
        self._at_once = True
        try:
            self.check()
            yield
        finally:
            self._at_once = False

    def _set(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        if self._at_once:
            raise Stopped
