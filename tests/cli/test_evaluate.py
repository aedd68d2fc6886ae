"""evaluate: what is asked, shown and started; its runs are runs like any other."""

import json
import shutil

import pytest

from nli_console.record.files import write_json
from nli_console.record.spec_io import load_spec
from tests.support.fake_runs import make_run

MNLI = ["CONTRADICTION", "NEUTRAL", "ENTAILMENT"]


@pytest.fixture
def trained(place):
    """A finished LoRA run of the place's own model and data."""
    place.call("run", "lora", "--name", "trained", "--seed", "5", "--detach", "--json")
    (layout,) = place.runs
    assert place.call("watch", layout.id).code == 0
    layout.adapter.mkdir()
    (layout.adapter / "adapter_model.safetensors").write_bytes(b"weights")
    return layout


def plan(place, *arguments):
    result = place.call("evaluate", *arguments, "--dry-run", "--json")
    assert result.code == 0, result.err
    return result.json


def classifier(place, names, architecture="RobertaForSequenceClassification"):
    config = json.loads((place.folder / "model" / "config.json").read_text())
    config |= {"architectures": [architecture], "id2label": dict(enumerate(names))}
    (place.folder / "model" / "config.json").write_text(json.dumps(config))


@pytest.mark.slow
def test_a_run_is_evaluated_in_the_history_like_any_other(place, trained):
    place.write_settings(steps=1, accuracy={"validation_matched": {"value": 0.9, "n": 12}})
    result = place.call("evaluate", "trained", "--split", "validation_matched")
    assert result.code == 0, result.err
    assert "validation_matched: 90.0 %" in result.out
    layout = next(layout for layout in place.runs if layout.id != trained.id)
    assert load_spec(layout).data.evaluate_on == ("validation_matched",)
    shutil.rmtree(trained.path)
    (listed,) = place.call("list", "--json").json
    assert (listed["method"], listed["evaluates"]) == ("evaluate", trained.id)
    assert listed["accuracy"]["validation_matched"]["value"] == 0.9
    shown = place.call("show", layout.id).out
    assert f"{trained.id} (lora)" in shown
    assert "preset" not in shown
    assert place.call("list", "--method", "evaluate").out.count(layout.id) == 1


@pytest.mark.slow
def test_a_dry_run_shows_rows_memory_and_where_the_defaults_come_from(place, trained):
    spec = plan(place, "trained")
    assert spec["trainable_parameters"] == 0
    assert spec["rows"] == {"validation_matched": 12, "validation_mismatched": 12}
    assert spec["memory"]["gradients"] == spec["memory"]["optimiser"] == 0 < spec["memory"]["weights"]
    assert spec["evaluates"]["name"] == trained.id
    assert spec["hyperparameters"]["batch_size"] == 2 * load_spec(trained).hyperparameters["batch_size"]
    assert {check["id"] for check in spec["checks"]} <= {"validation_size", "positions"}
    assert len(place.runs) == 1
    again = plan(
        place, *plan(place, "trained", "--split", "train", "--batch-size", "3")["provenance"]["command"][2:]
    )
    assert (again["data"]["evaluate_on"], again["hyperparameters"]["batch_size"]) == (["train"], 3)
    assert "own_training_rows" in {check["id"] for check in again["checks"]}
    half = plan(place, "trained", "--fraction", "0.5", "--split", "validation_matched,train")
    assert half["rows"] == {"validation_matched": 6, "train": 6}
    text = place.call("evaluate", "trained", "--dry-run").out
    assert "rows to score  24: validation_matched 12, validation_mismatched 12" in text
    assert "steps" not in text


def test_labels_are_read_by_name_or_have_to_be_named(place):
    classifier(place, MNLI)
    spec = plan(place, "tiny")
    assert "label_order" in {check["id"] for check in spec["checks"]}
    assert spec["total_parameters"] == 355_362_819
    classifier(place, ["LABEL_0", "LABEL_1", "LABEL_2"])
    refused = place.call("evaluate", "tiny", "--detach")
    assert refused.code == 2
    assert "--label-order entailment,neutral,contradiction" in refused.err
    assert place.runs == []
    named = plan(place, "tiny", "--label-order", "contradiction,neutral,entailment")
    assert named["hyperparameters"]["label_order"] == ["contradiction", "neutral", "entailment"]
    classifier(place, MNLI, "RobertaForMaskedLM")
    assert "has no classification head" in place.call("evaluate", "tiny", "--detach").err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("nothing",), 'nothing to evaluate is called "nothing"'),
        ((), "SOURCE is missing"),
        (("tiny", "--split", "test"), 'pairs has no split "test"; it has train, validation_matched'),
        (("tiny", "--data", "other"), 'data "other" is not known'),
        (("tiny", "--fraction", "0"), "--fraction 0: must be more than 0"),
        (("tiny", "--batch-size", "none"), "--batch-size none: must be a number"),
        (("tiny", "--label-order", "a,b"), "--label-order a,b: must be entailment, neutral, contradiction"),
        (("tiny", "--checkpoint", "last"), "--checkpoint last: only a run has checkpoints"),
        (("tiny", "--model", "tiny"), "--model tiny: only an adapter has a base model"),
        (("tiny", "--ignore", "labels"), "no check is called"),
        (("tiny", "--epochs", "3"), "unknown option: --epochs"),
    ],
)
def test_bad_input_is_one_sentence_and_starts_nothing(place, arguments, sentence):
    classifier(place, MNLI)
    result = place.call("evaluate", *arguments)
    assert result.code == 2
    assert sentence in result.err
    assert "Traceback" not in result.err
    assert place.runs == []


def test_run_points_to_the_command(place):
    assert "nli-console evaluate SOURCE" in place.call("run", "evaluate").err


def test_data_without_a_train_split_can_be_evaluated(place):
    classifier(place, MNLI)
    only = place.folder / "only"
    only.mkdir()
    shutil.copy(place.folder / "pairs" / "multinli_1.0_dev_matched.jsonl", only)
    assert plan(place, "tiny", "--data", str(only))["rows"] == {"validation_matched": 12}


def test_a_checkpoint_of_a_run_that_failed(place):
    values = {"hyperparameters": {}, "data": load_data(place)}
    failed = make_run(place.runs_dir, "failed", steps=9, **values)
    assert "failed and has made no adapter" in place.call("evaluate", failed.id).err
    folder = failed.checkpoints / "checkpoint-6"
    folder.mkdir(parents=True)
    write_json(folder / "MANIFEST.json", {"v": 1, "files": {}})
    spec = plan(place, failed.id, "--checkpoint", "last")
    assert (spec["evaluates"]["step"], spec["evaluates"]["weights"]) == (6, str(folder))
    assert spec["provenance"]["command"][3:5] == ["--checkpoint", "6"]


def load_data(place):
    classifier(place, MNLI)
    return plan(place, "tiny")["data"]
