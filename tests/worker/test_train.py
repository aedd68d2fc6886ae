"""Training: accumulation, what is recorded, NaN, retention, products."""

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from nli_console.settings import Checkpoints
from nli_console.worker import train
from tests.worker.conftest import Run

KINDS = ("phase", "start", "train", "eval", "guard")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["roberta", "bert", "deberta", "llama"])
def test_sixteen_at_once_and_four_times_four_are_the_same_step(
    submitted: Callable[..., Run], tmp_path: Path, architecture: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's own loss would come out four times too large."""
    monkeypatch.setattr("torch.nn.functional.dropout", lambda values, *_, **__: values)
    runs = [
        submitted(model=architecture, batch_size=size, gradient_accumulation_steps=passes, max_steps=4,
                  evaluations=0, adam_epsilon=1e-3)
        for size, passes in ((16, 1), (4, 4))
    ]  # fmt: skip
    for run in runs:
        assert run.attempt()["completed"]
    for once, accumulated in zip(*(run.records("train") for run in runs), strict=True):
        assert accumulated["loss"] == pytest.approx(once["loss"], rel=2e-3)
        assert accumulated["grad_norm"] == pytest.approx(once["grad_norm"], rel=2e-2)
        assert (accumulated["samples"], accumulated["tokens"]) == (once["samples"], once["tokens"])


@pytest.mark.slow
def test_what_a_run_records_and_leaves_behind(submitted: Callable[..., Run]) -> None:
    run = submitted()
    final = run.attempt()
    start = run.records("start")[0]
    steps = run.records("train")
    assert (start["train_rows"], start["selection_rows"], start["device"]) == (90, 10, "cpu")
    assert start["labels"] == ["entailment", "neutral", "contradiction"]
    assert [record["step"] for record in steps] == list(range(1, start["total_steps"] + 1))
    assert sum(record["samples"] for record in steps) == 2 * 90
    assert all(record["seconds"] > 0 and record["tokens"] > 4 * record["samples"] for record in steps)
    sequence = [record["seq"] for kind in KINDS for record in run.records(kind)]
    assert sorted(sequence) == list(range(len(sequence)))
    phases = list(dict.fromkeys(record["phase"] for record in run.records("phase")))
    assert phases == ["loading", "tokenising", "training", "evaluating", "saving"]
    selections = [record for record in run.records("eval") if record["purpose"] == "selection"]
    assert [record["step"] for record in selections] == [10, 20, 30]
    finals = {record["split"]: record for record in run.records("eval") if record["purpose"] == "final"}
    assert set(finals) == set(final["accuracy"]) == {"validation_matched", "validation_mismatched"}
    for split, record in finals.items():
        assert record["n"] == final["accuracy"][split]["n"] == 24
        assert record["low"] <= record["accuracy"] <= record["high"]
    assert final["trainable_parameters"] == final["total_parameters"] == start["total_parameters"]
    assert final["peak_memory_bytes"] > 0
    assert final["peak_memory_kind"] == "rss_growth"
    assert final["train_samples_per_second"] == pytest.approx(180 / final["train_seconds"])
    assert final["product"] == "model"
    model = AutoModelForSequenceClassification.from_pretrained(run.layout.model)
    assert model.config.id2label == {0: "entailment", 1: "neutral", 2: "contradiction"}
    assert len(AutoTokenizer.from_pretrained(run.layout.model)) == model.config.vocab_size


@pytest.mark.slow
def test_an_adapter_names_the_base_model_and_its_labels(submitted: Callable[..., Run]) -> None:
    from peft import AutoPeftModelForSequenceClassification, PeftConfig

    run = submitted("lora", max_steps=4, evaluations=1)
    final = run.attempt()
    assert final["product"] == "adapter"
    assert final["trainable_parameters"] < final["total_parameters"]
    config = PeftConfig.from_pretrained(run.layout.adapter)
    assert config.base_model_name_or_path is not None
    model = AutoPeftModelForSequenceClassification.from_pretrained(run.layout.adapter, num_labels=3)
    trained = sum(
        parameter.numel() for name, parameter in model.named_parameters()
        if "lora_" in name or ".modules_to_save." in name
    )  # fmt: skip
    assert trained == final["trainable_parameters"]
    assert (run.layout.adapter / "config.json").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kept", "left"),
    [
        (Checkpoints(keep_after_finish="none"), 0),
        (Checkpoints(keep_after_finish="best"), 1),
        (Checkpoints(keep=2, keep_after_finish="all"), 3),
    ],
    ids=["none", "best", "all"],
)
def test_checkpoints_of_a_finished_run(submitted: Callable[..., Run], kept: Checkpoints, left: int) -> None:
    run = submitted(checkpoints=kept, evaluations=6, learning_rate=1e-9)
    final = run.attempt()
    # Nothing improves at this rate, so the first evaluation stays the best.
    assert final["best_step"] == 5
    names = run.checkpoints()
    assert len(names) == left
    if left:
        assert "checkpoint-5" in names
        files = {path.name for path in run.layout.checkpoints.rglob("*") if path.is_file()}
        assert not files & {"optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin"}


