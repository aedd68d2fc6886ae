"""Kill a piece of work at the N-th call that changes files: before it, or just after it."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

CALLS = frozenset(
    {"open", "write", "flush", "fsync", "fdatasync", "close", "rename", "replace", "link", "unlink", "remove"}
    | {"mkdir", "rmdir", "chmod", "utime"}
)
"""Built-in functions, and methods of streams, that end in a system call on a file."""


def killed_at(number: int, work: Callable[[], object]) -> bool:
    """Do ``work`` in a child that is killed at moment ``number``; whether it got so far.

    Raises:
        AssertionError: the work failed by itself.
    """
    child = os.fork()
    if child == 0:
        seen = 0

        def count(frame: FrameType, event: str, function: Any) -> None:
            nonlocal seen
            if event in ("c_call", "c_return") and getattr(function, "__name__", "") in CALLS:
                seen += 1
                if seen == number:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.setprofile(count)
            work()
            sys.setprofile(None)
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL), code
    return code != 0


def every_moment(start: int = 1) -> Iterator[int]:
    """1, 2, 3, …: the caller ends when the work got through."""
    number = start
    while True:
        yield number
        number += 1
