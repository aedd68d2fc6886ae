"""Evaluate-only runs by the real worker: the same rows through the same weights give the same answers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from safetensors.torch import load_file, save_file

from nli_console.record.compose import EvaluationDraft, compose_evaluation
from nli_console.record.sources import find_source
from nli_console.record.spec_io import submit
from nli_console.settings import Checkpoints, LoadedSettings, load_settings
from tests.worker.conftest import Run

SPLITS = ("validation_matched", "validation_mismatched")
RECIPES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "full": ("full", "roberta", {}),
    "top layers": ("top_layers", "roberta", {"num_layers": 1}),
    "lora": ("lora", "roberta", {"lora_r": 2}),
    "p-tuning": ("p_tuning", "roberta", {"num_virtual_tokens": 4, "learning_rate": 1e-2}),
    "prefix": ("prefix_tuning", "roberta", {"num_virtual_tokens": 4}),
    "qlora classifier": ("qlora_classifier", "llama_chat", {"lora_r": 2, "template": "pair", "epochs": 1.0}),
    "qlora answering": ("qlora_sft", "llama_chat", {"lora_r": 2, "template": "demo", "epochs": 1.0}),
}


@pytest.fixture
def settings(tmp_path: Path) -> LoadedSettings:
    (tmp_path / "settings.toml").write_text('runs_dir = "runs"\ncache_dir = "cache"\n')
    return load_settings(tmp_path / "settings.toml", None)


@pytest.fixture
def evaluation(settings: LoadedSettings) -> Callable[..., Run]:
    """Submit an evaluation: ``evaluation("run-1", checkpoint="4", splits=("train",), batch_size=8)``."""

    def make(source: str, *, checkpoint: str | None = None, base: str | None = None, **more: Any) -> Run:
        asked = {name: more.pop(name) for name in ("data", "splits", "fraction", "seed") if name in more}
        found = find_source(source, settings.runs_dir, settings, checkpoint=checkpoint, base=base)
        spec = compose_evaluation(EvaluationDraft(found, more, **asked), settings)
        return Run(submit(settings.runs_dir, spec))

    return make


def answers(run: Run, split: str) -> dict[str, list[Any]]:
    return pyarrow.parquet.read_table(run.layout.predictions / f"{split}.parquet").to_pydict()


def measured(run: Run, split: str) -> dict[str, Any]:
    """All figures of a split, but the step at which they were taken."""
    found = json.loads((run.layout.evaluation / f"{split}.json").read_text())
    return {key: value for key, value in found.items() if key != "step"}


def renamed(folder: Path, target: Path, names: list[str]) -> Path:
    """The same model with other names of its outputs, first to last."""
    shutil.copytree(folder, target)
    config = json.loads((target / "config.json").read_text())
    config["id2label"] = dict(enumerate(names))
    config["label2id"] = {name: index for index, name in enumerate(names)}
    (target / "config.json").write_text(json.dumps(config))
    return target


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_product_of_a_run_gives_the_figures_of_its_own_evaluation(
    submitted: Callable[..., Run], evaluation: Callable[..., Run], recipe: str
) -> None:
    method, model, values = RECIPES[recipe]
    run = submitted(method, model=model, **values)
    trained = run.attempt()
    assert trained["completed"], trained["reason"]
    scored = evaluation(run.layout.id)
    final = scored.attempt()
    assert final["completed"], final["reason"]
    assert final["trainable_parameters"] == 0
    assert final["accuracy"] == trained["accuracy"]
    for split in SPLITS:
        assert measured(scored, split) == measured(run, split)
        assert answers(scored, split) == answers(run, split)


@pytest.mark.slow
def test_the_head_is_scored_through_its_encoder(
    submitted: Callable[..., Run], evaluation: Callable[..., Run]
) -> None:
    run = submitted("head", batch_size=12)
    trained = run.attempt()
    scored = evaluation(run.layout.id)
    final = scored.attempt()
    assert final["accuracy"] == trained["accuracy"]
    for split in SPLITS:
        mine, its = answers(scored, split), answers(run, split)
        assert mine["predicted"] == its["predicted"]
        # Its own evaluation read features that were computed in other batches.
        assert mine["score_neutral"] == pytest.approx(its["score_neutral"], abs=1e-5)


@pytest.mark.slow
def test_a_base_model_with_its_labels_in_another_order(
    submitted: Callable[..., Run],
    evaluation: Callable[..., Run],
    model_folder: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    base = renamed(model_folder("roberta"), tmp_path / "mnli", ["CONTRADICTION", "NEUTRAL", "ENTAILMENT"])
    run = submitted("lora", model=base, lora_r=2, checkpoints=Checkpoints(keep_after_finish="all"))
    trained = run.attempt()
    scored = evaluation(run.layout.id)
    assert scored.attempt()["accuracy"] == trained["accuracy"]
    assert scored.records("start")[0]["labels"] == ["contradiction", "neutral", "entailment"]
    of_checkpoint = evaluation(run.layout.id, checkpoint="last")
    assert of_checkpoint.attempt()["completed"]
    assert of_checkpoint.records("start")[0]["labels"] == ["contradiction", "neutral", "entailment"]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["full", "lora", "p-tuning", "qlora answering"])
def test_a_checkpoint_gives_what_its_product_would(
    submitted: Callable[..., Run], evaluation: Callable[..., Run], recipe: str
) -> None:
    method, model, values = RECIPES[recipe]
    run = submitted(
        method, model=model, **values, select_best=False, checkpoints=Checkpoints(keep_after_finish="all")
    )
    trained = run.attempt()
    scored = evaluation(run.layout.id, checkpoint="last")
    final = scored.attempt()
    assert final["completed"], final["reason"]
    assert final["accuracy"] == trained["accuracy"]
    assert answers(scored, SPLITS[0]) == answers(run, SPLITS[0])
    spec = json.loads(scored.layout.spec.read_text())
    assert spec["evaluates"]["step"] == trained["step"]
    first = min(int(name.partition("-")[2]) for name in run.checkpoints())
    assert evaluation(run.layout.id, checkpoint=str(first)).attempt()["completed"]


NAMES = ("entailment", "neutral", "contradiction")


@pytest.fixture
def classifier(submitted: Callable[..., Run], tmp_path: Path) -> tuple[Run, Path]:
    """A trained run, and its model in a folder of its own."""
    run = submitted("full")
    assert run.attempt()["completed"]
    return run, Path(shutil.copytree(run.layout.model, tmp_path / "classifier"))


@pytest.mark.slow
def test_the_order_of_labels_is_read_by_name_or_as_the_user_says(
    classifier: tuple[Run, Path], evaluation: Callable[..., Run], tmp_path: Path
) -> None:
    run, folder = classifier
    data = {"data": run_data(run), "batch_size": 12}
    expected = answers(run, SPLITS[0])["predicted"]
    assert answers_of(evaluation(str(folder), **data)) == expected
    unnamed = renamed(folder, tmp_path / "unnamed", ["LABEL_0", "LABEL_1", "LABEL_2"])
    failed = evaluation(str(unnamed), **data).attempt()
    assert "--label-order entailment,neutral,contradiction" in failed["reason"]["detail"]
    assert answers_of(evaluation(str(unnamed), label_order=NAMES, **data)) == expected
    # The model is the same, so another name of its outputs is another answer.
    turned = renamed(folder, tmp_path / "turned", ["CONTRADICTION", "NEUTRAL", "ENTAILMENT"])
    swapped = dict(zip(NAMES, reversed(NAMES), strict=True))
    assert answers_of(evaluation(str(turned), **data)) == [swapped[answer] for answer in expected]


def run_data(run: Run) -> str:
    return json.loads(run.layout.spec.read_text())["data"]["source"]


def answers_of(run: Run) -> list[str]:
    final = run.attempt()
    assert final["completed"], final["reason"]
    return answers(run, SPLITS[0])["predicted"]


@pytest.mark.slow
def test_a_base_model_without_a_head_is_not_scored(
    evaluation: Callable[..., Run], model_folder: Callable[[str], Path], corpus: Path, tmp_path: Path
) -> None:
    bare = renamed(model_folder("roberta"), tmp_path / "bare", list(NAMES))
    weights = load_file(bare / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("classifier.")}
    save_file(kept, bare / "model.safetensors", metadata={"format": "pt"})
    final = evaluation(str(bare), data=str(corpus)).attempt()
    assert "its weights have no classification head" in final["reason"]["detail"]
    two = renamed(model_folder("roberta"), tmp_path / "two", ["entailment", "not_entailment"])
    final = evaluation(str(two), data=str(corpus)).attempt()
    assert "has 2 labels (entailment, not_entailment); expected three" in final["reason"]["detail"]


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["lora", "p-tuning", "qlora answering"])
def test_an_adapter_in_a_folder_of_its_own(
    submitted: Callable[..., Run], evaluation: Callable[..., Run], tmp_path: Path, recipe: str
) -> None:
    method, model, values = RECIPES[recipe]
    run = submitted(method, model=model, **values)
    trained = run.attempt()
    data = run_data(run)
    shutil.copytree(run.layout.adapter, tmp_path / "mine")
    shutil.rmtree(run.layout.path)
    quantisation = "nf4" if "qlora" in method else "none"
    scored = evaluation(str(tmp_path / "mine"), data=data, batch_size=12, quantisation=quantisation)
    final = scored.attempt()
    assert final["completed"], final["reason"]
    assert final["accuracy"] == trained["accuracy"]


@pytest.mark.slow
def test_prompts_are_those_that_the_adapter_was_trained_on(
    submitted: Callable[..., Run], evaluation: Callable[..., Run]
) -> None:
    method, model, values = RECIPES["qlora answering"]
    run = submitted(method, model=model, **values)
    assert run.attempt()["completed"]
    scored = evaluation(run.layout.id, template="recommended")
    final = scored.attempt()
    assert f"{run.layout.id} was trained on other prompts" in final["reason"]["detail"]
    assert 'template "demo" and not "recommended"' in final["reason"]["detail"]


@pytest.mark.slow
def test_stopped_and_resumed_is_as_if_never_stopped(
    classifier: tuple[Run, Path], evaluation: Callable[..., Run], stop_when: Callable[..., Any]
) -> None:
    run, _ = classifier
    whole = evaluation(run.layout.id, batch_size=5)
    expected = whole.attempt()
    cut = evaluation(run.layout.id, batch_size=5)
    stop = stop_when(lambda _, fields: fields.get("phase") == "evaluating" and (fields["done"] or 0) >= 10)
    assert cut.attempt(1, stop)["stopped"]
    assert cut.attempt(2)["accuracy"] == expected["accuracy"]
    assert answers(cut, SPLITS[0]) == answers(whole, SPLITS[0])
    lines = (cut.layout.scored / f"{SPLITS[0]}.jsonl").read_text().splitlines()
    rows = [row for line in lines for row in json.loads(line)["rows"]]
    assert sorted(rows) == list(range(24))
    assert any("right so far" in (record.get("remark") or "") for record in whole.records("phase"))


@pytest.mark.slow
def test_weights_that_are_gone_or_others_are_not_scored(
    classifier: tuple[Run, Path], evaluation: Callable[..., Run]
) -> None:
    run, _ = classifier
    changed, gone = evaluation(run.layout.id), evaluation(run.layout.id)
    with (run.layout.model / "config.json").open("a") as file:
        file.write("\n")
    assert "holds other weights than when this evaluation was submitted" in failure(changed)
    shutil.rmtree(run.layout.path)
    assert f"`nli-console restore {run.layout.id}` may bring it back" in failure(gone)


def failure(run: Run) -> str:
    return run.attempt()["reason"]["detail"]


@pytest.mark.slow
def test_a_share_of_a_split(classifier: tuple[Run, Path], evaluation: Callable[..., Run]) -> None:
    run, _ = classifier
    scored = evaluation(run.layout.id, splits=("train",), fraction=0.25, seed=9)
    final = scored.attempt()
    assert final["completed"], final["reason"]
    assert {split: found["n"] for split, found in final["accuracy"].items()} == {"train": 25}
