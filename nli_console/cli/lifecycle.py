"""``stop``, ``resume``, ``delete``, ``restore``, ``trash`` and ``supervise``."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from nli_console.cli import watch
from nli_console.cli.context import Ctx
from nli_console.cli.options import Json, Run
from nli_console.cli.output import note, say, say_json, table, terminal_width
from nli_console.errors import ConsoleError
from nli_console.record.evidence import gather
from nli_console.record.files import folder_size, read_json_or_none
from nli_console.record.groups import Found, groups_of
from nli_console.record.labels import NAME_LIMIT, read_labels
from nli_console.record.layout import TRASH, RunLayout
from nli_console.record.spec_io import ambiguous
from nli_console.record.state import RunState, State, derive
from nli_console.supervisor import actions
from nli_console.text import UNKNOWN, clean_line, format_bytes, format_date

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
    run: Annotated[str, Parameter(help="id of a deleted run or group, or a unique beginning of one")],
    *,
    context: Ctx,
) -> None:
    """Bring a deleted run, or the deleted runs of a group, back from the trash folder."""
    names = actions.trashed(context.runs_dir)
    deleted = groups_of(RunLayout(context.runs_dir / TRASH / name) for name in names)
    fitting = [name for name in names if name == run] or [name for name in names if name.startswith(run)]
    fitting_groups = [group for group in deleted if group == run] or [
        group for group in deleted if group.startswith(run)
    ]
    wanted = [run]
    if run and len(fitting) + len(fitting_groups) > 1:
        raise ambiguous(run, [*fitting_groups, *fitting], "things in the trash")
    if run and fitting:
        wanted = fitting
    elif run and fitting_groups:
        wanted = [layout.id for layout in deleted[fitting_groups[0]]]
    for name in wanted:
        say(f"{actions.restore(context.runs_dir, name).id} is back")


def trash(
    *,
    empty: Annotated[bool, Parameter(negative="", help="remove the deleted runs for good")] = False,
    json: Json = False,
    context: Ctx,
) -> None:
    """List the deleted runs with what they take, or remove them for good."""
    if empty:
        count = actions.empty_trash(context.runs_dir)
        say_json({"removed": count}) if json else say(
            f"removed {count} run{'' if count == 1 else 's'} for good"
        )
        return
    layouts = [RunLayout(context.runs_dir / TRASH / name) for name in actions.trashed(context.runs_dir)]
    if json:
        say_json([{**_of_trash(layout), "bytes": folder_size(layout.path)} for layout in layouts])
    elif not layouts:
        say("the trash is empty")
    else:
        say(_trash_table(layouts))


def _of_trash(layout: RunLayout) -> dict[str, Any]:
    """What a deleted run was, as far as its spec says; ``deleted`` is when its folder was moved."""
    spec, labels = read_json_or_none(layout.spec) or {}, read_labels(layout)
    named, method = spec.get("name"), spec.get("method")
    try:
        deleted = os.lstat(layout.path).st_ctime
    except OSError:
        deleted = None
    return {
        "id": layout.id,
        "name": labels.name or (clean_line(named, limit=NAME_LIMIT) if isinstance(named, str) else ""),
        "method": clean_line(method, limit=80) if isinstance(method, str) else "",
        "deleted": deleted,
    }


def _trash_table(layouts: Sequence[RunLayout]) -> str:
    rows, total = [], 0
    for layout in layouts:
        known, size = _of_trash(layout), folder_size(layout.path)
        total += size
        known_texts = (known["name"] or UNKNOWN, known["method"] or UNKNOWN)
        rows.append((layout.id, *known_texts, format_bytes(size), format_date(known["deleted"])))
    header = ("ID", "NAME", "METHOD", "SIZE", "DELETED")
    text = table(header, rows, right=(3,), width=terminal_width(), expendable=(4, 2, 1))
    noun = "run" if len(rows) == 1 else "runs"
    return (
        f"{text}\n\n{len(rows)} {noun}, {format_bytes(total)}. Bring one back: nli-console restore ID; "
        "remove them for good: nli-console trash --empty"
    )


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
