"""Couple premise forms with hypothesis forms so that neither alone tells the label.

For each label one joint distribution over (premise form, hypothesis form) is sought such that all three have
the same premise marginal and the same hypothesis marginal. They are found by iterative Bregman projection:
alternately scale the rows, then the columns, of the three tables to the geometric mean of their marginals
(Benamou et al. 2015, "Iterative Bregman projections for regularized transportation problems", section 3.2).
Repetitions of the premise start with a tenth of the weight, since they are too easy. The equal premise
marginals are what lets an entailment, a neutral and a contradiction share one premise.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

LABELS = ("entailment", "neutral", "contradiction")

P = TypeVar("P", bound=Hashable)
H = TypeVar("H", bound=Hashable)
K = TypeVar("K", bound=Hashable)
Table = dict[tuple[int, int], float]


class Coupling(Generic[P, H]):
    """A distribution over (premise form, one hypothesis form per label).

    Args:
        premises: premise forms.
        hypotheses: hypothesis forms.
        relation: gives the label of a (premise form, hypothesis form).
        visible: what a reader of the hypothesis alone can tell about its form; the marginal over it is what
            is made equal for the three labels.
        tolerance: largest remaining difference between marginals, as a probability.

    Raises:
        ValueError: no premise form has all three labels among the hypothesis forms.
    """

    def __init__(
        self,
        premises: Sequence[P],
        hypotheses: Sequence[H],
        relation: Callable[[P, H], str],
        visible: Callable[[H], Hashable],
        tolerance: float = 1e-3,
    ) -> None:
        self._premises, self._hypotheses = premises, hypotheses
        self._column = [visible(form) for form in hypotheses]
        tables: dict[str, Table] = {label: {} for label in LABELS}
        for i, premise in enumerate(premises):
            for j, hypothesis in enumerate(hypotheses):
                tables[relation(premise, hypothesis)][i, j] = 0.1 if premise == hypothesis else 1.0
        self._prune(tables)
        if not all(tables.values()):
            raise ValueError("no premise form is followed by all three labels")
        self._project(tables, tolerance)
        rows = self._marginal(tables["entailment"], lambda key: key[0])
        self._rows, self._row_weights = list(rows), list(accumulate(rows.values()))
        self._choices: dict[tuple[str, int], tuple[list[int], list[float]]] = {}
        for label, table in tables.items():
            by_row: dict[int, dict[int, float]] = defaultdict(dict)
            for (i, j), weight in table.items():
                by_row[i][j] = weight
            for i, row in by_row.items():
                self._choices[label, i] = list(row), list(accumulate(row.values()))

    def draw(self, rng: random.Random) -> tuple[P, dict[str, H]]:
        """Draw a premise form and, for each label, a hypothesis form that stands in that relation to it."""
        (i,) = rng.choices(self._rows, cum_weights=self._row_weights)
        chosen: dict[str, H] = {}
        for label in LABELS:
            columns, weights = self._choices[label, i]
            chosen[label] = self._hypotheses[rng.choices(columns, cum_weights=weights)[0]]
        return self._premises[i], chosen

    def _visible(self, key: tuple[int, int]) -> Hashable:
        return self._column[key[1]]

    @staticmethod
    def _marginal(table: Table, group: Callable[[tuple[int, int]], K]) -> dict[K, float]:
        totals: dict[K, float] = defaultdict(float)
        for key, weight in table.items():
            totals[group(key)] += weight
        return totals

    def _prune(self, tables: dict[str, Table]) -> None:
        """Drop forms that cannot occur with every label, until none is left."""
        while True:
            before = sum(map(len, tables.values()))
            for group in (lambda key: key[0], self._visible):
                kept = set.intersection(*({group(key) for key in table} for table in tables.values()))
                for table in tables.values():
                    for key in [key for key in table if group(key) not in kept]:
                        del table[key]
            if sum(map(len, tables.values())) == before:
                return

    def _project(self, tables: dict[str, Table], tolerance: float) -> None:
        for _ in range(1000):
            worst = 0.0
            for group in (self._visible, lambda key: key[0]):
                marginals = [self._marginal(table, group) for table in tables.values()]
                target = {k: math.prod(m[k] for m in marginals) ** (1 / 3) for k in marginals[0]}
                total = sum(target.values())
                for table, marginal in zip(tables.values(), marginals, strict=True):
                    mass = sum(marginal.values())
                    worst = max(worst, *(abs(marginal[k] / mass - target[k] / total) for k in target))
                    for key in table:
                        k = group(key)
                        table[key] *= target[k] / total / marginal[k]
            if worst < tolerance:
                return
