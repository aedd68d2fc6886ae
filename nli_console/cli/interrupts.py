"""Ctrl-C as something to ask for, instead of an exception in the middle of anything."""

import os
import select
import signal
from types import FrameType
from typing import Self


class Interrupts:
    """While entered, Ctrl-C does nothing but end :meth:`wait`."""

    def __enter__(self) -> Self:
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._before = signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)
        os.close(self._read)
        os.close(self._write)

    def wait(self, seconds: float) -> bool:
        """Wait so long, or until Ctrl-C: ``True`` for one press, which is thereby used up."""
        ready, _, _ = select.select([self._read], [], [], seconds)
        if ready:
            os.read(self._read, 1)
        return bool(ready)

    def _press(self, _number: int, _frame: FrameType | None) -> None:
        os.write(self._write, b"!")
