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
class RecipeRow:
    """Presets of one name: ``start`` is counted of the one to begin with, ``paper`` of the report's.

    ``report_accuracy`` is that of the report's preset, else of the method where it has no such preset.
    """

    name: str
    start: Counted | None
    paper: Counted | None
    report_accuracy: float | None

    @property
    def counted(self) -> list[Counted]:
        return [each for each in (self.paper, self.start) if each is not None]

    @property
    def preset(self) -> str | None:
        """What to begin with: ours, else the report's."""
        return next((each.preset for each in (self.start, self.paper) if each is not None), None)

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "preset": self.preset,
            "report_accuracy": self.report_accuracy,
            "trainable_parameters": _count_json(self.start),
            "trainable_parameters_as_in_the_report": _count_json(self.paper),
        }


@dataclass(frozen=True)
class MethodRow:
    """One method and its recipes, at least one; the first is what a form begins with."""

    method: Method
    recipes: tuple[RecipeRow, ...]

    @property
    def start(self) -> Counted | None:
        return next((each.start for each in self.recipes if each.start is not None), None)

    @property
    def paper(self) -> Counted | None:
        return next((each.paper for each in self.recipes if each.paper is not None), None)

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
            "recipes": [each.to_json() for each in self.recipes],
        }


def overview(cache_dir: Path) -> list[MethodRow]:
    """Every method, counted by arithmetic on the shipped architectures, or on what ``cache_dir`` has."""
    shipped = presets.available()
    return [MethodRow(method, _recipes(method, shipped, cache_dir)) for method in registry.methods().values()]


def _recipes(method: Method, shipped: list[Preset], cache_dir: Path) -> tuple[RecipeRow, ...]:
    ours, papers = (
        {each.stem: each for each in shipped if (each.family, each.method) == (family, method.name)}
        for family in ("recommended", "paper")
    )
    rows: list[RecipeRow] = []
    for name in dict.fromkeys([*ours, *papers]) or (method.name,):
        start, paper = ours.get(name), papers.get(name)
        told = method.report_accuracy if not papers else None
        if paper is not None:
            told = method.report_accuracy if paper.report is None else paper.report.accuracy
        rows.append(
            RecipeRow(name, _counted(method, start, cache_dir), _counted(method, paper, cache_dir), told)
        )
    return tuple(rows)


HEADER = ("METHOD", "MODEL", "TRAINABLE", "AS IN THE REPORT", "REPORT", "PUBLISHED", "START FROM")
RIGHT = (2, 3, 4, 5)


def cells(row: MethodRow) -> list[tuple[str, ...]]:
    """A line for each recipe under :data:`HEADER`; TRAINABLE is by the preset to begin with."""
    return [_cells(row.method, each) for each in row.recipes]


def _cells(method: Method, row: RecipeRow) -> tuple[str, ...]:
    start, paper = row.start, row.paper
    return (
        method.name,
        next((_short(each.model) for each in row.counted), UNKNOWN),
        format_count(None if start is None else start.trainable),
        format_count(None if paper is None else paper.trainable),
        format_accuracy(row.report_accuracy),
        format_accuracy(method.published_accuracy),
        row.preset or UNKNOWN,
    )


def markdown(rows: list[MethodRow]) -> str:
    """The same as a table for the README."""
    header = (
        "method", "trains", "model", "trainable, recommended preset", "trainable, report's recipe", "report",
        "published best", "our preset",
    )  # fmt: skip
    lines = [_line(header), "|---|---|---|--:|--:|--:|--:|---|"]
    for row in rows:
        source = row.method.published_source
        for each, (_, model, start, paper, report, published, preset) in zip(
            row.recipes, cells(row), strict=True
        ):
            first = each is row.recipes[0]
            lines.append(
                _line(
                    (
                        f"`{row.method.name}`",
                        row.method.summary if first else "the same, by another preset",
                        model, start, paper, report,
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


def _counted(method: Method, preset: Preset | None, cache_dir: Path) -> Counted | None:
    """``None`` where there is no preset, or it leaves the model open."""
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
