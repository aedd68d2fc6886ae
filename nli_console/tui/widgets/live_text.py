"""The sentences, bars and readings of the live view: pure functions from a run to lines."""

from collections.abc import Sequence

from rich.cells import cell_len

from nli_console.record.samples import Guard, Phase, SystemSample
from nli_console.record.state import State
from nli_console.record.store import RunSummary
from nli_console.record.summary import headline_split
from nli_console.text import (
    UNKNOWN,
    format_accuracy,
    format_bytes,
    format_count,
    format_duration,
    format_number,
)
from nli_console.tui.run_view import RunView
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.ink import Line, Span, shorten, width_of
from nli_console.tui.widgets.run_columns import headline_accuracy
from nli_console.tui.widgets.scored import asking
from nli_console.tui.widgets.scroll_lines import wrap
from nli_console.tui.widgets.sparkline import progress_bar, sparkline

_LABEL = 15
_READING = 27
_LEAST_BAR = 8
_EXPLAINED = {
    State.QUEUED, State.STOPPED, State.FAILED, State.LOST, State.ORPHANED, State.UNREACHABLE, State.STALLED,
    State.UNREADABLE,
}  # fmt: skip
"""States that are told with their reason, instead of with progress or results."""


def state_spans(run: RunSummary, symbols: Symbols) -> list[Span]:
    state = run.state.state
    return [(f"{symbols.states.get(state, '?')} {state.value}", f"bold state-{state.value}")]


def header(
    run: RunSummary, view: RunView | None, width: int, symbols: Symbols, reason_rows: int = 3
) -> list[Line]:
    """State and name; what it is; what it is doing or how it ended."""
    name = state_spans(run, symbols)
    room = width - width_of(name) - 2
    name += [("  ", "muted"), (shorten(run.name, room).rstrip(), "bold bright")]
    named = run.evaluates != run.model
    facts = [f"{run.method} {run.evaluates if named else ''}".rstrip(), run.model, run.data]
    if run.host:
        facts.append(f"on {run.host}")
    if run.seed is not None:
        facts.append(f"seed {run.seed}")
    facts += asking(view)
    trainable = run.trainable_parameters or (view.start.trainable_parameters if view and view.start else None)
    total = run.total_parameters or (view.start.total_parameters if view and view.start else None)
    if trainable:
        share = f" ({100 * trainable / total:.3g} %)" if total else ""
        facts.append(f"{format_count(trainable)} trainable{share}")
    lines: list[Line] = [name]
    lines += [[(text, "muted")] for text in _joined(facts, width, symbols)[: 2 if reason_rows > 2 else 1]]
    lines += _doing(run, view, width, symbols, reason_rows)
    if view is not None:
        lines += _warnings(view.guards, width, symbols, min(reason_rows, 3) - 1)
    return lines


def _warnings(guards: Sequence[Guard], width: int, symbols: Symbols, rows: int) -> list[Line]:
    """What the worker warns of now, the newest first, on at most ``rows`` lines together."""
    lines: list[Line] = []
    for guard in sorted(guards, key=lambda guard: guard.step or 0, reverse=True):
        if len(lines) == rows:
            break
        bad = guard.severity == "error"
        mark = f"{symbols.error} error  " if bad else f"{symbols.warning} warning  "
        ink = "error" if bad else "warning"
        first, *rest = wrap_rows(mark + guard.message, width, rows - len(lines))
        lines.append([(mark, f"bold {ink}"), (first.removeprefix(mark), ink)])
        lines += [[(piece, ink)] for piece in rest]
    return lines


def wrap_rows(text: str, width: int, rows: int) -> list[str]:
    """``text`` on at most ``rows`` lines; the last one ends in an ellipsis where more would follow."""
    pieces = wrap(text, width)
    if len(pieces) <= rows:
        return pieces
    return [*pieces[: rows - 1], shorten(" ".join(pieces[rows - 1 :]), width).rstrip()]


