"""``nli-console show``: a run or group in full."""

import shlex
import time
from dataclasses import replace

from nli_console.cli.context import Ctx
from nli_console.cli.listing import SPREAD_NOTE, accuracy_text, full_accuracy, history_table, spread_text
from nli_console.cli.options import Json, Run
from nli_console.cli.output import pairs, say, say_json, table
from nli_console.errors import ConsoleError
from nli_console.methods.fields import format_value
from nli_console.record.access import read_only_reason
from nli_console.record.evaluation import SplitReport, read_reports
from nli_console.record.evidence import gather
from nli_console.record.groups import Group, make_group
from nli_console.record.labels import read_labels
from nli_console.record.layout import RunLayout
from nli_console.record.spec import Evaluated, RunSpec
from nli_console.record.spec_io import load_spec
from nli_console.record.state import derive
from nli_console.record.store import RunSummary
from nli_console.record.summary import summarise
from nli_console.supervisor.reap import record_ends
from nli_console.text import UNKNOWN, format_bytes, format_count, format_date, format_duration, format_number


def read_run(layout: RunLayout) -> RunSummary:
    """The run as it is now; an end that nobody has recorded is recorded."""
    evidence = gather(layout)
    summary = summarise(layout, read_labels(layout), evidence, derive(evidence), time.time())
    record_ends([summary])
    return replace(summary, read_only=read_only_reason(layout.path))


def show(run: Run, *, json: Json = False, context: Ctx) -> None:
    """Show a run: state, results, and everything that was asked for; or the runs of a group."""
    found = context.find(run)
    if found.group is not None:
        show_group(make_group([read_run(layout) for layout in found.layouts]), json=json)
        return
    (layout,) = found.layouts
    summary = read_run(layout)
    try:
        spec = load_spec(layout)
    except ConsoleError:
        spec = None
    reports = read_reports(layout)
    if json:
        spec_json = None if spec is None else spec.model_dump(mode="json")
        evaluation = {report.split: report.to_json() for report in reports}
        say_json({**summary.to_json(), "evaluation": evaluation, "spec": spec_json})
        return
    say(pairs(_lines(summary)))
    for report in reports:
        say()
        say(report_text(report))
    if spec is not None:
        say()
        say(pairs(spec_lines(spec)))
        say()
        say(pairs(hyperparameter_lines(spec)))


def show_group(group: Group, *, json: bool) -> None:
    """A group: where its runs stand, mean and standard deviation per split, and the runs themselves."""
    if json:
        say_json(group.to_json())
        return
    lines: list[tuple[str, object]] = [
        ("group", group.id),
        ("name", group.name),
        ("state", group.state_summary),
        ("method", group.method),
        ("model", group.model),
        ("data", group.data),
        ("preset", group.runs[0].preset or "none"),
        ("seeds", ", ".join(UNKNOWN if seed is None else str(seed) for seed in group.seeds)),
    ]
    lines += [(split, spread_text(spread)) for split, spread in group.accuracy.items()]
    lines += [
        ("trainable", format_count(group.trainable_parameters)),
        ("time", f"{format_duration(group.seconds)} together"),
        ("peak memory", format_bytes(group.peak_memory_bytes)),
    ]
    say(pairs(lines))
    say()
    say(history_table(group.runs))
    say(f"\n{SPREAD_NOTE}\nOne of them in full: nli-console show ID")


def _lines(run: RunSummary) -> list[tuple[str, object]]:
    progress = UNKNOWN if run.step is None else f"{run.step:,} of {format_count(run.total_steps)}"
    lines: list[tuple[str, object]] = [
        ("id", run.id),
        ("name", run.name),
        ("state", run.state.state.value),
        ("reason", run.reason),
        ("to do", run.state.reason.advice if run.state.reason is not None else ""),
        ("host", run.host),
        *((guard.severity or "warning", f"[{guard.id}] {guard.message}") for guard in run.guards),
        ("group", run.group or ""),
        ("started", format_date(run.started)),
        ("time", format_duration(run.seconds)),
        ("attempts", run.attempts),
    ]
    if run.total_steps != 0:
        lines.append(("step", progress))
    for split, accuracy in run.accuracy.items():
        lines.append((split, full_accuracy(accuracy)))
    if run.selection_accuracy is not None:
        held_out = run.selection_accuracy
        lines.append(("held out of train", f"{accuracy_text(held_out)} (n = {format_count(held_out.n)})"))
    lines += [
        ("trainable", format_count(run.trainable_parameters)),
        ("parameters", format_count(run.total_parameters)),
        ("peak memory", peak_memory_text(run)),
        ("pinned", "yes" if run.pinned else ""),
        ("tags", ", ".join(run.tags)),
        ("notes", run.notes),
        ("folder", run.path),
        ("read only", f"it {run.read_only}" if run.read_only else ""),
        ("version", "a newer one wrote it; what this one does not know is left out" if run.newer else ""),
    ]
    return [(key, value) for key, value in lines if value != ""]


