"""What a command ends with."""

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
