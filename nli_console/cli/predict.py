"""``nli-console predict RUN``: labels and probabilities of a pair, or of a file of pairs."""

from typing import Annotated, Any

from cyclopts import Group, Parameter

from nli_console.cli.context import Ctx
from nli_console.cli.errands import follow
from nli_console.cli.exit_codes import INTERRUPTED, OK
from nli_console.cli.options import Json
from nli_console.cli.output import note, pairs, say, say_json, table
from nli_console.data.chat import refuse_empty
from nli_console.data.spec import LABELS
from nli_console.errors import ConsoleError
from nli_console.record.answering import Choice, Prediction, find_answerer
from nli_console.settings import absolute_path, current_folder
from nli_console.text import UNKNOWN, format_count, format_duration

_PAIR = Group("One pair", sort_key=1)
_FILE = Group("A file of pairs", sort_key=2)
_MODEL = Group("Model", sort_key=3)


def predict(
    source: Annotated[
        str, Parameter(name="RUN", help="a run, or a folder or hub id of a classifier or adapter")
    ],
    /,
    *,
    premise: Annotated[str | None, Parameter(help="what is known", group=_PAIR)] = None,
    hypothesis: Annotated[str | None, Parameter(help="what may follow from it", group=_PAIR)] = None,
    input: Annotated[
        str | None,
        Parameter(
            help="pairs to answer, .jsonl, .csv or .tsv: premise and hypothesis (or sentence1 and "
            "sentence2), and perhaps an id",
            group=_FILE,
        ),
    ] = None,
    output: Annotated[
        str | None,
        Parameter(
            help="where the answers go, .jsonl or .csv; a file that is partly there is gone on with",
            group=_FILE,
        ),
    ] = None,
    overwrite: Annotated[
        bool, Parameter(negative="", help="begin the output anew, whatever it holds", group=_FILE)
    ] = False,
    checkpoint: Annotated[
        str | None, Parameter(help="of a run, a kept checkpoint: N, best or last", group=_MODEL)
    ] = None,
    model: Annotated[
        str | None,
        Parameter(help="base model of an adapter, where another is meant than it names", group=_MODEL),
    ] = None,
    batch_size: Annotated[
        int | None, Parameter(help="pairs in one forward pass (default: as the run evaluated)", group=_MODEL)
    ] = None,
    label_order: Annotated[
        str | None,
        Parameter(help="what the outputs mean, where the model does not name them", group=_MODEL),
    ] = None,
    json: Json = False,
    context: Ctx,
) -> int:
    """Answer premise-hypothesis pairs with what a run has made, or with the model that it asked.

    The probabilities are those of the run's own evaluation. A long file may be stopped with Ctrl-C at any
    time: the same command goes on behind the last row.
    """
    _check(premise, hypothesis, input, output, overwrite)
    choice = Choice(
        source, checkpoint, model, batch_size, tuple((label_order or "").replace(",", " ").split())
    )
    answerer = find_answerer(choice, context.runs_dir, context.settings)
    request = Prediction(
        answerer=answerer,
        premise=premise or "",
        hypothesis=hypothesis or "",
        input="" if input is None else str(absolute_path(input, current_folder(), "input")),
        output="" if output is None else str(absolute_path(output, current_folder(), "output")),
        overwrite=overwrite,
    )
    environment = context.settings.values.launch.environment
    event = follow("nli_console.worker", "predict", request, environment)
    if event["event"] == "stopped":
        note("stopped" if input is None else f"stopped; the same command goes on with {output}")
        return INTERRUPTED
    found = {key: value for key, value in event.items() if key not in ("id", "event")}
    if input is None:
        _say_answer(answerer.title, premise, hypothesis, found, json)
    else:
        _say_file(answerer.title, input, output, found, json)
    return OK


def _check(
    premise: str | None, hypothesis: str | None, input: str | None, output: str | None, overwrite: bool
) -> None:
    """Raises ``ConsoleError`` unless there is either a pair, or a file and where its answers go."""
    if input is None and premise is None and hypothesis is None:
        raise ConsoleError("nothing to predict: give --premise and --hypothesis, or --input and --output")
    if input is not None and (premise is not None or hypothesis is not None):
        raise ConsoleError(
            "--input and --premise or --hypothesis contradict each other; give a file or a pair"
        )
    if input is not None and output is None:
        raise ConsoleError(f"--input {input}: say where the answers go, such as --output answers.jsonl")
    if input is None:
        for option, given in (("--output", output is not None), ("--overwrite", overwrite)):
            if given:
                raise ConsoleError(f"{option} needs --input; the answer to one pair is printed")
        refuse_empty(premise or "", hypothesis or "")


def _say_answer(
    title: str, premise: str | None, hypothesis: str | None, found: dict[str, Any], json: bool
) -> None:
    if json:
        say_json({"run": title, "premise": premise, "hypothesis": hypothesis, **found})
        return
    say(f"predicted: {found['predicted'] or 'no label'}")
    if found["probabilities"] is None:
        say(f"answer: {found.get('answer', '')}")
        return
    rows = [(label, f"{100 * found['probabilities'][label]:.1f} %") for label in LABELS]
    say()
    say(table(("LABEL", "PROBABILITY"), rows, right=(1,)))


def _say_file(title: str, input: str, output: str | None, found: dict[str, Any], json: bool) -> None:
    if json:
        say_json({"run": title, "input": input, "output": output, **found})
        return
    new, seconds = found["new"], found["seconds"]
    lines = [("rows", format_count(found["rows"])), ("answered now", format_count(new))]
    if new:
        pace = f", {new / seconds:,.0f} rows/s" if seconds > 0 else ""
        counts = (f"{label} {format_count(found['counts'].get(label, 0))}" for label in LABELS)
        lines += [("labels", ", ".join(counts)), ("time", format_duration(seconds) + pace)]
    if found["invalid"]:
        lines.append(("without a label", format_count(found["invalid"])))
    say(pairs([("answers of", title), ("in", output or UNKNOWN), *lines]))