@pytest.mark.slow
def test_a_stopped_run_keeps_its_optimiser_and_no_pickled_arguments(
    submitted: Callable[..., Run], stop_when: Callable[..., Any]
) -> None:
    run = submitted()
    run.attempt(1, stop_when(lambda kind, fields: kind == "train" and fields["step"] == 12))
    files = {path.name for path in (run.layout.checkpoints / "checkpoint-12").iterdir()}
    assert {"MANIFEST.json", "optimizer.pt", "model.safetensors", "trainer_state.json"} <= files
    assert "training_args.bin" not in files
    assert (
        str(run.layout.path)
        not in (run.layout.checkpoints / "checkpoint-12" / "trainer_state.json").read_text()
    )


@pytest.mark.slow
def test_the_best_checkpoint_is_what_is_reported_and_kept(submitted: Callable[..., Run]) -> None:
    chosen, last = (submitted(evaluations=6, learning_rate=5e-3, select_best=best) for best in (True, False))
    final_chosen, final_last = chosen.attempt(), last.attempt()
    by_step = {
        record["step"]: record["accuracy"]
        for record in chosen.records("eval")
        if record["purpose"] == "selection"
    }
    assert final_chosen["selection_accuracy"]["value"] == max(by_step.values())
    assert final_chosen["best_step"] == min(
        step for step, value in by_step.items() if value == max(by_step.values())
    )
    assert final_last["best_step"] == final_last["step"] == 30
    with safe_open(chosen.layout.model / "model.safetensors", "pt") as product:
        kept = chosen.layout.checkpoints / f"checkpoint-{final_chosen['best_step']}" / "model.safetensors"
        with safe_open(kept, "pt") as checkpoint:
            for name in checkpoint.keys():  # noqa: SIM118  # not a mapping
                assert torch.equal(product.get_tensor(name), checkpoint.get_tensor(name))


def _losses(monkeypatch: pytest.MonkeyPatch, change: Callable[[int, torch.Tensor], torch.Tensor]) -> None:
    """Let the loss of the nth step (from 1) pass through ``change``."""
    original, steps = train.summed_cross_entropy, count(1)
    monkeypatch.setattr(
        train, "summed_cross_entropy", lambda *args, **kwargs: change(next(steps), original(*args, **kwargs))
    )


@pytest.mark.slow
def test_a_passing_nan_is_shown_and_counted(
    submitted: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    _losses(monkeypatch, lambda step, loss: loss + float("nan") if step in (7, 8) else loss)
    run = submitted()
    assert run.attempt()["completed"]
    nan = [record for record in run.records("train") if record["loss"] is None]
    assert [(record["step"], record["nan"]) for record in nan] == [(7, ["loss"]), (8, ["loss"])]
    guards = [
        (guard["step"], guard["active"]) for guard in run.records("guard") if guard["id"] == "nan_steps"
    ]
    assert guards == [(7, True), (8, True), (9, False)]


@pytest.mark.slow
def test_a_loss_that_stays_nan_ends_the_run(
    submitted: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    _losses(monkeypatch, lambda step, loss: loss + float("nan") if step >= 4 else loss)
    final = submitted().attempt()
    assert (final["completed"], final["reason"]["code"], final["step"]) == (False, "nan", 23)


@pytest.mark.slow
def test_nan_weights_end_the_run_before_they_are_saved(
    submitted: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    _losses(monkeypatch, lambda step, loss: loss * float("nan") if step == 20 else loss)
    run = submitted()
    final = run.attempt()
    assert (final["reason"]["code"], final["step"]) == ("nan", 20)
    assert "learning_rate" in final["reason"]["detail"]
    assert run.checkpoints() == ["checkpoint-10"]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw_8bit", "paged_adamw_8bit"])
def test_eight_bit_optimisers_train_and_resume(
    submitted: Callable[..., Run], stop_when: Callable[..., Any], optimizer: str
) -> None:
    run = submitted("lora", optimizer=optimizer, epochs=1.0)
    run.attempt(1, stop_when(lambda kind, fields: kind == "train" and fields["step"] == 8))
    assert run.attempt(2)["completed"]


@pytest.mark.slow
def test_gradient_checkpointing_gives_the_same_curve(submitted: Callable[..., Run]) -> None:
    plain, saving = (submitted("lora", gradient_checkpointing=on, max_steps=6) for on in (False, True))
    plain.attempt()
    saving.attempt()
    for a, b in zip(plain.records("train"), saving.records("train"), strict=True):
        assert b["loss"] == pytest.approx(a["loss"], rel=1e-5)
        assert b["grad_norm"] == pytest.approx(a["grad_norm"], rel=1e-3)
