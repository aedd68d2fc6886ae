"""JSON lines: appended one ``write`` a line, read while they grow.

A single ``write`` is not kill-atomic and a full disk writes short, so both sides expect a torn line: the
writer ends it before it goes on, and the reader waits for the newline and counts what it cannot read.
"""

import contextlib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nli_console.record.files import RecordError, dumps, is_no_space, open_regular, parse_json

LINE_LIMIT = 1024 * 1024
READ_LIMIT = 4 * 1024 * 1024
_FINGERPRINT = 256


class Journal:
    """The only writer of one ``.jsonl`` file, for one thread.

    After an error of the file system the file is opened anew by the next append: a handle on a network file
    system stays stale when the server is back.

    Raises (on opening):
        RecordError: when the path is a symlink, a FIFO or a folder.
        OSError: when the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1
        self._torn = False
        self._closed = False
        self._open()

    def append(self, record: Mapping[str, Any]) -> tuple[int, int]:
        """Append one record; return its byte offset and its length with the newline.

        NaN and infinity are written as ``null`` and their keys (dotted when nested) listed under ``nan``.
        Not flushed to the disk: what was appended outlives the process, and after :meth:`sync` the machine.

        Raises:
            OSError: when the line could not be written whole. A torn piece of it is ended by the next append.
            ValueError: when the line is longer than :data:`LINE_LIMIT`, which no reader would accept.
        """
        line = _encode(record) + b"\n"
        if len(line) > LINE_LIMIT:
            raise ValueError(
                f"{self.path.name}: a record of {len(line)} bytes, at most {LINE_LIMIT} are allowed"
            )
        with self._forgotten_on_error():
            self._open()
            self._write(b"\n" + line if self._torn else line)
            end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        return end - len(line), len(line)

    def sync(self) -> None:
        """Flush what was appended to the disk (``fdatasync``)."""
        with self._forgotten_on_error():
            self._open()
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Close the file for good; a second call does nothing."""
        self._closed = True
        self._forget()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> None:
        if self._closed:
            raise ValueError(f"{self.path.name}: the journal is closed")
        if self._descriptor >= 0:
            return
        self._descriptor = open_regular(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        with self._forgotten_on_error():
            size = os.fstat(self._descriptor).st_size
            self._torn = size > 0 and os.pread(self._descriptor, 1, size - 1) != b"\n"
            if self._torn:
                self._write(b"\n")

    @contextlib.contextmanager
    def _forgotten_on_error(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if not is_no_space(error):
                self._forget()
            raise

    def _forget(self) -> None:
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            # What close reports was reported by the write, or cannot be told from it.
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def _write(self, data: bytes) -> None:
        written = 0
        while written < len(data):
            written += os.write(self._descriptor, data[written:])
            self._torn = data[written - 1 : written] != b"\n"


@dataclass(frozen=True, slots=True)
class Batch:
    """What one read of a :class:`Tail` found.

    ``offsets[i]`` and ``lengths[i]`` (bytes, with the newline) locate ``records[i]`` in the file. ``reset``
    says that the file was replaced or cut, so everything read before is void. ``more`` says that the read
    stopped at its limit with more to come.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    reset: bool = False
    more: bool = False


class Tail:
    """Reads a growing ``.jsonl`` file from where it stopped the last time.

    ``offset`` is the next byte to read, always behind a newline. ``bad_lines`` counts lines that hold no JSON
    object: torn ones, blocks of NUL, garbage, lines over ``line_limit``. ``pending`` is the size in bytes of
    the unfinished last line. Nothing that the file holds raises.
    """

    def __init__(self, path: Path, *, offset: int = 0, line_limit: int = LINE_LIMIT) -> None:
        self.path = path
        self.offset = offset
        self.bad_lines = 0
        self.pending = 0
        self._line_limit = line_limit
        self._identity: tuple[int, int] | None = None
        self._head = b""
        self._skipping = False

    def read(self, max_bytes: int = READ_LIMIT) -> Batch:
        """Read about ``max_bytes`` of new lines, at least one line. A missing file is an empty one."""
        try:
            descriptor = open_regular(self.path, os.O_RDONLY)
        except (OSError, RecordError):
            return Batch()
        try:
            return self._read(descriptor, max_bytes)
        except OSError:
            return Batch()
        finally:
            os.close(descriptor)

    def skip(self, keep: int) -> None:
        """Go forward to the first line in the last ``keep`` bytes; not at all in a shorter file."""
        try:
            descriptor = open_regular(self.path, os.O_RDONLY)
        except (OSError, RecordError):
            return
        try:
            start = os.fstat(descriptor).st_size - keep
            if start > self.offset:
                self.offset = start + os.pread(descriptor, keep, start).find(b"\n") + 1
        except OSError:
            return
        finally:
            os.close(descriptor)

    def _read(self, descriptor: int, max_bytes: int) -> Batch:
        status = os.fstat(descriptor)
        reset = self._was_replaced(descriptor, (status.st_dev, status.st_ino), status.st_size)
        if reset:
            self.offset, self.bad_lines, self._skipping = 0, 0, False
        start = self.offset
        wanted = status.st_size - start
        chunk = os.pread(descriptor, min(wanted, max_bytes), start) if wanted > 0 else b""
        end = chunk.rfind(b"\n") + 1
        if chunk and not end and len(chunk) < wanted:
            chunk = os.pread(descriptor, min(wanted, max(max_bytes, self._line_limit)), start)
            end = chunk.rfind(b"\n") + 1
        if not end and len(chunk) >= self._line_limit:
            self.bad_lines += not self._skipping
            self._skipping = True
            self.offset += len(chunk)
            self.pending = status.st_size - self.offset
            return Batch(reset=reset, more=self.pending > 0)
        batch = Batch(reset=reset, more=bool(end) and start + len(chunk) < status.st_size)
        self._parse(chunk[:end], start, batch)
        self.offset = start + end
        self.pending = max(status.st_size - self.offset, 0)
        return batch

    def _was_replaced(self, descriptor: int, identity: tuple[int, int], size: int) -> bool:
        """Whether this is another file than before; inodes are reused, so the first bytes must agree too."""
        known, self._identity = self._identity, identity
        if known is None and self.offset == 0:
            self._head = os.pread(descriptor, _FINGERPRINT, 0)
            return False
        if size == self.offset and known == identity:
            return False
        head = os.pread(descriptor, _FINGERPRINT, 0)
        replaced = size < self.offset or known not in (None, identity) or not head.startswith(self._head)
        self._head = head
        return replaced

    def _parse(self, data: bytes, start: int, batch: Batch) -> None:
        position = start
        for line in data.split(b"\n")[:-1] if data else ():
            length = len(line) + 1
            at = position
            position += length
            if self._skipping:
                self._skipping = False
                continue
            if b"\0" in line:
                # A block of NUL, as after power loss, has no newline: the record behind it is whole.
                self.bad_lines += 1
                line = line.rpartition(b"\0")[2]
                at, length = position - len(line) - 1, len(line) + 1
            if not line:
                continue
            record = parse_line(line) if len(line) < self._line_limit else None
            if record is None:
                self.bad_lines += 1
                continue
            batch.records.append(record)
            batch.offsets.append(at)
            batch.lengths.append(length)


def parse_line(line: bytes) -> dict[str, Any] | None:
    """One line as a JSON object; ``None`` when it is anything else."""
    try:
        record = parse_json(line, keys_repeat=True)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def _encode(record: Mapping[str, Any]) -> bytes:
    try:
        return dumps(record)
    except ValueError:
        lost: list[str] = list(record.get("nan", ()))
        finite = _finite(record, "", lost)
        return dumps({**finite, "nan": lost})


def _finite(value: Any, name: str, lost: list[str]) -> Any:
    """``value`` with every NaN and infinity as ``None``, their dotted names added to ``lost``."""
    if isinstance(value, float) and not math.isfinite(value):
        lost.append(name)
        return None
    prefix = f"{name}." if name else ""
    if isinstance(value, Mapping):
        return {key: _finite(item, f"{prefix}{key}", lost) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item, f"{prefix}{index}", lost) for index, item in enumerate(value)]
    return value
