"""``nli-console templates try``: how a template does on some rows, without a run."""

import sys
from typing import Annotated, Any

from cyclopts import Parameter

from nli_console.cli.chat_choice import (
    Adapter,
    Choice,
    Model,
    Quantisation,
    Shots,
    check_shots,
    choose,
    chosen_seed,
)
from nli_console.cli.chat_session import ChatSession
from nli_console.cli.context import Ctx
from nli_console.cli.options import Json
from nli_console.cli.output import note, say, say_json, table
from nli_console.cli.progress import Progress, Screen
from nli_console.data.chat import MOST_ROWS, Check
from nli_console.data.layouts import TRAIN
from nli_console.data.read import split_names
from nli_console.data.resolve import resolve_dataset
from nli_console.data.spec import LABELS, DataSpec
from nli_console.errors import ConsoleError
from nli_console.supervisor.chat_events import Checked, CheckedRow, Event, Share
from nli_console.text import format_accuracy


def try_template(
    name: Annotated[str, Parameter(help="such as recommended, or a saved one")],
    *,
    rows: Annotated[int, Parameter(help=f"how many rows are scored, chosen by the seed; 1…{MOST_ROWS}")] = 50,
    data: Annotated[
        str | None, Parameter(help="rows and shots come from it (default: the settings')")
    ] = None,
    split: Annotated[str | None, Parameter(help="of the rows (default: the first that is not train)")] = None,
    shots: Shots = 0,
    seed: Annotated[int | None, Parameter(help="of rows and shots (default: the settings')")] = None,
    model: Model = None,
    adapter: Adapter = None,
    quantisation: Quantisation = None,
    batch_size: Annotated[int, Parameter(help="rows in one forward pass; 1…4096")] = 8,
    json: Json = False,
    context: Ctx,
) -> None:
    """Score a template on some rows of a split, with its accuracy so far and the interval of it.

    The same seed takes the same rows for every template. `nli-console run icl --template NAME` scores all
    rows and keeps the result.
    """
    for option, value, most in (("--rows", rows, MOST_ROWS), ("--batch-size", batch_size, 4096)):
        if not 1 <= value <= most:
            raise ConsoleError(f"{option} {value}: must be from 1 to {most:,}")
    check_shots(shots)
    number = chosen_seed(seed, context)
    choice = choose(model, adapter, name, quantisation, context)
    spec = resolve_dataset(data or context.settings.values.defaults.data, context.settings)
    chosen = _split(spec, split)
    screen = Screen(sys.stderr)

    def seen(event: Event) -> None:
        if isinstance(event, Checked):
            so_far = f"raw {_share(event.raw)}, calibrated {_share(event.calibrated)}"
            screen.update(Progress("scoring", event.done, event.total, "rows", detail=so_far))

    with ChatSession(context.settings) as session:
        session.load(choice.load)
        examples = session.shots(spec, shots, number)
        request = Check(
            template=choice.template,
            shots=examples,
            data=spec,
            split=chosen,
            rows=rows,
            seed=number,
            batch_size=batch_size,
            adapter=choice.adapter_folder,
        )
        checked = session.wait(session.start(request), Checked, seen)
        screen.message(f"scored {checked.total} rows")
    for sentence in checked.notes:
        note(sentence)
    if json:
        say_json(_json(choice, request, checked))
        return
    say(f"{name} on {checked.total} rows of {chosen}, {spec.name}; {shots} shots, seed {number}\n")
    lines = [
        (kind, _share(share), share.correct, share.n)
        for kind, share in (("raw", checked.raw), ("calibrated", checked.calibrated))
    ]
    say(table(("", "ACCURACY", "RIGHT", "OF"), lines, right=(1, 2, 3)))


def _split(spec: DataSpec, wanted: str | None) -> str:
    names = split_names(spec)
    if wanted is not None and wanted not in names:
        raise ConsoleError(f"--split {wanted}: {spec.name} has {', '.join(names)}")
    return wanted or next((each for each in names if each != TRAIN), TRAIN)


def _share(share: Share) -> str:
    return format_accuracy(share.value, share.low, share.high)


def _json(choice: Choice, request: Check, checked: Checked) -> dict[str, Any]:
    return {
        "model": choice.load.model_name,
        "quantisation": choice.load.quantisation,
        "adapter": None if choice.adapter is None else choice.adapter.run_id,
        "template": choice.template.name,
        "template_digest": choice.template.digest,
        "data": request.data.name,
        "split": request.split,
        "seed": request.seed,
        "shots": [shot.id for shot in request.shots],
        "raw": _share_json(checked.raw),
        "calibrated": _share_json(checked.calibrated),
        "rows": [_row_json(row) for row in checked.rows],
        "notes": list(checked.notes),
    }


def _share_json(share: Share) -> dict[str, float]:
    return {
        "value": share.value,
        "low": share.low,
        "high": share.high,
        "n": share.n,
        "correct": share.correct,
    }


def _row_json(row: CheckedRow) -> dict[str, Any]:
    return {
        "id": row.example.id,
        "premise": row.example.premise,
        "hypothesis": row.example.hypothesis,
        "genre": row.example.genre,
        "label": LABELS[row.example.label],
        "label_probabilities": dict(row.raw),
        "calibrated_probabilities": dict(row.calibrated),
    }
