"""Evaluate-only runs by the real worker: the same rows through the same weights give the same answers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

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
