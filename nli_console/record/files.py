"""JSON that may be read while it is being replaced, and is never half written.

Whole files are written beside their place, flushed to the disk and renamed (or linked, where the first
writer must win), so a reader sees the old content or the new and a full disk destroys nothing.
"""

import contextlib
import errno
import json
import os
import secrets
import stat
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from nli_console.errors import ConsoleError
from nli_console.text import clean_line

Result = TypeVar("Result")

JSON_LIMIT = 4 * 1024 * 1024
FILE_MODE = 0o600
FOLDER_MODE = 0o700
RETRY_EVERY = 1.0


class RecordError(ConsoleError):
    """A file of the record that is there and cannot be used: damaged, too large, or no regular file."""


def write_json(path: Path, obj: Mapping[str, Any]) -> None:
    """Replace ``path`` by ``obj`` as one JSON object; readers see the old file or the new one.

    The file gets mode 0600 and is on the disk when this returns.

    Raises:
        ValueError: when ``obj`` holds NaN or infinity.
        OSError: when the disk is full or the folder is not writable; the old content is then intact.
    """
    temporary = _write_beside(path, obj)
    try:
        os.rename(temporary, path)
    except OSError:
        _unlink_quietly(temporary)
        raise
    sync_folder(path.parent)


def write_json_once(path: Path, obj: Mapping[str, Any]) -> bool:
    """Write ``path`` if it is not there yet; of several writers exactly one gets ``True``.

    Raises:
        ValueError: when ``obj`` holds NaN or infinity.
        OSError: when the disk is full, the folder is not writable, or the file system has no hard links.
    """
    temporary = _write_beside(path, obj)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        _unlink_quietly(temporary)
    # The first has won; an error now must not make it try again and find itself second.
    with contextlib.suppress(OSError):
        sync_folder(path.parent)
    return True


def read_json(path: Path | str, limit: int = JSON_LIMIT) -> dict[str, Any] | None:
    """Read one JSON object of at most ``limit`` bytes; ``None`` when there is no such file.

    Raises:
        RecordError: for a symlink, a FIFO, a folder, a file over ``limit``, or anything but one JSON object.
    """
    try:
        descriptor = open_regular(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RecordError(f"{_name(path)}: cannot be read: {error.strerror}") from error
    try:
        content = read_up_to(descriptor, limit + 1)
    except OSError as error:
        raise RecordError(f"{_name(path)}: cannot be read: {error.strerror}") from error
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise RecordError(f"{_name(path)}: larger than {limit} bytes, expected a small JSON object")
    try:
        value = parse_json(content)
    except ValueError as error:
        raise RecordError(f"{_name(path)}: not valid JSON: {clean_line(error, limit=200)}") from error
    if not isinstance(value, dict):
        raise RecordError(f"{_name(path)}: holds {type(value).__name__}, expected a JSON object")
    return value


@cache
def _from_json() -> Any:
    # Imported late: who only shows what a cache holds does without the library.
    from pydantic_core import from_json

    return from_json


def parse_json(content: bytes, *, keys_repeat: bool = False) -> Any:
    """``content`` as JSON, in which NaN and infinity are no numbers; ``keys_repeat`` for many alike records.

    Raises:
        ValueError: it is not valid JSON.
    """
    return _from_json()(content, allow_inf_nan=False, cache_strings="keys" if keys_repeat else "all")


def read_json_or_none(path: Path | str, limit: int = JSON_LIMIT) -> dict[str, Any] | None:
    """:func:`read_json` for readers to whom a damaged file is the same as none."""
    try:
        return read_json(path, limit)
    except RecordError:
        return None


def ensure_private_dir(path: Path) -> Path:
    """Make ``path`` and its missing parents with mode 0700; a folder that is there keeps its mode.

    Raises:
        ConsoleError: when the folder cannot be made, or something else stands in its place.
    """
    try:
        path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
    except OSError as error:
        raise ConsoleError(f"{_name(path)}: the folder cannot be made: {error.strerror}") from error
    return path


def open_regular(path: Path | str, flags: int, mode: int = FILE_MODE) -> int:
    """Open a regular file, never a symlink, and never wait (a FIFO would block for ever).

    Returns a file descriptor that children do not inherit.

    Raises:
        FileNotFoundError: when nothing is there.
        RecordError: when something else than a regular file is there.
        OSError: for everything else that ``open`` reports.
    """
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR, errno.ENOTDIR):
            raise RecordError(f"{_name(path)}: not a regular file") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise RecordError(f"{_name(path)}: not a regular file")
    return descriptor


def read_up_to(descriptor: int, size: int) -> bytes:
    """Read until ``size`` bytes or the end of a regular file."""
    chunk = min(size, 65536)
    first = os.read(descriptor, chunk)
    if len(first) < chunk:
        # A regular file reads short only at its end.
        return first
    parts = [first]
    left = size - len(first)
    while left > 0 and (part := os.read(descriptor, min(left, 1024 * 1024))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def dumps(obj: Mapping[str, Any], *, indent: int | None = None) -> bytes:
    """``obj`` as UTF-8 JSON; a lone surrogate, which no JSON reader accepts, becomes ``?``.

    Raises:
        ValueError: when ``obj`` holds NaN or infinity.
        TypeError: when ``obj`` holds something that JSON does not have.
    """
    separators = (",", ":") if indent is None else None
    text = json.dumps(obj, ensure_ascii=False, allow_nan=False, indent=indent, separators=separators)
    return text.encode("utf-8", "replace")


def sync_file(path: Path) -> None:
    """Flush what a file holds to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_no_space(error: OSError) -> bool:
    """Whether an error says that the disk, its inodes or a quota are used up."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def patiently(action: Callable[[], Result], seconds: float) -> Result:
    """Do ``action``, again every second for up to ``seconds`` while the file system fails.

    A network file system comes back by itself; space does not, so the want of it is raised at once.

    Raises:
        OSError: the last one.
    """
    deadline = time.monotonic() + seconds
    while True:
        try:
            return action()
        except OSError as error:
            if is_no_space(error) or time.monotonic() >= deadline:
                raise
        time.sleep(RETRY_EVERY)


def sync_folder(folder: Path) -> None:
    """Flush the names of a folder to the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def folder_size(folder: Path) -> int:
    """Bytes on the disk of everything in ``folder``; symlinks are not followed."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        total += folder_size(Path(entry.path))
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
    except OSError:
        return total
    return total


def _write_beside(path: Path, obj: Mapping[str, Any]) -> Path:
    content = dumps(obj, indent=1) + b"\n"
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    descriptor = os.open(
        temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE
    )
    try:
        with open(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(descriptor)
    except OSError:
        _unlink_quietly(temporary)
        raise
    return temporary


def _unlink_quietly(path: Path) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _name(path: Path | str) -> str:
    return clean_line(path, limit=300)
