"""A stopped and resumed run ends bit for bit where an uninterrupted one ends."""

from collections.abc import Callable
from typing import Any

import pyarrow.parquet
import pytest

from tests.worker.conftest import Run

FIGURES = ("step", "epoch", "loss", "learning_rate", "grad_norm", "samples", "tokens")


def outcome(run: Run, attempts: int) -> dict[str, Any]:
    """Everything that must be equal: curve, evaluations, accuracies, predictions and weights."""
    steps: dict[int, tuple[Any, ...]] = {}
    evaluations: dict[tuple[int, str], tuple[Any, ...]] = {}
    for number in range(1, attempts + 1):
        resumed = run.records("start", number)[-1]["resumed_step"]
        steps = {step: value for step, value in steps.items() if step <= resumed}
        for record in run.records("train", number):
            steps[record["step"]] = tuple(record[name] for name in FIGURES)
        for record in run.records("eval", number):
            evaluations[record["step"], record["split"]] = (record["accuracy"], record["loss"], record["n"])
    folder = run.layout.model if run.layout.model.exists() else run.layout.adapter
    weights = next(folder.glob("*.safetensors")).read_bytes()
    predictions = [
        pyarrow.parquet.read_table(path).to_pylist() for path in sorted(run.layout.predictions.iterdir())
    ]
    return {"steps": steps, "evaluations": evaluations, "weights": weights, "predictions": predictions}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("full", {}),
        ("full", {"group_by_length": False, "gradient_accumulation_steps": 2}),
        ("full", {"select_best": False, "schedule": "cosine", "precision": "bf16"}),
        ("lora", {"lora_dropout": 0.1}),
        ("lora", {"use_dora": True, "use_rslora": True}),
    ],
    ids=["full", "accumulated", "bf16", "lora", "dora"],
)
def test_a_stop_in_the_second_epoch_changes_nothing(
    submitted: Callable[..., Run], stop_when: Callable[..., Any], method: str, options: dict[str, Any]
) -> None:
    whole, cut = submitted(method, **options), submitted(method, **options)
    assert whole.attempt()["completed"]
    per_epoch = whole.records("start")[0]["steps_per_epoch"]
    middle = per_epoch + per_epoch // 2
    stopped = cut.attempt(1, stop_when(lambda kind, fields: kind == "train" and fields["step"] == middle))
    assert (stopped["stopped"], stopped["completed"]) == (True, False)
    assert stopped["step"] == middle
    assert cut.records("train")[-1]["step"] == middle
    final = cut.attempt(2)
    assert final["completed"]
    assert cut.records("start", 2)[0]["resumed_step"] == middle
    assert outcome(cut, 2) == outcome(whole, 1)


@pytest.mark.slow
def test_a_stop_at_the_border_of_two_epochs_changes_nothing(
    submitted: Callable[..., Run], stop_when: Callable[..., Any]
) -> None:
    whole, cut = submitted(), submitted()
    whole.attempt()
    border = whole.records("start")[0]["steps_per_epoch"]
    cut.attempt(1, stop_when(lambda kind, fields: kind == "train" and fields["step"] == border))
    assert cut.attempt(2)["completed"]
    assert outcome(cut, 2) == outcome(whole, 1)


@pytest.mark.slow
@pytest.mark.parametrize("nth", [1, 3], ids=["while training", "after the last step"])
def test_a_stop_during_an_evaluation_makes_it_again(
    submitted: Callable[..., Run], stop_when: Callable[..., Any], nth: int
) -> None:
    whole, cut = submitted(), submitted()
    whole.attempt()
    seen = 0

    def in_evaluation(kind: str, fields: dict[str, Any]) -> bool:
        nonlocal seen
        if kind == "phase" and fields["phase"] == "evaluating" and fields["done"] == fields["total"]:
            seen += 1
            return seen == nth
        return False

    stopped = cut.attempt(1, stop_when(in_evaluation))
    assert stopped["stopped"]
    assert len(cut.records("eval")) == nth - 1
    assert cut.attempt(2)["completed"]
    assert cut.records("eval", 2)[0]["step"] == stopped["step"] == cut.records("start", 2)[0]["resumed_step"]
    assert outcome(cut, 2) == outcome(whole, 1)


@pytest.mark.slow
def test_a_stop_during_the_final_evaluation_trains_nothing_again(
    submitted: Callable[..., Run], stop_when: Callable[..., Any]
) -> None:
    whole, cut = submitted(), submitted()
    whole.attempt()
    stopped = cut.attempt(1, stop_when(lambda kind, fields: fields.get("detail") == "validation_mismatched"))
    assert stopped["stopped"]
    assert set(stopped["accuracy"]) == {"validation_matched"}
    assert cut.attempt(2)["completed"]
    assert cut.records("train", 2) == []
    assert outcome(cut, 2) == outcome(whole, 1)


@pytest.mark.slow
def test_early_stopping_counts_on_through_a_resume(
    submitted: Callable[..., Run], stop_when: Callable[..., Any]
) -> None:
    options = {"epochs": 4.0, "evaluations": 20, "early_stopping_patience": 3, "learning_rate": 1e-9}
    whole, cut = submitted(**options), submitted(**options)
    final = whole.attempt()
    assert final["completed"]
    assert final["reason"]["code"] == "early_stopping"
    last = final["step"]
    assert last < whole.records("start")[0]["total_steps"]
    cut.attempt(1, stop_when(lambda kind, fields: kind == "train" and fields["step"] == last - 1))
    again = cut.attempt(2)
    assert (again["step"], again["reason"], again["best_step"]) == (last, final["reason"], final["best_step"])
    assert outcome(cut, 2) == outcome(whole, 1)


def test_a_stop_before_training_leaves_a_run_that_starts_afresh(
    submitted: Callable[..., Run], stop_when: Callable[..., Any]
) -> None:
    run = submitted(epochs=0.2, evaluations=1)
    stopped = run.attempt(1, stop_when(lambda kind, fields: fields.get("phase") == "tokenising"))
    assert (stopped["stopped"], stopped["step"]) == (True, 0)
    assert run.attempt(2)["completed"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run_and_another_seed_another(submitted: Callable[..., Run]) -> None:
    first, second, other = submitted(), submitted(), submitted(seed=2)
    for run in (first, second, other):
        run.attempt()
    assert outcome(first, 1) == outcome(second, 1)
    assert outcome(first, 1)["weights"] != outcome(other, 1)["weights"]