def _joined(facts: Sequence[str], width: int, symbols: Symbols) -> list[str]:
    """Facts side by side, as few lines as they need; no fact is broken unless it is alone."""
    separator = " - " if symbols.ascii else " · "
    lines: list[str] = []
    for fact in facts:
        if lines and fact and cell_len(lines[-1] + separator + fact) <= width:
            lines[-1] += separator + fact
        elif fact:
            lines.append(fact)
    return lines


def _doing(
    run: RunSummary, view: RunView | None, width: int, symbols: Symbols, reason_rows: int
) -> list[Line]:
    state = run.state.state
    if state is State.FINISHED:
        return _result(run, width, symbols)
    if state not in _EXPLAINED:
        return [_progress(view, width, symbols)] if view is not None else [[("reading…", "muted")]]
    step = view.step if view is not None else None
    reached = f"step {step:,}{_of(view.total_steps)}" if view is not None and step else ""
    text = run.reason or ("waits to start" if state is State.QUEUED else state.value)
    if state is State.STOPPED and reached:
        text, reached = f"{text} at {reached}", ""
    ink = "error" if state in (State.FAILED, State.UNREADABLE) else f"state-{state.value}"
    lines: list[Line] = [[(piece, ink)] for piece in wrap_rows(text, width, reason_rows)]
    if reached and state is not State.STALLED:
        lines.append([(f"reached {reached}", "muted")])
    lines = [*lines[:-1], *_with_hint(lines[-1], _resumable(run), width)]
    advice = run.state.reason.advice if run.state.reason is not None else ""
    if run.waiting is not None:
        advice = run.waiting.keys
    return [*lines, *([(piece, "muted")] for piece in wrap_rows(advice, width, reason_rows) if advice)]


def _with_hint(line: Line, hint: str, width: int) -> list[Line]:
    """A line and a hint behind it, or below it where there is no room."""
    if not hint:
        return [line]
    if width_of(line) + 2 + cell_len(hint) > width:
        return [line, [(hint, "muted")]]
    return [[*line, (f"  {hint}", "muted")]]


def _of(total: int | None) -> str:
    return f" of {total:,}" if total else ""


def _resumable(run: RunSummary) -> str:
    if not run.state.resumable:
        return ""
    return "r starts it" if run.state.state is State.QUEUED else "r resumes it"


def _result(run: RunSummary, width: int, symbols: Symbols) -> list[Line]:
    """How long it took and every reported accuracy, on as few lines as they need."""
    lines: list[list[Span]] = [[(f"in {format_duration(run.seconds)}", "foreground")]]
    for split in sorted(run.accuracy):
        held = run.accuracy[split]
        text = format_accuracy(held.value, held.low, held.high).replace("±", symbols.minus_plus)
        part: list[Span] = [(split_name(split) + " ", "muted"), (text, "bold state-finished")]
        if held.brief:
            part.append((f"  {held.brief}", "muted"))
        if width_of(lines[-1]) + 3 + width_of(part) > width:
            lines.append(part)
        else:
            lines[-1] += [("   ", "muted"), *part]
    if not run.accuracy:
        lines[-1].append(("   no accuracy recorded", "muted"))
    return list(lines)


def split_name(split: str) -> str:
    """``validation_matched`` → ``matched``."""
    return split.removeprefix("validation_")


def accuracy_reading(run: RunSummary, view: RunView, symbols: Symbols) -> str:
    """The accuracy that counts now: the reported one of a finished run, else the newest selection."""
    shown = [held for held in view.evaluations if held.purpose != "final"] or view.evaluations
    split, held = "", headline_accuracy(run)
    if held is None and shown:
        held, split = (shown[-1].accuracy, shown[-1].low, shown[-1].high), shown[-1].split
    elif held is not None:
        split = headline_split(run.accuracy) or ""
    if held is None:
        return ""
    return f"{format_accuracy(*held)} {split_name(split)}".replace("±", symbols.minus_plus).rstrip()


