"""What can be found out about a run: its latest attempt's files and, on this host, its processes."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nli_console.record.clocks import file_clock
from nli_console.record.files import RecordError, read_json, read_json_or_none
from nli_console.record.glance import Glance, glance
from nli_console.record.layout import (
    ATTEMPT_NAME,
    EVENTS,
    FINAL,
    LOG,
    METRICS,
    OWNER,
    RESULT,
    SPEC,
    STOP,
    AttemptLayout,
    RunLayout,
)
from nli_console.record.processes import Processes, ProcessIdentity
from nli_console.record.state import Liveness, Reason, State
from nli_console.record.waiting import Waiting, last_waiting
from nli_console.text import clean_line

REASON_LIMIT = 2000
Fields = Mapping[str, Any]
_RESULT_STATES = frozenset({State.FINISHED, State.FAILED, State.STOPPED, State.LOST})


@dataclass(frozen=True, slots=True)
class Final:
    """What ``final.json`` says about the end; ``fields`` is all of it."""

    completed: bool
    stopped: bool
    reason: Reason | None
    fields: Fields


@dataclass(frozen=True, slots=True)
class Result:
    """``result.json``: the terminal state of an attempt, written by whoever came first."""

    state: State
    reason: Reason | None
    exit_code: int | None = None
    signal: int | str | None = None
    t: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that :func:`nli_console.record.state.derive` needs. Ages and silences are in seconds.

    ``attempt`` is the number of the latest attempt (0: none) and ``attempt_age`` the age of its folder, or
    of the submission when there is none. ``worker`` is ``None`` until the supervisor has named one.
    ``tagged`` holds the pids of living processes of this host that carry the run's tag; they are only
    looked for when the answer matters. ``started`` says that training or evaluation has begun; ``silence``
    is the time since anything was recorded and ``stall_after`` how long a silence is normal in this phase.
    ``spec``, ``owner`` and ``glance`` are what was read on the way.
    """

    has_spec: bool = True
    problem: str = ""
    attempt: int = 0
    attempt_age: float | None = None
    has_owner: bool = False
    queued: bool = False
    host: str = ""
    own_host: bool = True
    same_boot: bool = True
    heartbeat_age: float | None = None
    supervisor: Liveness | None = None
    worker: Liveness | None = None
    tagged: tuple[int, ...] = ()
    final: Final | None = None
    result: Result | None = None
    stop_requested: bool = False
    stop_kind: str = ""
    waiting: Waiting | None = None
    phase: str = ""
    started: bool = False
    silence: float | None = None
    stall_after: float = 120.0
    spec: Fields | None = None
    owner: Fields | None = None
    glance: Glance | None = None


def gather(layout: RunLayout, processes: Processes | None = None, *, now: float | None = None) -> Evidence:
    """Look at one run. Reads only; a settled run costs three small files.

    ``processes`` is shared between runs that are looked at together; ``now`` is in seconds since the epoch.
    """
    table = processes if processes is not None else Processes()
    moment = time.time() if now is None else now
    try:
        spec = read_json(layout.at(SPEC))
    except RecordError as error:
        return Evidence(has_spec=False, problem=str(error))
    if spec is None:
        return Evidence(has_spec=False)
    number = latest_attempt(layout)
    if number == 0:
        return _before_first_attempt(layout, spec, table, moment)
    attempt = layout.attempt(number)
    final, result = read_final(attempt), read_result(attempt)
    if result is not None or (final is not None and final.completed):
        return Evidence(spec=spec, attempt=number, final=final, result=result)
    evidence = _of_attempt(layout, spec, attempt, final, table, moment)
    if evidence.supervisor == "dead":
        # It may have written the end, and left, between the two looks.
        return replace(evidence, final=read_final(attempt), result=read_result(attempt))
    return evidence


def attempt_numbers(layout: RunLayout) -> list[int]:
    """Numbers of the run's attempts, ascending; symlinks and strange names are no attempts."""
    try:
        with os.scandir(layout.at("attempts")) as entries:
            return sorted(
                int(entry.name)
                for entry in entries
                if ATTEMPT_NAME.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            )
    except OSError:
        return []


def latest_attempt(layout: RunLayout) -> int:
    """Number of the latest attempt, 0 when there is none."""
    return max(attempt_numbers(layout), default=0)


def read_final(attempt: AttemptLayout) -> Final | None:
    """``final.json`` of an attempt; ``None`` when missing or damaged."""
    fields = read_json_or_none(attempt.at(FINAL))
    if fields is None:
        return None
    return Final(
        fields.get("completed") is True,
        fields.get("stopped") is True,
        reason_of(fields.get("reason")),
        fields,
    )


