"""The evaluation page of a run: what it is worth on each reported split, drawn; then every evaluation."""

from collections.abc import Mapping, Sequence

from nli_console.record.evaluation import SplitReport
from nli_console.record.samples import Guard
from nli_console.record.store import Accuracy, RunSummary
from nli_console.text import UNKNOWN, format_accuracy, format_count, format_duration, format_number
from nli_console.tui.run_view import RunView
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.ink import LABEL_INKS, Line, Span, fit_left, shorten
from nli_console.tui.widgets.live_text import split_name
from nli_console.tui.widgets.scroll_lines import heading, wrap

_COLUMNS = (
    ("step", 8),
    ("split", 12),
    ("accuracy", 9),
    ("interval", 15),
    ("rows", 8),
    ("loss", 8),
    ("took", 9),
)
_NAME = 15
_ACCURACY = 15
_ROWS = 8
_WIDEST_BAR = 60
_SHARE, _COUNT = 9, 8
_FIGURE = 11
_HEAT = (0.02, 0.1, 0.25, 0.6)
"""Shares of a gold label's rows at which a cell of the confusion table becomes one step hotter."""


def evaluation_lines(run: RunSummary, view: RunView, width: int, symbols: Symbols) -> list[Line]:
    """Warnings, a report per split, and all evaluations, the newest first."""
    lines = _warnings(view.guards, width, symbols)
    for report in view.reports:
        lines += [*_report(report, run.accuracy.get(report.split), width, symbols), []]
    return lines + _all_evaluations(run, view, width, symbols)


def _warnings(guards: Sequence[Guard], width: int, symbols: Symbols) -> list[Line]:
    lines: list[Line] = []
    for guard in guards:
        bad = guard.severity == "error"
        ink = "error" if bad else "warning"
        mark = symbols.error if bad else symbols.warning
        since = "" if guard.step is None else f" (since step {guard.step:,})"
        lines += [[(piece, ink)] for piece in wrap(f"{mark} {guard.id}: {guard.message}{since}", width)]
    return [*lines, []] if lines else []


# One split


def _report(report: SplitReport, final: Accuracy | None, width: int, symbols: Symbols) -> list[Line]:
    held = report.accuracy
    lines: list[Line] = [
        [
            (split_name(report.split), "bold foreground"),
            ("  " + _accuracy(held, symbols), "bold bright"),
            (f"  of {format_count(held.n)} rows", "muted"),
        ]
    ]
    facts: list[Span] = [("loss " + format_number(report.loss), "muted")]
    if report.macro_f1 is not None:
        facts.append((f"macro F1 {100 * report.macro_f1:.1f} %", "muted"))
    if report.calibration_error is not None:
        facts.append((f"calibration error {100 * report.calibration_error:.1f} %", "muted"))
    if report.majority is not None:
        label, share = report.majority
        text = f"always {label} gets {100 * share:.1f} %"
        facts.append((text, "muted" if held.low is not None and held.low > share else "warning"))
    if final is not None and final.raw is not None:
        facts.append((final.remark.replace("±", symbols.minus_plus), "muted"))
    if report.invalid:
        facts.append((f"{report.invalid:,} answers name no label", "warning"))
    lines += _flowed(facts, width)
    if report.genres:
        lines += [[], heading("By genre"), *_bars(report.genres, width, symbols)]
    if report.agreement:
        lines += [[], heading("By annotators' votes"), *_bars(report.agreement, width, symbols)]
    if report.confusion:
        lines += [[], heading("Gold label (row) and prediction (column)"), *_confusion(report, width)]
    if report.per_class:
        lines += [[], heading("By label"), *_classes(report, width)]
    return lines


def _flowed(facts: Sequence[Span], width: int) -> list[Line]:
    """Facts side by side on as few lines as they need."""
    lines: list[list[Span]] = [[]]
    used = 0
    for text, ink in facts:
        if lines[-1] and used + 3 + len(text) > width:
            lines.append([])
            used = 0
        gap = "   " if lines[-1] else ""
        lines[-1].append((gap + text, ink))
        used += len(gap) + len(text)
    return list(lines)


def _bars(shares: Mapping[str, Accuracy], width: int, symbols: Symbols) -> list[Line]:
    """An accuracy a line, on a scale from 0 to 100 %: solid up to the interval, which is drawn apart."""
    name = min(max(len(split) for split in shares), _NAME)
    accuracies = [_accuracy(held, symbols) for held in shares.values()]
    # A lopsided interval has both of its ends.
    wide = max(_ACCURACY, *(len(text) + 1 for text in accuracies))
    bar = min(width - name - wide - _ROWS - 2, _WIDEST_BAR)
    lines: list[Line] = []
    for (title, held), accuracy in zip(shares.items(), accuracies, strict=True):
        spans: list[Span] = [(shorten(title, name) + " ", "foreground")]
        if bar >= 8:
            spans += accuracy_bar(held, bar, symbols)
        spans += [
            (fit_left(accuracy, wide), "foreground"),
            (fit_left(format_count(held.n), _ROWS), "muted"),
        ]
        lines.append(spans)
    return lines


