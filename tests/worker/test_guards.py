"""What the guards say, and when they take it back."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nli_console.data.spec import LABELS
from nli_console.record.layout import RunLayout
from nli_console.worker.guards import GUESSING, Guards, StepSeen, TrainingGuard
from nli_console.worker.recorder import Recorder
from nli_console.worker.stop import StopFlag

STEPS = 200
"""Of the trainings here: 20 of warm-up and 10 more settle, and a window holds 10."""

FINE = StepSeen([5, 6, 5], [6, 5, 5], 0.8, 1.2)
Change = tuple[int, str, bool]


class Watched:
    """Guards that write into a folder, and what they wrote."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.place = RunLayout(folder / "run").attempt(1)
        self.place.path.mkdir(parents=True)
        self.stop = StopFlag()
        self.guards = Guards(Recorder(self.place), self.stop)
        for name, value in options.items():
            setattr(self.guards, name, value)
        self.training = TrainingGuard(self.guards, STEPS, 20, LABELS, 1.0)

    def records(self, id: str) -> list[dict[str, Any]]:
        lines = self.place.metrics.read_text().splitlines() if self.place.metrics.exists() else []
        return [record for record in map(json.loads, lines) if record["id"] == id]

    def changes(self, id: str) -> list[tuple[int, bool]]:
        return [(record["step"], record["active"]) for record in self.records(id)]

    @property
    def active(self) -> list[str]:
        """By ``guards.json``."""
        found = json.loads(self.place.guards.read_text())["active"] if self.place.guards.exists() else []
        return [guard["id"] for guard in found]

    def train(
        self,
        loss: Callable[[int], float] = lambda step: 0.7,
        norm: Callable[[int], float] = lambda step: 2.0,
        seen: Callable[[int], StepSeen | None] = lambda step: FINE,
        steps: int = STEPS,
    ) -> None:
        for step in range(1, steps + 1):
            self.training.step(step, loss(step), norm(step), seen(step))


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def evaluated(
    watched: Watched,
    predicted: Sequence[int],
    gold: Sequence[int] = (700, 650, 650),
    *,
    split: str = "selection",
    step: int = 150,
    logit_range: float = 3.0,
) -> None:
    watched.guards.evaluated(
        split,
        step,
        predicted=predicted,
        gold=gold,
        logit_range=logit_range,
        largest_logit=1.5,
        final=split != "selection",
    )


def test_a_healthy_training_says_nothing(watched: Watched) -> None:
    watched.train(loss=lambda step: GUESSING * math.exp(-step / 60) + 0.02 * math.sin(step))
    evaluated(watched, (800, 600, 600))
    evaluated(watched, (800, 600, 600), split="validation_matched")
    assert not watched.place.metrics.read_text()
    assert watched.active == []


# The loss of guessing


def test_a_loss_that_stays_at_guessing_is_told_once_the_start_is_over(watched: Watched) -> None:
    watched.train(loss=lambda step: GUESSING + (0.05 if step % 2 else -0.05))
    assert watched.changes("loss_at_chance") == [(30, True)]
    (record,) = watched.records("loss_at_chance")
    assert record["severity"] == "warning"
    assert "1.0986" in record["message"]
    assert watched.active == ["loss_at_chance"]


def test_a_loss_that_leaves_guessing_late_takes_it_back(watched: Watched) -> None:
    watched.train(loss=lambda step: GUESSING if step < 100 else 0.9)
    changes = watched.changes("loss_at_chance")
    assert [active for _, active in changes] == [True, False]
    assert 100 <= changes[1][0] < 105
    assert watched.active == []


@pytest.mark.parametrize("distance", [0.021, -0.021])
def test_two_hundredths_from_guessing_is_far_enough(watched: Watched, distance: float) -> None:
    watched.train(loss=lambda step: GUESSING + distance)
    assert watched.changes("loss_at_chance") == []


def test_a_loss_that_is_not_of_a_classifier_is_not_compared(watched: Watched) -> None:
    watched.train(loss=lambda step: GUESSING, seen=lambda step: None)
    assert watched.changes("loss_at_chance") == []


def test_nan_losses_do_not_hide_the_others(watched: Watched) -> None:
    watched.train(loss=lambda step: float("nan") if step % 3 else GUESSING)
    assert watched.active == ["loss_at_chance"]


