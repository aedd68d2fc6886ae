"""``nli-console list`` and ``nli-console show``."""

import shlex
import time
from typing import Annotated

from cyclopts import Parameter

from nli_console.cli.context import Ctx
from nli_console.cli.options import Json, Run
from nli_console.cli.output import pairs, say, say_json, table
from nli_console.errors import ConsoleError
from nli_console.methods.fields import format_value
from nli_console.record.evidence import gather
from nli_console.record.labels import read_labels
from nli_console.record.layout import RunLayout
from nli_console.record.spec import RunSpec
from nli_console.record.spec_io import load_spec
from nli_console.record.state import State, derive
from nli_console.record.store import Accuracy, RunSummary, Store
from nli_console.record.summary import summarise
from nli_console.supervisor.reap import record_ends
from nli_console.text import UNKNOWN, format_accuracy, format_bytes, format_count, format_duration

REPORTED = ("validation_matched", "validation_mismatched")
HEADER = ("ID", "NAME", "STATE", "ACCURACY", "TRAINABLE", "TIME", "PEAK MEMORY", "STARTED")


def list_runs(
    *,
    state: Annotated[
        list[State] | None, Parameter(negative="", help="only runs in this state; may be given several times")
    ] = None,
    method: Annotated[str | None, Parameter(help="only runs of this method")] = None,
    limit: Annotated[int, Parameter(help="at most this many, newest first; 0 means all")] = 0,
    json: Json = False,
    context: Ctx,
) -> None:
    """List the runs, newest first."""
    store = Store(context.runs_dir)
    record_ends(store.refresh().added)
    runs = [
        run for run in store.runs if (not state or run.state.state in state) and method in (None, run.method)
    ]
    if limit > 0:
        runs = runs[:limit]
    if json:
        say_json([run.to_json() for run in runs])
    elif runs:
        say(history_table(runs))
    elif store.runs:
        say("no run fits; `nli-console list` shows all")
    else:
        say(f"no runs in {context.runs_dir} yet; start one: nli-console demo, or nli-console run METHOD")


def history_table(runs: list[RunSummary]) -> str:
    """The history as a table, a line per run."""
    return table(HEADER, [_row(run) for run in runs], right=(3, 4, 5, 6))


def _row(run: RunSummary) -> tuple[str, ...]:
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.started)) if run.started else UNKNOWN
    return (
        run.id,
        run.name,
        run.state.state.value,
        accuracy_text(headline(run)),
        format_count(run.trainable_parameters),
        format_duration(run.seconds),
        format_bytes(run.peak_memory_bytes),
        started,
    )


def headline(run: RunSummary) -> Accuracy | None:
    """The accuracy that stands for a run: on ``validation_matched`` if there, else the first reported."""
    for split in (*REPORTED, *sorted(run.accuracy)):
        if split in run.accuracy:
            return run.accuracy[split]
    return None


def accuracy_text(accuracy: Accuracy | None) -> str:
    """``86.4 ± 0.7 %``."""
    return UNKNOWN if accuracy is None else format_accuracy(accuracy.value, accuracy.low, accuracy.high)


def read_run(layout: RunLayout) -> RunSummary:
    """The run as it is now; an end that nobody has recorded is recorded."""
    evidence = gather(layout)
    summary = summarise(layout, read_labels(layout), evidence, derive(evidence), time.time())
    record_ends([summary])
    return summary


def show(run: Run, *, json: Json = False, context: Ctx) -> None:
    """Show a run: state, results, and everything that was asked for."""
    layout = context.find(run)
    summary = read_run(layout)
    try:
        spec = load_spec(layout)
    except ConsoleError:
        spec = None
    if json:
        spec_json = None if spec is None else spec.model_dump(mode="json")
        say_json({**summary.to_json(), "spec": spec_json})
        return
    say(pairs(_lines(summary)))
    if spec is not None:
        say()
        say(pairs(spec_lines(spec)))
        say()
        say(pairs(hyperparameter_lines(spec)))


def _lines(run: RunSummary) -> list[tuple[str, object]]:
    progress = UNKNOWN if run.step is None else f"{run.step:,} of {format_count(run.total_steps)}"
    lines: list[tuple[str, object]] = [
        ("id", run.id),
        ("name", run.name),
        ("state", run.state.state.value),
        ("reason", run.reason),
        (
            "started",
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(run.started)) if run.started else UNKNOWN,
        ),
        ("time", format_duration(run.seconds)),
        ("attempts", run.attempts),
    ]
    if run.total_steps != 0:
        lines.append(("step", progress))
    for split, accuracy in run.accuracy.items():
        lines.append((split, f"{accuracy_text(accuracy)} (n = {format_count(accuracy.n)})"))
    if run.selection_accuracy is not None:
        held_out = run.selection_accuracy
        lines.append(("held out of train", f"{accuracy_text(held_out)} (n = {format_count(held_out.n)})"))
    lines += [
        ("trainable", format_count(run.trainable_parameters)),
        ("parameters", format_count(run.total_parameters)),
        ("peak memory", format_bytes(run.peak_memory_bytes)),
        ("tags", ", ".join(run.tags)),
        ("notes", run.notes),
        ("folder", run.path),
    ]
    return [(key, value) for key, value in lines if value != ""]


def spec_lines(spec: RunSpec) -> list[tuple[str, object]]:
    """What was asked for, without the hyperparameters."""
    changed = ", ".join(spec.changed)
    limit = "none" if spec.time_limit is None else format_duration(spec.time_limit)
    return [
        ("method", spec.method),
        ("preset", f"{spec.preset or 'none'}{f', changed: {changed}' if changed else ''}"),
        ("model", spec.model if spec.model == spec.model_name else f"{spec.model_name} ({spec.model})"),
        (
            "data",
            spec.data.source
            if spec.data.source == spec.data.name
            else f"{spec.data.name} ({spec.data.source})",
        ),
        ("fraction", f"{spec.data.fraction:g}"),
        ("seed", spec.seed),
        ("time limit", limit),
        ("again", shlex.join(spec.provenance.command) or UNKNOWN),
    ]


def hyperparameter_lines(spec: RunSpec) -> list[tuple[str, object]]:
    """Every hyperparameter; those that differ from the preset are marked."""
    return [
        (name, f"{format_value(value)}{'  (changed)' if name in spec.changed else ''}")
        for name, value in spec.hyperparameters.items()
    ]
