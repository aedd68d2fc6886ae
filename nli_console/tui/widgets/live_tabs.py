"""The log and the settings of a run, as lines for a width."""

from collections.abc import Sequence

from nli_console.record.store import RunSummary
from nli_console.text import UNKNOWN, clean_line, format_bytes, format_count, format_duration, format_number
from nli_console.tui.run_view import RunView
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.ink import Line
from nli_console.tui.widgets.run_columns import format_moment
from nli_console.tui.widgets.scroll_lines import field, heading, wrap


def log_lines(view: RunView, width: int, last: int | None = None) -> list[Line]:
    """The end of the worker's log, wrapped; only the ``last`` lines that fit when given."""
    if not view.log:
        return [[("The worker has written nothing yet.", "muted")]]
    lines: list[Line] = []
    for text in view.log if last is None else view.log[-last:]:
        ink = "error" if _alarming(text) else "foreground"
        lines += [[(piece, ink)] for piece in wrap(text, width)]
    return lines if last is None else lines[-last:]


def _alarming(text: str) -> bool:
    head = text.lstrip()[:60]
    return head.startswith("Traceback") or "Error" in head or "ERROR" in head


def setting_lines(run: RunSummary, view: RunView, width: int, symbols: Symbols) -> list[Line]:
    """What was asked for, what differs from the preset, where it came from, and what it takes on disk."""
    lines: list[Line] = [heading("Run")]
    lines += field("name", run.name, width)
    lines += field("id", run.id, width)
    if run.tags:
        lines += field("tags", ", ".join(run.tags), width)
    if run.notes:
        lines += field("notes", run.notes, width)
    lines += field("state", run.state.state.value, width)
    if run.reason and not run.state.state.live:
        lines += field("reason", run.reason, width)
    lines += field("started", format_moment(run.started), width)
    if run.attempts > 1:
        lines += field("attempt", str(run.attempts), width)
    lines += field("size on disk", format_bytes(view.size), width)
    start = view.start
    if start is not None and start.device:
        lines += field("device", f"{start.device} {start.precision}".strip(), width)
    if run.peak_memory_bytes is not None:
        lines += field("peak memory", format_bytes(run.peak_memory_bytes), width)
    spec = view.spec
    if spec is None:
        return [*lines, [], [("spec.json cannot be read.", "muted")]]
    origin = f"  preset {clean_line(spec.preset)}" if spec.preset else ""
    lines += [[], [(f"Hyperparameters of {clean_line(spec.method)}", "bold foreground"), (origin, "muted")]]
    for key, value in spec.hyperparameters.items():
        changed = key in spec.changed
        label = f"{symbols.changed if changed else ' '} {clean_line(key, limit=60)}"
        lines += field(
            label,
            _value(value),
            width,
            ink="accent" if changed else "foreground",
            indent=32,
        )
    if spec.changed:
        lines.append([(f"{symbols.changed} differs from the preset", "muted")])
    lines += [[], heading("Data and model")]
    if spec.evaluates is not None:
        lines += field("evaluates", clean_line(spec.evaluates.title), width)
        lines += field("", clean_line(spec.evaluates.weights), width, ink="muted")
    lines += field("model", clean_line(spec.model_name), width)
    if spec.model != spec.model_name:
        lines += field("", clean_line(spec.model), width, ink="muted")
    lines += field("data", clean_line(spec.data.name), width)
    if spec.data.source != spec.data.name:
        lines += field("", clean_line(spec.data.source), width, ink="muted")
    lines += field("format", spec.data.format, width)
    if spec.data.evaluate_on:
        lines += field("splits", ", ".join(map(clean_line, spec.data.evaluate_on)), width)
    if spec.data.evaluation_rows:
        lines += field("rows of a split", format_count(spec.data.evaluation_rows), width)
    share = "training share" if spec.evaluates is None else "share of rows"
    lines += field(share, f"{100 * spec.data.fraction:g} %", width)
    if start is not None and start.train_rows is not None:
        lines += field("training rows", format_count(start.train_rows), width)
    lines += field("seed", str(spec.seed), width)
    if spec.time_limit is not None:
        lines += field("time limit", format_duration(spec.time_limit), width)
    lines += [[], heading("Where it came from")]
    origin_of = spec.provenance
    lines += field("launched from", clean_line(origin_of.launcher), width)
    lines += field("host", clean_line(origin_of.host), width)
    lines += field("platform", clean_line(origin_of.platform), width)
    lines += field("python", clean_line(origin_of.python), width)
    if origin_of.git_commit:
        dirty = " with uncommitted changes" if origin_of.git_dirty else ""
        lines += field("git commit", clean_line(origin_of.git_commit) + dirty, width)
    packages = ", ".join(
        f"{clean_line(name)} {clean_line(held)}" for name, held in sorted(origin_of.packages.items())
    )
    lines += field("packages", packages or UNKNOWN, width)
    if origin_of.command:
        lines += field("command", command_line(origin_of.command), width)
    return lines


def command_line(argv: Sequence[str]) -> str:
    """An argv as one line for a shell."""
    import shlex

    return clean_line(shlex.join(argv))


def _value(value: object) -> str:
    if isinstance(value, float):
        return format_number(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(clean_line(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return UNKNOWN if value is None else clean_line(value)
