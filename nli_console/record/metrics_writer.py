"""The worker's way to write ``metrics.jsonl``: at once, and patiently where the file system is gone."""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from nli_console.record.curve import RECORD_VERSION, CurveWriter
from nli_console.record.files import is_no_space
from nli_console.record.journal import Journal
from nli_console.record.layout import AttemptLayout

PATIENCE = 600.0
"""Seconds that training goes on although its records cannot be written."""

WAITING_LIMIT = 50_000
"""Records that wait in memory at most."""

Trouble = Callable[[OSError | None], None]
"""Told of the first error after which records wait, and with ``None`` when they have been written."""


class MetricsWriter:
    """Writes ``metrics.jsonl`` and ``curve.jsonl`` of one attempt.

    A file system that fails (``EIO``, ``ESTALE``, ``EROFS``: a server that restarts, a cable) is no reason to
    lose hours of training: records wait in memory, in their order, and every write tries again. After
    :data:`PATIENCE`, or :data:`WAITING_LIMIT` records, the error is raised. Want of space is raised at once,
    because a checkpoint would not fit either.
    """

    def __init__(self, attempt: AttemptLayout, trouble: Trouble = lambda error: None) -> None:
        self._journal = Journal(attempt.metrics)
        self._curve = CurveWriter(attempt.curve)
        self._trouble = trouble
        self._waiting: deque[dict[str, Any]] = deque()
        self._failing_since: float | None = None
        self._seq = 0

    def write(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Append a record of ``kind`` with ``fields``; version, sequence number and time are added here.

        Raises:
            OSError: when the disk is full, or has been gone for longer than :data:`PATIENCE`.
            ValueError: when the record is too long for any reader.
        """
        record = {"v": RECORD_VERSION, "seq": self._seq, "t": time.time(), "kind": kind, **fields}
        self._seq += 1
        self._waiting.append(record)
        self._drain()

    def sync(self) -> None:
        """Flush the metrics to the disk: at checkpoints, and every few seconds.

        Raises:
            OSError: as :meth:`write`.
        """
        self._drain()
        try:
            self._journal.sync()
        except OSError as error:
            self._endure(error)

    def close(self) -> None:
        """Write what waits and the last block of the curve, and close both files.

        Raises:
            OSError: when they cannot be written; the files stay open, for another try.
        """
        while self._waiting:
            self._append(self._waiting[0])
            self._waiting.popleft()
        self._journal.close()
        self._curve.close()

    def _drain(self) -> None:
        try:
            while self._waiting:
                try:
                    self._append(self._waiting[0])
                except ValueError:
                    self._waiting.popleft()
                    raise
                self._waiting.popleft()
        except OSError as error:
            self._endure(error)
            return
        if self._failing_since is not None:
            self._failing_since = None
            self._trouble(None)

    def _append(self, record: dict[str, Any]) -> None:
        offset, length = self._journal.append(record)
        loss = record.get("loss")
        finite = None if isinstance(loss, float) and not math.isfinite(loss) else loss
        try:
            self._curve.add({**record, "loss": finite}, offset, length)
        except OSError as error:
            # A block that is missing is read from the metrics, record by record.
            if is_no_space(error):
                raise

    def _endure(self, error: OSError) -> None:
        """Note that the file system fails; raise when it has for too long."""
        if is_no_space(error):
            raise error
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
            self._trouble(error)
        if now - self._failing_since >= PATIENCE or len(self._waiting) > WAITING_LIMIT:
            raise error
