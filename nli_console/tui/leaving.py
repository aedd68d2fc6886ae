"""Leaving on SIGTERM and SIGHUP through Textual's own exit, which gives the terminal back as it was."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from threading import Timer
from typing import Any

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_PATIENCE = 5.0
"""Seconds that leaving on a signal may take before the process ends without further ado."""


class SignalExit:
    """Calls ``leave`` with an exit code when a signal asks the process to end."""

    def __init__(self, leave: Callable[[int], object]) -> None:
        self._leave = leave
        self._former: dict[signal.Signals, Any] = {}
        self._watchdog: Timer | None = None

    def catch(self) -> None:
        """Begin to listen."""
        for number in _SIGNALS:
            with suppress(ValueError):  # not in the main thread
                self._former[number] = signal.signal(number, self._caught)

    def restore(self) -> None:
        """Give the signals back to whoever had them."""
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def cancel(self) -> None:
        """The console has left by itself."""
        if self._watchdog is not None:
            self._watchdog.cancel()

    def _caught(self, number: int, frame: object) -> None:
        # A terminal that has hung up can leave the event loop stuck in a write for good.
        self._watchdog = Timer(_PATIENCE, os._exit, (128 + number,))
        self._watchdog.daemon = True
        self._watchdog.start()
        self._leave(128 + number)
