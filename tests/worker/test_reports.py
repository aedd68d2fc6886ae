"""What an evaluation leaves behind: predictions in dataset order, and a report per split."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from nli_console.analysis.explain import Explainer
from nli_console.data.spec import LABELS
from nli_console.record.evaluation import read_reports
from nli_console.record.findings import Query
from tests.worker import tiny
from tests.worker.conftest import Run

SCORES = [f"score_{label}" for label in LABELS]
SPLITS = ("validation_matched", "validation_mismatched")


def predictions(path: Path) -> list[dict]:
    return pyarrow.parquet.read_table(path).to_pylist()


@pytest.mark.slow
def test_predictions_are_in_dataset_order_whatever_the_batching(submitted: Callable[..., Run]) -> None:
    """Rows are scored longest first; one by one, in the order of the file, the model says the same."""
    run = submitted(batch_size=5, max_steps=2, evaluations=1)
    run.attempt()
    model = AutoModelForSequenceClassification.from_pretrained(run.layout.model).eval()
    tokenizer = AutoTokenizer.from_pretrained(run.layout.model)
    for split, seed in zip(SPLITS, (2, 3), strict=True):
        examples, written = tiny.rows(24, seed), predictions(run.layout.predictions / f"{split}.parquet")
        assert [row["id"] for row in written] == [example.id for example in examples]
        assert [row["genre"] for row in written] == [example.genre for example in examples]
        assert [row["gold"] for row in written] == [LABELS[example.label] for example in examples]
        for example, row in zip(examples, written, strict=True):
            with torch.inference_mode():
                inputs = tokenizer(example.premise, example.hypothesis, return_tensors="pt")
                alone = model(**inputs).logits.log_softmax(-1)[0]
            assert [row[name] for name in SCORES] == pytest.approx(alone.tolist(), abs=1e-5)
            assert row["predicted"] == LABELS[int(alone.argmax())]


@pytest.mark.slow
def test_every_evaluation_leaves_predictions_and_every_reported_split_a_report(
    submitted: Callable[..., Run],
) -> None:
    run = submitted()
    final = run.attempt()
    held_out = sorted(path.name for path in (run.layout.predictions / "selection").iterdir())
    assert held_out == ["step-10.parquet", "step-20.parquet", "step-30.parquet"]
    for record in run.records("eval"):
        path = run.layout.predictions / f"{record['split']}.parquet"
        if record["purpose"] == "selection":
            path = run.layout.predictions / "selection" / f"step-{record['step']}.parquet"
        rows = predictions(path)
        right = sum(row["gold"] == row["predicted"] for row in rows)
        assert (right, len(rows)) == (record["correct"], record["n"])
    reports = read_reports(run.layout)
    for report in reports:
        # Whoever explains the run finds the same rows right.
        found = Explainer(run.layout).answer(Query(split=report.split))
        assert found.accuracy == report.accuracy
        assert found.notes == ()
    assert [report.split for report in reports] == list(SPLITS)
    for report in reports:
        recorded = final["accuracy"][report.split]
        assert (report.accuracy.value, report.accuracy.n) == (recorded["value"], 24)
        assert sum(map(sum, report.confusion)) == 24
        assert sum(report.confusion[i][i] for i in range(3)) == recorded["correct"]
        assert {name: held.n for name, held in report.genres.items()} == {"fiction": 12, "travel": 12}
        assert report.step == final["best_step"]
        assert report.calibration_error is not None
        assert report.majority == ("entailment", pytest.approx(1 / 3))


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes(submitted: Callable[..., Run]) -> None:
    first, second = submitted("lora", max_steps=4), submitted("lora", max_steps=4)
    first.attempt()
    second.attempt()
    for split in SPLITS:
        contents = [(run.layout.evaluation / f"{split}.json").read_bytes() for run in (first, second)]
        assert contents[0] == contents[1]
        assert json.loads(contents[0])["n"] == 24
