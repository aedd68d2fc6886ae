"""Groups of runs: what was launched together and differs in the seed alone, seen as one.

A run records the id of its group and nothing else; the group itself is computed from its runs whenever it is
shown, so it can never disagree with them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nli_console.record.files import read_json_or_none
from nli_console.record.finding import UnknownRunError, ambiguous, find_run, run_folders
from nli_console.record.labels import NAME_LIMIT, read_labels
from nli_console.record.layout import RunLayout
from nli_console.record.state import State
from nli_console.record.summary import RunSummary, headline_split
from nli_console.statistics import mean, sample_deviation
from nli_console.text import clean_line

GROUP_PREFIX = "g-"
"""Begins the id of every group, so that none can be taken for the beginning of a run's id."""

_STANDING = (
    State.RUNNING, State.STARTING, State.STOPPING, State.STALLED, State.QUEUED, State.UNREACHABLE,
    State.ORPHANED, State.FAILED, State.LOST, State.UNREADABLE, State.STOPPED, State.FINISHED,
)  # fmt: skip
"""What stands for a group first: somebody is at work, then something is wrong, then all is done."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Shares that several runs reached, one each; ``deviation`` is of the sample, ``None`` for one run."""

    values: tuple[float, ...]

    @property
    def runs(self) -> int:
        return len(self.values)

    @property
    def mean(self) -> float:
        return mean(self.values)

    @property
    def deviation(self) -> float | None:
        return sample_deviation(self.values)

    def to_json(self) -> dict[str, Any]:
        return {
            "mean": self.mean,
            "standard_deviation": self.deviation,
            "runs": self.runs,
            "values": list(self.values),
        }


@dataclass(frozen=True)
class Group:
    """Runs of one group, in the order of their submission; at least one."""

    id: str
    runs: tuple[RunSummary, ...]

    @cached_property
    def name(self) -> str:
        """The runs' name without the seed."""
        return base_name(self.runs[0].name, self.runs[0].seed)

    @property
    def method(self) -> str:
        return self.runs[0].method

    @property
    def method_title(self) -> str:
        return self.runs[0].method_title

    @property
    def model(self) -> str:
        return self.runs[0].model

    @property
    def data(self) -> str:
        return self.runs[0].data

    @property
    def seeds(self) -> tuple[int | None, ...]:
        return tuple(run.seed for run in self.runs)

    @cached_property
    def states(self) -> Counter[State]:
        return Counter(run.state.state for run in self.runs)

    @property
    def finished(self) -> int:
        return self.states[State.FINISHED]

    @property
    def state(self) -> State:
        """The state that stands for all: of one that is going, else of one that went wrong."""
        return min(self.states, key=_STANDING.index)

    @property
    def live(self) -> bool:
        return any(state.live for state in self.states)

    @property
    def state_summary(self) -> str:
        """``2 of 3 finished, 1 running``."""
        others = [f"{self.states[state]} {state.value}" for state in _STANDING if self.states[state]]
        finished = f"{self.finished} of {len(self.runs)} finished"
        return ", ".join([finished, *others[: len(others) - bool(self.finished)]])

    @property
    def lead(self) -> RunSummary:
        """The run to look at: the first that is going, else the first of :attr:`state`."""
        return next(run for run in self.runs if run.state.state is self.state)

    @cached_property
    def accuracy(self) -> Mapping[str, Spread]:
        """Per split, over the runs that have finished and were evaluated on it."""
        done = [run for run in self.runs if run.state.state is State.FINISHED]
        splits = dict.fromkeys(split for run in done for split in run.accuracy)
        return {
            split: Spread(tuple(run.accuracy[split].value for run in done if split in run.accuracy))
            for split in splits
        }

    @property
    def headline(self) -> Spread | None:
        """The accuracy that stands for the group."""
        split = headline_split(self.accuracy)
        return None if split is None else self.accuracy[split]

    @property
    def submitted(self) -> float | None:
        """When the first run was submitted."""
        return self.runs[0].submitted

    @property
    def started(self) -> float | None:
        """When the first run started."""
        return min((run.started for run in self.runs if run.started is not None), default=None)

    @property
    def seconds(self) -> float | None:
        """Of all runs together."""
        known = [run.seconds for run in self.runs if run.seconds is not None]
        return sum(known) if known else None

    @property
    def trainable_parameters(self) -> int | None:
        return next(
            (run.trainable_parameters for run in self.runs if run.trainable_parameters is not None), None
        )

    @property
    def peak_memory_bytes(self) -> int | None:
        """Of the run that took most."""
        return max(
            (run.peak_memory_bytes for run in self.runs if run.peak_memory_bytes is not None), default=None
        )

    def to_json(self) -> dict[str, Any]:
        """The group as ``show`` and ``run --seeds`` print it. Keys keep their meaning between versions."""
        return {
            "group": self.id,
            "name": self.name,
            "method": self.method,
            "model": self.model,
            "data": self.data,
            "preset": self.runs[0].preset,
            "seeds": list(self.seeds),
            "runs": len(self.runs),
            "states": {state.value: count for state, count in self.states.items()},
            "started": self.started,
            "seconds": self.seconds,
            "trainable_parameters": self.trainable_parameters,
            "peak_memory_bytes": self.peak_memory_bytes,
            "accuracy": {split: spread.to_json() for split, spread in self.accuracy.items()},
            "members": [run.to_json() for run in self.runs],
        }


