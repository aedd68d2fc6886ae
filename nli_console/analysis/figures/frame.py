"""What all figures share: the frame with its words, the shapes of marks, and the legend."""

import math
from collections.abc import Sequence

from nli_console.analysis.figures.markup import Markup, element, join, number

SHAPES = ("circle", "square", "triangle", "diamond", "down", "plus", "cross", "star")
"""One for each run of a comparison, so that colour is never all that tells them apart."""
_RADIUS = 4.5


def figure(
    id: str, title: str, description: str, width: float, height: float, parts: Sequence[object]
) -> Markup:
    """An image with a name and a description for assistive technology, as wide as there is room."""
    return element(
        "svg",
        element("title", title, id=f"{id}-title"),
        element("desc", description, id=f"{id}-desc"),
        parts,
        role="img",
        aria_labelledby=f"{id}-title {id}-desc",
        viewbox=f"0 0 {number(width)} {number(height)}",
        xmlns="http://www.w3.org/2000/svg",
    )


def mark(shape: str, x: float, y: float, kind: int) -> Markup:
    """A mark around a point."""
    name = f"mark s{kind}"
    r = _RADIUS
    match shape:
        case "circle":
            return element("circle", cx=x, cy=y, r=r, class_=name)
        case "square":
            return element(
                "rect", x=x - r + 0.5, y=y - r + 0.5, width=2 * r - 1, height=2 * r - 1, class_=name
            )
        case "plus":
            path = f"M{number(x - r)} {number(y)}h{2 * r}M{number(x)} {number(y - r)}v{2 * r}"
            return element("path", d=path, class_=f"stroke s{kind}")
        case "cross":
            d = r * 0.8
            path = (
                f"M{number(x - d)} {number(y - d)}l{number(2 * d)} {number(2 * d)}"
                f"M{number(x - d)} {number(y + d)}l{number(2 * d)} {number(-2 * d)}"
            )
            return element("path", d=path, class_=f"stroke s{kind}")
    corners, turn = {"triangle": (3, -90.0), "down": (3, 90.0), "diamond": (4, 0.0), "star": (5, -90.0)}[
        shape
    ]
    angles = [math.radians(turn + 360 * corner / corners) for corner in range(corners)]
    points = [f"{number(x + 1.2 * r * math.cos(a))},{number(y + 1.2 * r * math.sin(a))}" for a in angles]
    return element("polygon", points=" ".join(points), class_=name)


def legend(
    samples: Sequence[tuple[str, int, str | None]], *, marks: bool = False, bars: bool = False
) -> Markup:
    """Title, colour and dashes of every run, as a list above a figure."""
    items = []
    for title, kind, dashes in samples:
        drawn: list[Markup] = []
        if bars:
            drawn.append(element("rect", x=2.0, y=3.0, width=26.0, height=10.0, class_=f"bar s{kind}"))
        else:
            drawn.append(element("path", d="M1 8H29", class_=f"line s{kind}", stroke_dasharray=dashes))
            if marks:
                drawn.append(mark(SHAPES[kind], 15.0, 8.0, kind))
        sample = element("svg", drawn, viewbox="0 0 30 16", width=30, height=16, aria_hidden="true")
        items.append(element("li", sample, " ", title))
    return element("ul", join(*items), class_="legend")
