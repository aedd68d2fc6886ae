"""Decide how an attempt ended, from what its worker left behind. Pure: reads no file and asks no process."""

import re
import signal as signals
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nli_console.record.state import Reason, State
from nli_console.text import clean_line

_CUDA_OOM = re.compile(r"CUDA out of memory|CUDA error: out of memory|torch\.(cuda\.)?OutOfMemoryError")
_DISK_FULL = re.compile(r"No space left on device|Disk quota exceeded")
_EXCEPTION = re.compile(r"^(?:[A-Za-z_][\w.]*)(?:Error|Exception|Interrupt|Exit|Warning)\b.*$")
_DETAIL = 300


@dataclass(frozen=True, slots=True)
class Ending:
    """Evidence at the end of an attempt.

    ``exit_code`` or ``signal`` of the worker, whichever it ended by; ``final`` is ``final.json``; ``stop`` is
    why this supervisor asked it to leave; ``oom_killed`` says whether the kernel's counter of memory kills
    rose meanwhile (``None``: nobody can say); ``disk_full`` that the run's disk has no room left, and
    ``room`` in words how much; ``gpu_users`` in words who else uses the run's GPU.
    """

    final: Mapping[str, Any] | None = None
    exit_code: int | None = None
    signal: int | None = None
    stop: Reason | None = None
    log_tail: str = ""
    oom_killed: bool | None = None
    gpu_lost: bool = False
    disk_full: bool = False
    room: str = ""
    gpu_users: str = ""


def decide(ending: Ending) -> tuple[State, Reason | None]:
    """State and reason. Exit code 0 alone is never ``finished``: only ``final.json`` can say that."""
    state, reason = _decide(ending)
    if reason is None:
        return state, None
    circumstances = {"disk_full": ending.room, "cuda_oom": ending.gpu_users}.get(reason.code)
    if circumstances:
        reason = Reason(reason.code, f"{reason.detail} ({circumstances})")
    return state, reason


def _decide(ending: Ending) -> tuple[State, Reason | None]:
    final = ending.final or {}
    recorded = _recorded_reason(final)
    if final.get("completed") is True:
        return State.FINISHED, recorded
    if final.get("stopped") is True:
        outside = Reason("signal", "somebody asked the worker to stop, but not through the console")
        return State.STOPPED, ending.stop or recorded or outside
    if recorded is not None:
        return State.FAILED, _sharpen(recorded, ending)
    if ending.signal is not None:
        return _by_signal(ending)
    if ending.stop is not None and not _told_by_log(ending):
        return State.STOPPED, ending.stop
    return State.FAILED, _told_by_log(ending) or _unexplained(ending)


def _by_signal(ending: Ending) -> tuple[State, Reason]:
    if ending.stop is not None:
        return State.STOPPED, ending.stop
    told = _told_by_log(ending)
    if told is not None:
        return State.FAILED, told
    assert ending.signal is not None
    name = signal_name(ending.signal)
    if ending.signal != signals.SIGKILL:
        return State.FAILED, Reason("signal", f"the worker was ended by {name}")
    if ending.oom_killed:
        return State.FAILED, Reason(
            "host_oom", "the kernel killed the worker because the host's memory was used up"
        )
    if ending.oom_killed is None:
        detail = f"{name}: probably out of host memory, unless somebody killed the worker"
    else:
        detail = f"{name}: somebody killed the worker; the kernel counted no kill for want of memory"
    return State.FAILED, Reason("signal", detail)


def signal_name(number: int) -> str:
    """``9`` → ``SIGKILL``."""
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _recorded_reason(final: Mapping[str, Any]) -> Reason | None:
    reason = final.get("reason")
    if not isinstance(reason, Mapping) or not isinstance(reason.get("code"), str):
        return None
    return Reason(reason["code"], str(reason.get("detail") or ""))


def _sharpen(reason: Reason, ending: Ending) -> Reason:
    """An exception that says it was memory or disk is that."""
    if reason.code != "exception":
        return reason
    return _from_text(reason.detail) or (_gpu_lost() if ending.gpu_lost else reason)


def _told_by_log(ending: Ending) -> Reason | None:
    if ending.gpu_lost:
        return _gpu_lost()
    told = _from_text(ending.log_tail)
    if told is None and ending.disk_full and ending.stop is None:
        # A traceback needs room too, so the log may not hold the reason.
        return Reason("disk_full", "the disk is full: free some space, then resume the run")
    return told


def _gpu_lost() -> Reason:
    return Reason("gpu_lost", "the GPU stopped answering its driver; the machine may need a restart")


def _from_text(text: str) -> Reason | None:
    for line in reversed(text.splitlines()):
        if _CUDA_OOM.search(line):
            return Reason("cuda_oom", clean_line(line, limit=_DETAIL))
        if _DISK_FULL.search(line):
            return Reason("disk_full", clean_line(line, limit=_DETAIL))
    return None


def _unexplained(ending: Ending) -> Reason:
    for line in reversed(ending.log_tail.splitlines()):
        if _EXCEPTION.match(line):
            return Reason("exception", clean_line(line, limit=_DETAIL))
    if ending.exit_code == 0:
        return Reason("exception", "the worker ended without an error and without a result")
    return Reason("exception", f"the worker ended with exit code {ending.exit_code} and said nothing more")
