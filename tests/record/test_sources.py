"""What can be evaluated: finished runs, kept checkpoints, classifiers, adapters; and why something cannot."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nli_console.data.resolve import resolve_dataset
from nli_console.data.sample import HELD_OUT
from nli_console.data.spec import LABELS
from nli_console.errors import ConsoleError
from nli_console.methods import evaluation, registry
from nli_console.record.compose import EvaluationDraft, compose_evaluation, equivalent_command
from nli_console.record.files import write_json
from nli_console.record.layout import RunLayout
from nli_console.record.sources import Source, find_source
from nli_console.record.spec import RunSpec
from nli_console.settings import LoadedSettings, load_settings
from tests.cli.conftest import write_pairs
from tests.support.fake_runs import FakeState, make_run

LORA = registry.get("lora").Hyperparameters(batch_size=16, max_length=96).model_dump(mode="json")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LoadedSettings:
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "pairs")
    (tmp_path / "settings.toml").write_text(
        'runs_dir = "runs"\ncache_dir = "cache"\n[defaults]\ndata = "pairs"\n'
        '[datasets.pairs]\npath = "pairs"\n'
    )
    return load_settings(tmp_path / "settings.toml", None)


@pytest.fixture
def make(settings: LoadedSettings) -> Callable[..., RunLayout]:
    """A run with what it made, and with checkpoints of the given steps."""

    def one(
        state: FakeState = "finished",
        *,
        checkpoints: tuple[int, ...] = (),
        product: str = "adapter",
        **spec: Any,
    ) -> RunLayout:
        spec = {"hyperparameters": LORA, "data": resolve_dataset("pairs", settings), **spec}
        layout = make_run(settings.runs_dir, state, steps=20, **spec)
        if state == "finished" and product:
            (layout.path / product).mkdir()
            (layout.path / product / "adapter_model.safetensors").write_bytes(b"weights")
        for step in checkpoints:
            folder = layout.checkpoints / f"checkpoint-{step}"
            folder.mkdir(parents=True)
            write_json(folder / "MANIFEST.json", {"v": 1, "files": {}, "step": step})
        return layout

    return one


@pytest.fixture
def find(settings: LoadedSettings) -> Callable[..., Source]:
    return lambda text, **more: find_source(text, settings.runs_dir, settings, **more)


@pytest.fixture
def composed(settings: LoadedSettings, find: Callable[..., Source]) -> Callable[..., RunSpec]:
    def one(text: str, **asked: Any) -> RunSpec:
        return compose_evaluation(EvaluationDraft(find(text), **asked), settings)

    return one


def model(folder: Path, **config: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "roberta", **config}))
    return folder


def test_a_finished_run_is_evaluated_as_it_evaluated_itself(
    make: Callable[..., RunLayout], composed: Callable[..., RunSpec]
) -> None:
    layout = make(seed=7)
    spec = composed(layout.id)
    assert (spec.method, spec.preset, spec.changed) == ("evaluate", None, {})
    assert spec.evaluates is not None
    assert (spec.evaluates.name, spec.evaluates.method, spec.evaluates.step) == (layout.id, "lora", None)
    assert spec.evaluates.weights == str(layout.adapter)
    assert spec.hyperparameters["batch_size"] == 32
    assert spec.hyperparameters["max_length"] == 96
    assert (spec.data.name, spec.data.evaluate_on, spec.data.fraction) == ("pairs", (), 1.0)
    assert spec.model_name == "roberta-large"
    assert "evaluate-lora-roberta-large" in spec.id


def test_a_run_is_found_by_the_beginning_of_its_id_its_name_and_its_folder(
    make: Callable[..., RunLayout], find: Callable[..., Source]
) -> None:
    layout = make(name="the good one")
    for text in (layout.id[:12], "the good one", f"runs/{layout.id}", str(layout.path)):
        assert find(text).evaluated.name == layout.id


def test_data_splits_share_and_hyperparameters_can_be_others(
    make: Callable[..., RunLayout], composed: Callable[..., RunSpec], tmp_path: Path
) -> None:
    write_pairs(tmp_path / "others")
    spec = composed(
        make().id, hyperparameters={"batch_size": "8"}, data="others", splits=("train", "train"),
        fraction=0.5, name="mine",
    )  # fmt: skip
    assert (spec.data.source, spec.data.evaluate_on) == (str(tmp_path / "others"), ("train",))
    assert (spec.data.fraction, spec.name, spec.changed) == (0.5, "mine", {"batch_size": 8})
    command = equivalent_command(spec)
    assert command[:3] == ["nli-console", "evaluate", spec.evaluates.name]  # type: ignore[union-attr]
    for option, value in (("--data", "others"), ("--split", "train"), ("--batch-size", "8")):
        assert command[command.index(option) + 1] == value


def test_without_validation_rows_a_run_reports_on_what_it_held_out_and_others_on_all(
    make: Callable[..., RunLayout],
    composed: Callable[..., RunSpec],
    settings: LoadedSettings,
    tmp_path: Path,
) -> None:
    path = tmp_path / "pairs" / "multinli_1.0_train.jsonl"
    own = resolve_dataset(str(path), settings)
    assert composed(make(data=own).id).data.evaluate_on == (HELD_OUT,)
    assert composed(make().id, data=str(path)).data.evaluate_on == ("train",)


@pytest.mark.parametrize(
    ("state", "checkpoints", "sentence"),
    [
        ("running", (10,), "is running: its weights still change; wait for its end or stop it first"),
        ("queued", (), "is queued: its weights still change"),
        (
            "stopped",
            (10,),
            "was stopped and has made no adapter: --checkpoint last takes checkpoint-10",
        ),
        ("failed", (), "failed and has made no adapter: it has no checkpoint either"),
        ("lost", (), "has no checkpoint either"),
        ("unreadable", (), "spec.json"),
    ],
)
def test_a_run_that_has_made_nothing_says_why(
    make: Callable[..., RunLayout],
    find: Callable[..., Source],
    state: FakeState,
    checkpoints: tuple[int, ...],
    sentence: str,
) -> None:
    layout = make(state, checkpoints=checkpoints)
    with pytest.raises(ConsoleError) as raised:
        find(layout.id)
    assert sentence in str(raised.value)
    assert layout.id in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_run_that_trains_nothing_or_is_an_evaluation_cannot_be_evaluated(
    make: Callable[..., RunLayout], find: Callable[..., Source], composed: Callable[..., RunSpec]
) -> None:
    asked = make(method="icl", product="", hyperparameters={})
    with pytest.raises(ConsoleError, match="trained nothing"):
        find(asked.id)
    again = make(product="", **composed(make().id).model_dump(exclude={"id", "name"}), name="an evaluation")
    with pytest.raises(ConsoleError, match="is itself an evaluation, of "):
        find(again.id)


def test_a_product_that_is_gone_is_named(make: Callable[..., RunLayout], find: Callable[..., Source]) -> None:
    with pytest.raises(ConsoleError, match="has finished, but its adapter folder is gone"):
        find(make(product="").id)


def test_checkpoints_by_step_best_and_last(
    make: Callable[..., RunLayout], find: Callable[..., Source]
) -> None:
    stopped = make("stopped", checkpoints=(5, 10))
    evaluations = [{"step": 5, "accuracy": 0.8}, {"step": 10, "accuracy": 0.7}]
    write_json(stopped.checkpoints / "selection.json", {"v": 1, "evaluations": evaluations})
    for wanted, step in (("5", 5), ("last", 10), ("best", 5)):
        found = find(stopped.id, checkpoint=wanted)
        assert found.evaluated.step == step
        assert found.evaluated.weights == str(stopped.checkpoints / f"checkpoint-{step}")
        assert found.evaluated.title == f"{stopped.id}, checkpoint-{step}"
    for wanted in ("7", "first"):
        with pytest.raises(ConsoleError, match="kept are 5, 10"):
            find(stopped.id, checkpoint=wanted)
    finished = make(checkpoints=(5,))
    assert find(finished.id, checkpoint="best").evaluated.weights == str(finished.adapter)
    with pytest.raises(ConsoleError, match="kept are none"):
        find(make("failed").id, checkpoint="last")
    with pytest.raises(ConsoleError, match="only a run has checkpoints"):
        find("roberta-large-mnli", checkpoint="last")


def test_the_digest_follows_the_weights(make: Callable[..., RunLayout], find: Callable[..., Source]) -> None:
    layout = make()
    before = find(layout.id).evaluated.digest
    assert before == find(layout.id).evaluated.digest
    (layout.adapter / "adapter_model.safetensors").write_bytes(b"other weights")
    assert find(layout.id).evaluated.digest != before


def test_models_by_hub_id_and_folder(find: Callable[..., Source], tmp_path: Path) -> None:
    hub = find("FacebookAI/roberta-large-mnli")
    assert (hub.evaluated.kind, hub.model, hub.evaluated.digest) == (
        "model", "FacebookAI/roberta-large-mnli", None,
    )  # fmt: skip
    local = find(str(model(tmp_path / "mine")))
    assert (local.model, local.evaluated.method) == (str(tmp_path / "mine"), None)
    assert local.evaluated.digest


def test_an_adapter_over_the_base_that_it_names_or_another(
    find: Callable[..., Source], composed: Callable[..., RunSpec], tmp_path: Path
) -> None:
    base = model(tmp_path / "base")
    folder = tmp_path / "adapter"
    folder.mkdir()
    config = {"task_type": "SEQ_CLS", "base_model_name_or_path": str(base)}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    found = find("adapter")
    assert (found.evaluated.kind, found.evaluated.task, found.model) == ("adapter", "classifier", str(base))
    assert find("adapter", base="roberta-large").model == "roberta-large"
    (folder / "adapter_config.json").write_text(json.dumps({**config, "base_model_name_or_path": "/gone"}))
    with pytest.raises(ConsoleError, match="name its base model with --model"):
        find("adapter")
    (folder / "adapter_config.json").write_text(json.dumps({**config, "task_type": "TOKEN_CLS"}))
    with pytest.raises(ConsoleError, match="its task_type is TOKEN_CLS; expected SEQ_CLS or CAUSAL_LM"):
        find("adapter")
    (folder / "adapter_config.json").write_text(json.dumps({**config, "task_type": "CAUSAL_LM"}))
    with pytest.raises(ConsoleError, match="name its template with --template"):
        composed("adapter")
    assert composed("adapter", hyperparameters={"template": "demo"}).template.name == "demo"  # type: ignore[union-attr]


def test_what_is_nothing_at_all_is_said_once(find: Callable[..., Source]) -> None:
    with pytest.raises(ConsoleError, match='nothing to evaluate is called "no such thing"'):
        find("no such thing")
    with pytest.raises(ConsoleError, match="expected a run, a folder or a hub id"):
        find(" ")


def test_a_group_is_too_many(make: Callable[..., RunLayout], find: Callable[..., Source]) -> None:
    first = make(group="g-20260101-000000-lora-x-0001", seed=1)
    make(group="g-20260101-000000-lora-x-0001", seed=2)
    with pytest.raises(ConsoleError, match="is a group of 2 runs; name one of them") as raised:
        find("g-2026")
    assert first.id in str(raised.value)


def test_the_labels_are_those_of_the_data() -> None:
    assert evaluation.LABELS == LABELS
    order = evaluation.EvaluationHyperparameters(label_order=("Contradiction", "neutral", "entailment"))
    assert order.label_order == ("contradiction", "neutral", "entailment")
