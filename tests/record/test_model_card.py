"""The model card: what the hub reads in it, what people read in it, and what never stands in it."""

import pytest
import yaml

from nli_console.data.spec import DataSpec
from nli_console.errors import ConsoleError
from nli_console.record.labels import update_labels
from nli_console.record.model_card import licence_of
from nli_console.record.packaging import card_of, check_target, compose_package
from tests.support.fake_reports import share, write_guards, write_report
from tests.support.fake_runs import make_run

TOKEN = "hf_" + "a1B2" * 10
HUB = DataSpec(name="mnli", source="nyu-mll/multi_nli", format="hub", splits={"train": "train"})


@pytest.fixture
def run(tmp_path):
    layout = make_run(tmp_path / "runs", "finished", accuracy=0.867, data=HUB)
    write_report(layout, genres={"fiction | <b>": share(1680, 1973)})
    write_guards(layout, ("one_class", "warning", "nearly *all* are one label"))
    update_labels(layout, name=f"best: [run](x) {TOKEN}")
    return layout


def parts_of(card):
    _, front, body = card.split("---\n", 2)
    return yaml.safe_load(front), body


def test_the_front_is_what_the_hub_reads(run):
    front, _ = parts_of(card_of(run))
    assert front["base_model"] == "roberta-large"
    assert front["base_model_relation"] == "adapter"
    assert front["license"] == "mit"
    assert front["library_name"] == "peft"
    assert front["datasets"] == ["nyu-mll/multi_nli"]
    (index,) = front["model-index"]
    first = index["results"][0]
    assert first["dataset"] == {"type": "nyu-mll/multi_nli", "name": "mnli", "split": "validation_matched"}
    assert first["metrics"][0]["type"] == "accuracy"
    assert first["metrics"][0]["value"] == pytest.approx(0.867)
    from huggingface_hub.repocard_data import model_index_to_eval_results

    name, results = model_index_to_eval_results([index])
    assert name.startswith("best: [run](x)")
    assert [result.dataset_split for result in results] == ["validation_matched", "validation_mismatched"]


def test_the_body_has_every_figure_with_n_and_interval(run):
    _, body = parts_of(card_of(run))
    assert "| validation\\_matched | 86.7 % | 86.0–87.4 % | 9,815 |" in body
    assert "| fiction \\| \\<b\\> | 85.1 % |" in body
    assert "| **neutral** | 300 | 2,600 | 223 |" in body
    assert "nearly \\*all\\* are one label" in body
    assert "`learning_rate` | 3e-4 (changed) |" in body
    assert "nli-console run lora" in body
    assert "PeftModel.from_pretrained(base, folder)" in body
    assert "# best: \\[run\\](x)" in body
    assert TOKEN not in body
    assert "demonstration" not in body
    assert str(run.path.parent) not in body


def test_a_demo_says_that_it_is_one(tmp_path):
    demo = make_run(tmp_path / "runs", "finished", model="demo-encoder", method="full")
    front, body = parts_of(card_of(demo))
    assert "say nothing about real models" in body
    assert front["license"] == "apache-2.0"
    assert front["base_model_relation"] == "finetune"
    assert "AutoModelForSequenceClassification.from_pretrained(folder)" in body
    assert "import json" not in body


def test_the_licence_is_that_of_the_base_models_own_card(tmp_path):
    assert licence_of(str(tmp_path), "mine") is None
    (tmp_path / "README.md").write_text("---\ntags: [a]\nlicense: 'cc-by-4.0'\n---\n# Model\nlicense: mit\n")
    assert licence_of(str(tmp_path), "mine") == "cc-by-4.0"
    assert licence_of("someone/model", "someone/model") is None


def test_what_trained_nothing_or_cannot_be_merged_is_not_packaged(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    asked = make_run(runs, "finished", method="icl")
    with pytest.raises(ConsoleError, match="trained nothing"):
        card_of(asked)
    with pytest.raises(ConsoleError, match="trained nothing"):
        compose_package(asked.id, runs)
    with pytest.raises(ConsoleError, match='no run is called "nothing"'):
        compose_package("nothing", runs)
    for method, product, why in (
        ("full", "model", "a whole model already"),
        ("p_tuning", "adapter", "trained tokens before the text"),
    ):
        trained = make_run(runs, "finished", method=method, hyperparameters={})
        (trained.path / product).mkdir()
        with pytest.raises(ConsoleError, match=why):
            compose_package(trained.id, runs, merge=True)
        assert compose_package(trained.id, runs).target == str(tmp_path / trained.id)
    going = make_run(runs, "running")
    with pytest.raises(ConsoleError, match="wait for its end or stop it first"):
        compose_package(going.id, runs)


def test_a_target_is_new_or_empty(tmp_path):
    assert check_target(tmp_path / "new") == tmp_path / "new"
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to(tmp_path)
    for name, why in (("file", "is no folder"), ("link", "is no folder"), ("a/b", "there is no folder")):
        with pytest.raises(ConsoleError, match=why):
            check_target(tmp_path / name)
    with pytest.raises(ConsoleError, match="holds files"):
        check_target(tmp_path)
