"""A confusion matrix: how often each gold label was given each predicted one."""

from collections.abc import Sequence

from nli_console.analysis.figures.frame import figure
from nli_console.analysis.figures.markup import Markup, element
from nli_console.text import format_count

_CELL_WIDTH, _CELL_HEIGHT, _LEFT, _TOP = 118.0, 62.0, 130.0, 48.0
_DARKEST = 0.75
"""Opacity of a cell with all rows of its label: text on it is still easy to read."""


def confusion_matrix(
    id: str, title: str, labels: Sequence[str], counts: Sequence[Sequence[int]]
) -> Markup | None:
    """Gold labels down, predicted ones across; ``None`` without counts.

    Args:
        counts: rows of gold label i and predicted label j, shape ``(labels, labels)``.
    """
    if not labels or not counts:
        return None
    width, height = _LEFT + _CELL_WIDTH * len(labels) + 4, _TOP + _CELL_HEIGHT * len(labels) + 4
    middle = _LEFT + _CELL_WIDTH * len(labels) / 2
    parts = [element("text", "predicted", x=middle, y=14.0, class_="label middle")]
    for column, label in enumerate(labels):
        at = _LEFT + (column + 0.5) * _CELL_WIDTH
        parts.append(element("text", label, x=at, y=36.0, class_="tick middle"))
    said: list[str] = []
    for row, (label, held) in enumerate(zip(labels, counts, strict=True)):
        top, total = _TOP + row * _CELL_HEIGHT, sum(held)
        parts.append(element("text", label, x=_LEFT - 10, y=top + _CELL_HEIGHT / 2 + 4, class_="tick end"))
        for column, count in enumerate(held):
            share = count / total if total else 0.0
            left = _LEFT + column * _CELL_WIDTH
            parts.append(
                element(
                    "rect", x=left + 1, y=top + 1, width=_CELL_WIDTH - 2, height=_CELL_HEIGHT - 2,
                    class_="heat", fill_opacity=_DARKEST * share,
                )
            )  # fmt: skip
            centre = left + _CELL_WIDTH / 2
            parts.append(element("text", format_count(count), x=centre, y=top + 28, class_="count middle"))
            parts.append(element("text", f"{100 * share:.1f} %", x=centre, y=top + 46, class_="middle"))
        given = ", ".join(f"{format_count(count)} {other}" for other, count in zip(labels, held, strict=True))
        said.append(f"Of {format_count(total)} {label} rows: {given}.")
    parts.append(
        element(
            "text", "gold", x=0.0, y=0.0, class_="label middle",
            transform=f"translate(14 {_TOP + _CELL_HEIGHT * len(labels) / 2:.0f}) rotate(-90)",
        )
    )  # fmt: skip
    return figure(id, title, " ".join(said), width, height, parts)