def _progress(view: RunView, width: int, symbols: Symbols) -> Line:
    """``training ━━━── 1,234 of 12,270  ETA 3 min 05 s``; without room the end goes first."""
    phase = view.phase or Phase("starting")
    done, total, unit = phase.done, phase.total, phase.unit
    parts: list[list[Span]] = []
    if phase.name == "training" and view.step is not None:
        done, total, unit = view.step, view.total_steps, ""
    counted = _counted(done, total, unit)
    if counted:
        parts.append([(counted, "foreground")])
    if phase.name in ("training", "evaluating"):
        parts.append([("ETA ", "muted"), (_eta(view), "bright")])
    if phase.detail:
        parts.append([(phase.detail, "muted")])
    least = _LEAST_BAR if total else 0
    while parts and len(phase.name) + 1 + least + sum(width_of(part) + 2 for part in parts) > width:
        parts.pop()
    spans = [span for part in parts for span in [("  ", "muted"), *part]]
    bar = min(24, width - len(phase.name) - 1 - width_of(spans))
    drawn: list[Span] = []
    if total and bar >= _LEAST_BAR:
        text = progress_bar(done / total if done is not None else None, bar, ascii_only=symbols.ascii)
        full = text.rstrip("-─")
        drawn = [(full, "state-running"), (text[len(full) :], "line")]
    return [(phase.name + " ", "state-running"), *drawn, *spans]


def _eta(view: RunView) -> str:
    """Until the first evaluation has shown how long one takes, training alone is known to be left."""
    if view.eta is None and view.eta_at_least is not None:
        return f"over {format_duration(view.eta_at_least)}"
    return format_duration(view.eta)


def _counted(done: float | None, total: float | None, unit: str) -> str:
    if done is None:
        return ""
    if unit == "bytes":
        return f"{format_bytes(done)} of {format_bytes(total)}" if total else format_bytes(done)
    text = f"{done:,.0f} of {total:,.0f}" if total else f"{done:,.0f}"
    return f"{text} {unit}".rstrip()


def readings(view: RunView, width: int, symbols: Symbols, live: bool, host: str = "") -> list[Line]:
    """Learning rate, GPU, host and worker: a name, its history and the newest reading.

    ``host`` is the machine that they are of, where it is another one.
    """
    lines: list[Line] = [] if not host else [[("read on".ljust(_LABEL), "muted"), (host, "foreground")]]
    if not view.scores_only:
        lines.append(_row("throughput", [], 0, 1, _speed(view), width, symbols))
        lines.append(_row("learning rate", *_learning_rate(view), width, symbols))
    samples = view.samples
    newest = samples[-1] if samples else None
    lines += _gpu_rows(view, newest, width, symbols)
    cpu = [sample.worker_cpu_percent for sample in samples]
    rss = [sample.worker_rss_bytes for sample in samples]
    top = 1.2 * max([100.0, *(value for value in cpu if value is not None)])
    lines.append(_row("worker CPU", cpu, 0, top, _percent(cpu[-1] if cpu else None), width, symbols))
    top = 1.2 * max([1.0, *(value for value in rss if value is not None)])
    host = ""
    if newest is not None and newest.host_memory_total_bytes:
        host = f" of {format_bytes(newest.host_memory_total_bytes)}"
    memory = format_bytes(rss[-1] if rss else None) + (host if rss and rss[-1] is not None else "")
    lines.append(_row("worker memory", rss, 0, top, memory, width, symbols))
    if not live:
        return [[(text, "muted" if ink == "foreground" else ink) for text, ink in line] for line in lines]
    return lines


def _speed(view: RunView) -> str:
    return UNKNOWN if view.samples_per_second is None else f"{view.samples_per_second:.1f} samples/s"


