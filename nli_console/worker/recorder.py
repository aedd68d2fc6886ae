"""The worker's side of the record: what it writes to metrics.jsonl and curve.jsonl of one attempt."""

import contextlib
import sys
import time
from collections.abc import Callable
from typing import Any

from nli_console.record.files import is_no_space, write_json
from nli_console.record.layout import AttemptLayout
from nli_console.record.metrics_writer import PATIENCE, MetricsWriter
from nli_console.text import format_duration

_SYNC_EVERY = 5.0
_PROGRESS_EVERY = 0.5


class Recorder:
    """Writes every record of an attempt, and computes nothing: figures come in as they were measured.

    Attributes:
        on_evaluation: called with the fields of each evaluation, once they are recorded.

    While the file system fails, records wait in memory, and standard error says so.

    Raises (on opening and by every method):
        OSError: the disk is full, or has been gone for too long.
    """

    def __init__(self, attempt: AttemptLayout) -> None:
        self._writer = MetricsWriter(attempt, _tell)
        self._guards_path = attempt.guards
        self._active_guards: dict[str, dict[str, Any]] = {}
        self._synced = time.monotonic()
        self.on_evaluation: Callable[[dict[str, Any]], None] | None = None
        self._phase: tuple[str, str | None] | None = None
        self._phase_reported = 0.0

    def phase(
        self,
        phase: str,
        done: int | None = None,
        total: int | None = None,
        unit: str | None = None,
        detail: str | None = None,
        remark: str | None = None,
    ) -> None:
        """Record that ``phase`` began or got on. Progress of one phase is recorded at most twice a second.

        ``detail`` tells phases apart; ``remark`` changes as the phase gets on.
        """
        now = time.monotonic()
        new = (phase, detail) != self._phase
        if not new and done != total and now - self._phase_reported < _PROGRESS_EVERY:
            return
        self._phase, self._phase_reported = (phase, detail), now
        fields = {
            "phase": phase,
            "done": done,
            "total": total,
            "unit": unit,
            "detail": detail,
            "remark": remark,
        }
        self._writer.write("phase", {key: value for key, value in fields.items() if value is not None})

    def progress(self, phase: str, unit: str, detail: str | None = None) -> Callable[[int, int | None], None]:
        """A callback of (done, total) that records the progress of ``phase``."""
        return lambda done, total: self.phase(phase, done, total, unit, detail)

    def start(self, **fields: Any) -> None:
        """Record once per attempt what is about to be trained."""
        self._writer.write("start", fields)
        self._writer.sync()

    def train(self, fields: dict[str, Any]) -> None:
        """Record one optimiser step."""
        self._writer.write("train", fields)
        now = time.monotonic()
        if now - self._synced >= _SYNC_EVERY:
            self._writer.sync()
            self._synced = now

    def evaluation(self, **fields: Any) -> None:
        """Record one evaluation of one split."""
        self._writer.write("eval", fields)
        self._writer.sync()
        if self.on_evaluation is not None:
            self.on_evaluation(fields)

    def score(self, **fields: Any) -> None:
        """Record how a split that is being scored stands: rows done, and the accuracy so far."""
        self._writer.write("score", fields)

    def guard(self, id: str, severity: str, message: str, step: int, active: bool) -> None:
        """Record that something needs attention, or (``active`` false) is over or was only worth a note.

        What is active now also stands in ``guards.json``, for who does not follow the whole record.
        """
        fields = {"id": id, "severity": severity, "message": message, "step": step}
        self._writer.write("guard", {**fields, "active": active})
        self._writer.sync()
        if active:
            self._active_guards[id] = fields
        elif self._active_guards.pop(id, None) is None:
            return
        try:
            write_json(self._guards_path, {"v": 1, "active": list(self._active_guards.values())})
        except OSError as error:
            # The record of it waits to be written; a summary of it ends no training.
            if is_no_space(error):
                raise

    def sync(self) -> None:
        """Flush the records to the disk."""
        self._writer.sync()

    def close(self) -> None:
        """Write the last, short block of the curve and close both files."""
        self._writer.close()


def _tell(error: OSError | None) -> None:
    """Say in the log that records wait, or no longer do; the log may stand on the same file system."""
    text = (
        "the records that waited have been written"
        if error is None
        else f"the record cannot be written ({error.strerror}); the work goes on, records are kept and "
        f"written when that works again, for at most {format_duration(PATIENCE)}"
    )
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)
