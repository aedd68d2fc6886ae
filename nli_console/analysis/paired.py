"""Paired tests of two classifiers on the same rows. Pure arithmetic on counts of right and wrong."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy

EXACT_BELOW = 25
"""Rows on which exactly one of two runs is right, below which McNemar's test is the exact binomial one."""
RESAMPLES = 10_000
"""Bootstrap samples of an interval."""
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class McNemar:
    """A two-sided ``p`` and, unless ``exact``, the chi-square ``statistic`` (1 degree of freedom)."""

    p: float
    exact: bool
    statistic: float | None = None


def mcnemar(only_a: int, only_b: int) -> McNemar:
    """McNemar's test from the rows that only one of two classifiers got right.

    Below :data:`EXACT_BELOW` of them the two-sided binomial probability, else chi-square with Edwards'
    continuity correction. Sources: McNemar (1947), "Note on the sampling error of the difference between
    correlated proportions"; Edwards (1948); Dietterich (1998) for classifiers.

    Raises:
        ValueError: a count is negative.
    """
    if only_a < 0 or only_b < 0:
        raise ValueError(f"mcnemar: {only_a} and {only_b}: expected counts of at least 0")
    discordant = only_a + only_b
    if discordant < EXACT_BELOW:
        tail = sum(math.comb(discordant, k) for k in range(min(only_a, only_b) + 1))
        return McNemar(min(1.0, 2 * tail / 2**discordant), True)
    statistic = (abs(only_a - only_b) - 1) ** 2 / discordant if only_a != only_b else 0.0
    # The upper tail of chi-square with one degree of freedom is that of a squared normal variable.
    return McNemar(math.erfc(math.sqrt(statistic / 2)), False, statistic)


def bootstrap_difference(
    n: int, only_a: int, only_b: int, seed: Sequence[int], resamples: int = RESAMPLES
) -> tuple[float, float]:
    """95 % percentile interval of accuracy A less accuracy B, rows resampled in pairs.

    A row counts +1, -1 or 0, so that a sample of ``n`` rows is one draw from a multinomial distribution: all
    samples are drawn at once, whatever ``n``. Source: Efron and Tibshirani (1993), chapter 13.

    Args:
        seed: of the runs; the same seeds give the same interval.

    Raises:
        ValueError: the counts do not fit ``n`` rows.
    """
    if n <= 0 or min(only_a, only_b) < 0 or only_a + only_b > n:
        raise ValueError(f"bootstrap: {only_a} and {only_b} of {n}: expected counts of at most n > 0 rows")
    shares = numpy.array([only_a, only_b, n - only_a - only_b]) / n
    drawn = numpy.random.default_rng(list(seed)).multinomial(n, shares, size=resamples)
    low, high = numpy.quantile((drawn[:, 0] - drawn[:, 1]) / n, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def holm(p_values: Sequence[float]) -> list[float]:
    """``p_values`` adjusted for their number, in the same order.

    Source: Holm (1979), "A simple sequentially rejective multiple test procedure".
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
