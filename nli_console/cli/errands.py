"""A command that has its work done by another process: progress on stderr, and Ctrl-C that is orderly."""

import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel

from nli_console.cli.output import note
from nli_console.cli.progress import Progress, Screen
from nli_console.supervisor.errand import Errand

_LEAST_FOR_ETA = 2.0
"""Seconds before a pace says anything."""


def follow(
    module: str, what: str, request: BaseModel, environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Have ``what`` done and return its last event, ``done`` or ``stopped``.

    A first Ctrl-C asks for a stop, a second one ends the process.

    Raises:
        ConsoleError: it came to nothing; the message says why.
    """
    screen, pace = Screen(sys.stderr), _Pace()
    last: dict[str, Any] = {}
    with Errand(module, what, request, environment) as errand, _asking_to_stop(errand):
        for event in errand.events():
            match event["event"]:
                case "waiting":
                    holder = event.get("holder")
                    screen.message(f"waiting for {event['what']}" + (f", held by {holder}" if holder else ""))
                case "note":
                    screen.message(event["text"])
                case "phase":
                    screen.update(pace.progress(event))
                case _:
                    last = event
    screen.clear()
    return last


class _Pace:
    """From events to progress, with the time that is left where it can be told."""

    def __init__(self) -> None:
        self._phase = ""
        self._since = 0.0
        self._begun = 0

    def progress(self, event: Mapping[str, Any]) -> Progress:
        now, done, total = time.monotonic(), event.get("done"), event.get("total")
        if event["phase"] != self._phase:
            self._phase, self._since, self._begun = event["phase"], now, event.get("begun", 0)
        eta = None
        if done and total and now - self._since > _LEAST_FOR_ETA and done > self._begun:
            eta = (total - done) * (now - self._since) / (done - self._begun)
        return Progress(
            event["phase"], done, total, event.get("unit", ""), eta=eta, detail=event.get("detail", "")
        )


@contextmanager
def _asking_to_stop(errand: Errand) -> Iterator[None]:
    presses = 0

    def press(_number: int, _frame: object) -> None:
        nonlocal presses
        presses += 1
        if presses > 1:
            raise KeyboardInterrupt
        note("\nstopping; what is done is kept (Ctrl-C again: at once)")
        errand.stop()

    before = signal.signal(signal.SIGINT, press)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
