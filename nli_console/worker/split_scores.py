"""A split scored batch by batch up to its report: kept on the disk, told how it goes, stopped at once."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy

from nli_console.data.prompts import AnswerReader
from nli_console.statistics import wilson
from nli_console.worker.attempt import Attempt
from nli_console.worker.score_journal import ScoreJournal

Batches = Callable[[frozenset[int]], Iterator[tuple[list[int], Any]]]
"""From rows that are done to batches of row numbers and their values, the same batches whatever is done."""


def score_split(
    attempt: Attempt,
    name: str,
    gold: Sequence[int],
    key: str,
    batches: Batches,
    reader: AnswerReader | None = None,
) -> list[Any]:
    """Score what the split's journal does not have yet.

    Args:
        gold: indices of our labels, a row each.
        key: of everything that decides a row's value.
        reader: of answers in words, where values may be texts.

    Returns:
        For every row three numbers, of which the largest is the answer, or a text.

    Raises:
        Stopped: a stop was asked for; what was scored is on the disk.
        OSError: the disk is full.
    """
    journal = ScoreJournal(attempt.layout.scored / f"{name}.jsonl", key)
    recorder = attempt.recorder

    def told(value: Any) -> int | None:
        return reader.read(value) if reader and isinstance(value, str) else int(numpy.argmax(value))

    correct = sum(told(value) == gold[row] for row, value in journal.found.items())
    try:
        recorder.phase("evaluating", len(journal.found), len(gold), "rows", name)
        for batch, values in batches(frozenset(journal.found)):
            fresh = [row for row in batch if row not in journal.found]
            found = values if isinstance(values, list) else values.tolist()
            correct += sum(
                told(value) == gold[row] for row, value in zip(batch, found, strict=True) if row in fresh
            )
            journal.append(batch, found)
            done = len(journal.found)
            low, high = wilson(correct, done)
            remark = f"{correct / done:.1%} right so far ({low:.1%} to {high:.1%})"
            recorder.phase("evaluating", done, len(gold), "rows", name, remark)
            attempt.stop.check()
    finally:
        journal.close()
    return [journal.found[row] for row in range(len(gold))]
