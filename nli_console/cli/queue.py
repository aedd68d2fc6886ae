"""``nli-console queue``: who waits for a device, in order and for what, and everything that changes it."""

import time
from typing import Annotated

from cyclopts import App, Parameter

from nli_console.cli.context import Context, Ctx
from nli_console.cli.lifecycle import each
from nli_console.cli.options import Json, Run
from nli_console.cli.output import pairs, say, say_json, table, terminal_width
from nli_console.errors import ConsoleError
from nli_console.record.layout import RunLayout
from nli_console.record.state import State
from nli_console.record.store import RunSummary, Store
from nli_console.supervisor import queue_actions
from nli_console.supervisor.devices import holder_text
from nli_console.supervisor.queue_list import Entry, read_queue
from nli_console.supervisor.reap import record_ends
from nli_console.text import UNKNOWN, format_duration

queue_app = App(
    name="queue",
    help="Show the queue: who waits for a GPU or CPU slot, in order, for what, and what to do about it.",
)


@queue_app.default
def show(*, json: Json = False, context: Ctx) -> None:
    """Show who waits, in order, for what, and what can be done about it."""
    store = Store(context.runs_dir)
    record_ends(store.refresh().added)
    runs = {run.id: run for run in store.runs}
    queued = [run.layout for run in reversed(store.runs) if run.state.state is State.QUEUED]
    queue = read_queue(context.runs_dir, queued)
    if json:
        say_json(queue.to_json())
        return
    head: list[tuple[str, object]] = []
    if queue.paused_by:
        head.append(("paused", f"by {queue.paused_by}; `nli-console queue resume` lets it go on"))
    head += [(slot, holder_text(holder)) for slot, holder in queue.slots.items()]
    if head:
        say(pairs(head))
    if not queue.entries:
        say("nothing waits")
        return
    rows = [_row(entry, runs.get(entry.run_id)) for entry in queue.entries]
    say()
    header = ("PLACE", "ID", "NAME", "WAITS SINCE", "WAITS FOR")
    say(table(header, rows, right=(0,), width=terminal_width(), expendable=(2, 3)))
    advised = [entry for entry in queue.entries if entry.waiting.advice]
    if advised:
        say(f"\n{advised[0].run_id}: {advised[0].waiting.advice}")


def _row(entry: Entry, run: RunSummary | None) -> tuple[object, ...]:
    place = "held" if entry.orders.held_by else entry.place or UNKNOWN
    # What was resumed waits since then; a chat has no run.
    since = entry.began or (run.submitted if run is not None else entry.ticket and entry.ticket.since)
    waits = entry.waiting.target + (f", held by {entry.waiting.holder}" if entry.waiting.holder else "")
    if entry.host:
        waits = f"on {entry.host}: {waits}"
    if entry.nobody:
        waits = f"nobody waits: {waits}"
    age = UNKNOWN if since is None else f"{format_duration(max(time.time() - since, 0.0))} ago"
    return place, entry.run_id, UNKNOWN if run is None else run.name, age, waits


@queue_app.command
def pause(*, context: Ctx) -> None:
    """Start nothing new, in this runs folder, until `queue resume`; what runs goes on."""
    say(queue_actions.pause(context.runs_dir))


@queue_app.command
def resume(*, context: Ctx) -> None:
    """Let the queue go on after `queue pause`."""
    say(queue_actions.unpause(context.runs_dir))


@queue_app.command
def hold(run: Run, *, context: Ctx) -> None:
    """Keep a waiting run, or those of a group, from starting; others pass it."""
    each(_those(context, run), queue_actions.hold)


@queue_app.command
def release(run: Run, *, context: Ctx) -> None:
    """Let a run that was held back wait its turn again."""
    each(_those(context, run), queue_actions.release)


@queue_app.command
def first(run: Run, *, context: Ctx) -> None:
    """Put a waiting run, or those of a group in their order, first."""
    # The last of a group first, so that in the end its first one stands before the others.
    each(_those(context, run)[::-1], lambda layout: queue_actions.move(layout, "first"))


@queue_app.command
def up(run: Run, *, context: Ctx) -> None:
    """Let a waiting run change places with the one before it."""
    say(queue_actions.move(_one(context, run), "up"))


@queue_app.command
def down(run: Run, *, context: Ctx) -> None:
    """Let a waiting run change places with the one behind it."""
    say(queue_actions.move(_one(context, run), "down"))


@queue_app.command
def start(
    run: Run,
    *,
    beside: Annotated[
        bool, Parameter(negative="", help="even where that means sharing a CPU or GPU that is in use")
    ] = False,
    context: Ctx,
) -> None:
    """Start a queued run past all others; also while the queue is paused, or after a restart."""
    survive = context.settings.values.launch.survive_logout
    say(queue_actions.start(_one(context, run), beside=beside, survive=survive))


def _those(context: Context, text: str) -> list[RunLayout]:
    return list(context.find(text).layouts)


def _one(context: Context, text: str) -> RunLayout:
    layouts = _those(context, text)
    if len(layouts) > 1:
        raise ConsoleError(f"{text}: is a group of {len(layouts)} runs, expected one run; name one of them")
    return layouts[0]
