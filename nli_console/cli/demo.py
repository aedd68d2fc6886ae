"""``nli-console demo``: a real fine-tuning of a tiny model on the embedded data, at once."""

import sys

from nli_console.cli.context import Ctx
from nli_console.cli.entry import open_console
from nli_console.cli.listing import history_table
from nli_console.cli.output import say
from nli_console.cli.watch import follow
from nli_console.record.compose import Draft, compose
from nli_console.record.groups import Found, grouped
from nli_console.record.spec_io import submit
from nli_console.record.store import Store
from nli_console.supervisor.launch import launch

METHOD = "lora"


def demo(*, context: Ctx) -> int:
    """Start the demo run and watch it: in the console, or without a terminal as plain lines."""
    draft = Draft(
        method=METHOD,
        preset=f"demo/{METHOD}",
        model="demo-encoder",
        data="demo",
        fraction=1.0,
        seed=1,
        name="demo",
        launcher="demo",
    )
    layout = submit(context.runs_dir, compose(draft, context.settings))
    launch(layout, context.settings.values.launch.survive_logout)
    if sys.stdin.isatty() and sys.stdout.isatty():
        return open_console(context.globals, select=layout.id)
    code = follow(Found((layout,)), owner=True)
    store = Store(context.runs_dir)
    store.refresh()
    say()
    say(history_table(grouped(store.runs)))
    return code
