"""The whole way with the real worker: the tiny demo encoder trained, stopped, killed, resumed and loaded."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nli_console.data.demo import write_demo_corpus
from nli_console.record.files import read_json
from nli_console.record.layout import RunLayout
from nli_console.record.state import State
from nli_console.supervisor import actions
from tests.end_to_end.conftest import (
    World,
    is_in,
    isolated,
    kill,
    pair,
    records,
    run_state,
    steps_of,
    supervisor_of,
    until,
    worker_of,
)

SPLITS = ("validation_matched", "validation_mismatched")
LORA = ("run", "lora", "--batch-size", "8", "--epochs", "3", "--evaluations", "3", "--learning-rate", "3e-3")
"""About 100 steps; a checkpoint at every evaluation."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory, warm_engine: str) -> Iterator[World]:
    """A world with 300 pairs of the demo corpus, where runs are done by the real worker."""
    world = isolated(tmp_path_factory.mktemp("real"), warm_engine)
    world.environment["OMP_NUM_THREADS"] = "1"
    write_demo_corpus(world.folder / "pairs", train=300, dev=60)
    world.settings("[queue]\ncpu_slots = 1\n", model="demo-encoder")
    yield world
    world.clear()


@pytest.fixture(scope="module")
def reference(real: World) -> RunLayout:
    """An uninterrupted LoRA run."""
    result = real.call(*LORA, "--json", "--name", "reference")
    assert result.code == 0, result.err
    return RunLayout(real.runs_dir / result.json["id"])


def launched(world: World, *arguments: str) -> RunLayout:
    """Start a run and return at once."""
    result = world.call(*arguments, "--detach", "--json")
    assert result.code == 0, result.err
    return RunLayout(world.runs_dir / result.json["id"])


def outcome(layout: RunLayout, attempt: int) -> dict[str, Any]:
    """What must not depend on interruptions: the product's bytes, every loss, every accuracy."""
    final = read_json(layout.attempt(attempt).final)
    assert final is not None
    losses: dict[int, float] = {}
    for number in range(1, attempt + 1):
        resumed = records(layout.attempt(number).metrics, "start")[0]["resumed_step"]
        losses = {step: loss for step, loss in losses.items() if step <= resumed}
        losses |= {each["step"]: each["loss"] for each in records(layout.attempt(number).metrics, "train")}
    return {
        "weights": (layout.adapter / "adapter_model.safetensors").read_bytes(),
        "losses": losses,
        "accuracy": final["accuracy"],
        "selection": final["selection_accuracy"],
        "best_step": final["best_step"],
    }


def resumed(world: World, layout: RunLayout, attempt: int) -> int:
    """Resume a run; the step from which the attempt goes on."""
    until(lambda: run_state(layout).resumable)
    result = world.call("resume", layout.id)
    assert result.code == 0, result.out + result.err
    return until(lambda: records(layout.attempt(attempt).metrics, "start"))[0]["resumed_step"]


def saved(layout: RunLayout) -> list[int]:
    """The steps of all whole checkpoints, in order."""
    found = layout.checkpoints.glob("checkpoint-*/MANIFEST.json")
    return sorted(int(path.parent.name.partition("-")[2]) for path in found)


def test_full_fine_tuning_to_a_product_that_reproduces_its_accuracy(real: World) -> None:
    result = real.call(
        "run", "full", "--batch-size", "16", "--max-steps", "12", "--evaluations", "2", "--json"
    )
    assert result.code == 0, result.err
    run = result.json
    layout = RunLayout(real.runs_dir / run["id"])
    assert (run["state"], set(run["accuracy"])) == ("finished", set(SPLITS))
    final = read_json(layout.attempt(1).final)
    assert final is not None
    assert (final["completed"], final["product"], final["step"]) == (True, "model", 12)
    assert run["trainable_parameters"] == run["total_parameters"] == final["total_parameters"]

    import pyarrow.parquet
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(layout.model).eval()
    tokenizer = AutoTokenizer.from_pretrained(layout.model)
    for split, name in zip(SPLITS, ("dev_matched", "dev_mismatched"), strict=True):
        lines = (real.folder / "pairs" / f"multinli_1.0_{name}.jsonl").read_text().splitlines()
        rows = [row for row in map(json.loads, lines) if row["gold_label"] != "-"]
        written = pyarrow.parquet.read_table(layout.predictions / f"{split}.parquet").to_pylist()
        assert [row["id"] for row in written] == [row["pairID"] for row in rows]
        texts = [row["sentence1"] for row in rows], [row["sentence2"] for row in rows]
        with torch.no_grad():
            logits = model(**tokenizer(*texts, padding=True, return_tensors="pt")).logits
        predicted = [model.config.id2label[int(index)] for index in logits.argmax(-1)]
        assert predicted == [row["predicted"] for row in written]
        right = sum(guess == row["gold_label"] for guess, row in zip(predicted, rows, strict=True))
        assert run["accuracy"][split]["n"] == len(rows)
        assert run["accuracy"][split]["value"] == pytest.approx(right / len(rows))


