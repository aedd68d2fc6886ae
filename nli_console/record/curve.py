"""The loss curve: train records folded into blocks, so that a million of them open at once.

The worker writes ``metrics.jsonl`` through ``metrics_writer.MetricsWriter``, which keeps ``curve.jsonl``
beside it: per 256 train records one line with minimum, mean, maximum, NaN count and the place in
``metrics.jsonl``. Readers draw from the blocks and seek for a zoom. Block ends meet, and the places of all
other records inside a block stand in its ``marks``, so that evaluations are found without reading through
the steps between them.
"""

import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from nli_console.record.files import RecordError, open_regular
from nli_console.record.journal import READ_LIMIT, Journal, Tail, parse_line
from nli_console.record.layout import AttemptLayout

RECORD_VERSION = 1
BLOCK_RECORDS = 256
RAW_BYTES = 4 * 1024 * 1024
"""A ``metrics.jsonl`` up to this size is read record by record, a larger one from its curve."""


class Block(NamedTuple):
    """``n`` train records in a row; a single record has ``n == 1`` and equal minimum, mean and maximum.

    ``min``, ``mean`` and ``max`` are of the finite losses and ``None`` when there are none; ``nan`` counts
    the others. ``learning_rate`` and ``t`` (epoch seconds) are the last record's. ``offset`` and ``bytes``
    locate the records in ``metrics.jsonl``.
    """

    first_step: int
    last_step: int
    n: int
    min: float | None
    mean: float | None
    max: float | None
    nan: int
    learning_rate: float | None
    t: float | None
    offset: int
    bytes: int


def point(record: Mapping[str, Any], offset: int, length: int) -> Block | None:
    """One train record as a block of its own; ``None`` when it names no step."""
    step = record.get("step")
    if type(step) is not int:
        return None
    loss = _number(record.get("loss"))
    rate, t = _number(record.get("learning_rate")), _number(record.get("t"))
    return Block(step, step, 1, loss, loss, loss, int(loss is None), rate, t, offset, length)


def merge(blocks: list[Block]) -> Block:
    """Neighbouring blocks as one; the mean is weighted by finite losses.

    Raises:
        ValueError: when ``blocks`` is empty.
    """
    if not blocks:
        raise ValueError("merge: no blocks given")
    first, last = blocks[0], blocks[-1]
    count = sum(block.n for block in blocks)
    lost = sum(block.nan for block in blocks)
    total = math.fsum(block.mean * (block.n - block.nan) for block in blocks if block.mean is not None)
    return Block(
        first.first_step,
        last.last_step,
        count,
        min((block.min for block in blocks if block.min is not None), default=None),
        total / (count - lost) if count > lost else None,
        max((block.max for block in blocks if block.max is not None), default=None),
        lost,
        last.learning_rate,
        last.t,
        first.offset,
        last.offset + last.bytes - first.offset,
    )


class CurveWriter:
    """Folds the records of one ``metrics.jsonl`` into ``curve.jsonl``. One per attempt, one thread."""

    def __init__(self, path: Path, *, block_records: int = BLOCK_RECORDS) -> None:
        self._journal = Journal(path)
        self._block_records = block_records
        self._points: list[Block] = []
        self._marks: list[tuple[int, int]] = []
        self._covered = 0

    def add(self, record: Mapping[str, Any], offset: int, length: int) -> None:
        """Take note of one record, of any kind, that stands at ``offset`` in ``metrics.jsonl``.

        Raises:
            OSError: when a full block cannot be written; readers then read that stretch record by record.
        """
        found = point(record, offset, length) if record.get("kind") == "train" else None
        if found is None:
            self._marks.append((offset, length))
            return
        self._points.append(found)
        if len(self._points) >= self._block_records:
            self._flush()

    def close(self) -> None:
        """Write the last block, which may hold fewer records, and close the file."""
        try:
            if self._points:
                self._flush()
        finally:
            self._journal.close()

    def _flush(self) -> None:
        block = merge(self._points)
        end = block.offset + block.bytes
        marks = [mark for mark in self._marks if mark[0] < end]
        whole = block._replace(offset=self._covered, bytes=end - self._covered)
        self._points = []
        self._marks = self._marks[len(marks) :]
        self._covered = end
        self._journal.append({"v": RECORD_VERSION, **whole._asdict(), "marks": marks})


@dataclass(frozen=True, slots=True)
class CurveBatch:
    """What is new: ``points`` in order, ``train`` those of them that were read as single records, ``others``
    the records of every other kind. ``reset`` voids everything before; ``more`` asks for another read."""

    points: list[Block] = field(default_factory=list)
    others: list[dict[str, Any]] = field(default_factory=list)
    train: list[dict[str, Any]] = field(default_factory=list)
    reset: bool = False
    more: bool = False