def read_result(attempt: AttemptLayout) -> Result | None:
    """``result.json`` of an attempt. One that is there but damaged still ends the attempt, as lost."""
    try:
        fields = read_json(attempt.at(RESULT))
    except RecordError as error:
        return Result(State.LOST, Reason("unreadable", str(error)))
    if fields is None:
        return None
    word = fields.get("state")
    if word not in _RESULT_STATES:
        return Result(
            State.LOST, Reason("unreadable", f"result.json names the state {clean_line(word, limit=40)}")
        )
    code, name, t = fields.get("exit_code"), fields.get("signal"), fields.get("t")
    return Result(
        State(word),
        reason_of(fields.get("reason")),
        code if isinstance(code, int) else None,
        name if isinstance(name, (int, str)) else None,
        t if isinstance(t, (int, float)) else None,
    )


def reason_of(value: object) -> Reason | None:
    """A recorded ``{code, detail}``, cleaned; ``None`` for ``null`` and anything else."""
    if not isinstance(value, Mapping):
        return None
    fields: Mapping[str, Any] = value
    code, detail = fields.get("code"), fields.get("detail")
    if not isinstance(code, str):
        return None
    return Reason(clean_line(code, limit=60), clean_line(detail, limit=REASON_LIMIT) if detail else "")


def _before_first_attempt(layout: RunLayout, spec: Fields, table: Processes, now: float) -> Evidence:
    submitted = _modified(layout.at(SPEC))
    stop = _stop_request(layout, submitted)
    return Evidence(
        spec=spec,
        attempt_age=None if submitted is None else now - submitted,
        stop_requested=stop is not None,
        stop_kind=stop or "",
        tagged=tuple(table.tagged(layout.path)),
    )


def _of_attempt(
    layout: RunLayout, spec: Fields, attempt: AttemptLayout, final: Final | None, table: Processes, now: float
) -> Evidence:
    owner = read_json_or_none(attempt.at(OWNER))
    made = _modified(attempt.path)
    age = None if made is None else now - made
    if owner is None:
        tagged = tuple(table.tagged(layout.path))
        return Evidence(spec=spec, attempt=attempt.number, attempt_age=age, final=final, tagged=tagged)
    begun = _number(owner.get("started"), made)
    own_host = owner.get("host") == table.host
    if not own_host:
        # The other host's files are as old as their server says, whatever this host's clock shows.
        now += file_clock(layout.path.parent)
        age = None if made is None else now - made
    boot = owner.get("boot_id")
    same_boot = own_host and (not boot or not table.boot_id or boot == table.boot_id)
    supervisor, worker = _liveness(owner, table, own_host, same_boot)
    heartbeat = _modified(attempt.at(OWNER))
    stop = _stop_request(layout, begun)
    queued = owner.get("queued") is True
    seen = glance(attempt.at(METRICS))
    # A run that waited for hours is not silent when its worker has just been started.
    moments = [seen.t, begun, _modified(attempt.at(EVENTS))]
    if not seen.started:
        moments.append(_modified(attempt.at(LOG)))
    latest = max((t for t in moments if t is not None), default=None)
    return Evidence(
        spec=spec,
        attempt=attempt.number,
        attempt_age=age,
        has_owner=True,
        queued=queued,
        host=clean_line(owner.get("host", ""), limit=80),
        own_host=own_host,
        same_boot=same_boot,
        heartbeat_age=None if heartbeat is None else now - heartbeat,
        supervisor=supervisor,
        worker=worker,
        tagged=tuple(table.tagged(layout.path)) if own_host and supervisor != "alive" else (),
        final=final,
        stop_requested=stop is not None,
        stop_kind=stop or "",
        waiting=last_waiting(attempt.at(EVENTS), layout.id) if queued and worker is None else None,
        phase=seen.phase,
        started=seen.started,
        silence=None if latest is None else max(now - latest, 0.0),
        stall_after=seen.stall_after,
        owner=owner,
        glance=seen,
    )


def _liveness(
    owner: Mapping[str, Any], table: Processes, own_host: bool, same_boot: bool
) -> tuple[Liveness | None, Liveness | None]:
    """Of supervisor and worker; ``None`` for one that ``owner.json`` does not name."""

    def of(value: object) -> Liveness | None:
        if value is None:
            return None
        if not own_host:
            return "unknown"
        return "alive" if same_boot and table.alive(ProcessIdentity.from_json(value)) else "dead"

    return of(owner.get("supervisor")), of(owner.get("worker"))


def _stop_request(layout: RunLayout, since: float | None) -> str | None:
    """Kind of a stop request that is not older than ``since``; ``None`` when there is none."""
    fields = read_json_or_none(layout.at(STOP))
    if fields is None:
        return None
    t = _number(fields.get("t"), None)
    if t is None or (since is not None and t < since):
        return None
    return "kill" if fields.get("kind") == "kill" else "stop"


def _number(value: object, otherwise: float | None) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else otherwise


def _modified(path: Path | str) -> float | None:
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return None