def test_whatever_interrupts_a_run_changes_nothing(real: World, reference: RunLayout) -> None:
    """Stopped, then without its worker, then without its supervisor: the product has the very same bytes."""
    layout = launched(real, *LORA)
    until(lambda: len(steps_of(layout)) > 3)
    actions.stop(layout, "a test")
    until(is_in(layout, State.STOPPED, State.FINISHED))
    assert run_state(layout).state is State.STOPPED
    stopped_at = steps_of(layout)[-1]
    assert resumed(real, layout, 2) == stopped_at

    until(lambda: saved(layout)[-1] > stopped_at)
    kill(worker_of(layout.attempt(2)))
    until(is_in(layout, State.FAILED))
    assert resumed(real, layout, 3) == saved(layout)[-1]

    until(lambda: len(steps_of(layout, 3)) > 3)
    kill(supervisor_of(layout.attempt(3)))
    until(is_in(layout, State.LOST))
    assert resumed(real, layout, 4) == steps_of(layout, 3)[-1]

    until(is_in(layout, State.FINISHED))
    assert outcome(layout, 4) == outcome(reference, 1)


def test_a_bad_row_behind_the_quick_look_ends_the_run_in_a_sentence(tmp_path: Path, warm_engine: str) -> None:
    world = isolated(tmp_path, warm_engine)
    folder = world.folder / "pairs"
    folder.mkdir()
    for split in ("train", "dev_matched"):
        rows = [pair(number) for number in range(250)]
        rows[230]["gold_label"] = "may\x1b[2Jbe" if split == "train" else "neutral"
        (folder / f"multinli_1.0_{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    world.settings(model="demo-encoder")
    try:
        result = world.call("run", "lora")
    finally:
        world.clear()
    assert result.code == 1
    assert "line 231" in result.out
    assert "multinli_1.0_train.jsonl" in result.out
    assert 'label "may\ufffd[2Jbe" is unknown' in result.out
    assert "Traceback" not in result.out + result.err
    assert "\x1b" not in result.out + result.err


def test_the_demo_without_a_terminal_learns_and_ends_with_the_history(
    tmp_path: Path, warm_engine: str
) -> None:
    world = isolated(tmp_path, warm_engine)
    (world.folder / "settings.toml").write_text('runs_dir = "runs"\ncache_dir = "cache"\n')
    try:
        result = world.call("demo")
        assert result.code == 0, result.err
        (run,) = world.call("list", "--json").json
    finally:
        world.clear()
    assert "\x1b" not in result.out
    assert "\r" not in result.out
    lines = result.out.splitlines()
    assert any(line.startswith("training  step ") and "loss" in line for line in lines)
    assert any("accuracy on selection" in line for line in lines)
    assert lines[-2].split()[:3] == ["ID", "NAME", "STATE"]
    assert lines[-1].split()[:3] == [run["id"], "demo", "finished"]
    assert all(accuracy["low"] > 0.5 for accuracy in run["accuracy"].values()), run["accuracy"]


@pytest.mark.parametrize(
    ("method", "model", "size"),
    [
        ("icl", "demo-decoder", (120, 40)),
        ("verbalizer", "demo-encoder", (80, 24)),
        ("qlora_sft", "demo-decoder", (60, 20)),
        ("qlora_classifier", "demo-decoder", (120, 40)),
    ],
)
def test_a_prompt_method_is_launched_from_the_form_and_seen_to_its_end(
    real: World, method: str, model: str, size: tuple[int, int]
) -> None:
    before = {layout.id for layout in real.runs}
    real.settings("[queue]\ncpu_slots = 1\n", model=model, method=method)
    with real.terminal(size=size) as console:
        console.wait_for("q quit")
        console.press("1")  # with runs of the tests before, it opens on the history
        console.wait_for("to score|trainable +[0-9]")
        console.press("f5")
        console.wait_for("1 running|1 queued")
        (layout,) = (layout for layout in real.runs if layout.id not in before)
        console.wait_for(f"finished +{method}")
        console.wait_for(r"[0-9] ± [0-9]+\.[0-9] %|[0-9] \([0-9]+[0-9.]*–[0-9.]+\) ?%")
        console.press("q")
        assert console.wait_exit() == 0
    final = read_json(layout.attempt(1).final)
    assert final is not None
    assert final["completed"]
    assert set(final["accuracy"]) == set(SPLITS)
