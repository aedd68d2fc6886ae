"""How an attempt ended, by the evidence that its worker left."""

import signal

import pytest

from nli_console.record.state import Reason, State
from nli_console.supervisor.verdict import Ending, decide

USER = Reason("user", "stopped by anna")
DONE = {"completed": True, "stopped": False, "reason": None}
STOPPED = {"completed": False, "stopped": True, "reason": {"code": "user", "detail": ""}}


def failed(code: str, detail: str = "") -> dict:
    return {"completed": False, "stopped": False, "reason": {"code": code, "detail": detail}}


@pytest.mark.parametrize(
    ("ending", "state", "code"),
    [
        (Ending(DONE, exit_code=0), State.FINISHED, None),
        (Ending(DONE, signal=signal.SIGKILL), State.FINISHED, None),
        (Ending(DONE, exit_code=0, stop=USER), State.FINISHED, None),
        (Ending(STOPPED, exit_code=0, stop=USER), State.STOPPED, "user"),
        (Ending(STOPPED, exit_code=0, stop=Reason("time_limit")), State.STOPPED, "time_limit"),
        (Ending({**STOPPED, "reason": None}, exit_code=0), State.STOPPED, "signal"),
        (Ending(failed("nan"), exit_code=1), State.FAILED, "nan"),
        (
            Ending(failed("exception", "OutOfMemoryError: CUDA out of memory."), exit_code=1),
            State.FAILED,
            "cuda_oom",
        ),
        (Ending(exit_code=0), State.FAILED, "exception"),
        (Ending(exit_code=0, stop=USER), State.STOPPED, "user"),
        (Ending(exit_code=1, log_tail="No space left on device", stop=USER), State.FAILED, "disk_full"),
        (Ending(signal=signal.SIGUSR2, stop=USER), State.STOPPED, "user"),
        (Ending(signal=signal.SIGKILL, oom_killed=True), State.FAILED, "host_oom"),
        (Ending(signal=signal.SIGKILL), State.FAILED, "signal"),
        (Ending(signal=signal.SIGSEGV), State.FAILED, "signal"),
        (Ending(exit_code=1, disk_full=True), State.FAILED, "disk_full"),
        (Ending(exit_code=0, disk_full=True, stop=USER), State.STOPPED, "user"),
        (Ending(signal=signal.SIGABRT, gpu_lost=True), State.FAILED, "gpu_lost"),
    ],
)
def test_the_verdict(ending: Ending, state: State, code: str | None) -> None:
    decided, reason = decide(ending)
    assert (decided, None if reason is None else reason.code) == (state, code)


def test_a_kill_is_blamed_on_memory_only_as_far_as_the_kernel_tells() -> None:
    details = []
    for counted in (None, False, True):
        _, reason = decide(Ending(signal=signal.SIGKILL, oom_killed=counted))
        assert reason is not None
        details.append(reason.detail)
    assert "probably out of host memory" in details[0]
    assert "counted no kill" in details[1]
    assert "memory was used up" in details[2]


def test_the_last_line_of_a_traceback_is_quoted_clean() -> None:
    tail = "Traceback (most recent call last):\n  File x\nValueError: no \x1b[31mlabel\nsome later noise\n"
    _, reason = decide(Ending(exit_code=1, log_tail=tail))
    assert reason == Reason("exception", "ValueError: no �[31mlabel")
