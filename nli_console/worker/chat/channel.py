"""Answers of the chat engine: one JSON object a line, whichever thread speaks."""

import json
import os
from collections.abc import Callable
from threading import Lock
from typing import Any

Tell = Callable[..., None]
"""Says an event about one request: ``tell("text", text="…")``."""


class Channel:
    """Writes to a file descriptor; what cannot be written any more has no reader and is lost."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = Lock()

    def say(self, id: int | None, event: str, **fields: Any) -> None:
        """One event; ``id`` of the request that it is about, or ``None``."""
        line = memoryview(json.dumps({"id": id, "event": event, **fields}).encode() + b"\n")
        with self._lock:
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:
                return
