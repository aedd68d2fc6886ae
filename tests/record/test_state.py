import itertools
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nli_console.record.evidence import Evidence, Final, Result
from nli_console.record.state import HEARTBEAT_SILENCE, SETTLING, Liveness, Reason, RunState, State, derive
from nli_console.record.waiting import Waiting

COMPLETED = Final(True, False, None, {})
STOPPED = Final(False, True, Reason("user"), {})
BROKEN = Final(False, False, Reason("cuda_oom", "2 GiB asked"), {})

# One attempt of this host and boot, supervisor and worker alive, training.
RUNNING = Evidence(
    attempt=1, attempt_age=600.0, has_owner=True, host="here", heartbeat_age=1.0, supervisor="alive",
    worker="alive", phase="training", started=True, silence=1.0, stall_after=30.0,
)  # fmt: skip
DEAD = replace(RUNNING, supervisor="dead", worker="dead")
ELSEWHERE = replace(RUNNING, own_host=False, same_boot=False, supervisor="unknown", worker="unknown")
WAITING = replace(RUNNING, worker=None, queued=True, started=False, phase="", waiting=Waiting("GPU 0"))
SUBMITTED = Evidence(attempt_age=1.0)
OLD = SETTLING + 1

CASES = [
    ("no spec", Evidence(has_spec=False), State.UNREADABLE, "unreadable", False),
    ("just submitted", SUBMITTED, State.QUEUED, None, False),
    ("submitted, never started", replace(SUBMITTED, attempt_age=OLD), State.QUEUED, "nobody_waits", True),
    (
        "submitted, supervisor starts",
        replace(SUBMITTED, attempt_age=OLD, tagged=(7,)),
        State.STARTING,
        "phase",
        False,
    ),
    ("submitted, stopped", replace(SUBMITTED, stop_requested=True), State.STOPPED, "user", True),
    ("waits", WAITING, State.QUEUED, "waiting", False),
    ("waits, stop asked", replace(WAITING, stop_requested=True), State.STOPPING, "user", False),
    ("waited, supervisor died", replace(WAITING, supervisor="dead"), State.QUEUED, "nobody_waits", True),
    (
        "waited, reboot",
        replace(WAITING, same_boot=False, supervisor="dead"),
        State.QUEUED,
        "nobody_waits",
        True,
    ),
    (
        "waited, stop asked, died",
        replace(WAITING, supervisor="dead", stop_requested=True),
        State.STOPPED,
        "user",
        True,
    ),
    ("worker not yet named", replace(RUNNING, worker=None, started=False), State.STARTING, "phase", False),
    ("tokenising", replace(RUNNING, started=False, phase="tokenising"), State.STARTING, "phase", False),
    ("training", RUNNING, State.RUNNING, "phase", False),
    ("evaluating", replace(RUNNING, phase="evaluating"), State.RUNNING, "phase", False),
    ("silent", replace(RUNNING, silence=31.0), State.STALLED, "stalled", False),
    ("stop asked", replace(RUNNING, stop_requested=True), State.STOPPING, "user", False),
    ("worker just ended", replace(RUNNING, worker="dead"), State.STOPPING, "phase", False),
    ("supervisor hangs", replace(RUNNING, worker="dead", silence=99.0), State.STALLED, "stalled", False),
    ("both killed", DEAD, State.LOST, "supervisor_died", True),
    ("pid reused or zombie", replace(DEAD, heartbeat_age=1.0), State.LOST, "supervisor_died", True),
    ("supervisor killed", replace(RUNNING, supervisor="dead"), State.ORPHANED, "supervisor_died", False),
    ("loader left over", replace(DEAD, tagged=(7,)), State.ORPHANED, "supervisor_died", False),
    ("reboot", replace(DEAD, same_boot=False), State.LOST, "reboot", True),
    ("owner not yet written", Evidence(attempt=1, attempt_age=1.0), State.STARTING, "phase", False),
    ("owner never written", Evidence(attempt=1, attempt_age=OLD), State.LOST, "supervisor_died", True),
    (
        "owner lost, alive",
        Evidence(attempt=1, attempt_age=OLD, tagged=(7,)),
        State.ORPHANED,
        "supervisor_died",
        False,
    ),
    ("other host at work", ELSEWHERE, State.RUNNING, "phase", False),
    (
        "other host waits",
        replace(WAITING, own_host=False, same_boot=False, supervisor="unknown"),
        State.QUEUED,
        "waiting",
        False,
    ),
    (
        "other host silent",
        replace(ELSEWHERE, heartbeat_age=HEARTBEAT_SILENCE + 1),
        State.UNREACHABLE,
        "other_host",
        False,
    ),
    ("other host, clock ahead", replace(ELSEWHERE, heartbeat_age=-3600.0), State.RUNNING, "phase", False),
    ("completed, no result", replace(DEAD, final=COMPLETED), State.FINISHED, None, False),
    ("completed, still leaving", replace(RUNNING, final=COMPLETED), State.FINISHED, None, False),
    (
        "completed, host silent",
        replace(ELSEWHERE, heartbeat_age=9999.0, final=COMPLETED),
        State.FINISHED,
        None,
        False,
    ),
    (
        "completed, called lost",
        replace(DEAD, final=COMPLETED, result=Result(State.LOST, None)),
        State.FINISHED,
        None,
        False,
    ),
    (
        "exit code 0 alone",
        replace(DEAD, result=Result(State.FINISHED, None, 0)),
        State.FAILED,
        "exception",
        True,
    ),
    (
        "polite exit 0 on a stop",
        replace(DEAD, final=STOPPED, stop_requested=True),
        State.STOPPED,
        "user",
        True,
    ),
    ("saved since it was alone", replace(DEAD, final=STOPPED), State.LOST, "supervisor_died", True),
    ("saved, still leaving", replace(RUNNING, final=STOPPED), State.STOPPED, "user", False),
    ("failed", replace(DEAD, final=BROKEN), State.FAILED, "cuda_oom", True),
    ("failed, sweeping", replace(DEAD, final=BROKEN, tagged=(7,)), State.FAILED, "cuda_oom", False),
    ("recorded", replace(DEAD, result=Result(State.FAILED, Reason("nan"))), State.FAILED, "nan", True),
    (
        "reaped",
        replace(DEAD, same_boot=False, result=Result(State.LOST, Reason("reboot"))),
        State.LOST,
        "reboot",
        True,
    ),
]
NAMES = [case[0] for case in CASES]


