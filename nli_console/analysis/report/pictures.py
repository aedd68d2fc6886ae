"""The figures of a report, each with its caption and its numbers as a table."""

from collections.abc import Callable, Sequence
from typing import Literal

from nli_console.analysis.figures.bars import Bar, BarSeries, bar_chart
from nli_console.analysis.figures.confusion import confusion_matrix
from nli_console.analysis.figures.lines import Axis, Point, Series, line_chart
from nli_console.analysis.figures.markup import Markup, element, join
from nli_console.analysis.report.page import captioned, details, switched, table
from nli_console.record.evaluation import SplitReport
from nli_console.record.findings import ComparedRun, CurvePoint
from nli_console.record.summary import Accuracy
from nli_console.text import UNKNOWN, format_accuracy, format_count, format_duration, format_number

Runs = Sequence[tuple[str, ComparedRun]]
_ROWS = 12
"""Rows of the table beside a long curve."""

_AXES: tuple[tuple[str, Callable[[CurvePoint], float | None], Axis], ...] = (
    ("step", lambda point: point.step, Axis("optimiser step", lambda value: f"{value:,.0f}")),
    (
        "epoch",
        lambda point: point.epoch,
        Axis("epoch", lambda value: f"{round(value, 2):g}"),
    ),
    ("samples", lambda point: point.samples, Axis("training rows seen", lambda value: f"{value:,.0f}")),
    ("time", lambda point: point.seconds, Axis("time of training", format_duration)),
)


def losses(runs: Runs) -> Markup:
    """The training loss of every run over steps, epochs, rows or time; empty without any."""
    y = Axis("loss (nats)", format_number)
    drawn = _switch("loss", "Training loss", runs, lambda run: run.losses, y, band=len(runs) == 1)
    if not drawn:
        return Markup()
    caption = "Each point is the mean of neighbouring steps; gaps are steps whose loss was not a number."
    if len(runs) == 1:
        caption += " The tint reaches from the lowest to the highest."
    rows = [
        (
            title, format_count(point.step), UNKNOWN if point.epoch is None else f"{point.epoch:.2f}",
            format_number(point.value), format_number(point.low), format_number(point.high),
            format_count(point.nan),
        )
        for title, run in runs
        for point in _few(run.losses)
    ]  # fmt: skip
    header = ("run", "up to step", "epoch", "mean loss", "lowest", "highest", "not a number")
    numbers = table("loss-values", "Some points of the curves", header, rows, right=range(1, 7))
    return join(drawn, element("p", caption), details("The loss in figures", numbers))


def evaluations(runs: Runs) -> Markup:
    """Accuracy on the held-out rows as training went on; empty without any."""
    y = Axis("accuracy", lambda value: f"{100 * value:.1f} %")
    drawn = _switch(
        "held-out", "Accuracy on the held-out rows", runs, lambda run: run.evaluations, y, marks=True
    )
    if not drawn:
        return Markup()
    rows = [
        (
            title,
            format_count(point.step),
            format_accuracy(point.value, point.low, point.high),
            format_count(point.n),
        )
        for title, run in runs
        for point in run.evaluations
    ]
    numbers = table(
        "held-out-values",
        "Every evaluation on the held-out rows",
        ("run", "step", "accuracy", "n"),
        rows,
        right=(1, 2, 3),
    )
    caption = element(
        "p", "Whiskers are 95 % intervals. These rows select the checkpoint; they are not reported."
    )
    return join(drawn, caption, details("The evaluations in figures", numbers))


def _switch(
    id: str,
    title: str,
    runs: Runs,
    points: Callable[[ComparedRun], Sequence[CurvePoint]],
    y: Axis,
    *,
    marks: bool = False,
    band: bool = False,
) -> Markup:
    """The same curves over each axis that every drawn run knows."""
    held = [(name, run, place) for place, (name, run) in enumerate(runs) if points(run)]
    choices: list[tuple[str, Markup]] = []
    for name, read, x in _AXES:
        if any(read(point) is None for _, run, _ in held for point in points(run)):
            continue
        series = [
            Series(
                label,
                tuple(_point(point, float(read(point) or 0), marks or band) for point in points(run)),
                place,
            )
            for label, run, place in held
        ]
        chart = line_chart(f"{id}-{name}-figure", title, series, x, y, marks=marks, band=band)
        if chart is not None:
            choices.append((name, captioned(chart, f"{title} over {x.title}.")))
    return switched(id, "Horizontal axis", choices) if choices else Markup()


def _point(point: CurvePoint, x: float, with_range: bool) -> Point:
    return Point(x, point.value, point.low if with_range else None, point.high if with_range else None)


def _few(points: Sequence[CurvePoint]) -> list[CurvePoint]:
    """At most :data:`_ROWS` of them, evenly, the last among them."""
    if len(points) <= _ROWS:
        return list(points)
    return [points[round(place * (len(points) - 1) / (_ROWS - 1))] for place in range(_ROWS)]


def confusion(title: str, report: SplitReport, id: str, several: bool) -> Markup:
    """The confusion matrix of a split, and precision, recall and F1 of every label."""
    heading = f"{title}: {report.split}" if several else report.split
    drawn = confusion_matrix(f"{id}-figure", f"Confusion on {report.split}", report.labels, report.confusion)
    if drawn is None:
        return Markup()
    rows = [
        (
            label, format_accuracy(held.precision), format_accuracy(held.recall), format_accuracy(held.f1),
            format_count(held.n), format_count(held.predicted),
        )
        for label, held in report.per_class.items()
    ]  # fmt: skip
    header = ("label", "precision", "recall", "F1", "gold", "predicted")
    caption = "Rows are gold labels; a percentage is the share of its row."
    if report.invalid:
        caption += f" {format_count(report.invalid)} answers name no label and are in no column."
    return element(
        "div",
        element("h3", heading),
        element("figure", drawn, element("figcaption", caption), class_="matrix"),
        table(f"{id}-labels", f"Labels, {heading}", header, rows, right=range(1, 6)),
    )


def slices(
    split: str, by: Literal["genres", "agreement"], known: Sequence[tuple[str, int, SplitReport]]
) -> Markup:
    """Accuracy by genre, or by how annotators voted, of every run that tells it."""
    what = "genre" if by == "genres" else "annotators' votes"
    series = [
        BarSeries(title, {name: _bar(held) for name, held in getattr(report, by).items()}, place)
        for title, place, report in known
        if getattr(report, by)
    ]
    title = f"Accuracy by {what} on {split}"
    drawn = bar_chart(f"{by}-{split}-figure", title, series)
    if drawn is None:
        return Markup()
    rows = [
        (name, held.title, format_accuracy(bar.value, bar.low, bar.high), format_count(bar.n))
        for held in series
        for name, bar in held.bars.items()
    ]
    numbers = table(f"{by}-{split}", title, (what, "run", "accuracy", "n"), rows, right=(2, 3))
    return join(
        element("h3", f"{split} by {what}"),
        captioned(drawn, "Whiskers are 95 % intervals."),
        details("The same in figures", numbers),
    )


def _bar(held: Accuracy) -> Bar:
    return Bar(held.value, held.low, held.high, held.n)