def peak_memory_text(run: RunSummary) -> str:
    """``51 MiB, growth of the process``; what was measured is said where it is not the GPU's allocator."""
    kind = ", growth of the process" if run.peak_memory_kind == "rss_growth" else ""
    return format_bytes(run.peak_memory_bytes) + kind


def report_text(report: SplitReport) -> str:
    """What a run is worth on one split: figures, then slices, confusion and labels as tables."""
    lines: list[tuple[str, object]] = [
        (report.split, f"{accuracy_text(report.accuracy)} (n = {format_count(report.accuracy.n)})"),
        ("loss", format_number(report.loss)),
        ("macro F1", _percent(report.macro_f1)),
        ("weighted precision", _percent(report.weighted_precision)),
        ("calibration error", _percent(report.calibration_error)),
    ]
    if report.majority is not None:
        label, share = report.majority
        lines.append(("majority", f"always {label} gets {_percent(share)}"))
    if report.invalid:
        lines.append(("invalid answers", format_count(report.invalid)))
    parts = [pairs(lines)]
    for title, shares in (("GENRE", report.genres), ("VOTES", report.agreement)):
        if shares:
            rows = [(name, accuracy_text(held), format_count(held.n)) for name, held in shares.items()]
            parts.append(table((title, "ACCURACY", "N"), rows, right=(1, 2)))
    header = ("LABEL", "PRECISION", "RECALL", "F1", "N", *(f"SAID {name}" for name in report.labels))
    counts = dict(zip(report.labels, report.confusion, strict=False))
    rows = [
        (
            label,
            _percent(held.precision),
            _percent(held.recall),
            _percent(held.f1),
            format_count(held.n),
            *(format_count(count) for count in counts.get(label, ())),
        )
        for label, held in report.per_class.items()
        if label in counts
    ]
    if rows:
        parts.append(table(header, rows, right=range(1, len(header))))
    return "\n\n".join(parts)


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{100 * value:.1f} %"


def spec_lines(spec: RunSpec) -> list[tuple[str, object]]:
    """What was asked for, without the hyperparameters."""
    changed = ", ".join(spec.changed)
    limit = "none" if spec.time_limit is None else format_duration(spec.time_limit)
    evaluated = spec.evaluates
    what = [] if evaluated is None else [("evaluates", evaluated_text(evaluated))]
    preset = [("preset", f"{spec.preset or 'none'}{f', changed: {changed}' if changed else ''}")]
    if evaluated is not None:
        preset = [("changed", changed)] if changed else []
    splits = [("splits", ", ".join(spec.data.evaluate_on))] if spec.data.evaluate_on else []
    return [
        ("method", spec.method),
        *what,
        *preset,
        ("model", spec.model if spec.model == spec.model_name else f"{spec.model_name} ({spec.model})"),
        (
            "data",
            spec.data.source
            if spec.data.source == spec.data.name
            else f"{spec.data.name} ({spec.data.source})",
        ),
        *splits,
        *([("rows of a split", spec.data.evaluation_rows)] if spec.data.evaluation_rows else []),
        ("fraction", f"{spec.data.fraction:g}"),
        ("seed", spec.seed),
        ("time limit", limit),
        ("again", shlex.join(spec.provenance.command) or UNKNOWN),
    ]


def evaluated_text(evaluated: Evaluated) -> str:
    """What an evaluate-only run scores, with the method that made it and where it stands."""
    made = f" ({evaluated.method})" if evaluated.method else ""
    place = "" if evaluated.weights == evaluated.name else f", {evaluated.weights}"
    return f"{evaluated.title}{made}{place}"


def hyperparameter_lines(spec: RunSpec) -> list[tuple[str, object]]:
    """Every hyperparameter; those that differ from the preset are marked."""
    return [
        (name, f"{format_value(value) or UNKNOWN}{'  (changed)' if name in spec.changed else ''}")
        for name, value in spec.hyperparameters.items()
    ]
