"""``stop``, ``resume``, ``delete``, ``restore``, ``trash`` and ``supervise``."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nli_console.cli import watch
from nli_console.cli.context import Ctx
from nli_console.cli.options import Run
from nli_console.cli.output import say
from nli_console.supervisor import actions

BY = "nli-console stop"


def stop(
    run: Run,
    *,
    kill: Annotated[bool, Parameter(negative="", help="end it at once, without a checkpoint")] = False,
    context: Ctx,
) -> None:
    """Stop a run: it writes a checkpoint after the current step and can be resumed."""
    say(actions.stop(context.find(run), BY, kill))


def resume(
    run: Run,
    *,
    follow: Annotated[
        bool, Parameter(name="--watch", negative="", help="show its progress, as run does")
    ] = False,
    context: Ctx,
) -> int:
    """Resume a run that was stopped, failed or lost, from its newest valid checkpoint."""
    layout = context.find(run)
    actions.resume(layout, context.settings.values.launch.survive_logout)
    if follow:
        return watch.follow(layout, owner=True)
    say(f"{layout.id} goes on. Watch it: nli-console watch {layout.id}")
    return 0


def delete(run: Run, *, context: Ctx) -> None:
    """Move a run to the trash folder; `restore` brings it back."""
    layout = context.find(run)
    actions.delete(layout)
    say(f"{layout.id} is in the trash. Bring it back: nli-console restore {layout.id}")


def restore(run: Annotated[str, Parameter(help="id of a deleted run, or a unique beginning of one")], *,
            context: Ctx) -> None:  # fmt: skip
    """Bring a deleted run back from the trash folder."""
    fitting = [name for name in actions.trashed(context.runs_dir) if name.startswith(run)]
    layout = actions.restore(context.runs_dir, fitting[0] if len(fitting) == 1 and run else run)
    say(f"{layout.id} is back")


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
