"""What a person may do to a run from any console: stop, resume, delete, bring back."""

import os
import shutil
import stat
import time
from pathlib import Path

from nli_console.errors import ConsoleError
from nli_console.record.access import require_access
from nli_console.record.evidence import Evidence, gather, latest_attempt
from nli_console.record.files import ensure_private_dir, read_json_or_none, write_json
from nli_console.record.layout import RUN_ID, TRASH, RunLayout
from nli_console.record.processes import Processes, ProcessIdentity
from nli_console.record.spec import SPEC_VERSION
from nli_console.record.state import RunState, State, derive
from nli_console.supervisor.launch import Survive, launch
from nli_console.supervisor.reap import reap, sweep_orphans
from nli_console.text import clean_line

_LEAVING = 10.0
_LOOK_AGAIN = 0.1


def stop(layout: RunLayout, by: str, kill: bool = False) -> str:
    """Ask a run to stop; return in a sentence what happens now.

    A run that trains writes a checkpoint after the current step and leaves; with ``kill`` it is ended within
    seconds and what came after the last checkpoint is lost. ``by`` says who asks, for the record.

    Raises:
        ConsoleError: when the run is somebody else's, has ended, nobody is there to obey, or the request
            cannot be written.
    """
    require_access(layout, "stopped")
    evidence, state = _look(layout)
    if state.state == State.ORPHANED:
        if not kill:
            raise ConsoleError(
                f"{layout.id}: its supervisor is dead, so nobody can ask its processes to save; "
                f"`nli-console stop --kill {layout.id}` ends them"
            )
        killed = sweep_orphans(layout)
        return f"ended {len(killed)} processes that were left of {layout.id}"
    if not state.state.live:
        raise ConsoleError(f"{layout.id}: is {state.state}; there is nothing to stop")
    if state.resumable:
        raise ConsoleError(
            f"{layout.id}: nobody is waiting to start it, so there is nothing to stop; "
            f"`nli-console resume {layout.id}` starts it, `nli-console delete {layout.id}` removes it"
        )
    _request(layout, evidence, by, "kill" if kill else "stop")
    if state.state == State.UNREACHABLE:
        return f"asked; {evidence.host or 'its host'} is silent, so the run stops when it sees the request"
    if state.state == State.QUEUED:
        return f"{layout.id} leaves the queue"
    if kill:
        return f"{layout.id} is being ended"
    return f"{layout.id} stops after a checkpoint"


def resume(layout: RunLayout, survive: Survive = "auto") -> None:
    """Start the next attempt: from the newest valid checkpoint, or from the beginning when there is none.

    Waits up to 10 seconds for the processes of an attempt that has just ended.

    Raises:
        ConsoleError: when the run is live, has finished, is a silent host's or somebody else's, is open to
            other users, was written by a newer version, or cannot be started.
    """
    require_access(layout, "resumed")
    evidence, state = _settled(layout)
    if state.state == State.FINISHED:
        raise ConsoleError(
            f"{layout.id}: has finished; `nli-console show {layout.id}` has the command that runs it again"
        )
    if state.state == State.ORPHANED:
        raise ConsoleError(
            f"{layout.id}: processes of an earlier attempt are still alive, perhaps writing a checkpoint; "
            f"resume it when they have left, or end them with `nli-console stop --kill {layout.id}`"
        )
    if not state.resumable:
        raise ConsoleError(_refusal(layout, evidence, state, "resumed"))
    _check_own(layout)
    _check_version(layout)
    reap(layout, end_waiting=True)
    launch(layout, survive)


def delete(layout: RunLayout) -> Path:
    """Move a run that is not live to the trash folder; return where it lies. :func:`restore` brings it back.

    Waits up to 10 seconds for the processes of a run that has just finished: they still write.

    Raises:
        ConsoleError: when the run is somebody else's, is live or unreachable, is already in the trash, or
            cannot be moved.
    """
    require_access(layout, "deleted")
    evidence, state = _look(layout)
    if state.state.live and not state.resumable:
        raise ConsoleError(_refusal(layout, evidence, state, "deleted"))
    deadline = time.monotonic() + _LEAVING
    while state.state is State.FINISHED and _clearing_up(layout):
        if time.monotonic() > deadline:
            raise ConsoleError(
                f"{layout.id}: has finished, but its processes are still clearing up; delete it in a moment"
            )
        time.sleep(_LOOK_AGAIN)
    trash = ensure_private_dir(layout.path.parent / TRASH)
    target = trash / layout.id
    _move(
        layout.path,
        target,
        f"{layout.id}: a run of this id is already in the trash; `nli-console trash --empty`",
    )
    return target


def restore(runs_dir: Path, run_id: str) -> RunLayout:
    """Bring a deleted run back.

    Raises:
        ConsoleError: when no such run is in the trash, its place is taken, or it cannot be moved.
    """
    source = runs_dir / TRASH / run_id
    if not RUN_ID.fullmatch(run_id) or not source.is_dir() or source.is_symlink():
        names = ", ".join(trashed(runs_dir)[:10]) or "it is empty"
        raise ConsoleError(f'"{clean_line(run_id, limit=80)}" is not in the trash: {names}')
    target = runs_dir.resolve() / run_id
    _move(source, target, f"{run_id}: a run of this id is in {runs_dir}; delete or rename that one first")
    return RunLayout(target)


