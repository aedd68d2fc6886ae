"""``nli-console watch``, and following a run that this command started."""

import sys
from typing import Annotated

from cyclopts import Parameter

from nli_console.cli import exit_codes, history
from nli_console.cli.context import Ctx
from nli_console.cli.interrupts import Interrupts
from nli_console.cli.options import Run
from nli_console.cli.progress import Screen
from nli_console.cli.sight import Sight
from nli_console.errors import ConsoleError
from nli_console.record.layout import RunLayout
from nli_console.record.state import RunState, State
from nli_console.record.summary import RunSummary
from nli_console.supervisor import actions
from nli_console.text import format_duration

INTERVAL = 0.5
SECOND_PRESS = 3.0
SETTLE_INTERVAL = 0.1
SETTLE_LOOKS = 30
LOG_LINES = 15
BY = "Ctrl-C in nli-console run"


def watch(run: Run, *, context: Ctx) -> int:
    """Follow a run until it ends. Ctrl-C stops watching; the run goes on."""
    return follow(context.find(run))


def follow(
    layout: RunLayout,
    *,
    owner: Annotated[bool, Parameter(parse=False)] = False,
    quiet: bool = False,
) -> int:
    """Show a run until it has ended; returns the exit code that its end means.

    With ``owner`` Ctrl-C detaches (exit code 0) and a second press within three seconds stops the run;
    without, it only stops watching (130). With ``quiet`` stdout is left alone: all goes to stderr.
    """
    screen = Screen(sys.stderr if quiet else sys.stdout)
    sight = Sight(layout)
    stopping = False
    with Interrupts() as interrupts:
        while True:
            state = _look(sight, screen)
            if _over(state):
                break
            if not interrupts.wait(INTERVAL):
                continue
            if not owner:
                screen.message(f"not watching any more; {layout.id} goes on")
                return exit_codes.INTERRUPTED
            if stopping or not _stop_wanted(layout, interrupts, screen):
                return exit_codes.OK
            stopping = _ask_to_stop(layout, screen)
        summary = _settled(layout, interrupts)
    screen.message(_ending(summary, sight))
    return exit_codes.of_state(summary.state.state)


def _look(sight: Sight, screen: Screen) -> RunState:
    """One look; whatever is new is shown."""
    sight.refresh()
    for evaluated in sight.new_evaluations():
        screen.message(evaluated.sentence)
    if sight.state.state.live:
        for sentence in sight.new_warnings():
            screen.message(sentence)
        screen.update(sight.progress())
    return sight.state


def _settled(layout: RunLayout, interrupts: Interrupts) -> RunSummary:
    """The ended run, once its supervisor has gone too, so that what is said of resuming holds."""
    summary = history.read_run(layout)
    for _ in range(SETTLE_LOOKS):
        state = summary.state
        if state.resumable or state.state not in (State.FAILED, State.STOPPED):
            break
        interrupts.wait(SETTLE_INTERVAL)
        summary = history.read_run(layout)
    return summary


def _over(state: RunState) -> bool:
    """Whether waiting longer makes no sense: ended, or nobody is there who could end it."""
    return (
        not state.state.live
        or state.state is State.ORPHANED
        or (state.resumable and state.state is State.QUEUED)
    )


def _stop_wanted(layout: RunLayout, interrupts: Interrupts, screen: Screen) -> bool:
    """After the first Ctrl-C: say how to go on, and wait for a second."""
    screen.message(
        f"detached; {layout.id} goes on. Ctrl-C again within {SECOND_PRESS:.0f} s stops it.\n"
        f"  watch it: nli-console watch {layout.id}\n"
        f"  stop it:  nli-console stop {layout.id}"
    )
    return interrupts.wait(SECOND_PRESS)


def _ask_to_stop(layout: RunLayout, screen: Screen) -> bool:
    try:
        screen.message(actions.stop(layout, BY))
    except ConsoleError as error:
        # It ended in the meantime; the next look will show how.
        screen.message(str(error))
    return True


def _ending(run: RunSummary, sight: Sight) -> str:
    """How the run ended, in a few lines."""
    state = run.state.state
    lines = [f"{run.id} {state.value}" + (f": {run.reason}" if run.reason else "")]
    for split, accuracy in run.accuracy.items():
        lines.append(f"  {split}: {history.accuracy_text(accuracy)} (n = {accuracy.n or 0:,})")
    lines += [f"  {guard.severity or 'warning'} [{guard.id}] {guard.message}" for guard in run.guards]
    if run.seconds:
        lines.append(f"  time: {format_duration(run.seconds)}")
    if state is State.FAILED:
        log = sight.log_tail(LOG_LINES)
        lines += ["  end of the log:", *(f"    {line}" for line in log)] if log else []
    if run.state.resumable:
        lines.append(f"  go on with: nli-console resume {run.id}")
    lines.append(f"  all of it: nli-console show {run.id}")
    return "\n".join(lines)