@pytest.mark.parametrize(("evidence", "state", "code", "resumable"), [case[1:] for case in CASES], ids=NAMES)
def test_each_situation_has_its_word(
    evidence: Evidence, state: State, code: str | None, resumable: bool
) -> None:
    derived = derive(evidence)
    assert derived.state is state
    assert (derived.reason.code if derived.reason else None) == code
    assert derived.resumable is resumable


ages = st.one_of(st.none(), st.floats(-1e5, 1e6))
alive = st.one_of(st.none(), st.sampled_from(get_args(Liveness)))
finals = st.sampled_from([None, COMPLETED, STOPPED, BROKEN])
results = st.one_of(
    st.none(),
    st.sampled_from([State.FINISHED, State.FAILED, State.STOPPED, State.LOST]).map(
        lambda state: Result(state, None)
    ),
)
anything = st.builds(
    Evidence, has_spec=st.booleans(), attempt=st.integers(0, 3), attempt_age=ages, has_owner=st.booleans(),
    queued=st.booleans(), own_host=st.booleans(), same_boot=st.booleans(), heartbeat_age=ages,
    supervisor=alive, worker=alive, tagged=st.sampled_from([(), (7,)]), final=finals, result=results,
    stop_requested=st.booleans(), phase=st.sampled_from(["", "loading", "training"]),
    started=st.booleans(), silence=ages,
)  # fmt: skip


@given(anything)
def test_any_evidence_gives_one_state_and_always_the_same(evidence: Evidence) -> None:
    derived = derive(evidence)
    assert isinstance(derived, RunState)
    assert derive(evidence) == derived
    assert not (derived.state.live and derived.state.terminal)


@given(anything)
def test_a_run_with_living_processes_is_never_resumable(evidence: Evidence) -> None:
    busy = replace(evidence, tagged=(7,), result=None)
    assert (
        not derive(busy).resumable
        or busy.stop_requested
        or (busy.attempt and busy.has_owner and not busy.same_boot)
    )


@given(anything, anything)
def test_finished_never_un_finishes(evidence: Evidence, later: Evidence) -> None:
    finished = replace(evidence, has_spec=True, final=COMPLETED)
    assert derive(finished).state is State.FINISHED
    assert derive(replace(later, has_spec=True, final=COMPLETED)).state is State.FINISHED


@given(anything)
def test_finished_needs_the_workers_word(evidence: Evidence) -> None:
    word = evidence.final is not None and evidence.final.completed and evidence.has_spec
    assert (derive(evidence).state is State.FINISHED) == word


@given(anything)
def test_silence_of_another_host_is_no_end(evidence: Evidence) -> None:
    silent = replace(
        evidence, has_spec=True, attempt=1, has_owner=True, own_host=False, final=None, result=None
    )
    assert not derive(silent).state.terminal
    assert not derive(silent).resumable


def test_reasons_read_as_sentences() -> None:
    assert Reason("cuda_oom", "2 GiB asked").sentence == "out of GPU memory: 2 GiB asked"
    assert Reason("exception", "ValueError: bad").sentence == "ValueError: bad"
    assert Reason("nan").sentence == "the loss became NaN"


def test_every_state_is_live_or_terminal_or_unreadable() -> None:
    for state in State:
        assert state.live + state.terminal == (state is not State.UNREADABLE)


def test_every_combination_of_processes_has_a_state() -> None:
    choices: list[Liveness | None] = [None, "alive", "dead", "unknown"]
    for supervisor, worker, tagged, boot, queued in itertools.product(
        choices, choices, [(), (7,)], [True, False], [True, False]
    ):
        evidence = replace(
            RUNNING, supervisor=supervisor, worker=worker, tagged=tagged, same_boot=boot, queued=queued
        )
        assert derive(evidence).state in State
