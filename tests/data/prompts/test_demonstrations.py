"""Demonstrations: from the training rows, balanced, by the seed, in an order of their own."""

from collections import Counter

import pytest

from nli_console.data.prompts import choose
from nli_console.data.spec import Example
from nli_console.errors import ConsoleError

TRAIN = [Example(f"{i}", f"premise {i // 3}", f"hypothesis {i}", i % 3) for i in range(90)]


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 8, 12])
def test_balanced_and_from_train(count: int) -> None:
    chosen = choose(TRAIN, count, seed=7)
    assert len(chosen) == len({row.id for row in chosen}) == count
    assert set(chosen) <= set(TRAIN)
    counts = Counter(row.label for row in chosen)
    assert max(counts.values(), default=0) - min((counts[label] for label in range(3)), default=0) <= 1


def test_no_premise_twice_where_there_are_enough() -> None:
    chosen = choose(TRAIN, 12, seed=3)
    assert len({row.premise for row in chosen}) == 12
    one_premise = [Example(f"{i}", "same", f"h{i}", i % 3) for i in range(9)]
    assert len(choose(one_premise, 6, seed=3)) == 6


def test_the_seed_decides_and_the_order_of_the_file_does_not() -> None:
    assert choose(TRAIN, 8, seed=1) == choose(TRAIN[::-1], 8, seed=1)
    assert len({tuple(row.id for row in choose(TRAIN, 8, seed=seed)) for seed in range(5)}) == 5


def test_labels_are_not_in_a_fixed_order() -> None:
    orders = {tuple(row.label for row in choose(TRAIN, 6, seed=seed)) for seed in range(12)}
    assert len(orders) > 6


def test_too_few_of_a_label() -> None:
    rows = [row for row in TRAIN if row.label != 2]
    with pytest.raises(ConsoleError, match=r"--shots 3: .* too few of contradiction"):
        choose(rows, 3, seed=1)