def grouped(runs: Iterable[RunSummary], known: Mapping[str, Group] | None = None) -> list[RunSummary | Group]:
    """``runs`` with each group in the place of its first run; what has no fellow stays a run.

    A group of ``known`` whose runs are the same objects is taken over as it is.
    """
    listed = list(runs)
    members: dict[str, list[RunSummary]] = {}
    for run in listed:
        if run.group is not None:
            members.setdefault(run.group, []).append(run)
    lines: list[RunSummary | Group] = []
    for run in listed:
        fellows = members.get(run.group) if run.group is not None else None
        if fellows is None or len(fellows) == 1:
            lines.append(run)
        elif fellows[0] is run:
            lines.append(make_group(fellows, (known or {}).get(fellows[0].group or "")))
    return lines


def runs_of(line: RunSummary | Group) -> tuple[RunSummary, ...]:
    """The runs that a line of the history stands for."""
    return line.runs if isinstance(line, Group) else (line,)


def make_group(runs: Sequence[RunSummary], known: Group | None = None) -> Group:
    """The group of ``runs``, which share its id; ``known`` itself where it holds the same objects."""
    ordered = tuple(sorted(runs, key=lambda run: (run.submitted or 0.0, run.id)))
    if known is not None and list(map(id, known.runs)) == list(map(id, ordered)):
        return known
    return Group(runs[0].group or "", ordered)


def member_name(name: str, seed: int) -> str:
    """``lora roberta-large, seed 2``, at most as long as a name may be."""
    suffix = f", seed {seed}"
    return clean_line(name, limit=NAME_LIMIT - len(suffix)) + suffix


def base_name(name: str, seed: int | None) -> str:
    """What :func:`member_name` was given; a name that a person changed stays whole."""
    return name.removesuffix(f", seed {seed}")


@dataclass(frozen=True)
class Found:
    """What a person's text means: one run, or the runs of ``group`` in the order of their submission."""

    layouts: tuple[RunLayout, ...]
    group: str | None = None

    @property
    def id(self) -> str:
        return self.group or self.layouts[0].id


def find(runs_dir: Path, text: str) -> Found:
    """The run, or the group of runs, that ``text`` names: its id, a unique beginning of one, or its name.

    The text is compared and never used as a path.

    Raises:
        ConsoleError: nothing or more than one thing fits; the candidates are listed.
    """
    try:
        return Found((find_run(runs_dir, text),))
    except UnknownRunError:
        groups = groups_of(run_folders(runs_dir))
        fitting = [group for group in groups if group == text]
        fitting = fitting or [group for group in groups if group.startswith(text)]
        fitting = fitting or [group for group, members in groups.items() if text == _name(members[0])]
        if len(fitting) == 1:
            return Found(tuple(groups[fitting[0]]), fitting[0])
        if fitting:
            raise ambiguous(text, sorted(fitting, reverse=True), "groups") from None
        raise


def groups_of(folders: Iterable[RunLayout]) -> dict[str, list[RunLayout]]:
    """Group id → its run folders in the order of submission; read from the specs, so rarely asked for."""
    found: dict[str, list[tuple[float, str, RunLayout]]] = {}
    for layout in folders:
        spec = read_json_or_none(layout.spec) or {}
        group, submitted = spec.get("group"), spec.get("submitted")
        if isinstance(group, str) and group:
            moment = float(submitted) if isinstance(submitted, (int, float)) else 0.0
            found.setdefault(clean_line(group, limit=200), []).append((moment, layout.id, layout))
    for rows in found.values():
        rows.sort(key=lambda row: row[:2])
    return {group: [layout for *_, layout in rows] for group, rows in found.items()}


def _name(layout: RunLayout) -> str:
    spec = read_json_or_none(layout.spec) or {}
    name = read_labels(layout).name or clean_line(spec.get("name", ""), limit=NAME_LIMIT)
    seed = spec.get("seed")
    return base_name(name, seed if isinstance(seed, int) else None)
