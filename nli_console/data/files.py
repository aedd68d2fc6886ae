"""The files of a dataset, in a folder or in a zip, behind one face; and lines with a limit."""

import fnmatch
import io
import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from nli_console.errors import ConsoleError
from nli_console.settings import is_not_utf8
from nli_console.text import clean_line, format_bytes

LINE_LIMIT = 1024 * 1024
"""Bytes of one line; the longest line of MultiNLI has a few thousand."""
LISTING_DEPTH = 3
LISTING_LIMIT = 5000
UNPACKED_LIMIT = 1024**3
"""Bytes of a zip's member that is unpacked into memory, because its format is read from the end."""
REPORT_EVERY = 1024 * 1024

Progress = Callable[[int, int, str], None]
"""Called with what is done, the total and the unit: ``bytes`` of files, or ``rows`` of a hub dataset."""

_DAMAGED = (EOFError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, UnicodeDecodeError)
READ_ERRORS = (OSError, *_DAMAGED, NotImplementedError, RuntimeError)
"""What reading a damaged, encrypted or vanished file or zip raises."""


def read_problem(error: BaseException) -> str:
    """What one of :data:`READ_ERRORS` means, and what to do about it where that is not plain."""
    text = clean_line(error, limit=120)
    # Damaged bzip2 data is a bare OSError.
    if isinstance(error, _DAMAGED) or (type(error) is OSError and error.errno is None):
        return f"it is damaged ({text}); download or copy it again"
    if isinstance(error, OSError):
        return clean_line(error.strerror or error, limit=200)
    return f"{text}; unpack it and name the folder"


class Meter:
    """Adds up what was read and reports it about once a mebibyte, and at the end."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total = total
        self._done = 0
        self._next = REPORT_EVERY
        self._progress = progress

    def advance(self, size: int) -> None:
        self._done += size
        if self._done >= self._next:
            self._next = self._done + REPORT_EVERY
            self._report()

    def finish(self) -> None:
        self._done = self._total
        self._report()

    def _report(self) -> None:
        if self._progress is not None:
            self._progress(min(self._done, self._total), self._total, "bytes")


def is_zip(source: Path) -> bool:
    """Whether it is a zip. Raises ``OSError`` when it may not be read."""
    if not source.is_file():
        return False
    with source.open("rb") as file:
        return zipfile.is_zipfile(file)


def list_files(source: Path) -> list[str]:
    """Sorted names of the files in a folder (three levels deep) or a zip, relative, with ``/``.

    Hidden ones and those whose names are not UTF-8 are left out, and so are subfolders that may not be
    read, unless there is nothing else. A single file that is not a zip gives its own name.

    Raises:
        OSError: the folder may not be read.
    """
    if is_zip(source):
        with zipfile.ZipFile(source) as archive:
            names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    elif source.is_dir():
        refused: list[OSError] = []
        names = list(_walk(source, refused))
        if refused and not names:
            raise refused[0]
    else:
        names = [source.name]
    return sorted(name for name in names if not _hidden(name) and not is_not_utf8(name))[:LISTING_LIMIT]


def _hidden(name: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _walk(folder: Path, refused: list[OSError]) -> Iterator[str]:
    count = 0
    for base, folders, files in os.walk(folder, followlinks=True, onerror=refused.append):
        relative = Path(base).relative_to(folder)
        if len(relative.parts) >= LISTING_DEPTH:
            folders.clear()
        folders[:] = [name for name in folders if not _hidden(name)]
        for name in files:
            yield (relative / name).as_posix()
        count += len(files)
        if count > LISTING_LIMIT:
            return


def split_files(source: Path, pattern: str) -> list[str]:
    """The files in ``source`` that one entry of ``DataSpec.splits`` stands for: a name or a pattern.

    Raises:
        ConsoleError: nothing matches.
    """
    if is_zip(source):
        names = list_files(source)
        found = [pattern] if pattern in names else fnmatch.filter(names, pattern)
    else:
        folder = source if source.is_dir() else source.parent
        exact = os.path.exists(folder / pattern)
        found = [pattern] if exact else fnmatch.filter(list_files(folder), pattern)
    if not found:
        raise ConsoleError(
            f'{clean_line(source)} has no file "{clean_line(pattern)}"; '
            f"it has {shown_names(list_files(source))}"
        )
    return found


def shown_names(names: list[str], limit: int = 8) -> str:
    """The first names, cleaned, for a message."""
    shown = ", ".join(clean_line(name, limit=60) for name in names[:limit])
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return (shown + more) or "no files"


def shown_file(source: Path, name: str) -> str:
    """How messages name a file of a dataset: its path, or the zip and the member."""
    if source.suffix.lower() == ".zip":
        return f"{clean_line(source)}:{clean_line(name)}"
    return clean_line((source if source.is_dir() else source.parent) / name)


def file_size(source: Path, name: str) -> int:
    """Uncompressed bytes."""
    if is_zip(source):
        with zipfile.ZipFile(source) as archive:
            return archive.getinfo(name).file_size
    return ((source if source.is_dir() else source.parent) / name).stat().st_size


@contextmanager
def open_file(source: Path, name: str) -> Iterator[BinaryIO]:
    """Open a file of a dataset for reading.

    Raises:
        ConsoleError: it is not a regular file: a named pipe would wait for ever.
    """
    if is_zip(source):
        with zipfile.ZipFile(source) as archive, archive.open(name) as member:
            yield io.BufferedReader(member, 1024 * 1024)  # type: ignore[arg-type]
        return
    path = (source if source.is_dir() else source.parent) / name
    if not stat.S_ISREG(path.stat().st_mode):
        raise ConsoleError(f"{clean_line(path)} is not a regular file; name a file with rows")
    with path.open("rb", buffering=1024 * 1024) as file:
        yield file


def read_lines(source: Path, name: str, meter: Meter) -> Iterator[tuple[int, bytes]]:
    """Numbered lines with their ends; a byte order mark is taken off the first.

    Raises:
        ConsoleError: a line is longer than :data:`LINE_LIMIT`.
    """
    number = 0
    with open_file(source, name) as file:
        while line := file.readline(LINE_LIMIT + 1):
            number += 1
            if len(line) > LINE_LIMIT:
                raise ConsoleError(
                    f"{shown_file(source, name)}, line {number} is longer than {format_bytes(LINE_LIMIT)}; "
                    "one row stands on one line: look for a missing line end or remove the row"
                )
            meter.advance(len(line))
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
            yield number, line


def not_utf8(place: str, error: UnicodeDecodeError) -> ConsoleError:
    """The error for bytes that are not text; ``place`` names file and line."""
    return ConsoleError(
        f"{place}: byte 0x{error.object[error.start]:02x} at position {error.start + 1} is not valid UTF-8; "
        "convert the file to UTF-8"
    )
