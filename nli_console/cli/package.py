"""``nli-console package RUN`` and ``nli-console card RUN``: what is handed on of a run."""

from typing import Annotated

from cyclopts import Parameter

from nli_console.cli.context import Ctx
from nli_console.cli.errands import follow
from nli_console.cli.exit_codes import INTERRUPTED, OK
from nli_console.cli.options import Json
from nli_console.cli.output import note, pairs, say, say_json
from nli_console.errors import ConsoleError
from nli_console.record.packaging import card_of, compose_package
from nli_console.record.sources import named_run
from nli_console.settings import absolute_path, current_folder
from nli_console.text import format_bytes

Trained = Annotated[str, Parameter(name="RUN", help="a run that has trained something")]


def package(
    run: Trained,
    /,
    *,
    output: Annotated[
        str | None, Parameter(help="folder to make, or an empty one (default: the run's id, here)")
    ] = None,
    merge: Annotated[
        bool,
        Parameter(
            negative="", help="add the adapter to the base model's weights, in full precision: a whole model"
        ),
    ] = False,
    checkpoint: Annotated[str | None, Parameter(help="a kept checkpoint: N, best or last")] = None,
    json: Json = False,
    context: Ctx,
) -> int:
    """Collect what a run has made in a folder of its own, ready to be loaded or published.

    It holds the adapter or the model, the tokenizer, the label names, the prompt where there is one, and a
    model card (README.md) with the figures, the settings and the code that loads it.
    """
    target = None if output is None else absolute_path(output, current_folder(), "output")
    request = compose_package(run, context.runs_dir, target, merge=merge, checkpoint=checkpoint)
    event = follow("nli_console.worker", "package", request, context.settings.values.launch.environment)
    if event["event"] == "stopped":
        note("stopped; nothing was written")
        return INTERRUPTED
    found = {key: event[key] for key in ("path", "files", "bytes", "merged")}
    if json:
        say_json({"run": request.evaluates.title, **found})
        return OK
    what = "a whole model, merged" if merge else request.evaluates.method
    say(
        pairs(
            [
                ("packaged", f"{request.evaluates.title} ({what})"),
                ("in", found["path"]),
                ("size", format_bytes(found["bytes"])),
                ("files", "\n".join(found["files"])),
            ]
        )
    )
    if request.model.startswith("/") and not merge and "adapter_config.json" in found["files"]:
        note(
            f"its adapter_config.json names the base model by a folder of this machine ({request.model}); "
            "elsewhere name the model there"
        )
    return OK


def card(run: Trained, /, *, context: Ctx) -> None:
    """Print the model card of a run, as `package` puts it beside the weights."""
    layout = named_run(run, context.runs_dir)
    if layout is None:
        raise ConsoleError(f'no run is called "{run}"; `nli-console list` shows those there are')
    say(card_of(layout).rstrip("\n"))