class CurveReader:
    """Follows the metrics of one attempt; opening costs O(blocks) and following O(new records)."""

    def __init__(self, attempt: AttemptLayout) -> None:
        self._attempt = attempt
        self._tail = Tail(attempt.metrics)
        self._opened = False

    @property
    def bad_lines(self) -> int:
        """Lines of ``metrics.jsonl`` that were read and hold no record."""
        return self._tail.bad_lines

    @property
    def pending(self) -> int:
        """Size in bytes of an unfinished last line; a torn one when the attempt is over."""
        return self._tail.pending

    def read(self, max_bytes: int = READ_LIMIT) -> CurveBatch:
        """The records since the last call, at most about ``max_bytes`` of them."""
        batch = CurveBatch()
        if not self._opened:
            self._opened = True
            self._open(batch)
        found = self._tail.read(max_bytes)
        if found.reset:
            batch = CurveBatch(reset=True, more=found.more)
        elif found.more:
            batch = CurveBatch(batch.points, batch.others, batch.train, more=True)
        _sort(zip(found.records, found.offsets, found.lengths, strict=True), batch)
        return batch

    def _open(self, batch: CurveBatch) -> None:
        """Start from the curve where the metrics are long, and go on behind its last block."""
        try:
            descriptor = open_regular(self._attempt.metrics, os.O_RDONLY)
        except (OSError, RecordError):
            return
        try:
            size = os.fstat(descriptor).st_size
            if size > RAW_BYTES:
                self._tail = Tail(self._attempt.metrics, offset=self._from_curve(descriptor, size, batch))
        except OSError:
            batch.points.clear()
            batch.others.clear()
        finally:
            os.close(descriptor)

    def _from_curve(self, descriptor: int, size: int, batch: CurveBatch) -> int:
        """Fill ``batch`` from the blocks that fit the metrics; return the offset behind the last one."""
        covered = 0
        for line in _all_records(self._attempt.curve):
            block = _block(line)
            if block is None:
                continue
            end = block.offset + block.bytes
            if block.offset < covered or end > size or os.pread(descriptor, 1, end - 1) != b"\n":
                break
            if block.offset - covered > READ_LIMIT:
                break
            if block.offset > covered:
                _sort(_records_between(descriptor, covered, block.offset), batch)
            batch.points.append(block)
            batch.others.extend(_marked(descriptor, line.get("marks"), block))
            covered = end
        return covered


def read_block(metrics: Path, block: Block) -> list[Block]:
    """The single records of a block, for a zoom; empty when the file is gone."""
    try:
        descriptor = open_regular(metrics, os.O_RDONLY)
    except (OSError, RecordError):
        return []
    try:
        batch = CurveBatch()
        _sort(_records_between(descriptor, block.offset, block.offset + block.bytes), batch)
    except OSError:
        return []
    finally:
        os.close(descriptor)
    return batch.points


def up_to_step(points: list[Block], step: int, metrics: Path) -> list[Block]:
    """``points`` without what lies beyond ``step``; a block that straddles it is read again and cut."""
    kept = [block for block in points if block.last_step <= step]
    for block in points[len(kept) :]:
        if block.first_step <= step:
            inside = [single for single in read_block(metrics, block) if single.last_step <= step]
            if inside:
                kept.append(merge(inside))
    return kept


def _sort(found: Iterable[tuple[dict[str, Any], int, int]], batch: CurveBatch) -> None:
    for record, offset, length in found:
        single = point(record, offset, length) if record.get("kind") == "train" else None
        if single is None:
            batch.others.append(record)
        else:
            batch.points.append(single)
            batch.train.append(record)


def _records_between(descriptor: int, start: int, end: int) -> Iterable[tuple[dict[str, Any], int, int]]:
    offset = start
    for line in os.pread(descriptor, end - start, start).split(b"\n"):
        record = parse_line(line) if line else None
        if record is not None:
            yield record, offset, len(line) + 1
        offset += len(line) + 1


def _marked(descriptor: int, marks: object, block: Block) -> Iterable[dict[str, Any]]:
    """The records of other kinds inside a block."""
    end = block.offset + block.bytes
    for mark in marks if isinstance(marks, list) else ():
        match mark:
            case [int(offset), int(length)] if block.offset <= offset and 0 < length <= end - offset:
                record = parse_line(os.pread(descriptor, length, offset))
                if record is not None:
                    yield record
            case _:
                continue


def _all_records(path: Path) -> Iterable[dict[str, Any]]:
    tail = Tail(path)
    while True:
        batch = tail.read()
        yield from batch.records
        if not batch.more:
            return


def _block(line: Mapping[str, Any]) -> Block | None:
    """A line of ``curve.jsonl``; ``None`` when a field is missing or has no meaning."""
    counts = [line.get(name) for name in ("first_step", "last_step", "n", "nan", "offset", "bytes")]
    if any(type(count) is not int or count < 0 for count in counts) or not line["bytes"]:
        return None
    return Block(
        line["first_step"],
        line["last_step"],
        line["n"],
        _number(line.get("min")),
        _number(line.get("mean")),
        _number(line.get("max")),
        line["nan"],
        _number(line.get("learning_rate")),
        _number(line.get("t")),
        line["offset"],
        line["bytes"],
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
