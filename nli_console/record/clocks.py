"""The clock of the machine that keeps a folder: on a network file system not the local one.

How old another host's heartbeat is can only be said by the clock that dated it. A probe file is touched, and
what its modification time is ahead of the local clock is the difference.
"""

import contextlib
import os
import secrets
import threading
import time
from pathlib import Path

from nli_console.record.layout import PROBE

REMEASURE = 60.0
"""Seconds that a measured difference is used for."""

_lock = threading.Lock()
_measured: dict[str, tuple[float, float]] = {}


def file_clock(folder: Path) -> float:
    """Seconds that the clock of ``folder``'s file server is ahead of the local one; 0 where nobody can say.

    It is measured at most once a minute; the folder may be another's, or mounted for reading only.
    """
    key = str(folder)
    with _lock:
        known = _measured.get(key)
    if known is not None and time.monotonic() - known[0] < REMEASURE:
        return known[1]
    ahead = _measure(folder)
    if ahead is None:
        ahead = known[1] if known is not None else 0.0
    with _lock:
        _measured[key] = (time.monotonic(), ahead)
    return ahead


def _measure(folder: Path) -> float | None:
    path = folder / f"{PROBE}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        before = time.time()
        # Without a time given, the server puts its own.
        os.utime(descriptor)
        dated = os.fstat(descriptor).st_mtime
        after = time.time()
    except OSError:
        return None
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(path)
    # Less than the time that asking took means nothing.
    if before - 0.1 <= dated <= after:
        return 0.0
    return dated - (before + after) / 2
