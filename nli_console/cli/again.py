"""``nli-console again``: a run once more, with the next seed that was not used."""

from typing import Annotated

from cyclopts import Parameter

from nli_console.cli.context import Ctx
from nli_console.cli.history import read_run
from nli_console.cli.options import Json, Run, parse_seed
from nli_console.cli.output import note
from nli_console.cli.run import RunOptions, carry_out
from nli_console.errors import ConsoleError
from nli_console.record.compose import again as compose_again
from nli_console.record.seeds import next_seed
from nli_console.record.spec_io import load_spec


def again(
    run: Run,
    *,
    seed: Annotated[
        str | None, Parameter(help="its seed (default: the next that no run of this recipe has)")
    ] = None,
    detach: Annotated[bool, Parameter(negative="", help="return as soon as it is launched")] = False,
    dry_run: Annotated[bool, Parameter(negative="", help="show what would run, and start nothing")] = False,
    json: Json = False,
    context: Ctx,
) -> int:
    """Run again with another seed: everything else is as it was. A run of a group joins it."""
    found = context.find(run)
    layout = found.layouts[-1]
    spec = load_spec(layout)
    if spec.evaluates is not None:
        raise ConsoleError(
            f"{layout.id} is an evaluation, which draws nothing by its seed; "
            f"`nli-console evaluate {spec.evaluates.name}` evaluates again"
        )
    held = read_run(layout)
    chosen = next_seed(held, context.history()) if seed is None else parse_seed(seed)
    note(f"seed {chosen}")
    asked = compose_again(spec, held.name, chosen, context.settings, launcher="cli")
    return carry_out(asked, (chosen,), RunOptions(detach=detach, dry_run=dry_run, json=json), context)
