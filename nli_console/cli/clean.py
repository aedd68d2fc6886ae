"""``nli-console clean``: what could be dropped, how much it frees, and dropping it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from cyclopts import Parameter

from nli_console.cli.context import Ctx
from nli_console.cli.options import Json
from nli_console.cli.output import note, say, say_json, table
from nli_console.cli.progress import Progress, Screen
from nli_console.errors import ConsoleError
from nli_console.record.spec_io import check_runs_dir
from nli_console.supervisor import cleaning
from nli_console.supervisor.cleaning import KINDS, Item, Kind, carry_out, propose, total_text
from nli_console.text import format_bytes


def clean(
    *,
    only: Annotated[
        list[Kind] | None,
        Parameter(negative="", help=f"only these, of {', '.join(KINDS)}; may be given several times"),
    ] = None,
    yes: Annotated[bool, Parameter(negative="", help="drop what is listed without asking")] = False,
    dry_run: Annotated[bool, Parameter(negative="", help="list it and drop nothing")] = False,
    json: Json = False,
    context: Ctx,
) -> None:
    """Propose what of runs and caches to drop, with what each frees; nothing goes before you say so.

    Runs that are pinned, going or somebody else's are never touched; records, predictions, products and the
    best checkpoint of a run stay.
    """
    if yes and dry_run:
        raise ConsoleError("--yes and --dry-run contradict each other; give one of them")
    check_runs_dir(context.runs_dir, make=False)
    with _told("measuring", "runs") as tell:
        proposed = propose(context.settings, tell)
    items = [item for item in proposed if not only or item.kind in only]
    if json and not yes:
        say_json({"bytes": sum(item.bytes for item in items), "items": [item.to_json() for item in items]})
        return
    if not items:
        if json:
            say_json({"freed_bytes": 0, "items": [], "problems": []})
        else:
            say("there is nothing to drop")
        return
    if not json:
        say(_table(items))
    if dry_run or not (yes or _agreed(items)):
        if not dry_run:
            say("nothing was dropped; --yes drops what is listed, --only KIND a part of it")
        return
    with _told("dropping", "things") as tell:
        freed, problems = carry_out(items, context.settings, tell)
    if json:
        say_json({"freed_bytes": freed, "items": [item.to_json() for item in items], "problems": problems})
        return
    for problem in problems:
        note(problem)
    say(f"freed {format_bytes(freed)}")


@contextmanager
def _told(phase: str, unit: str) -> Iterator[cleaning.Progress | None]:
    """What tells on a terminal's stderr how far the work is; elsewhere nothing does."""
    if not sys.stderr.isatty():
        yield None
        return
    screen = Screen(sys.stderr)
    try:
        yield lambda done, total, name: screen.update(Progress(phase, done, total, unit, detail=name))
    finally:
        screen.clear()


def _table(items: list[Item]) -> str:
    rows = [
        (item.kind, item.name, "to trash" if item.kind == "failed" else format_bytes(item.bytes), item.why)
        for item in items
    ]
    kinds = "\n".join(
        f"{kind}: {about}" for kind, about in KINDS.items() if any(i.kind == kind for i in items)
    )
    return f"{table(('WHAT', 'OF', 'FREES', 'WHY'), rows, right=(2,))}\n\n{kinds}\n\n{total_text(items)}"


def _agreed(items: list[Item]) -> bool:
    """Ask, where somebody is there to answer."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        return input(f"Drop {total_text(items)}? [y/N] ").strip().casefold() in ("y", "yes")
    except EOFError:
        return False
