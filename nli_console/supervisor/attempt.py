"""One attempt from the supervisor's side: who runs it, its owner file, its events, its result."""

import contextlib
import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from nli_console.errors import ConsoleError
from nli_console.record.evidence import latest_attempt
from nli_console.record.files import (
    ensure_private_dir,
    is_no_space,
    patiently,
    read_json_or_none,
    write_json,
    write_json_once,
)
from nli_console.record.journal import Journal
from nli_console.record.layout import AttemptLayout, RunLayout
from nli_console.record.processes import ProcessIdentity, boot_id, host_name, own_identity
from nli_console.record.state import Reason, State

TAKEN = 73
"""Exit code of a supervisor that finds the attempt in other hands (``EX_CANTCREAT`` of sysexits.h)."""
RESERVE = ".reserve-result"
"""Apart from the worker's own reserve, which is spent on ``final.json``."""
RESERVE_BYTES = 64 * 1024
RESULT_PATIENCE = 60.0
"""Seconds that a supervisor waits for a file system that fails, to write the end of its attempt."""
OWNER_VERSION = 1
_LAST_ATTEMPT = 9999


class Taken(ConsoleError):
    """Somebody else runs this run, or it needs no further attempt."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=TAKEN)


@dataclass(slots=True)
class Owner:
    """What ``owner.json`` says."""

    attempt: int
    supervisor: ProcessIdentity
    worker: ProcessIdentity | None = None
    gpu: tuple[str, ...] = ()
    queued: bool = True
    started: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return {
            "v": OWNER_VERSION,
            "attempt": self.attempt,
            "host": host_name(),
            "boot_id": boot_id(),
            "supervisor": self.supervisor.to_json(),
            "worker": None if self.worker is None else self.worker.to_json(),
            "gpu": list(self.gpu),
            "queued": self.queued,
            "started": self.started,
        }


class Attempt:
    """The attempt that this process runs. Make it with :meth:`claim`."""

    def __init__(self, layout: AttemptLayout, owner: Owner) -> None:
        self.layout = layout
        self.owner = owner
        self._events: Journal | None = None
        self._system: Journal | None = None

    @classmethod
    def claim(cls, run: RunLayout, number: int | None = None) -> "Attempt":
        """Make the next attempt, or attempt ``number``, this process's own.

        The folder is prepared beside its place and renamed: it appears with its owner in it, and since a
        rename onto a folder that is not empty fails, exactly one of several supervisors gets it.

        Raises:
            Taken: when somebody else has it, or the last attempt has not ended or has finished.
            ConsoleError: when the folder cannot be written.
        """
        last = latest_attempt(run)
        if last:
            _check_ended(run.attempt(last), run.id)
        if number is not None and number != last + 1:
            raise Taken(f"{run.id}: attempt {number} is not the next one (attempt {last} is the newest)")
        if last >= _LAST_ATTEMPT:
            raise ConsoleError(f"{run.id}: {last} attempts, no more are possible; clone the run instead")
        owner = Owner(last + 1, own_identity(), started=time.time())
        ensure_private_dir(run.attempts)
        target = run.attempt(last + 1)
        staging = target.path.with_name(f".{target.path.name}.{os.getpid()}-{secrets.token_hex(4)}")
        try:
            staging.mkdir(mode=0o700)
            (staging / RESERVE).write_bytes(bytes(RESERVE_BYTES))
            write_json(AttemptLayout(staging).owner, owner.to_json())
            os.rename(staging, target.path)
        except OSError as error:
            shutil.rmtree(staging, ignore_errors=True)
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
                raise Taken(f"{run.id}: another supervisor has just taken attempt {last + 1}") from None
            raise ConsoleError(
                f"{run.attempts}: attempt {last + 1} cannot be made: {error.strerror}; "
                "free space or check the folder's owner, then resume the run"
            ) from error
        return cls(target, owner)

    def write_owner(self) -> None:
        """Replace ``owner.json``; a full disk leaves the old one, which still names this supervisor."""
        with self._room():
            write_json(self.layout.owner, self.owner.to_json())

    def beat(self) -> None:
        """Heartbeat: touch ``owner.json``."""
        with contextlib.suppress(OSError):
            os.utime(self.layout.owner)

    def event(self, event: str, **fields: Any) -> None:
        """Append to ``events.jsonl`` and flush it to the disk."""
        with self._room():
            if self._events is None:
                self._events = Journal(self.layout.events)
            self._events.append({"v": 1, "t": time.time(), "event": event, **fields})
            self._events.sync()

    def reading(self, fields: Mapping[str, Any]) -> None:
        """Append one telemetry sample to ``system.jsonl``."""
        with contextlib.suppress(OSError):
            if self._system is None:
                self._system = Journal(self.layout.system)
            self._system.append({"v": 1, "t": time.time(), **fields})

    def finish(
        self, state: State, reason: Reason | None, *, exit_code: int | None = None, signal: int | None = None
    ) -> bool:
        """Write the terminal state; ``False`` when a reaper was first.

        Raises:
            OSError: when it cannot be written, after :data:`RESULT_PATIENCE` where space is not what lacks.
        """

        def write() -> bool:
            return write_result(
                self.layout, state, reason, by="supervisor", exit_code=exit_code, signal=signal
            )

        return patiently(write, RESULT_PATIENCE)

    def drop_reserve(self) -> None:
        """Give the reserved blocks back."""
        with contextlib.suppress(OSError):
            os.unlink(self.layout.path / RESERVE)

    def close(self) -> None:
        """Close the journals."""
        for journal in (self._events, self._system):
            if journal is not None:
                journal.close()

    @contextlib.contextmanager
    def _room(self) -> Iterator[None]:
        """A record that cannot be written never ends a run: the worker's own files are what counts."""
        with contextlib.suppress(OSError):
            yield


def write_result(
    attempt: AttemptLayout,
    state: State,
    reason: Reason | None,
    *,
    by: str,
    exit_code: int | None = None,
    signal: int | None = None,
) -> bool:
    """Write ``result.json`` unless it is there; of several writers exactly one gets ``True``.

    On a full disk the 64 KiB reserve of the attempt is given up first.

    Raises:
        OSError: when it cannot be written even so.
    """
    record = {
        "v": 1,
        "state": state.value,
        "reason": None if reason is None else {"code": reason.code, "detail": reason.detail},
        "exit_code": exit_code,
        "signal": signal,
        "t": time.time(),
        "by": by,
    }
    try:
        return write_json_once(attempt.result, record)
    except OSError as error:
        if not is_no_space(error):
            raise
        with contextlib.suppress(OSError):
            os.unlink(attempt.path / RESERVE)
        return write_json_once(attempt.result, record)


def _check_ended(attempt: AttemptLayout, run_id: str) -> None:
    result = read_json_or_none(attempt.result)
    if result is None:
        raise Taken(
            f"{run_id}: attempt {attempt.number} has not ended; if its supervisor is dead, "
            f"`nli-console resume {run_id}` records that and goes on"
        )
    if result.get("state") == State.FINISHED:
        raise Taken(f"{run_id}: has finished; clone it to run it again")
