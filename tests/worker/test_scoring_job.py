"""Runs that train nothing: label likelihoods, generation, calibration, stop and resume, masked models."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from nli_console.data.demo import demo_model_path
from nli_console.data.prompts import catalogue
from nli_console.data.spec import DataSpec
from nli_console.methods import registry
from nli_console.record.spec import RunSpec
from nli_console.record.spec_io import submit
from nli_console.settings import Guards
from nli_console.worker.score_journal import ScoreJournal
from tests.worker import tiny
from tests.worker.conftest import SPLITS, Run

Scored = Callable[..., Run]


@pytest.fixture
def scored(tmp_path: Path, corpus: Path) -> Scored:
    count = 0

    def make(method: str = "icl", **values: Any) -> Run:
        nonlocal count
        count += 1
        template = values.pop("template", "demo" if method == "icl" else "demo-masked")
        source, guards = values.pop("data", corpus), values.pop("guards", Guards())
        chosen = registry.get(method).Hyperparameters(template=template, **{"batch_size": 5, **values})
        spec = RunSpec(
            id=f"scored-{count}",
            name="tiny",
            method=method,
            hyperparameters=chosen.model_dump(mode="json"),
            template=catalogue.load(template),
            model=str(demo_model_path("decoder" if method == "icl" else "encoder")),
            model_name="demo",
            data=DataSpec(name="tiny-data", source=str(source), format="multinli", splits=SPLITS),
            seed=3,
            submitted=time.time(),
            cache_dir=str(tmp_path / "cache"),
            guards=guards,
        )
        return Run(submit(tmp_path / "runs", spec))

    return make


def predictions(run: Run) -> list[dict[str, Any]]:
    return pyarrow.parquet.read_table(run.layout.predictions / "validation_matched.parquet").to_pylist()


def whole_lines(path: Path) -> list[dict[str, Any]]:
    """Of a journal in which one line was torn."""
    lines = path.read_text().splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def test_what_a_run_records(scored: Scored, corpus: Path) -> None:
    run = scored(shots=4)
    final = run.attempt()
    assert final["completed"], final["reason"]
    assert final["trainable_parameters"] == 0 < final["total_parameters"]
    assert {split: found["n"] for split, found in final["accuracy"].items()} == {
        "validation_matched": 24,
        "validation_mismatched": 24,
    }
    shown = run.records("start")[0]["demonstrations"]
    train = {json.loads(line)["pairID"] for line in (corpus / SPLITS["train"]).read_text().splitlines()}
    assert len({shot["id"] for shot in shown} & train) == 4
    assert {shot["label"] for shot in shown} == {"entailment", "neutral", "contradiction"}
    assert any("right so far" in record.get("remark", "") for record in run.records("phase"))
    rows = (corpus / SPLITS["validation_matched"]).read_text().splitlines()
    assert [row["id"] for row in predictions(run)] == [json.loads(line)["pairID"] for line in rows]


@pytest.mark.parametrize(
    "values",
    [{}, {"scorer": "generation", "temperature": 1.0, "top_k": 50, "max_new_tokens": 3}],
    ids=["likelihood", "drawn"],
)
def test_stopped_and_resumed_is_as_if_never_stopped(
    scored: Scored, stop_when: Callable[..., Any], values: dict[str, Any]
) -> None:
    whole = scored(**values)
    expected = whole.attempt()
    run = scored(**values)
    stop = stop_when(lambda _, fields: fields.get("phase") == "evaluating" and bool(fields["done"]))
    assert run.attempt(1, stop)["stopped"]
    with (run.layout.scored / "validation_matched.jsonl").open("a") as file:
        file.write('{"v": 1, "rows": [0')
    final = run.attempt(2)
    assert final["completed"], final["reason"]
    assert final["accuracy"] == expected["accuracy"]
    for split in final["accuracy"]:
        lines = whole_lines(run.layout.scored / f"{split}.jsonl")
        assert sorted(row for line in lines for row in line["rows"]) == list(range(24))
    assert [str(row) for row in predictions(run)] == [str(row) for row in predictions(whole)]


def test_raw_and_calibrated_are_both_reported(scored: Scored) -> None:
    plain = scored().attempt()["accuracy"]["validation_matched"]
    for kind in ("contextual", "batch"):
        found = scored(calibration=kind).attempt()["accuracy"]["validation_matched"]
        assert found["calibration"] == kind
        assert found["raw"] == plain


def test_the_accuracy_so_far_is_recorded_and_ends_as_the_reported_one(scored: Scored) -> None:
    run = scored(calibration="batch")
    final = run.attempt()
    for split, reported in final["accuracy"].items():
        points = [record for record in run.records("score") if record["split"] == split]
        # The five longest rows are scored first, and count when all are.
        assert len(points) == 4
        assert [point["done"] - point["n"] for point in points] == [5, 5, 5, 0]
        last = points[-1]
        assert (last["accuracy"], last["low"], last["high"]) == (
            reported["value"], reported["low"], reported["high"],
        )  # fmt: skip
        assert last["raw"] == reported["raw"]["value"]
    assert run.records("start")[0]["rows"] == {"validation_matched": 24, "validation_mismatched": 24}
    assert final["scored_rows"] == 48


def test_a_guard_may_stop_a_run_whose_answers_cannot_be_read(
    scored: Scored, corpus: Path, tmp_path: Path
) -> None:
    wide = tiny.write_multinli(tmp_path / "wide", 100, 240)
    run = scored(
        data=wide, guards=Guards(stop_on=["invalid_answers"]), scorer="generation", temperature=5.0,
        max_new_tokens=3, batch_size=30,
    )  # fmt: skip
    final = run.attempt()
    assert final["stopped"], final["reason"]
    assert final["reason"]["code"] == "guard"
    assert "name no label" in final["reason"]["detail"]
    assert final["scored_rows"] is None
    assert run.records("score")[-1]["done"] < 240


def test_answers_that_name_no_label_are_counted_as_wrong(scored: Scored) -> None:
    run = scored(scorer="generation", temperature=5.0, max_new_tokens=3)
    found = run.attempt()["accuracy"]["validation_matched"]
    rows = predictions(run)
    nameless = sum(row["predicted"] is None for row in rows)
    assert nameless > 0
    assert found["invalid"] == nameless / 24
    assert found["correct"] == sum(row["predicted"] == row["gold"] for row in rows)
    assert run.records("eval")[0]["invalid"] == found["invalid"]


def test_a_masked_model(scored: Scored) -> None:
    final = scored("verbalizer").attempt()
    assert final["completed"], final["reason"]
    assert final["trainable_parameters"] == 0


@pytest.mark.parametrize("kind", ["8-bit", "nf4"])
def test_quantised_weights(scored: Scored, kind: str) -> None:
    final = scored(quantisation=kind).attempt()
    assert final["completed"], final["reason"]


def test_a_template_for_the_other_kind_of_model(scored: Scored) -> None:
    final = scored(template="yes-maybe-no").attempt()
    assert '--template yes-maybe-no: its format is "masked", and icl needs' in final["reason"]["detail"]


def test_scores_under_another_key_are_not_used(tmp_path: Path) -> None:
    journal = ScoreJournal(tmp_path / "a.jsonl", "one")
    journal.append([4, 2], [[-1.0, -2.5, -3.0], [-0.1, -0.2, -0.3]])
    journal.close()
    again = ScoreJournal(tmp_path / "a.jsonl", "one")
    assert again.found == {4: [-1.0, -2.5, -3.0], 2: [-0.1, -0.2, -0.3]}
    again.close()
    other = ScoreJournal(tmp_path / "a.jsonl", "two")
    assert other.found == {}
    other.close()
