"""``stop``, ``resume``, ``delete``, ``restore``, ``trash`` and ``supervise``."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nli_console.cli import watch
from nli_console.cli.context import Ctx
from nli_console.cli.options import Run
from nli_console.cli.output import note, say
from nli_console.errors import ConsoleError
from nli_console.record.evidence import gather
from nli_console.record.groups import Found, members_of
from nli_console.record.layout import TRASH, RunLayout
from nli_console.record.state import RunState, State, derive
from nli_console.supervisor import actions

BY = "nli-console stop"
_ENDED = (State.STOPPED, State.FAILED, State.LOST)


def stop(
    run: Run,
    *,
    kill: Annotated[bool, Parameter(negative="", help="end it at once, without a checkpoint")] = False,
    context: Ctx,
) -> None:
    """Stop a run or group: a checkpoint is written after the current step, and it can be resumed."""
    found = context.find(run)
    wanted = _those(found, lambda state: state.state.live, "is going; there is nothing to stop")
    # The last first: a run that waits must not get the slot of one that leaves.
    each(reversed(wanted), lambda layout: actions.stop(layout, BY, kill))


def resume(
    run: Run,
    *,
    follow: Annotated[
        bool, Parameter(name="--watch", negative="", help="show its progress, as run does")
    ] = False,
    detach: Annotated[bool, Parameter(negative="", help="return at once (the default)")] = False,
    context: Ctx,
) -> int:
    """Resume what was stopped, failed or lost, from its newest valid checkpoint."""
    if follow and detach:
        raise ConsoleError("--detach and --watch contradict each other; give one of them")
    found = context.find(run)
    survive = context.settings.values.launch.survive_logout

    def one(layout: RunLayout) -> str:
        actions.resume(layout, survive)
        return "" if follow else f"{layout.id} goes on. Watch it: nli-console watch {layout.id}"

    wanted = _those(
        found, lambda state: state.resumable or state.state in _ENDED, "was stopped, failed or lost"
    )
    each(wanted, one)
    return watch.follow(found, owner=True) if follow else 0


def delete(run: Run, *, context: Ctx) -> None:
    """Move a run, or every run of a group, to the trash folder; `restore` brings it back."""
    found = context.find(run)
    if found.group is not None:
        going = [layout.id for layout in found.layouts if _busy(derive(gather(layout)))]
        if going:
            raise ConsoleError(
                f"{found.id}: {len(going)} of its {len(found.layouts)} runs are still going, so it cannot be "
                f"deleted; `nli-console stop {found.id}` first"
            )
    for layout in found.layouts:
        actions.delete(layout)
    what = found.id if found.group is None else f"{found.id} ({len(found.layouts)} runs)"
    say(f"{what} is in the trash. Bring it back: nli-console restore {found.id}")


def restore(
    run: Annotated[str, Parameter(help="id of a deleted run or group, or a unique beginning of a run's")],
    *,
    context: Ctx,
) -> None:
    """Bring a deleted run, or the deleted runs of a group, back from the trash folder."""
    names = actions.trashed(context.runs_dir)
    fellows = members_of((RunLayout(context.runs_dir / TRASH / name) for name in names), run)
    fitting = [name for name in names if name.startswith(run)]
    wanted = [layout.id for layout in fellows] or (fitting if len(fitting) == 1 and run else [run])
    for name in wanted:
        say(f"{actions.restore(context.runs_dir, name).id} is back")


def trash(
    *,
    empty: Annotated[bool, Parameter(negative="", help="remove the deleted runs for good")] = False,
    context: Ctx,
) -> None:
    """List the deleted runs, or remove them for good."""
    if empty:
        count = actions.empty_trash(context.runs_dir)
        say(f"removed {count} run{'' if count == 1 else 's'} for good")
        return
    names = actions.trashed(context.runs_dir)
    say("\n".join(names) if names else "the trash is empty")


def supervise(directory: Annotated[Path, Parameter(name="DIR", help="folder of a submitted run")]) -> int:
    """Run the next attempt of a run in this process, to its result: the body of a batch job."""
    from nli_console.supervisor.supervise import main

    return main(directory)


def _those(found: Found, fits: Callable[[RunState], bool], what: str) -> list[RunLayout]:
    """The runs of a group that fit; a single run itself, about which the action has its own words.

    Raises:
        ConsoleError: no run of the group fits.
    """
    if found.group is None:
        return list(found.layouts)
    wanted = [layout for layout in found.layouts if fits(derive(gather(layout)))]
    if not wanted:
        raise ConsoleError(f"{found.id}: none of its {len(found.layouts)} runs {what}")
    return wanted


def each(layouts: Iterable[RunLayout], act: Callable[[RunLayout], str]) -> None:
    """Do ``act`` to every run and say what it says; a problem with one does not keep the others from it.

    Raises:
        ConsoleError: it could be done to none.
    """
    done, problems = 0, list[str]()
    for layout in layouts:
        try:
            said = act(layout)
        except ConsoleError as error:
            problems.append(str(error))
            continue
        done += 1
        if said:
            say(said)
    if problems and not done:
        raise ConsoleError("\n".join(problems))
    for problem in problems:
        note(problem)


def _busy(state: RunState) -> bool:
    return state.state.live and not state.resumable
