"""Runs side by side: figures, curves, settings, and paired tests where the rows are the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy

from nli_console.analysis.paired import bootstrap_difference, holm, mcnemar
from nli_console.analysis.predictions import Predictions, aligned, predicted_splits, read_predictions
from nli_console.analysis.runs import ReadRun, read_run, titled
from nli_console.analysis.settings import side_by_side
from nli_console.data.spec import DataSpec
from nli_console.errors import ConsoleError
from nli_console.record.comparable import FEWEST, MOST
from nli_console.record.findings import Comparison, PairedTest, RefusedTest
from nli_console.record.layout import RunLayout
from nli_console.record.processes import Processes
from nli_console.record.summary import REPORTED
from nli_console.text import clean_line

Progress = Callable[[str, int, int, str], None]
"""Called with phase, done, total and unit."""


def read_runs(layouts: Sequence[RunLayout], progress: Progress | None = None) -> list[ReadRun]:
    """The runs with titles that tell them apart.

    Raises:
        ConsoleError: fewer than 2 or more than 8, or one run twice.
    """
    if len({layout.path for layout in layouts}) < len(layouts):
        raise ConsoleError("a run cannot be compared with itself: name different runs")
    if not FEWEST <= len(layouts) <= MOST:
        raise ConsoleError(f"{len(layouts)} runs: name {FEWEST} to {MOST} of them")
    table = Processes()
    runs = []
    for place, layout in enumerate(layouts):
        if progress is not None:
            progress("reading", place, len(layouts), "runs")
        runs.append(read_run(layout, table))
    return titled(runs)


def compare(layouts: Sequence[RunLayout], progress: Progress | None = None) -> Comparison:
    """Compare 2 to 8 runs. A folder that cannot be read is shown with its problem; the others are compared.

    Raises:
        ConsoleError: as :func:`read_runs`.
    """
    runs = read_runs(layouts, progress)
    settings = side_by_side([run.spec for run in runs])
    readable = [place for place, run in enumerate(runs) if run.spec is not None]
    differing = [setting for setting in settings if len({setting.values[place] for place in readable}) > 1]
    splits = _splits(runs)
    tests = [_test(runs, split) for split in splits]
    notes: list[list[str]] = [list(run.shown.notes) for run in runs]
    for held in tests:
        for place, problem in held.unread.items():
            notes[place].append(problem)
    return Comparison(
        runs=tuple(replace(run.shown, notes=tuple(said)) for run, said in zip(runs, notes, strict=True)),
        splits=tuple(splits),
        settings=tuple(differing),
        same_settings=len(settings) - len(differing),
        paired=tuple(test for held in tests for test in held.paired),
        refused=tuple(refused for held in tests for refused in held.refused),
    )


def _splits(runs: Sequence[ReadRun]) -> list[str]:
    found = dict.fromkeys(
        split for run in runs for split in (*run.shown.accuracy, *predicted_splits(run.layout))
    )
    return [
        *(split for split in REPORTED if split in found),
        *(split for split in found if split not in REPORTED),
    ]


@dataclass
class _Tests:
    """Of one split; ``unread`` says of which runs there are predictions that cannot be read, and why."""

    paired: list[PairedTest] = field(default_factory=list)
    refused: list[RefusedTest] = field(default_factory=list)
    unread: dict[int, str] = field(default_factory=dict)


def _test(runs: Sequence[ReadRun], split: str) -> _Tests:
    """Every pair of runs that have predictions of ``split``."""
    read: dict[int, Predictions] = {}
    found = _Tests()
    for place, run in enumerate(runs):
        if run.spec is None or split not in predicted_splits(run.layout):
            continue
        try:
            read[place] = read_predictions(run.layout, split)
        except ConsoleError as error:
            found.unread[place] = clean_line(error, limit=300).removeprefix(f"{run.layout.id}: ")
    for a, b in combinations(read, 2):
        try:
            other = aligned(read[a], read[b], _data(runs[a]), _data(runs[b]))
        except ConsoleError as error:
            found.refused.append(RefusedTest(split, a, b, str(error)))
        else:
            found.paired.append(pair(split, a, b, read[a].correct, other.correct, _seed(runs[a], runs[b])))
    adjusted = holm([test.p for test in found.paired])
    found.paired = [replace(test, adjusted_p=p) for test, p in zip(found.paired, adjusted, strict=True)]
    return found


def pair(
    split: str, a: int, b: int, right_a: numpy.ndarray, right_b: numpy.ndarray, seed: Sequence[int]
) -> PairedTest:
    """The paired test of two runs from which rows they got right, bool, both of shape ``(rows,)``.

    ``adjusted_p`` is ``p``: the test knows of no other.

    Raises:
        ValueError: there are no rows.
    """
    n = len(right_a)
    both, only_a, only_b = (
        int(numpy.count_nonzero(held)) for held in (right_a & right_b, right_a & ~right_b, ~right_a & right_b)
    )
    low, high = bootstrap_difference(n, only_a, only_b, seed)
    test = mcnemar(only_a, only_b)
    return PairedTest(
        split=split,
        a=a,
        b=b,
        n=n,
        both=both,
        only_a=only_a,
        only_b=only_b,
        neither=n - both - only_a - only_b,
        difference=(only_a - only_b) / n,
        low=low,
        high=high,
        p=test.p,
        adjusted_p=test.p,
        exact=test.exact,
        statistic=test.statistic,
    )


def _data(run: ReadRun) -> DataSpec | None:
    return None if run.spec is None else run.spec.data


def _seed(a: ReadRun, b: ReadRun) -> tuple[int, int]:
    return (a.spec.seed if a.spec else 0, b.spec.seed if b.spec else 0)
