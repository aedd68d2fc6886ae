"""The end of ``console.log``, made fit to be shown: cleaned, without secrets, progress bars folded."""

import os
import re
from collections import deque
from pathlib import Path

from nli_console.record.files import RecordError, open_regular
from nli_console.record.secrets import scrub
from nli_console.text import clean

LOG_BYTES = 64 * 1024
LOG_LINES = 1000
LINE_CHARACTERS = 2000

# CSI and OSC sequences colour and move; what is left of an escape is marked by clean().
_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]{0,500}(?:\x07|\x1b\\)|\x1b[()][0-9A-B]")


class LogTail:
    """Follows one log in bounded memory: :data:`LOG_LINES` lines of at most :data:`LINE_CHARACTERS`.

    ``lines`` holds whole lines; ``current`` is the unfinished last one, such as a progress bar.
    """

    def __init__(self, path: Path, *, size: int = LOG_BYTES) -> None:
        self.path = path
        self.lines: deque[str] = deque(maxlen=LOG_LINES)
        self.current = ""
        self._size = size
        self._offset = 0
        self._inode = 0
        self._partial = b""

    def read(self) -> bool:
        """Take in what was written since the last call, its last 64 KiB at most; say if anything was."""
        try:
            descriptor = open_regular(self.path, os.O_RDONLY)
        except (OSError, RecordError):
            return False
        try:
            status = os.fstat(descriptor)
            if status.st_ino != self._inode or status.st_size < self._offset:
                self._inode, self._offset, self._partial = status.st_ino, 0, b""
                self.lines.clear()
            start = max(self._offset, status.st_size - self._size)
            data = os.pread(descriptor, self._size, start)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        if not data:
            return False
        if start > self._offset:
            # What was passed over ends somewhere inside a line, so the first piece is no line.
            data, self._partial = data.partition(b"\n")[2] or data, b""
        self._offset = start + len(data) if start == self._offset else status.st_size
        *whole, rest = (self._partial + data).split(b"\n")
        self.lines.extend(_show(line) for line in whole)
        self._partial = rest[-self._size :]
        self.current = _show(self._partial)
        return True


def read_log(path: Path, lines: int = 20) -> list[str]:
    """The last ``lines`` lines of a log, as shown; none when it is missing."""
    tail = LogTail(path)
    tail.read()
    shown = [*tail.lines, tail.current] if tail.current else list(tail.lines)
    return shown[-lines:] if lines > 0 else []


def _show(line: bytes) -> str:
    """One line as a terminal would leave it: of text rewritten with carriage returns only the last stays."""
    last = line.rstrip(b"\r").rpartition(b"\r")[2]
    text = _ESCAPES.sub("", last[: 4 * LINE_CHARACTERS].decode("utf-8", "replace"))
    return scrub(clean(text, limit=LINE_CHARACTERS))
