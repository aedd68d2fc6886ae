"""A family of presets as runs: which of them the history has, which are missing, and how they compare."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nli_console.errors import ConsoleError
from nli_console.methods import presets, registry
from nli_console.methods.fields import did_you_mean
from nli_console.methods.presets import Preset, ReportFigures
from nli_console.record.compose import members
from nli_console.record.groups import Group, make_group, member_name
from nli_console.record.spec import RunSpec
from nli_console.record.spec_io import load_spec
from nli_console.record.state import State
from nli_console.record.summary import RunSummary
from nli_console.statistics import mean, wilson


@dataclass(frozen=True)
class Recipe:
    """One preset, the run that it asks for, and what the history has of it: at most one run per seed.

    ``spec`` is of the first of ``seeds``.
    """

    preset: Preset
    spec: RunSpec
    seeds: tuple[int, ...]
    runs: tuple[RunSummary, ...]

    @property
    def missing(self) -> tuple[int, ...]:
        """The seeds without a run that has finished or is on its way there."""
        there = {run.seed for run in self.runs if run.state.state is State.FINISHED or _goes(run)}
        return tuple(seed for seed in self.seeds if seed not in there)

    @property
    def going(self) -> tuple[RunSummary, ...]:
        """The runs that wait or work."""
        return tuple(run for run in self.runs if _goes(run))

    @property
    def line(self) -> RunSummary | Group | None:
        """The runs as one line; ``None`` where there is none."""
        if len(self.runs) < 2:
            return self.runs[0] if self.runs else None
        return make_group(self.runs)

    @property
    def seconds(self) -> float | None:
        """What one finished run took, on average."""
        known = [run.seconds for run in self.runs if run.state.state is State.FINISHED and run.seconds]
        return mean(known) if known else None

    def specs(self, seeds: Sequence[int]) -> list[RunSpec]:
        """The runs to submit for ``seeds``, in the group of those that are there already if they have one."""
        made = members(self.spec, seeds)
        group = next((run.group for run in self.runs if run.group), None)
        if group is None or len(self.seeds) == 1:
            return made
        return [
            spec.model_copy(update={"group": group, "name": member_name(self.spec.name, spec.seed)})
            for spec in made
        ]

    def to_json(self) -> dict[str, Any]:
        """The recipe as ``reproduce --json`` prints it. Keys keep their meaning between versions."""
        runs = make_group(self.runs) if self.runs else None
        told, accuracy = figures(self.preset), report_accuracy(self.preset)
        return {
            "preset": self.preset.name,
            "method": self.preset.method,
            "model": self.spec.model_name,
            "data": self.spec.data.name,
            "seeds": list(self.seeds),
            "missing": list(self.missing),
            "accuracy": {} if runs is None else {key: held.to_json() for key, held in runs.accuracy.items()},
            "trainable_parameters": None if runs is None else runs.trainable_parameters,
            "peak_memory_bytes": None if runs is None else runs.peak_memory_bytes,
            "seconds": self.seconds,
            "report": {
                "accuracy": None if accuracy is None else accuracy[0],
                "low": None if accuracy is None else accuracy[1],
                "high": None if accuracy is None else accuracy[2],
                "rows": None if told is None else told.rows,
                "seconds": None if told is None else told.seconds,
                "trainable_parameters": None if told is None else told.trainable_parameters,
            },
            "runs": [run.to_json() for run in self.runs],
        }


def chosen(family: str, only: Iterable[str] = ()) -> list[Preset]:
    """The shipped presets of a family, or those of them whose method or own name is in ``only``.

    Raises:
        ConsoleError: a name of ``only`` fits none; the message names the closest, and all of them.
    """
    every = [preset for preset in presets.available() if preset.family == family]
    names = list(only)
    for name in names:
        if not any(_called(preset, name) for preset in every):
            known = [preset.stem for preset in every]
            raise ConsoleError(
                f'--only "{name}": {family} has no such preset{did_you_mean(name, known)} '
                f"({family}: {', '.join(known)})"
            )
    return [preset for preset in every if not names or any(_called(preset, name) for name in names)]


def recipe(preset: Preset, spec: RunSpec, seeds: Sequence[int], runs: Iterable[RunSummary]) -> Recipe:
    """What the history, newest first, has of a preset: a finished run of each seed before one that goes.

    A run counts only if it is what ``spec`` asks for: the same model, data and hyperparameters.
    """
    found: dict[int, list[RunSummary]] = {seed: [] for seed in seeds}
    names = presets.names_of(preset)
    for run in runs:
        if run.preset in names and run.seed in found and _same(run, spec):
            found[run.seed].append(run)
    return Recipe(preset, spec, tuple(seeds), tuple(min(each, key=_rank) for each in found.values() if each))


def figures(preset: Preset) -> ReportFigures | None:
    """What the report says of a preset, or of the paper preset that it stands beside."""
    if preset.report is not None or preset.family == "paper":
        return preset.report
    name = preset.beside or f"paper/{preset.stem}"
    return next((each.report for each in presets.available() if each.name == name), None)


def report_accuracy(preset: Preset) -> tuple[float, float | None, float | None] | None:
    """The report's accuracy with its 95 % interval, where the number of its rows is known."""
    told = figures(preset)
    if told is None:
        plain = registry.get(preset.method).report_accuracy
        return None if plain is None else (plain, None, None)
    low, high = wilson(round(told.accuracy * told.rows), told.rows)
    return told.accuracy, low, high


def _called(preset: Preset, name: str) -> bool:
    return name in (preset.method, preset.stem, *presets.names_of(preset))


def _goes(run: RunSummary) -> bool:
    """Whether somebody works on it, or will."""
    return run.state.state.live and not run.state.resumable


def _rank(run: RunSummary) -> int:
    return 0 if run.state.state is State.FINISHED else 1 if _goes(run) else 2


def _same(run: RunSummary, spec: RunSpec) -> bool:
    try:
        other = load_spec(run.layout)
    except ConsoleError:
        return False
    return (other.method, other.model, other.data, other.hyperparameters) == (
        spec.method, spec.model, spec.data, spec.hyperparameters,
    )  # fmt: skip