# One class


def test_one_class_in_training_is_told_and_taken_back(watched: Watched) -> None:
    watched.train(seen=lambda step: StepSeen([0, 16, 0], [6, 5, 5], 0.8, 1.2) if step < 100 else FINE)
    changes = watched.changes("one_class")
    assert [active for _, active in changes] == [True, False]
    assert changes[0][0] == 30
    assert (
        "100 % of the predictions in the last 10 steps are neutral (31 % of the labels are)"
        in (watched.records("one_class")[0]["message"])
    )


def test_names_are_those_of_the_models_outputs(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    order = ("contradiction", "neutral", "entailment")
    watched.training = TrainingGuard(watched.guards, STEPS, 20, order, 1.0)
    watched.train(seen=lambda step: StepSeen([0, 0, 16], [6, 5, 5], 0.8, 1.2))
    assert "are entailment" in watched.records("one_class")[0]["message"]


def test_ninety_percent_of_one_class_is_not_yet_too_much(watched: Watched) -> None:
    evaluated(watched, (1800, 100, 100))
    assert watched.active == []
    evaluated(watched, (1801, 100, 99), step=151)
    assert watched.active == ["one_class"]


def test_one_class_is_right_where_the_labels_are_one_sided(watched: Watched) -> None:
    evaluated(watched, (1990, 10, 0), (1900, 60, 40))
    watched.train(seen=lambda step: StepSeen([16, 0, 0], [15, 1, 0], 0.8, 1.2))
    assert watched.active == []


def test_a_handful_of_rows_proves_nothing(watched: Watched) -> None:
    evaluated(watched, (24, 0, 0), (8, 8, 8), logit_range=0.0)
    assert watched.active == []


def test_the_held_out_rows_are_not_judged_before_anything_can_be_learnt(watched: Watched) -> None:
    evaluated(watched, (0, 0, 2000), step=29)
    assert watched.active == []
    evaluated(watched, (0, 0, 2000), step=30)
    assert watched.active == ["one_class"]
    evaluated(watched, (600, 700, 700), step=60)
    assert watched.changes("one_class") == [(30, True), (60, False)]


def test_the_reported_weights_are_judged_on_their_own(watched: Watched) -> None:
    """The last evaluation on the way may have been of other weights than the best, which are reported."""
    evaluated(watched, (0, 0, 2000))
    evaluated(watched, (600, 700, 700), split="validation_matched")
    assert watched.active == []
    evaluated(watched, (0, 2000, 0), split="validation_matched")
    evaluated(watched, (0, 2000, 0), split="validation_mismatched")
    message = watched.records("one_class")[-1]["message"]
    assert "on validation_matched are neutral" in message
    assert "on validation_mismatched are neutral" in message


# Logits that do not depend on the input


def test_constant_logits_are_an_error_in_training(watched: Watched) -> None:
    watched.train(seen=lambda step: StepSeen([5, 6, 5], [6, 5, 5], 1e-6, 1.2))
    (record,) = watched.records("constant_logits")
    assert (record["step"], record["severity"], record["active"]) == (30, "error", True)
    assert "do not depend on the input" in record["message"]


def test_one_batch_that_differs_takes_it_back(watched: Watched) -> None:
    watched.train(seen=lambda step: StepSeen([5, 6, 5], [6, 5, 5], 0.5 if step == 90 else 1e-6, 1.2))
    assert watched.changes("constant_logits") == [(30, True), (90, False), (100, True)]


def test_passes_of_one_row_tell_nothing_of_the_logits(watched: Watched) -> None:
    watched.train(seen=lambda step: StepSeen([0, 1, 0], [1, 0, 0], None, 1.2))
    assert watched.changes("constant_logits") == []


@pytest.mark.parametrize(("precision", "caught"), [("fp32", False), ("fp16", False), ("bf16", True)])
def test_what_rounding_explains_depends_on_the_arithmetic(
    tmp_path: Path, precision: str, caught: bool
) -> None:
    watched = Watched(tmp_path, precision=precision)
    evaluated(watched, (700, 700, 600), logit_range=0.02)
    assert (watched.active == ["constant_logits"]) is caught


# Gradient norm


@pytest.mark.parametrize(
    ("norm", "caught"),
    [
        (lambda step: 2.0, False),
        (lambda step: 500.0 if step % 20 == 0 else 2.0, False),
        (lambda step: 2.0 * 1.02**step, False),
        (lambda step: 0.1 if step < 100 else 5.0, False),
        (lambda step: 2.0 if step < 100 else 60.0, True),
        (lambda step: 5e4, True),
        (lambda step: float("inf") if step % 2 else 2.0, False),
    ],
    ids=["steady", "single spikes", "slow growth", "below the clip", "a jump", "from the start", "overflows"],
)
def test_an_exploding_gradient_norm(watched: Watched, norm: Callable[[int], float], caught: bool) -> None:
    watched.train(norm=norm, seen=lambda step: None)
    assert (watched.active == ["grad_norm"]) is caught


def test_a_gradient_norm_that_calms_down_takes_it_back(watched: Watched) -> None:
    watched.train(norm=lambda step: 60.0 if 100 <= step < 140 else 2.0)
    assert [active for _, active in watched.changes("grad_norm")] == [True, False]
    assert "lower learning_rate" in watched.records("grad_norm")[0]["message"]


# The majority rate, and answers that name no label


def reported(watched: Watched, correct: int, n: int, share: float, split: str = "validation_matched") -> None:
    from nli_console.statistics import wilson

    low, high = wilson(correct, n)
    watched.guards.reported(
        split, 200, value=correct / n, low=low, high=high, n=n, majority=("entailment", share)
    )


@pytest.mark.parametrize(
    ("correct", "n", "share", "caught"),
    [
        (3479, 9815, 0.3545, True),
        (3600, 9815, 0.3545, False),
        (3300, 9815, 0.3545, False),
        (177, 490, 0.3545, False),
        (181, 500, 0.3545, True),
        (450, 500, 0.9, True),
    ],
    ids=[
        "the majority itself",
        "above it",
        "below it",
        "the report's 490 rows",
        "500 rows",
        "one-sided labels",
    ],
)
def test_an_accuracy_that_cannot_be_told_from_a_constant_answer(
    watched: Watched, correct: int, n: int, share: float, caught: bool
) -> None:
    reported(watched, correct, n, share)
    assert (watched.active == ["at_majority"]) is caught


def test_the_message_names_every_split_that_is_no_better_than_guessing(watched: Watched) -> None:
    reported(watched, 3479, 9815, 0.3545)
    reported(watched, 3463, 9832, 0.3522, "validation_mismatched")
    message = watched.records("at_majority")[-1]["message"]
    assert "35.4 ± 0.9 % on validation_matched cannot be told from always answering entailment" in message
    assert "on validation_mismatched" in message


@pytest.mark.parametrize(
    ("invalid", "n", "caught"), [(1, 100, False), (2, 100, True), (50, 99, False), (99, 9815, True)]
)
def test_more_than_one_answer_in_a_hundred_that_names_no_label(
    watched: Watched, invalid: int, n: int, caught: bool
) -> None:
    watched.guards.answered(invalid, n)
    assert (watched.active == ["invalid_answers"]) is caught


def test_answers_that_become_better_take_it_back(watched: Watched) -> None:
    watched.guards.answered(5, 100)
    watched.guards.answered(5, 1000)
    assert watched.active == []


# Stopping


def test_a_guard_stops_the_run_only_where_that_was_asked_for(tmp_path: Path) -> None:
    patient = Watched(tmp_path / "a")
    patient.train(loss=lambda step: GUESSING)
    assert not patient.stop.requested
    strict = Watched(tmp_path / "b", stop_on=frozenset({"loss_at_chance"}))
    strict.train(loss=lambda step: GUESSING, steps=29)
    assert not strict.stop.requested
    strict.train(loss=lambda step: GUESSING, steps=30)
    assert strict.stop.requested
    assert strict.stop.reason is not None
    assert strict.stop.reason.sentence.startswith("stopped by a guard: loss_at_chance: the mean loss")


def test_what_is_found_in_the_reported_weights_stops_nothing(tmp_path: Path) -> None:
    watched = Watched(tmp_path, stop_on=frozenset({"one_class", "constant_logits"}))
    evaluated(watched, (2000, 0, 0), split="validation_matched", logit_range=0.0)
    assert set(watched.active) == {"one_class", "constant_logits"}
    assert not watched.stop.requested
