"""The table of methods: what each trains, what the report and the literature reached, and where to start."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nli_console.errors import ConsoleError
from nli_console.methods import presets, registry, shapes
from nli_console.methods.base import Method
from nli_console.methods.fields import require
from nli_console.methods.presets import Preset
from nli_console.text import UNKNOWN, format_accuracy, format_count


@dataclass(frozen=True)
class Counted:
    """Trainable parameters of one preset on the model that it names; ``None`` where they are not known."""

    preset: str
    model: str
    trainable: int | None


@dataclass(frozen=True)
class MethodRow:
    """One method. ``start`` is counted of the preset to begin with, ``paper`` of the report's recipe."""

    method: Method
    start: Counted | None
    paper: Counted | None

    @property
    def counted(self) -> list[Counted]:
        return [each for each in (self.paper, self.start) if each is not None]

    def to_json(self) -> dict[str, Any]:
        method = self.method
        return {
            "name": method.name,
            "title": method.title,
            "summary": method.summary,
            "family": method.family,
            "product": method.product,
            "reference": method.reference,
            "report_accuracy": method.report_accuracy,
            "published_accuracy": method.published_accuracy,
            "published_source": method.published_source or None,
            "preset": None if self.start is None else self.start.preset,
            "trainable_parameters": _count_json(self.start),
            "trainable_parameters_as_in_the_report": _count_json(self.paper),
        }


def overview(cache_dir: Path) -> list[MethodRow]:
    """Every method, counted by arithmetic on the shipped architectures, or on what ``cache_dir`` has."""
    shipped = presets.available()
    return [
        MethodRow(
            method,
            start=_counted(method, "recommended", shipped, cache_dir),
            paper=_counted(method, "paper", shipped, cache_dir),
        )
        for method in registry.methods().values()
    ]


HEADER = ("METHOD", "MODEL", "TRAINABLE", "AS IN THE REPORT", "REPORT", "PUBLISHED", "START FROM")
RIGHT = (2, 3, 4, 5)


def cells(row: MethodRow) -> tuple[str, ...]:
    """One line under :data:`HEADER`: TRAINABLE by the preset to begin with, then by the report's recipe."""
    start, paper = row.start, row.paper
    return (
        row.method.name,
        next((_short(each.model) for each in row.counted), UNKNOWN),
        format_count(None if start is None else start.trainable),
        format_count(None if paper is None else paper.trainable),
        format_accuracy(row.method.report_accuracy),
        format_accuracy(row.method.published_accuracy),
        UNKNOWN if start is None else start.preset,
    )


def markdown(rows: list[MethodRow]) -> str:
    """The same as a table for the README."""
    header = (
        "method", "trains", "model", "trainable, recommended preset", "trainable, report's recipe", "report",
        "published best", "our preset",
    )  # fmt: skip
    lines = [_line(header), "|---|---|---|--:|--:|--:|--:|---|"]
    for row in rows:
        name, model, start, paper, report, published, preset = cells(row)
        source = row.method.published_source
        lines.append(
            _line(
                (
                    f"`{name}`", row.method.summary, model, start, paper, report,
                    f"{published} ({source})" if source else published,
                    UNKNOWN if preset == UNKNOWN else f"`{preset}`",
                )
            )
        )  # fmt: skip
    return "\n".join(lines) + "\n"


def _count_json(counted: Counted | None) -> dict[str, int | None]:
    return {} if counted is None else {counted.model: counted.trainable}


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def _short(model: str) -> str:
    return model.rpartition("/")[2]


def _counted(method: Method, family: str, shipped: list[Preset], cache_dir: Path) -> Counted | None:
    """Of the method's first preset of a family; ``None`` without one."""
    preset = next((each for each in shipped if (each.family, each.method) == (family, method.name)), None)
    if preset is None or preset.model is None:
        return None
    found = shapes.load(preset.model, cache_dir, method.task)
    if found is None:
        return Counted(preset.name, preset.model, None)
    try:
        counts = method.count(found, require(method.Hyperparameters, preset.hyperparameters))
    except ConsoleError:
        return Counted(preset.name, preset.model, None)
    return Counted(preset.name, preset.model, counts.trainable)
