"""Curves of one or several runs in one picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nli_console.analysis.figures.frame import SHAPES, figure, legend, mark
from nli_console.analysis.figures.markup import Markup, element, number
from nli_console.analysis.figures.scale import Scale, padded, ticks

WIDTH, HEIGHT = 760, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 74.0, 14.0, 12.0, 44.0
_DASHES = (None, "7 3", "2 3", "9 3 2 3", "4 2", "12 4", "1 4", "6 2 1 2")


@dataclass(frozen=True, slots=True)
class Point:
    """A place on a curve; ``y`` is ``None`` where there is none, which breaks the line."""

    x: float
    y: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """A curve; ``place`` is that of its run, which gives colour, dashes and shape of the marks."""

    title: str
    points: tuple[Point, ...]
    place: int = 0


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis counts; ``text`` writes a number of it."""

    title: str
    text: Callable[[float], str]


def line_chart(
    id: str,
    title: str,
    series: Sequence[Series],
    x: Axis,
    y: Axis,
    *,
    marks: bool = False,
    band: bool = False,
) -> Markup | None:
    """The curves, or ``None`` where there is no point of any.

    Args:
        id: of the figure within its page.
        marks: whether each point is marked, with the interval around it.
        band: whether the space between the lowest and the highest value is tinted.
    """
    shown = [held for held in series if any(point.y is not None for point in held.points)]
    if not shown:
        return None
    across = [point.x for held in shown for point in held.points]
    values = [
        value
        for held in shown
        for point in held.points
        for value in (point.y, *((point.low, point.high) if marks or band else ()))
        if value is not None
    ]
    low, high = padded(values)
    left, right = (min(across), max(across)) if max(across) > min(across) else padded(across)
    place_x = Scale(left, right, _LEFT, WIDTH - _RIGHT)
    place_y = Scale(low, high, HEIGHT - _BOTTOM, _TOP)
    parts: list[Markup] = [*_grid(place_x, place_y, x, y)]
    for held in shown:
        kind = held.place % len(_DASHES)
        if band:
            parts.append(_band(held, place_x, place_y, kind))
        for path in _paths(held, place_x, place_y):
            parts.append(element("path", d=path, class_=f"line s{kind}", stroke_dasharray=_DASHES[kind]))
        if marks:
            parts += _marks(held, place_x, place_y, kind)
    words = " ".join(_in_words(held, x, y) for held in shown)
    samples = [(held.title, held.place % len(_DASHES), _DASHES[held.place % len(_DASHES)]) for held in shown]
    drawn = figure(id, title, f"{y.title} over {x.title}. {words}", WIDTH, HEIGHT, parts)
    return Markup(legend(samples, marks=marks) + drawn) if len(shown) > 1 else drawn


def _grid(place_x: Scale, place_y: Scale, x: Axis, y: Axis) -> list[Markup]:
    bottom, parts = HEIGHT - _BOTTOM, list[Markup]()
    for value in ticks(place_y.low, place_y.high):
        at = place_y(value)
        parts.append(element("line", x1=_LEFT, x2=float(WIDTH - _RIGHT), y1=at, y2=at, class_="grid"))
        parts.append(element("text", y.text(value), x=_LEFT - 8, y=at + 4, class_="tick end"))
    for value in ticks(place_x.low, place_x.high, 6):
        at = place_x(value)
        parts.append(element("line", x1=at, x2=at, y1=bottom, y2=bottom + 5, class_="axis"))
        parts.append(element("text", x.text(value), x=at, y=bottom + 18, class_="tick middle"))
    parts.append(element("line", x1=_LEFT, x2=float(WIDTH - _RIGHT), y1=bottom, y2=bottom, class_="axis"))
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    parts.append(element("text", x.title, x=middle, y=float(HEIGHT - 6), class_="label middle"))
    centre = (_TOP + bottom) / 2
    parts.append(
        element(
            "text", y.title, x=0.0, y=0.0, class_="label middle",
            transform=f"translate(13 {number(centre)}) rotate(-90)",
        )
    )  # fmt: skip
    return parts


def _paths(series: Series, place_x: Scale, place_y: Scale) -> list[str]:
    """The line in pieces, broken where a value is missing."""
    pieces: list[list[str]] = [[]]
    for point in series.points:
        if point.y is None:
            pieces.append([])
            continue
        pieces[-1].append(f"{number(place_x(point.x))} {number(place_y(point.y))}")
    # A single point between two gaps is drawn as a dot by its round cap.
    return ["M" + "L".join(piece if len(piece) > 1 else piece * 2) for piece in pieces if piece]


def _band(series: Series, place_x: Scale, place_y: Scale, kind: int) -> Markup:
    edges = [
        (place_x(point.x), place_y(point.low), place_y(point.high))
        for point in series.points
        if point.low is not None and point.high is not None
    ]
    if len(edges) < 2:
        return Markup()
    there = [f"{number(at)} {number(high)}" for at, _, high in edges]
    back = [f"{number(at)} {number(low)}" for at, low, _ in reversed(edges)]
    return element("path", d="M" + "L".join([*there, *back]) + "Z", class_=f"band s{kind}")


def _marks(series: Series, place_x: Scale, place_y: Scale, kind: int) -> list[Markup]:
    parts: list[Markup] = []
    for point in series.points:
        if point.y is None:
            continue
        at = place_x(point.x)
        if point.low is not None and point.high is not None:
            ends = {"y1": place_y(point.low), "y2": place_y(point.high)}
            parts.append(element("line", x1=at, x2=at, **ends, class_=f"whisker s{kind}"))
        parts.append(mark(SHAPES[kind], at, place_y(point.y), kind))
    return parts


def _in_words(series: Series, x: Axis, y: Axis) -> str:
    known = [point for point in series.points if point.y is not None]
    first, last = known[0], known[-1]
    values = [point.y for point in known if point.y is not None]
    gaps = len(series.points) - len(known)
    missing = f", {gaps} points missing" if gaps else ""
    assert first.y is not None
    assert last.y is not None
    return (
        f"{series.title}: from {y.text(first.y)} at {x.text(first.x)} to {y.text(last.y)} at "
        f"{x.text(last.x)}, lowest {y.text(min(values))}, highest {y.text(max(values))}{missing}."
    )
