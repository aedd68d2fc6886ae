"""Intervals for measured shares, and the spread over runs. Pure arithmetic."""

from collections.abc import Sequence
from math import fsum, sqrt

NORMAL_95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""


def wilson(correct: int, n: int, z: float = NORMAL_95) -> tuple[float, float]:
    """The Wilson score interval of a share: ``(low, high)``, both within [0, 1].

    Source: Wilson (1927), "Probable inference, the law of succession, and statistical inference", equation 1.

    Raises:
        ValueError: when ``n`` is not positive or ``correct`` is outside ``0…n``.
    """
    if n <= 0 or not 0 <= correct <= n:
        raise ValueError(f"wilson: {correct} of {n}: expected 0 ≤ correct ≤ n and n > 0")
    share = correct / n
    spread = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    centre, scale = share + z * z / (2 * n), 1 + z * z / n
    low = 0.0 if correct == 0 else max(0.0, (centre - spread) / scale)
    high = 1.0 if correct == n else min(1.0, (centre + spread) / scale)
    return low, high


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean of at least one value."""
    return fsum(values) / len(values)


def sample_deviation(values: Sequence[float]) -> float | None:
    """The standard deviation of a sample, with n - 1 in the denominator; ``None`` for a single value."""
    if len(values) < 2:
        return None
    centre = mean(values)
    return sqrt(fsum((value - centre) ** 2 for value in values) / (len(values) - 1))
