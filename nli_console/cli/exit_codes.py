"""What a command ends with."""

from collections.abc import Iterable

from nli_console.record.state import State

OK = 0
FAILED = 1
USAGE = 2
STOPPED = 3
LOST = 4
INTERRUPTED = 130
BROKEN_PIPE = 141

HELP = (
    "Exit codes: 0 finished or detached, 1 failed, 2 wrong usage or an invalid spec, 3 stopped, 4 lost; "
    "130 interrupted."
)


def of_state(state: State) -> int:
    """The exit code of a command that followed a run until nothing more was to come."""
    ended = {State.FINISHED: OK, State.FAILED: FAILED, State.STOPPED: STOPPED}
    return ended.get(state, LOST)


def worst(codes: Iterable[int]) -> int:
    """The exit code of several runs: failed before lost before stopped before finished."""
    found = set(codes)
    return next((code for code in (FAILED, LOST, STOPPED) if code in found), OK)
