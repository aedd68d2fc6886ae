"""A quick look at a live attempt: the ends of its journals, bounded, without following them."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nli_console.record.files import RecordError, open_regular
from nli_console.record.journal import parse_line
from nli_console.text import clean_line

_END_BYTES = 32 * 1024
_HEAD_BYTES = 64 * 1024
_LINE_BYTES = 4096
_QUIET_PHASES = frozenset({"loading", "quantising", "saving"})
_STALL_QUIET = 900.0
_STALL_PHASE = 120.0
_STALL_TRAINING = 30.0
_STALL_STEPS = 20


@dataclass(frozen=True, slots=True)
class Glance:
    """The end of ``metrics.jsonl``.

    ``t`` is when the last record was written (epoch seconds), ``phase`` what was going on then,
    ``started`` whether training or evaluation has begun, ``step`` and ``loss`` those of the last train
    record, ``begin`` the ``start`` record when it is near the end, and ``stall_after`` how many silent
    seconds are normal now.
    """

    t: float | None = None
    phase: str = ""
    started: bool = False
    step: int | None = None
    loss: float | None = None
    begin: dict[str, Any] | None = None
    stall_after: float = _STALL_PHASE


def glance(metrics: Path | str) -> Glance:
    """Read the last 32 KiB of ``metrics.jsonl``; a missing or unreadable file is an empty glance."""
    records, modified = end_of(metrics)
    if not records:
        return Glance()
    phase, started, step, loss, begin = "", False, None, None, None
    seconds: list[float] = []
    for record in records:
        kind = record.get("kind")
        if kind == "phase":
            phase = clean_line(record.get("phase", ""), limit=40)
            started = started or phase in ("training", "evaluating", "saving")
        elif kind == "train":
            phase, started = "training", True
            step, loss = record.get("step"), record.get("loss")
            took = record.get("seconds")
            if isinstance(took, (int, float)):
                seconds.append(float(took))
        elif kind == "start":
            begin = record
        elif kind == "eval":
            started = True
    return Glance(
        modified,
        phase,
        started,
        step if isinstance(step, int) else None,
        loss if isinstance(loss, (int, float)) else None,
        begin,
        _stall_after(phase, seconds if records[-1].get("kind") == "train" else []),
    )


def end_of(path: Path | str, size: int = _END_BYTES) -> tuple[list[dict[str, Any]], float | None]:
    """Records in the last ``size`` bytes of a ``.jsonl`` file, and its modification time (epoch seconds)."""
    try:
        descriptor = open_regular(path, os.O_RDONLY)
    except (OSError, RecordError):
        return [], None
    try:
        status = os.fstat(descriptor)
        start = max(status.st_size - size, 0)
        lines = os.pread(descriptor, size, start).split(b"\n")
    except OSError:
        return [], None
    finally:
        os.close(descriptor)
    whole = lines[1:-1] if start else lines[:-1]
    return [record for line in whole if (record := parse_line(line)) is not None], status.st_mtime


def last_record(path: Path | str) -> dict[str, Any] | None:
    """The last whole line of a ``.jsonl`` file of short lines (its last 4 KiB are read)."""
    try:
        descriptor = open_regular(path, os.O_RDONLY)
    except (OSError, RecordError):
        return None
    try:
        end = os.pread(descriptor, _LINE_BYTES, max(os.fstat(descriptor).st_size - _LINE_BYTES, 0))
    except OSError:
        return None
    finally:
        os.close(descriptor)
    for line in reversed(end.split(b"\n")[:-1]):
        record = parse_line(line) if line else None
        if record is not None:
            return record
    return None


def last_steps(metrics: Path | str) -> tuple[int | None, float | None]:
    """The last step in the last 32 KiB of ``metrics.jsonl``, and the mean of the finite losses there."""
    steps = [record for record in end_of(metrics)[0] if record.get("kind") == "train"]
    losses = [loss for record in steps if isinstance(loss := record.get("loss"), (int, float))]
    step = steps[-1].get("step") if steps else None
    return step if type(step) is int else None, sum(losses) / len(losses) if losses else None


def _stall_after(phase: str, step_seconds: list[float]) -> float:
    if phase in _QUIET_PHASES:
        return _STALL_QUIET
    if step_seconds:
        return max(_STALL_TRAINING, _STALL_STEPS * sum(step_seconds) / len(step_seconds))
    return _STALL_PHASE


def begin_of(metrics: Path | str) -> tuple[float | None, dict[str, Any] | None]:
    """When the worker wrote its first record (epoch seconds), and its ``start`` record.

    Each is ``None`` when it does not stand in the first 64 KiB.
    """
    try:
        descriptor = open_regular(metrics, os.O_RDONLY)
    except (OSError, RecordError):
        return None, None
    try:
        lines = os.pread(descriptor, _HEAD_BYTES, 0).split(b"\n")[:-1]
    except OSError:
        return None, None
    finally:
        os.close(descriptor)
    first = (parse_line(lines[0]) or {}).get("t") if lines else None
    began = float(first) if isinstance(first, (int, float)) else None
    for line in lines:
        # Only a line that says so is worth parsing: the progress of a download may stand before it.
        if b'"start"' in line:
            record = parse_line(line)
            if record is not None and record.get("kind") == "start":
                return began, record
    return began, None
