"""``nli-console watch``, and following a run that this command started."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

from nli_console.cli import exit_codes, history, listing
from nli_console.cli.context import Ctx
from nli_console.cli.interrupts import Interrupts
from nli_console.cli.options import Run
from nli_console.cli.progress import Screen
from nli_console.cli.sight import Sight
from nli_console.errors import ConsoleError
from nli_console.record.groups import Found, make_group
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
BY = "Ctrl-C in the command that followed it"


def watch(run: Run, *, context: Ctx) -> int:
    """Follow a run, or the runs of a group, until it ends. Ctrl-C stops watching; the run goes on."""
    return follow(context.find(run))


@dataclass(frozen=True)
class Watched:
    """How watching ended: the summaries of the runs that were seen to their end, and the exit code."""

    code: int
    runs: tuple[RunSummary, ...]
    interrupted: bool = False


def follow(found: Found, *, owner: bool = False, quiet: bool = False) -> int:
    """Show what was named until it has ended; returns the exit code that its end means.

    With ``owner`` Ctrl-C detaches (exit code 0) and a second press within three seconds stops it;
    without, it only stops watching (130). With ``quiet`` stdout is left alone: all goes to stderr.
    """
    watched = follow_each(found.layouts, found.id, owner=owner, quiet=quiet)
    if found.group is not None and not watched.interrupted:
        group = make_group(watched.runs)
        lines = [f"{group.id} {group.state_summary}"]
        lines += [f"  {split}: {listing.spread_text(held)}" for split, held in group.accuracy.items()]
        Screen(sys.stderr if quiet else sys.stdout).message(
            "\n".join([*lines, f"  all of it: nli-console show {group.id}"])
        )
    return watched.code


def follow_each(
    layouts: Sequence[RunLayout], id: str, *, owner: bool, quiet: bool = False, again: str = ""
) -> Watched:
    """Show runs one after the other, each until it has ended; ``id`` is what all of them are called.

    Ctrl-C is as in :func:`follow`, for all of them. ``again`` is the command that comes back to them where
    ``id`` is not the name of a run or group.
    """
    screen = Screen(sys.stderr if quiet else sys.stdout)
    ended: list[RunSummary] = []
    stopping = False
    with Interrupts() as interrupts:
        for number, layout in enumerate(layouts, 1):
            sight = Sight(layout)
            place = f"{number} of {len(layouts)}: " if len(layouts) > 1 else ""
            while not _over(_look(sight, screen, place)):
                if not interrupts.wait(INTERVAL):
                    continue
                if not owner:
                    screen.message(f"not watching any more; {id} goes on")
                    return Watched(exit_codes.INTERRUPTED, tuple(ended), interrupted=True)
                if stopping or not _stop_wanted(id, again, interrupts, screen):
                    return Watched(exit_codes.OK, tuple(ended), interrupted=True)
                stopping = _ask_to_stop(layouts[number - 1 :], screen)
            summary = _settled(layout, interrupts)
            screen.message(_ending(summary, sight))
            ended.append(summary)
    code = exit_codes.worst(exit_codes.of_state(run.state.state) for run in ended)
    return Watched(code, tuple(ended))


def _look(sight: Sight, screen: Screen, place: str) -> RunState:
    """One look; whatever is new is shown, after ``place``."""
    sight.refresh()
    for evaluated in sight.new_evaluations():
        screen.message(place + evaluated.sentence)
    if sight.state.state.live:
        for sentence in sight.new_warnings():
            screen.message(place + sentence)
        progress = sight.progress()
        if advice := sight.new_advice():
            # The line that is rewritten may be cut; what can be done about a wait is worth lines that stay.
            screen.message(f"{place}{progress.phase}  {progress.detail}\n  {advice}")
        screen.update(replace(progress, phase=place + progress.phase))
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


def _stop_wanted(id: str, again: str, interrupts: Interrupts, screen: Screen) -> bool:
    """After the first Ctrl-C: say how to go on, and wait for a second."""
    how = f"  watch it: {again or f'nli-console watch {id}'}"
    if not again:
        how += f"\n  stop it:  nli-console stop {id}"
    screen.message(f"detached; {id} goes on. Ctrl-C again within {SECOND_PRESS:.0f} s stops it.\n{how}")
    return interrupts.wait(SECOND_PRESS)


def _ask_to_stop(layouts: Sequence[RunLayout], screen: Screen) -> bool:
    """Stop all of them, the last first: a run that waits must not get the slot of one that leaves."""
    for layout in reversed(layouts):
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
        lines.append(f"  {split}: {listing.full_accuracy(accuracy)}")
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
