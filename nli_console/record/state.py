"""The state of a run: derived from evidence by one pure function, never stored.

:func:`derive` reads no file and asks no process: :mod:`nli_console.record.evidence` gathers what it needs.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from nli_console.record.evidence import Evidence

HEARTBEAT_SILENCE = 120.0
"""Seconds without a heartbeat after which another host is silent: many beats, and a slow NFS cache."""

SETTLING = 30.0
"""Seconds that a submitter or supervisor gets between two steps before its absence means something."""


class State(StrEnum):
    """Words that a user sees. ``finished``, ``failed``, ``stopped`` and ``lost`` end an attempt."""

    QUEUED = "queued"
    STARTING = "starting"
    RUNNING = "running"
    STALLED = "stalled"
    STOPPING = "stopping"
    FINISHED = "finished"
    FAILED = "failed"
    STOPPED = "stopped"
    LOST = "lost"
    ORPHANED = "orphaned"
    UNREACHABLE = "unreachable"
    UNREADABLE = "unreadable"

    @property
    def live(self) -> bool:
        """Whether a supervisor or worker is believed to be at work or waiting."""
        return self in _LIVE

    @property
    def terminal(self) -> bool:
        """Whether this attempt is over and nothing will change by itself."""
        return self in _TERMINAL


_LIVE = frozenset(
    {
        State.QUEUED,
        State.STARTING,
        State.RUNNING,
        State.STALLED,
        State.STOPPING,
        State.UNREACHABLE,
        State.ORPHANED,
    }
)
_TERMINAL = frozenset({State.FINISHED, State.FAILED, State.STOPPED, State.LOST})

Liveness = Literal["alive", "dead", "unknown"]
"""Of a process: ``unknown`` when it belongs to another host."""


_WORDS = {
    "user": "asked for",
    "time_limit": "time limit reached",
    "cuda_oom": "out of GPU memory",
    "host_oom": "out of memory",
    "disk_full": "disk full",
    "nan": "the loss became NaN",
    "signal": "ended by a signal",
    "checkpoint_invalid": "no valid checkpoint",
    "gpu_lost": "the GPU was lost",
    "waiting": "waits for",
    "early_stopping": "stopped early",
    "guard": "stopped by a guard",
}


@dataclass(frozen=True)
class Reason:
    """Why a run is in its state, as a code and a sentence a user can act on.

    Codes: user, time_limit, cuda_oom, host_oom, disk_full, nan, exception, signal, checkpoint_invalid,
    gpu_lost, supervisor_died, reboot, nobody_waits, waiting, phase, stalled, other_host, early_stopping,
    guard, unreadable.
    """

    code: str
    detail: str = ""
    advice: str = ""
    """What a person can do about it, where that is not said by the detail."""

    @property
    def sentence(self) -> str:
        """The reason in words, with its detail."""
        words = _WORDS.get(self.code, self.code if not self.detail else "")
        return ": ".join(part for part in (words, self.detail) if part)

    def to_json(self) -> dict[str, str]:
        """Code and detail, and the advice where there is one."""
        fields = {"code": self.code, "detail": self.detail}
        return {**fields, "advice": self.advice} if self.advice else fields


@dataclass(frozen=True)
class RunState:
    """A state with its reason, and what may be done from it.

    ``resumable``: a new attempt may be started now (for a queued run that nobody waits for: the first one).
    """

    state: State
    reason: Reason | None = None
    resumable: bool = False


def derive(evidence: "Evidence") -> RunState:
    """The state that the evidence supports. Pure; the same evidence always gives the same state.

    What was written down counts before what processes look like: ``final.json`` with ``completed`` is
    finished whatever else is missing, and nothing else is. Silence of another host proves nothing.
    """
    if not evidence.has_spec:
        detail = evidence.problem or "spec.json is missing: the submission was interrupted"
        return RunState(State.UNREADABLE, Reason("unreadable", detail))
    if evidence.final is not None and evidence.final.completed:
        return RunState(State.FINISHED, evidence.final.reason)
    recorded = _recorded(evidence)
    if recorded is not None:
        return recorded
    if evidence.attempt == 0:
        return _without_attempt(evidence)
    if not evidence.has_owner:
        return _without_owner(evidence)
    if not evidence.own_host:
        return _on_another_host(evidence)
    if not evidence.same_boot:
        return _after_reboot(evidence)
    if evidence.supervisor == "alive":
        return _watched(evidence)
    return _unwatched(evidence)


def _recorded(evidence: "Evidence") -> RunState | None:
    """What ``result.json``, else a ``final.json`` that is not completed, says about the end."""
    result, final = evidence.result, evidence.final
    if result is not None:
        if result.state == State.FINISHED:
            # An exit code of 0 is not the worker's word that the work was completed.
            detail = "the worker ended without recording its results in final.json"
            return RunState(State.FAILED, Reason("exception", detail), resumable=True)
        return RunState(result.state, result.reason, resumable=True)
    if final is not None and not (final.stopped and _told_by_death(evidence)):
        state = State.STOPPED if final.stopped else State.FAILED
        return RunState(state, final.reason, resumable=not _anybody(evidence))
    return None


def _told_by_death(evidence: "Evidence") -> bool:
    """Whether a worker that stopped did so only because its supervisor died: nobody had asked for it."""
    return evidence.supervisor == "dead" and not evidence.stop_requested


def _anybody(evidence: "Evidence") -> bool:
    """Whether a process of the run may still be at work."""
    if evidence.tagged:
        return True
    if not evidence.has_owner:
        return False
    if not evidence.own_host:
        return True
    return evidence.same_boot and "alive" in (evidence.supervisor, evidence.worker)


def _without_attempt(evidence: "Evidence") -> RunState:
    if evidence.stop_requested:
        return RunState(State.STOPPED, Reason("user", "stopped before it started"), resumable=True)
    if evidence.tagged:
        return RunState(State.STARTING, Reason("phase", "starting"))
    if evidence.attempt_age is not None and evidence.attempt_age < SETTLING:
        return RunState(State.QUEUED)
    return _nobody_waits("it was submitted but never started; resume it to start it")


def _without_owner(evidence: "Evidence") -> RunState:
    young = evidence.attempt_age is not None and evidence.attempt_age < SETTLING
    if young:
        return RunState(State.STARTING, Reason("phase", "starting"))
    if evidence.tagged:
        return _orphaned("processes of this run are alive, but no supervisor has signed for it")
    return _lost("supervisor_died", "the supervisor ended before it signed for the run")


def _on_another_host(evidence: "Evidence") -> RunState:
    host = evidence.host or "another host"
    if evidence.heartbeat_age is None or evidence.heartbeat_age > HEARTBEAT_SILENCE:
        return RunState(
            State.UNREACHABLE,
            Reason(
                "other_host",
                f"{host} has been silent; it may still be at work",
                f"look on {host}, where `nli-console list` finds out; a stop that is asked for now is obeyed "
                "when it answers",
            ),
        )
    return _watched(evidence)


def _after_reboot(evidence: "Evidence") -> RunState:
    if evidence.queued:
        return _nobody_waits("the machine was restarted while it waited; resume it to start it")
    return _lost("reboot", "the machine was restarted while it ran")


def _watched(evidence: "Evidence") -> RunState:
    """A supervisor is alive here, or another host's heartbeat is fresh."""
    if evidence.stop_requested:
        return RunState(State.STOPPING, Reason("user", evidence.stop_kind))
    if evidence.worker is None:
        if evidence.queued:
            return RunState(State.QUEUED, _waiting(evidence))
        return RunState(State.STARTING, Reason("phase", "starting"))
    silent = evidence.silence if evidence.silence is not None else 0.0
    if evidence.worker == "dead":
        if silent < evidence.stall_after:
            return RunState(State.STOPPING, Reason("phase", "ending"))
        return RunState(
            State.STALLED, Reason("stalled", "the worker has ended and its supervisor does not say how")
        )
    if silent > evidence.stall_after:
        doing = evidence.phase or "starting"
        return RunState(
            State.STALLED, Reason("stalled", f"nothing recorded for {silent:.0f} s while {doing}")
        )
    if evidence.started:
        return RunState(State.RUNNING, Reason("phase", evidence.phase or "training"))
    return RunState(State.STARTING, Reason("phase", evidence.phase or "starting"))


def _unwatched(evidence: "Evidence") -> RunState:
    """The supervisor of this host and boot is dead and nobody has written a result."""
    if evidence.worker == "alive" or evidence.tagged:
        return _orphaned("its supervisor is dead, but processes of this run are still alive")
    if evidence.queued and evidence.worker is None:
        if evidence.stop_requested:
            return RunState(State.STOPPED, Reason("user", "stopped while it waited"), resumable=True)
        return _nobody_waits("its supervisor ended while it waited; resume it to start it")
    return _lost("supervisor_died", "its supervisor ended without a word")


def _waiting(evidence: "Evidence") -> Reason:
    held = evidence.waiting
    if held is None:
        return Reason("waiting", "its turn in the queue")
    return Reason("waiting", held.sentence, held.advice)


def _nobody_waits(detail: str) -> RunState:
    return RunState(State.QUEUED, Reason("nobody_waits", detail), resumable=True)


def _orphaned(detail: str) -> RunState:
    return RunState(State.ORPHANED, Reason("supervisor_died", detail))


def _lost(code: str, detail: str) -> RunState:
    return RunState(State.LOST, Reason(code, detail), resumable=True)