def trashed(runs_dir: Path) -> list[str]:
    """Ids of the deleted runs, newest id first."""
    try:
        names = os.listdir(runs_dir / TRASH)
    except OSError:
        return []
    return sorted((name for name in names if RUN_ID.fullmatch(name)), reverse=True)


def empty_trash(runs_dir: Path) -> int:
    """Remove deleted runs for good; return how many.

    Raises:
        ConsoleError: when something could not be removed.
    """
    names = trashed(runs_dir)
    for name in names:
        path = runs_dir / TRASH / name
        try:
            if path.is_symlink():
                path.unlink()
            else:
                shutil.rmtree(path)
        except OSError as error:
            raise ConsoleError(f"{path}: cannot be removed: {error.strerror}") from error
    return len(names)


def _look(layout: RunLayout) -> tuple[Evidence, RunState]:
    evidence = gather(layout)
    return evidence, derive(evidence)


def _settled(layout: RunLayout) -> tuple[Evidence, RunState]:
    """The state, once those who are leaving have left: a supervisor that clears up after its attempt, or a
    worker that saves because its supervisor died.
    """
    deadline = time.monotonic() + _LEAVING
    while True:
        evidence, state = _look(layout)
        leaving = state.state in (State.STOPPED, State.FAILED) and not state.resumable
        if not (leaving or state.state == State.ORPHANED) or time.monotonic() > deadline:
            return evidence, state
        time.sleep(_LOOK_AGAIN)


def _clearing_up(layout: RunLayout) -> bool:
    """Whether the attempt that finished has no result yet and somebody here who will write it."""
    attempt = layout.attempt(latest_attempt(layout))
    owner = read_json_or_none(attempt.owner)
    if owner is None or os.path.lexists(attempt.result):
        return False
    table = Processes()
    if owner.get("host") != table.host or owner.get("boot_id") != table.boot_id:
        return False
    return any(table.alive(ProcessIdentity.from_json(owner.get(who))) for who in ("supervisor", "worker"))


def _check_own(layout: RunLayout) -> None:
    """Checkpoints are loaded on a resume, so nobody else may have been able to put them there."""
    status = os.stat(layout.path)
    if status.st_uid != os.geteuid() or status.st_mode & stat.S_IWOTH:
        raise ConsoleError(
            f"{layout.id}: other users can or could write to this run, so its checkpoints are not loaded; "
            "it can be looked at, and cloned into a run of your own"
        )


def _check_version(layout: RunLayout) -> None:
    """What a newer version recorded may mean more than is understood here."""
    version = (read_json_or_none(layout.spec) or {}).get("version")
    if isinstance(version, int) and version > SPEC_VERSION:
        raise ConsoleError(
            f"{layout.id}: written by a newer nli-console (record version {version}, known here is "
            f"{SPEC_VERSION}): it can be looked at and deleted; update nli-console to resume it"
        )


def _request(layout: RunLayout, evidence: Evidence, by: str, kind: str) -> None:
    started = (evidence.owner or {}).get("started")
    # A clock that was set back must not make a request look older than the attempt it is for.
    t = max(time.time(), float(started) if isinstance(started, (int, float)) else 0.0)
    try:
        ensure_private_dir(layout.stop_request.parent)
        write_json(layout.stop_request, {"v": 1, "t": t, "by": clean_line(by, limit=80), "kind": kind})
    except OSError as error:
        raise ConsoleError(
            f"{layout.stop_request}: the request cannot be written: {error.strerror}; free space, ask again"
        ) from error


def _refusal(layout: RunLayout, evidence: Evidence, state: RunState, verb: str) -> str:
    """One sentence: what keeps the run from it, and what to do."""
    if state.state == State.UNREACHABLE:
        host = evidence.host or "its host"
        return (
            f"{layout.id}: {host} has been silent; it may still be at work, so it cannot be {verb}; look on "
            f"{host}, or ask with `nli-console stop {layout.id}` for when it answers"
        )
    if state.state == State.ORPHANED:
        return (
            f"{layout.id}: processes of it are still alive; `nli-console stop --kill {layout.id}` ends them"
        )
    if state.state == State.UNREADABLE:
        detail = state.reason.detail if state.reason else "it cannot be read"
        return f"{layout.id}: {detail}, so it cannot be {verb}"
    if state.state == State.QUEUED and verb == "resumed":
        return f"{layout.id}: waits in the queue already; `nli-console queue start {layout.id}` starts it now"
    where = "" if evidence.own_host else f" on {evidence.host}"
    return (
        f"{layout.id}: is {state.state}{where}, so it cannot be {verb}; `nli-console stop {layout.id}` first"
    )


def _move(source: Path, target: Path, taken: str) -> None:
    if os.path.lexists(target):
        raise ConsoleError(taken)
    try:
        os.rename(source, target)
    except OSError as error:
        raise ConsoleError(f"{source}: cannot be moved to {target}: {error.strerror}") from error
