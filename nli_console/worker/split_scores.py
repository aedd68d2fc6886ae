"""A split scored batch by batch up to its report: kept on the disk, told how it goes, stopped at once."""

import random
from collections.abc import Callable, Iterator
from typing import Any

from nli_console.worker.attempt import Attempt
from nli_console.worker.score_journal import ScoreJournal
from nli_console.worker.so_far import SoFar

Batches = Callable[[frozenset[int]], Iterator[tuple[list[int], Any]]]
"""From rows that are done to batches of row numbers and their values, the same batches whatever is done."""


def by_chance(batches: list[list[int]], seed: int) -> list[list[int]]:
    """The same batches, the first left where it is: the others so far then tell of the whole."""
    first, others = batches[:1], batches[1:]
    random.Random(seed).shuffle(others)
    return [*first, *others]


def score_split(
    attempt: Attempt, name: str, so_far: SoFar, key: str, batches: Batches, *, written: bool = False
) -> list[Any]:
    """Score what the split's journal does not have yet, and record how it stands.

    Args:
        so_far: takes in every row.
        key: of everything that decides a row's value.
        written: whether values are texts, which may name no label.

    Returns:
        For every row three numbers, of which the largest is the answer, or a text.

    Raises:
        Stopped: a stop was asked for; what was scored is on the disk.
        OSError: the disk is full.
    """
    journal = ScoreJournal(attempt.layout.scored / f"{name}.jsonl", key)
    for row, value in journal.found.items():
        so_far.add(row, value)
    recorder, scored, total = attempt.recorder, len(journal.found), so_far.total
    try:
        recorder.phase("evaluating", scored, total, "rows", name)
        for batch, values in batches(frozenset(journal.found)):
            found = values if isinstance(values, list) else values.tolist()
            journal.append(batch, found)
            for row, value in zip(batch, found, strict=True):
                so_far.add(row, value)
            recorder.phase("evaluating", so_far.done, total, "rows", name, so_far.remark())
            if so_far.due():
                recorder.score(split=name, **so_far.figures())
                _judge(attempt, name, so_far, written)
            attempt.stop.check()
    finally:
        journal.close()
    attempt.figures.scored_rows += total - scored
    return [journal.found[row] for row in range(total)]


def _judge(attempt: Attempt, name: str, so_far: SoFar, written: bool) -> None:
    """What the guards make of the rows so far, while stopping still saves something."""
    guards, seen = attempt.guards, so_far.seen()
    if written:
        guards.answered(seen.invalid, seen.n, part=name)
    guards.said(seen.predicted, seen.gold, part=name)
