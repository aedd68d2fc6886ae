"""What the metric says of predictions, against figures known from elsewhere."""

import math

import numpy
import pytest

from nli_console.data.spec import LABELS
from nli_console.worker.metrics import NO_ANSWER, NliMetric, compute


def test_the_figures_of_a_constant_answer_are_those_of_the_report() -> None:
    """490 rows of which 170 are the label that is always said: accuracy 0.3469, weighted precision 0.1204."""
    gold = [2] * 170 + [0] * 160 + [1] * 160
    measured = compute([2] * 490, gold)
    assert measured["accuracy"] == pytest.approx(0.3469, abs=5e-5)
    assert measured["weighted_precision"] == pytest.approx(0.1204, abs=5e-5)
    assert measured["weighted_f1"] == pytest.approx(0.1787, abs=5e-5)
    assert measured["weighted_recall"] == measured["accuracy"]
    assert measured["majority"] == {"label": "contradiction", "share": 170 / 490}
    assert measured["low"] < 0.3469 < measured["high"]
    assert measured["per_class"]["neutral"] == {
        "precision": None, "recall": 0.0, "f1": 0.0, "n": 160, "predicted": 0,
    }  # fmt: skip


def test_every_figure_of_a_small_table() -> None:
    #        predicted  e  n  c
    confusion = [[5, 1, 0], [2, 3, 1], [0, 2, 6]]
    pairs = [(i, j) for i in range(3) for j in range(3) for _ in range(confusion[i][j])]
    measured = compute([j for _, j in pairs], [i for i, _ in pairs])
    assert measured["confusion"] == confusion
    assert (measured["n"], measured["correct"], measured["accuracy"]) == (20, 14, 0.7)
    figures = [measured["per_class"][label] for label in LABELS]
    assert [figure["precision"] for figure in figures] == pytest.approx([5 / 7, 3 / 6, 6 / 7])
    assert [figure["recall"] for figure in figures] == pytest.approx([5 / 6, 3 / 6, 6 / 8])
    assert [figure["f1"] for figure in figures] == pytest.approx([10 / 13, 6 / 12, 12 / 15])
    assert measured["macro_f1"] == pytest.approx((10 / 13 + 0.5 + 0.8) / 3)
    assert measured["weighted_f1"] == pytest.approx((6 * 10 / 13 + 6 * 0.5 + 8 * 0.8) / 20)


def test_an_answer_that_names_no_label_is_wrong_and_counted() -> None:
    measured = compute([0, NO_ANSWER, 1, NO_ANSWER], [0, 1, 1, 2])
    assert (measured["accuracy"], measured["invalid"]) == (0.5, 2)
    assert sum(map(sum, measured["confusion"])) == 2
    assert measured["per_class"]["contradiction"]["recall"] == 0


def test_calibration_is_the_mean_distance_between_confidence_and_accuracy() -> None:
    sure, unsure = [0.9, 0.05, 0.05], [0.5, 0.3, 0.2]
    logs = numpy.log(numpy.array([sure] * 10 + [unsure] * 10))
    gold = [0] * 9 + [1] + [0] * 3 + [1] * 7
    measured = compute([0] * 20, gold, log_probabilities=logs)
    # 0.9 said and 0.9 right; 0.5 said and 0.3 right.
    assert measured["calibration_error"] == pytest.approx(0.1)
    assert [(part["n"], part["accuracy"]) for part in measured["calibration_bins"]] == [(10, 0.3), (10, 0.9)]


def test_full_confidence_has_a_bin_and_nan_is_unknown() -> None:
    with numpy.errstate(divide="ignore"):
        certain = numpy.log(numpy.array([[1.0, 1e-30, 1e-30]] * 4))
    assert compute([0] * 4, [0] * 4, log_probabilities=certain)["calibration_error"] == pytest.approx(0)
    broken = numpy.full((4, 3), math.nan)
    assert compute([0] * 4, [0] * 4, log_probabilities=broken)["calibration_error"] is None


def test_slices_by_genre_and_by_annotators_votes() -> None:
    votes = [
        ("neutral",) * 5,
        ("neutral",) * 4 + ("entailment",),
        ("neutral",) * 3 + ("entailment",) * 2,
        ("neutral",),
    ]
    measured = compute([1, 1, 0, 1], [1, 1, 1, 1], genres=["travel", "fiction", "travel", None], votes=votes)
    assert {name: held["accuracy"] for name, held in measured["genres"].items()} == {
        "fiction": 1.0, "travel": 0.5,
    }  # fmt: skip
    assert {name: held["accuracy"] for name, held in measured["agreement"].items()} == {
        "5-0": 1.0, "4-1": 1.0, "3-2": 0.0,
    }  # fmt: skip
    assert list(measured["agreement"]) == ["5-0", "4-1", "3-2"]


def test_without_genres_and_votes_there_are_no_slices() -> None:
    measured = compute([0, 1], [0, 1], genres=[None, None], votes=[(), ()])
    assert "genres" not in measured
    assert "agreement" not in measured


def test_it_is_a_metric_of_the_library_that_takes_batches() -> None:
    metric = NliMetric(keep_in_memory=True)
    metric.add_batch(predictions=[0, 1], references=[0, 1])
    metric.add(prediction=2, reference=0)
    measured = metric.compute()
    assert measured is not None
    assert (measured["n"], measured["correct"]) == (3, 2)