def accuracy_bar(held: Accuracy, width: int, symbols: Symbols) -> list[Span]:
    """On a scale from 0 to 100 %: solid up to the interval, which is drawn apart."""
    sure, maybe, rest = ("#", "=", "-") if symbols.ascii else ("━", "╍", "─")
    low = held.value if held.low is None else held.low
    high = held.value if held.high is None else held.high
    start = min(max(round(low * width), 0), width)
    end = min(max(round(high * width), start), width)
    return [
        (sure * start, "chart-line"),
        (maybe * (end - start), "bright"),
        (rest * (width - end), "line"),
    ]


def _confusion(report: SplitReport, width: int) -> list[Line]:
    """Shares of each gold label's rows, the hotter the larger; counts beside them where there is room."""
    labels, longest = report.labels, min(max(map(len, report.labels)), _NAME)
    name = max(min(longest, width - 1 - len(labels) * (_SHARE + 2)), 4)
    counted = name + 1 + len(labels) * (_SHARE + _COUNT + 2) <= width
    cell = _SHARE + 1 + (_COUNT if counted else 0)
    lines: list[Line] = [
        [
            (" " * (name + 1), "muted"),
            *((fit_left(label[:cell], cell) + " ", LABEL_INKS.get(label, "muted")) for label in labels),
        ]
    ]
    for label, row in zip(labels, report.confusion, strict=True):
        figures = report.per_class.get(label)
        rows = figures.n if figures is not None and figures.n else sum(row)
        spans: list[Span] = [(label[:name].ljust(name) + " ", LABEL_INKS.get(label, "foreground"))]
        for count in row:
            share = count / rows if rows else 0.0
            heat = 1 + sum(share >= border for border in _HEAT)
            text = fit_left(f"{100 * share:.1f} %" if rows else UNKNOWN, _SHARE)
            if counted:
                text = fit_left(f"{count:,}", _COUNT) + text
            spans += [(text + " ", f"bright on-heat-{heat}"), (" ", "muted")]
        lines.append(spans)
    return lines


def _classes(report: SplitReport, width: int) -> list[Line]:
    names = ("precision", "recall", "F1", "rows", "predicted")
    shown = names[: min(len(names), max((width - _NAME) // _FIGURE, 1))]
    header = "".join(fit_left(title, _FIGURE) for title in shown)
    lines: list[Line] = [[(" " * _NAME + header, "muted")]]
    for label, held in report.per_class.items():
        figures = [_percent(held.precision), _percent(held.recall), _percent(held.f1)]
        figures += [format_count(held.n), format_count(held.predicted)]
        cells = "".join(fit_left(value, _FIGURE) for value in figures[: len(shown)])
        lines.append([(shorten(label, _NAME), LABEL_INKS.get(label, "foreground")), (cells, "foreground")])
    weighted = (report.weighted_precision, report.weighted_recall, report.weighted_f1)
    if None not in weighted:
        cells = "".join(fit_left(_percent(value), _FIGURE) for value in weighted[: len(shown)])
        lines.append([(shorten("weighted", _NAME), "muted"), (cells, "muted")])
    return lines


def _accuracy(held: Accuracy, symbols: Symbols) -> str:
    return format_accuracy(held.value, held.low, held.high).replace("±", symbols.minus_plus)


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{100 * value:.1f} %"


# All of them


def _all_evaluations(run: RunSummary, view: RunView, width: int, symbols: Symbols) -> list[Line]:
    if not view.evaluations:
        said = "No evaluation yet." if run.state.state.live else "This run was never evaluated."
        return [[(said, "muted")]]
    columns = list(_COLUMNS)
    while len(columns) > 3 and sum(size + 2 for _, size in columns) > width:
        columns.pop()
    sizes = dict(columns)
    lines: list[Line] = [heading("All evaluations")] if view.reports else []
    lines.append(_cells([(title, title, "muted") for title, _ in columns], sizes))
    for held in reversed(view.evaluations):
        final = held.purpose == "final"
        ink = "bright" if final else "foreground"
        interval = UNKNOWN
        if held.low is not None and held.high is not None:
            interval = f"{100 * held.low:.1f} {symbols.to} {100 * held.high:.1f} %"
        values = {
            "step": f"{held.step:,}",
            "split": split_name(held.split),
            "accuracy": f"{100 * held.accuracy:.2f} %",
            "interval": interval,
            "rows": format_count(held.n),
            "loss": format_number(held.loss),
            "took": format_duration(held.seconds),
        }
        cells = [(title, values[title], f"bold {ink}" if final else ink) for title, _ in columns]
        lines.append(_cells(cells, sizes))
    return lines


def _cells(cells: Sequence[tuple[str, str, str]], sizes: dict[str, int]) -> list[Span]:
    return [
        ((shorten if title == "split" else fit_left)(text, sizes[title]) + "  ", ink)
        for title, text, ink in cells
    ]
