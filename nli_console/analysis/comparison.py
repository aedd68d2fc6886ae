"""Runs side by side: figures, curves, settings, and paired tests where the rows are the same."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy

from nli_console.analysis.paired import bootstrap_difference, holm, mcnemar
from nli_console.analysis.predictions import Predictions, aligned, predicted_splits, read_predictions
from nli_console.analysis.runs import ReadRun, read_run, titled
from nli_console.analysis.settings import side_by_side
from nli_console.errors import ConsoleError
from nli_console.record.findings import FEWEST, MOST, Comparison, PairedTest, RefusedTest
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
    paired: list[PairedTest] = []
    refused: list[RefusedTest] = []
    for place, split in enumerate(splits):
        if progress is not None:
            progress("testing", place, len(splits), "splits")
        tests, others = _test(runs, split)
        paired += tests
        refused += others
    return Comparison(
        runs=tuple(run.shown for run in runs),
        splits=tuple(splits),
        settings=tuple(differing),
        same_settings=len(settings) - len(differing),
        paired=tuple(paired),
        refused=tuple(refused),
    )


def _splits(runs: Sequence[ReadRun]) -> list[str]:
    found = dict.fromkeys(
        split for run in runs for split in (*run.shown.accuracy, *predicted_splits(run.layout))
    )
    return [
        *(split for split in REPORTED if split in found),
        *(split for split in found if split not in REPORTED),
    ]


def _test(runs: Sequence[ReadRun], split: str) -> tuple[list[PairedTest], list[RefusedTest]]:
    """Every pair of runs that were both scored on ``split``."""
    read: dict[int, Predictions] = {}
    problems: dict[int, str] = {}
    for place, run in enumerate(runs):
        if run.spec is None or (
            split not in run.shown.accuracy and split not in predicted_splits(run.layout)
        ):
            continue
        try:
            read[place] = read_predictions(run.layout, split)
        except ConsoleError as error:
            problems[place] = str(error)
    tests: list[PairedTest] = []
    refused: list[RefusedTest] = []
    for a, b in combinations(sorted([*read, *problems]), 2):
        why = problems.get(a) or problems.get(b)
        if why is None:
            try:
                other = aligned(read[a], read[b], _data(runs[a]), _data(runs[b]))
                tests.append(pair(split, a, b, read[a].correct, other.correct, _seed(runs[a], runs[b])))
                continue
            except ConsoleError as error:
                why = str(error)
        refused.append(RefusedTest(split, a, b, clean_line(why, limit=300)))
    adjusted = holm([test.p for test in tests])
    return [replace(test, adjusted_p=p) for test, p in zip(tests, adjusted, strict=True)], refused


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


def _data(run: ReadRun):
    return None if run.spec is None else run.spec.data


def _seed(a: ReadRun, b: ReadRun) -> tuple[int, int]:
    return (a.spec.seed if a.spec else 0, b.spec.seed if b.spec else 0)
