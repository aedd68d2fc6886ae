"""The order in which rows are scored, and what is said of them on the way."""

import numpy
import pytest

from nli_console.data.prompts import AnswerReader, Prompts
from nli_console.worker.calibration import calibrated
from nli_console.worker.likelihood import BLOCK_BATCHES, batches_at_random
from nli_console.worker.so_far import SoFar

WORDS = ("entailment", "neutral", "contradiction")
ROWS = 1000


def prompts(rows: int = ROWS) -> Prompts:
    """Longer rows stand later, as in a sorted file."""
    lengths = [10 + row // 10 for row in range(rows)]
    return Prompts([[1] * length for length in lengths], [((1,), (2,), (3,))] * rows, 0, 0)


def test_every_row_once_the_longest_first_and_the_rest_a_fair_sample() -> None:
    plan = batches_at_random(prompts(), 8, seed=3)
    assert sorted(row for batch in plan for row in batch) == list(range(ROWS))
    # Ten rows are of the greatest length.
    assert min(plan[0]) >= ROWS - 10
    early = [row for batch in plan[1:30] for row in batch]
    assert numpy.mean(early) == pytest.approx((ROWS - 8) / 2, rel=0.15)
    assert plan == batches_at_random(prompts(), 8, seed=3)
    assert plan != batches_at_random(prompts(), 8, seed=4)


def test_batches_hold_rows_of_similar_length() -> None:
    plan = batches_at_random(prompts(), 8, seed=3)
    spread = [max(batch) - min(batch) for batch in plan[1:]]
    # Eight chance rows would span almost everything; of a sorted block they span a sixteenth of it.
    assert numpy.mean(spread) < 2 * ROWS / BLOCK_BATCHES


@pytest.mark.parametrize("rows", [0, 1, 5, 8, 9])
def test_few_rows_are_all_there(rows: int) -> None:
    plan = batches_at_random(prompts(rows), 8, seed=1)
    assert sorted(row for batch in plan for row in batch) == list(range(rows))


def so_far(calibration: str = "none", rows: int = 40) -> SoFar:
    gold = numpy.arange(rows) % 3
    return SoFar(gold, AnswerReader(WORDS), range(4), calibration, None)


def test_the_longest_rows_count_only_when_everything_is_scored() -> None:
    held = so_far()
    for row in range(4):
        held.add(row, WORDS[(row + 1) % 3])
    assert (held.done, held.due(), held.remark()) == (4, False, "")
    for row in range(4, 20):
        held.add(row, WORDS[row % 3])
    assert held.due()
    assert not held.due()
    figures = held.figures()
    assert (figures["done"], figures["total"], figures["n"], figures["accuracy"]) == (20, 40, 16, 1.0)
    assert figures["low"] < 1.0
    for row in range(20, 40):
        held.add(row, WORDS[row % 3])
    assert held.due()
    assert (held.figures()["n"], held.figures()["correct"]) == (40, 36)


def test_answers_without_a_label_are_counted() -> None:
    held = so_far()
    for row in range(4, 14):
        held.add(row, "I do not know" if row < 6 else WORDS[row % 3])
    assert held.figures()["invalid"] == 0.2
    assert held.seen().correct == 8


def test_raw_and_calibrated_stand_side_by_side() -> None:
    held, chance = so_far("batch"), numpy.random.default_rng(0)
    values = numpy.log(chance.dirichlet((8.0, 2.0, 1.0), 40)).astype(numpy.float32)
    for row in range(40):
        held.add(row, values[row].tolist())
    gold = numpy.arange(40) % 3
    figures = held.figures()
    assert figures["calibration"] == "batch"
    assert figures["raw"] == (values.argmax(axis=1) == gold).mean()
    assert figures["correct"] == (calibrated(values, values).argmax(axis=1) == gold).sum()
    assert held.seen().raw_correct != held.seen().correct
