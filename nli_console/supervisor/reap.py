"""What anybody does who finds an attempt dead: write down its end, once."""

import os
from collections.abc import Iterable
from contextlib import suppress

from nli_console.errors import ConsoleError
from nli_console.record.evidence import gather, latest_attempt
from nli_console.record.files import read_json_or_none
from nli_console.record.layout import RunLayout
from nli_console.record.processes import Processes, ProcessIdentity
from nli_console.record.state import RunState, State, derive
from nli_console.record.summary import RunSummary
from nli_console.supervisor.attempt import OWNER_VERSION, write_result
from nli_console.supervisor.sweep import sweep


def reap(layout: RunLayout, *, end_waiting: bool = False) -> RunState | None:
    """Record the end of the latest attempt if its supervisor is dead and no process of the run is alive.

    Of several reapers, and a supervisor that is just ending, exactly one writes. A run whose supervisor died
    while it waited stays queued, unless ``end_waiting``. Returns what was recorded here, ``None`` when there
    was nothing to record: still alive, another host's, already recorded, or processes left (see
    :func:`sweep_orphans`).

    Raises:
        ConsoleError: when ``result.json`` cannot be written.
    """
    table = Processes()
    if not _abandoned(layout, table) or table.tagged(layout.path):
        return None
    evidence = gather(layout, table)
    state = derive(evidence)
    waiting = end_waiting and state.state == State.QUEUED and state.resumable
    if evidence.result is not None or not (state.state.terminal or waiting):
        return None
    ended = RunState(State.LOST, state.reason, resumable=True) if waiting else state
    attempt = layout.attempt(evidence.attempt)
    try:
        first = write_result(attempt, ended.state, ended.reason, by="reaper")
    except OSError as error:
        raise ConsoleError(
            f"{attempt.result}: the run's end cannot be recorded: {error.strerror}; free space, look again"
        ) from error
    return ended if first else None


def record_ends(runs: Iterable[RunSummary]) -> None:
    """:func:`reap` those of ``runs`` that have ended without anybody recording it; for whoever lists runs.

    Only the user's own runs are touched, and an end that cannot be recorded stays derived. It may read and
    write files of every run, so call it on a thread and only with runs that are new or have changed.
    """
    for run in runs:
        if not run.state.state.terminal or run.state.state is State.FINISHED:
            continue
        with suppress(ConsoleError, OSError):
            if run.attempts and not os.path.lexists(run.layout.attempt(run.attempts).result):
                _reap_own(run.layout)


def _reap_own(layout: RunLayout) -> None:
    if os.stat(layout.path).st_uid == os.geteuid():
        reap(layout)


def sweep_orphans(layout: RunLayout) -> list[int]:
    """Kill what is left of a run whose supervisor is dead, record its end, and return the pids killed.

    Raises:
        ConsoleError: when a supervisor is alive here, or the run is another host's: it is the one to stop it.
    """
    if not _abandoned(layout, Processes()):
        raise ConsoleError(f"{layout.id}: its supervisor is alive or on another host; stop the run instead")
    killed = sweep(layout.path)
    reap(layout)
    return killed


def _abandoned(layout: RunLayout, table: Processes) -> bool:
    """Whether the latest attempt belongs to this host and its supervisor is certainly dead.

    Of an attempt that another version signed for nothing is certain.
    """
    number = latest_attempt(layout)
    if not number:
        return False
    owner = read_json_or_none(layout.attempt(number).owner)
    if owner is None or owner.get("host") != table.host or owner.get("v") != OWNER_VERSION:
        return False
    other_boot = bool(owner.get("boot_id")) and bool(table.boot_id) and owner["boot_id"] != table.boot_id
    return other_boot or not table.alive(ProcessIdentity.from_json(owner.get("supervisor")))
