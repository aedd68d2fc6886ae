"""Demonstrations: solved pairs that stand before the question."""

import random
from collections.abc import Sequence

from nli_console.data.spec import LABELS, Example
from nli_console.errors import ConsoleError


def choose(train: Sequence[Example], count: int, seed: int) -> list[Example]:
    """``count`` training pairs with balanced labels, in the order in which a prompt shows them.

    Every label comes ``count // 3`` times, and chance decides which labels get one of the rest. The same
    rows, count and seed give the same demonstrations in the same order. No premise comes twice where the rows
    have enough of them.

    Raises:
        ConsoleError: the rows have too few of a label.
    """
    if not count:
        return []
    chance = random.Random(f"demonstrations {seed}")
    every = range(len(LABELS))
    wanted = [*every] * (count // len(LABELS)) + chance.sample(every, count % len(LABELS))
    chance.shuffle(wanted)
    by_label: list[list[Example]] = [[] for _ in LABELS]
    for row in sorted(train, key=lambda row: row.id):
        by_label[row.label].append(row)
    for rows in by_label:
        chance.shuffle(rows)
    chosen: list[Example] = []
    premises: set[str] = set()
    for label in wanted:
        rows = by_label[label]
        if not rows:
            raise ConsoleError(
                f"--shots {count}: the training rows have too few of {LABELS[label]} for that many "
                "demonstrations with balanced labels; use fewer shots or a larger --fraction"
            )
        fresh = next((i for i in reversed(range(len(rows))) if rows[i].premise not in premises), -1)
        chosen.append(rows.pop(fresh))
        premises.add(chosen[-1].premise)
    return chosen
