"""The paired tests and intervals against statsmodels and SciPy."""

import numpy
import pytest
from scipy import stats
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from nli_console.analysis.comparison import pair
from nli_console.analysis.paired import EXACT_BELOW, bootstrap_difference, holm, mcnemar
from nli_console.statistics import wilson

COUNTS = [(0, 0), (0, 1), (1, 0), (3, 3), (2, 9), (12, 12), (9, 15), (10, 15), (40, 40), (41, 70), (300, 220)]


@pytest.mark.parametrize(("only_a", "only_b"), COUNTS)
def test_mcnemar_is_that_of_statsmodels(only_a: int, only_b: int) -> None:
    found = mcnemar(only_a, only_b)
    exact = only_a + only_b < EXACT_BELOW
    expected = contingency_tables.mcnemar([[100, only_a], [only_b, 20]], exact=exact, correction=True)
    assert found.exact is exact
    # Equal counts differ from chance by nothing, which statsmodels' correction turns into a little.
    assert found.p == pytest.approx(1.0 if only_a == only_b else float(expected.pvalue), rel=1e-9)
    if not exact and only_a != only_b:
        assert found.statistic == pytest.approx(float(expected.statistic))


@pytest.mark.parametrize(("only_a", "only_b"), [(3, 9), (0, 5), (10, 14)])
def test_the_exact_test_is_the_binomial_one_of_scipy(only_a: int, only_b: int) -> None:
    assert mcnemar(only_a, only_b).p == pytest.approx(stats.binomtest(only_a, only_a + only_b).pvalue)


def test_the_bootstrap_interval_is_that_of_scipy() -> None:
    n, only_a, only_b = 500, 60, 35
    rows = numpy.zeros(n)
    rows[:only_a], rows[only_a : only_a + only_b] = 1, -1
    expected = stats.bootstrap(
        (rows,), numpy.mean, n_resamples=4000, method="percentile", rng=numpy.random.default_rng(5), batch=500
    ).confidence_interval
    assert bootstrap_difference(n, only_a, only_b, [1, 2]) == pytest.approx(tuple(expected), abs=0.004)


def test_the_bootstrap_interval_depends_on_the_seeds_alone() -> None:
    first = bootstrap_difference(9815, 400, 300, [1, 2])
    assert bootstrap_difference(9815, 400, 300, [1, 2]) == first
    assert bootstrap_difference(9815, 400, 300, [2, 1]) != first
    assert first[0] < 100 / 9815 < first[1]


def test_two_runs_that_agree_everywhere_differ_by_nothing() -> None:
    right = numpy.array([True, False, True])
    found = pair("validation_matched", 0, 1, right, right, (1, 1))
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert "no difference can be shown between A and B: 0.0 points" in found.sentence(("A", "B"))


@pytest.mark.parametrize("values", [[0.01, 0.04, 0.03, 0.005], [0.5], [0.9, 0.8, 0.001], [0.02, 0.02, 0.02]])
def test_holm_is_that_of_statsmodels(values: list[float]) -> None:
    assert holm(values) == pytest.approx(list(multipletests(values, method="holm")[1]))


@pytest.mark.parametrize(("correct", "n"), [(8513, 9815), (0, 20), (981, 981), (1, 3)])
def test_wilson_is_that_of_statsmodels(correct: int, n: int) -> None:
    assert wilson(correct, n) == pytest.approx(proportion_confint(correct, n, method="wilson"))


def test_counts_add_up_and_the_sentence_names_the_better_run_whichever_is_first() -> None:
    rng = numpy.random.default_rng(3)
    right_a = rng.random(9815) < 0.86
    right_b = numpy.where(rng.random(9815) < 0.05, rng.random(9815) < 0.5, right_a)
    found = pair("validation_matched", 0, 1, right_a, right_b, (1, 2))
    assert found.both + found.only_a + found.only_b + found.neither == found.n == 9815
    assert found.difference == pytest.approx(right_a.mean() - right_b.mean())
    assert found.low < found.difference < found.high
    turned = pair("validation_matched", 0, 1, right_b, right_a, (1, 2))
    assert turned.difference == -found.difference
    for test, titles in ((found, ("A", "B")), (turned, ("B", "A"))):
        said = test.sentence(titles)
        assert said.startswith("A is better than B by ")
        assert said.endswith("p < 0.001, n = 9,815")
        shown = f"{100 * found.difference:.1f} points (95 %: "
        assert shown in said


@pytest.mark.parametrize("counts", [(10, 6, 5), (0, 0, 0), (10, -1, 2)])
def test_impossible_counts_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="expected"):
        bootstrap_difference(*counts, seed=[1])
    if min(counts) < 0:
        with pytest.raises(ValueError, match="expected"):
            mcnemar(*counts[1:])
