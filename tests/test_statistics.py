"""The Wilson interval against published values."""

import pytest

from nli_console.statistics import wilson
from nli_console.text import format_accuracy


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [
        # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_values(correct: int, n: int, low: float, high: float) -> None:
    assert wilson(correct, n) == pytest.approx((low, high), abs=5e-5)


def test_it_is_symmetric_and_holds_the_share() -> None:
    for correct in range(11):
        low, high = wilson(correct, 10)
        assert 0 <= low <= correct / 10 <= high <= 1
        assert wilson(10 - correct, 10) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(("correct", "n"), [(0, 0), (-1, 3), (4, 3)])
def test_impossible_counts_are_refused(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        wilson(correct, n)


def test_an_interval_that_is_lopsided_is_shown_with_both_its_ends() -> None:
    assert format_accuracy(0.878, *wilson(864, 984)) == "87.8 ± 2.0 %"
    assert format_accuracy(2 / 3, *wilson(2, 3)) == "66.7 (20.8–93.9) %"
    assert format_accuracy(1.0, *wilson(984, 984)) == "100.0 (99.6–100.0) %"