def _learning_rate(view: RunView) -> tuple[list[float | None], float, float, str]:
    series = view.learning_rate
    values: list[float | None] = [bucket.mean if bucket.n else None for bucket in series.buckets]
    if len(values) > 64:
        values = [
            bucket.mean if bucket is not None and bucket.n else None
            for bucket in series.columns(0, series.last_step + 1, 64)
        ]
    top = max([value for value in values if value is not None], default=1.0)
    return values, 0.0, top, format_number(series.last_value)


def _gpu_rows(view: RunView, newest: SystemSample | None, width: int, symbols: Symbols) -> list[Line]:
    if newest is None or newest.gpus is None or not newest.gpus:
        said = (newest.gpu_note if newest else "") or ("no reading yet" if newest is None else "no GPU")
        return [[("GPU".ljust(_LABEL), "muted"), (shorten(said, width - _LABEL).rstrip(), "muted")]]
    lines: list[Line] = []
    for index, gpu in enumerate(newest.gpus):
        name = f"GPU {index}" if len(newest.gpus) > 1 else "GPU"
        held = [
            sample.gpus[index] if sample.gpus is not None and index < len(sample.gpus) else None
            for sample in view.samples
        ]
        used = [gpu.used_bytes if gpu is not None else None for gpu in held]
        busy = [gpu.utilisation if gpu is not None else None for gpu in held]
        memory = (
            f"{format_bytes(gpu.used_bytes)} of {format_bytes(gpu.total_bytes)}"
            if gpu.used_bytes is not None
            else "no reading"
        )
        load = _percent(gpu.utilisation) if gpu.utilisation is not None else "no reading"
        if gpu.power_watts is not None:
            load += f"  {gpu.power_watts:.0f} W"
        lines.append(_row(f"{name} memory", used, 0, gpu.total_bytes or 1.0, memory, width, symbols))
        lines.append(_row(f"{name} busy", busy, 0, 100.0, load, width, symbols))
    return lines


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.0f} %"


def _row(
    label: str,
    values: Sequence[float | None],
    low: float,
    high: float,
    reading: str,
    width: int,
    symbols: Symbols,
) -> Line:
    history = width - _LABEL - _READING
    spans: list[Span] = [(label.ljust(_LABEL), "muted")]
    if history >= 8:
        drawn = min(history, 40)
        spans.append((sparkline(values, drawn, low, high, ascii_only=symbols.ascii) + "  ", "chart-raw"))
    spans.append((reading, "foreground" if reading != UNKNOWN else "muted"))
    return spans


def compact_readings(view: RunView, width: int, symbols: Symbols, host: str = "") -> list[Line]:
    """One line with as many of the newest readings as fit, for small terminals."""
    newest = view.samples[-1] if view.samples else None
    gpu = newest.gpus[0] if newest is not None and newest.gpus else None
    parts: list[tuple[str, str]] = [("on", host)] if host else []
    if not view.scores_only:
        parts.append(("lr", format_number(view.learning_rate.last_value)))
    if view.samples_per_second is not None:
        parts.append(("", _speed(view)))
    if gpu is not None:
        memory = f"{format_bytes(gpu.used_bytes)} of {format_bytes(gpu.total_bytes)}"
        parts.append(("GPU", f"{memory} {_percent(gpu.utilisation)}"))
    if newest is not None:
        parts += [
            ("CPU", _percent(newest.worker_cpu_percent)),
            ("memory", format_bytes(newest.worker_rss_bytes)),
        ]
    selection = next((held for held in reversed(view.evaluations)), None)
    if selection is not None:
        accuracy = format_accuracy(selection.accuracy, selection.low, selection.high)
        parts.insert(
            0 if view.scores_only else 1,
            (split_name(selection.split), accuracy.replace("±", symbols.minus_plus)),
        )
    spans: list[Span] = []
    for label, value in parts:
        gap = "   " if spans else ""
        label = f"{label} " if label else ""
        if width_of(spans) + len(gap) + len(label) + cell_len(value) > width:
            break
        spans += [(gap + label, "muted"), (value, "foreground")]
    return [spans]
