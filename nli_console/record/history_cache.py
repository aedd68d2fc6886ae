"""Rows of the history, kept from one console to the next, so that a long history is on the screen at once.

Never the record: a row counts only while the folders of its run have the times that they had when it was
read, and deleting the file costs nothing but time.
"""

import contextlib
import json
import os
import secrets
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import nli_console.record.summary as summary
from nli_console.record.samples import Guard
from nli_console.record.state import Reason, RunState, State
from nli_console.record.summary import Accuracy, RunSummary

VERSION = 1
_FOLDER = "history"
_HEAD = 128 * 1024
"""Bytes that hold more rows than a screen shows."""
_FIELDS = tuple(field.name for field in fields(RunSummary))
_SPECIAL = frozenset({"id", "path", "state", "accuracy", "selection_accuracy", "guards", "tags"})
_PLAIN = tuple(name for name in _FIELDS if name not in _SPECIAL)

Settled = tuple[tuple[int, ...], RunSummary]
"""Times of a run's folders, and the row that was read then."""


class HistoryCache:
    """The rows of one folder of runs, newest first, in one file under ``cache_dir``."""

    def __init__(self, cache_dir: Path, root: Path) -> None:
        base = str(root.resolve())
        self._base = base
        self._path = cache_dir / _FOLDER / f"{zlib.crc32(base.encode('utf-8', 'surrogateescape')):08x}.jsonl"
        # Whatever makes a row is part of what a kept row depends on.
        code = Path(summary.__file__).stat()
        self._head = [VERSION, base, code.st_mtime_ns, code.st_size, *_FIELDS]

    def load(self, *, whole: bool) -> dict[str, Settled]:
        """Rows by run folder; without ``whole`` only the newest. Empty when nothing usable is kept."""
        try:
            with self._path.open("rb") as stream:
                lines = (stream.read() if whole else stream.read(_HEAD)).split(b"\n")
            if json.loads(lines[0]) != self._head:
                return {}
            return dict(self._rows(lines[1:-1]))
        except (OSError, ValueError, TypeError, KeyError, IndexError):
            return {}

    def save(self, settled: Mapping[str, tuple[int, ...]], runs: Iterable[RunSummary]) -> None:
        """Keep those of ``runs`` whose folder is settled; a cache that cannot be written is no error."""
        lines = [json.dumps(self._head)]
        for run in runs:
            folder = f"{self._base}/{run.id}"
            if folder in settled and run.waiting is None:
                lines.append(json.dumps([run.id, settled[folder], _to_json(run)], separators=(",", ":")))
        temporary = self._path.with_name(f".{self._path.name}-{secrets.token_hex(4)}.tmp")
        with contextlib.suppress(OSError, ValueError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
                    stream.write("\n".join(lines) + "\n")
                temporary.replace(self._path)
            finally:
                temporary.unlink(missing_ok=True)

    def _rows(self, lines: Iterable[bytes]) -> Iterator[tuple[str, Settled]]:
        for line in lines:
            run_id, signature, row = json.loads(line)
            folder = f"{self._base}/{run_id}"
            yield folder, (tuple(signature), _from_json(run_id, folder, row))


def _to_json(run: RunSummary) -> list[Any]:
    reason = run.state.reason
    return [
        [run.state.state, run.state.resumable, *([reason.code, reason.detail] if reason else ())],
        {split: _accuracy_to_json(accuracy) for split, accuracy in run.accuracy.items()},
        _accuracy_to_json(run.selection_accuracy),
        [[guard.id, guard.severity, guard.message, guard.step, guard.active] for guard in run.guards],
        run.tags,
        [getattr(run, name) for name in _PLAIN],
    ]


def _from_json(run_id: str, folder: str, row: list[Any]) -> RunSummary:
    (state, resumable, *reason), accuracy, selection, guards, tags, plain = row
    return RunSummary(
        id=run_id,
        path=Path(folder),
        state=RunState(State(state), Reason(*reason) if reason else None, resumable),
        accuracy={split: _accuracy(*value) for split, value in accuracy.items()},
        selection_accuracy=_accuracy(*selection) if selection else None,
        guards=tuple(Guard(*guard) for guard in guards),
        tags=tuple(tags),
        **dict(zip(_PLAIN, plain, strict=True)),
    )


def _accuracy_to_json(accuracy: Accuracy | None) -> list[Any] | None:
    if accuracy is None:
        return None
    raw = _accuracy_to_json(accuracy.raw)
    return [
        accuracy.value,
        accuracy.low,
        accuracy.high,
        accuracy.n,
        raw,
        accuracy.calibration,
        accuracy.invalid,
    ]


def _accuracy(value: float, low: Any, high: Any, n: Any, raw: Any, *rest: Any) -> Accuracy:
    return Accuracy(value, low, high, n, _accuracy(*raw) if raw else None, *rest)
