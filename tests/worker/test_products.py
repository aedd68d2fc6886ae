"""What is handed on of a run: answers to pairs of one's own, and a folder that the libraries load."""

import ast
import contextlib
import csv
import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from nli_console.data.answer_file import MADE_BY
from nli_console.data.demo import demo_model_path
from nli_console.data.prompts import catalogue
from nli_console.data.spec import DataSpec
from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.record.answering import Choice, Prediction, find_answerer
from nli_console.record.card_code import FOLDER
from nli_console.record.packaging import Package, compose_package
from nli_console.record.processes import own_identity
from nli_console.record.spec import RunSpec
from nli_console.record.spec_io import submit
from nli_console.settings import Checkpoints, LoadedSettings, load_settings
from nli_console.supervisor.lease import FOLDER_VARIABLE, Holder, Slots
from nli_console.worker import package as packaging
from nli_console.worker.package import package
from nli_console.worker.predict import predict
from nli_console.worker.stop import StopFlag, Stopped
from tests.worker.conftest import SPLITS, Run

LABELS = ("entailment", "neutral", "contradiction")
PAIR = {"premise": "the man is sleeping in the house", "hypothesis": "nobody is walking"}
QUICK = {"epochs": 1.0, "evaluations": 1}
TRAINED: dict[str, tuple[str, str, dict[str, Any]]] = {
    "full": ("full", "roberta", {}),
    "head": ("head", "roberta", {"batch_size": 12}),
    "lora": ("lora", "bert", {"lora_r": 2}),
    "p-tuning": ("p_tuning", "roberta", {"num_virtual_tokens": 4, "learning_rate": 1e-2}),
    "prefix": ("prefix_tuning", "roberta", {"num_virtual_tokens": 4}),
    "qlora classifier": ("qlora_classifier", "llama_chat", {"lora_r": 2, "template": "pair"}),
    "qlora answering": ("qlora_sft", "llama_chat", {"lora_r": 2, "template": "demo"}),
}
AS_IT_IS: dict[str, tuple[str, dict[str, Any]]] = {
    "likelihoods, batch-calibrated": ("icl", {"calibration": "batch"}),
    "with demonstrations, contextual": ("icl", {"shots": 2, "calibration": "contextual"}),
    "written": ("icl", {"scorer": "generation", "max_new_tokens": 3}),
    "masked": ("verbalizer", {}),
}


@pytest.fixture(autouse=True)
def _own_leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "leases"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture
def settings(tmp_path: Path) -> LoadedSettings:
    (tmp_path / "settings.toml").write_text('runs_dir = "runs"\ncache_dir = "cache"\n')
    return load_settings(tmp_path / "settings.toml", None)


@pytest.fixture
def asked(settings: LoadedSettings) -> Callable[..., dict[str, Any]]:
    """``asked("run-1", premise=…, hypothesis=…)`` or ``asked("run-1", input=…, output=…)``."""

    def ask(
        source: object, *, tell: Callable[..., None] = lambda *_, **__: None, flag: Any = None, **more: Any
    ) -> dict[str, Any]:
        choice = {name: more.pop(name) for name in ("checkpoint", "batch_size") if name in more}
        answerer = find_answerer(Choice(str(source), **choice), settings.runs_dir, settings)
        fields = {name: str(value) if isinstance(value, Path) else value for name, value in more.items()}
        return predict(Prediction(answerer=answerer, **fields), tell, flag or StopFlag())

    return ask


@pytest.fixture
def packed(settings: LoadedSettings) -> Callable[..., Path]:
    """Package a run: ``packed("run-1", folder, merge=True)``."""

    def make(source: str, target: Path, **more: Any) -> Path:
        request = compose_package(source, settings.runs_dir, target, **{"merge": False, **more})
        return Path(done(request)["path"])

    return make


def done(request: Package) -> dict[str, Any]:
    return package(request, lambda *_, **__: None, StopFlag())


def recorded(run: Run, split: str = "validation_matched") -> dict[str, list[Any]]:
    return pyarrow.parquet.read_table(run.layout.predictions / f"{split}.parquet").to_pydict()


def data_file(run: Run, split: str = "validation_matched") -> Path:
    return Path(json.loads(run.layout.spec.read_text())["data"]["source"]) / SPLITS[split]


def answers(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def require_recorded_answers(run: Run, found: list[dict[str, Any]]) -> None:
    """Row by row those of the run's own evaluation."""
    own = recorded(run)
    assert [row["id"] for row in found] == own["id"]
    assert [row["predicted"] for row in found] == own["predicted"]
    for label in LABELS:
        said = torch.tensor([row["probabilities"][label] for row in found])
        # Other rows stand in a batch, so that it is padded otherwise.
        assert torch.allclose(said, torch.tensor(own[f"score_{label}"]).exp(), atol=2e-6)


def card_code(folder: Path) -> str:
    """What the code of the card prints, as it stands but for the folder."""
    (code,) = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    code = code.replace(FOLDER, str(folder)).replace('"A man sleeps.", "Nobody is awake."', "*PAIR.values()")
    assert "*PAIR" in code
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(code.replace("*PAIR.values()", repr(tuple(PAIR.values()))), {})
    return said.getvalue().strip()


@pytest.mark.slow
@pytest.mark.parametrize("recipe", TRAINED)
def test_a_run_answers_as_in_its_evaluation_and_its_package_loads_as_it_is(
    submitted: Callable[..., Run],
    asked: Callable[..., dict[str, Any]],
    packed: Callable[..., Path],
    tmp_path: Path,
    recipe: str,
) -> None:
    method, model, values = TRAINED[recipe]
    run = submitted(method, model=model, **{**QUICK, **values})
    final = run.attempt()
    assert final["completed"], final["reason"]
    asked(run.layout.id, input=data_file(run), output=tmp_path / "out.jsonl")
    require_recorded_answers(run, answers(tmp_path / "out.jsonl"))

    alone = asked(run.layout.id, **PAIR)
    folder = packed(run.layout.id, tmp_path / "packed")
    printed = card_code(folder)
    if "qlora" not in method:
        assert ast.literal_eval(printed) == pytest.approx(alone["probabilities"], abs=2e-4)
    if method in ("lora", "qlora_sft", "qlora_classifier"):
        merged = packed(run.layout.id, tmp_path / "merged", merge=True)
        require_merged(run, folder, merged)
        answered = asked(merged, **PAIR)
        if method != "qlora_sft":
            assert ast.literal_eval(card_code(merged)) == pytest.approx(answered["probabilities"], abs=2e-4)
            # The card's code loads full-precision weights where the run had 4-bit ones.
            assert ast.literal_eval(printed) == pytest.approx(answered["probabilities"], abs=2e-4)


def require_merged(run: Run, adapter: Path, merged: Path) -> None:
    """A whole model in full precision, with the logits of the adapter on full-precision weights."""
    config = json.loads((merged / "config.json").read_text())
    assert "quantization_config" not in config
    words = "CausalLM" in config["architectures"][0]
    kind: Any = AutoModelForCausalLM if words else AutoModelForSequenceClassification
    whole = kind.from_pretrained(merged).eval()
    assert {parameter.dtype for parameter in whole.parameters()} == {torch.float32}
    base = kind.from_pretrained(
        json.loads(run.layout.spec.read_text())["model"],
        config=AutoConfig.from_pretrained(adapter),
        ignore_mismatched_sizes=True,
    )
    parts = PeftModel.from_pretrained(base, str(adapter)).eval()
    inputs = AutoTokenizer.from_pretrained(merged)(*PAIR.values(), return_tensors="pt")
    with torch.inference_mode():
        logits = whole(**inputs).logits
        assert torch.allclose(logits, parts(**inputs).logits, atol=1e-4)
        with parts.disable_adapter():
            assert not torch.allclose(logits, parts(**inputs).logits, atol=1e-4)
    if not words:
        assert [whole.config.id2label[i] for i in range(3)] == list(LABELS)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", AS_IT_IS)
def test_a_model_that_is_asked_as_it_is_answers_as_in_its_run(
    asked: Callable[..., dict[str, Any]], corpus: Path, tmp_path: Path, recipe: str
) -> None:
    method, values = AS_IT_IS[recipe]
    run = asking_run(tmp_path, corpus, method, values)
    final = run.attempt()
    assert final["completed"], final["reason"]
    asked(run.layout.id, input=data_file(run), output=tmp_path / "out.jsonl")
    found = answers(tmp_path / "out.jsonl")
    if recipe != "written":
        require_recorded_answers(run, found)
        return
    assert [row["predicted"] for row in found] == recorded(run)["predicted"]
    assert {row["probabilities"] for row in found} == {None}
    assert all(isinstance(row["answer"], str) for row in found)


def asking_run(folder: Path, corpus: Path, method: str, values: dict[str, Any]) -> Run:
    """A run that asks a demo model as it is."""
    template = "demo" if method == "icl" else "demo-masked"
    chosen = registry.get(method).Hyperparameters(template=template, batch_size=5, **values)
    spec = RunSpec(
        id="asking",
        name="tiny",
        method=method,
        hyperparameters=chosen.model_dump(mode="json"),
        template=catalogue.load(template),
        model=str(demo_model_path("decoder" if method == "icl" else "encoder")),
        model_name="demo",
        data=DataSpec(name="tiny-data", source=str(corpus), format="multinli", splits=SPLITS),
        seed=3,
        submitted=1.0,
        cache_dir=str(folder / "cache"),
    )
    return Run(submit(folder / "runs", spec))


@pytest.fixture
def trained(submitted: Callable[..., Run]) -> Run:
    run = submitted("lora", lora_r=2, **QUICK, checkpoints=Checkpoints(keep_after_finish="all"))
    assert run.attempt()["completed"]
    return run


@pytest.mark.slow
def test_a_file_is_gone_on_with_and_never_mixed(
    trained: Run, asked: Callable[..., dict[str, Any]], submitted: Callable[..., Run], tmp_path: Path
) -> None:
    pairs, out = tmp_path / "pairs.csv", tmp_path / "answers.csv"
    rows = [
        (
            str(i),
            'a "dog", walking\nin the park' if i % 7 == 0 else f"the man {'is ' * (i % 9)}old",
            f"some {i}",
        )
        for i in range(100)
    ]
    with pairs.open("w", newline="") as file:
        csv.writer(file).writerows([("id", "sentence1", "sentence2"), *rows])
    told: list[dict[str, Any]] = []
    job = {"input": pairs, "output": out, "batch_size": 3}

    flag = StopFlag()

    def tell(event: str, **fields: Any) -> None:
        told.append(fields)
        flag.requested |= fields.get("phase") == "predicting" and fields["done"] > 40

    with pytest.raises(Stopped):
        asked(trained.layout.id, **job, tell=tell, flag=flag)
    assert {48} == {
        len(list(csv.DictReader(out.open()))),
        max(event.get("done", 0) for event in told if event.get("phase") == "predicting"),
    }
    # As a kill in the middle of a write leaves it: inside a quoted field with a line end.
    whole = out.read_bytes()
    out.write_bytes(whole[: whole.index(b"walking\n", len(whole) // 2) + 8])
    left = sum(1 for line in whole[: out.stat().st_size].splitlines() if line[:1].isdigit())
    assert asked(trained.layout.id, **job)["new"] == 100 - left + 1
    found = list(csv.DictReader(out.open(newline="")))
    assert [(row["id"], row["premise"], row["hypothesis"]) for row in found] == rows
    assert [row["row"] for row in found] == [str(i + 1) for i in range(100)]
    straight = tmp_path / "straight.csv"
    asked(trained.layout.id, input=pairs, output=straight, batch_size=3)
    for one, other in zip(found, csv.DictReader(straight.open(newline="")), strict=True):
        for label in LABELS:
            assert float(one[f"probability_{label}"]) == pytest.approx(
                float(other[f"probability_{label}"]), abs=2e-6
            )
    assert asked(trained.layout.id, **job)["new"] == 0

    kept = out.read_bytes()
    with pytest.raises(ConsoleError, match=r"holds the answers of run-1 and not run-1, checkpoint-\d+"):
        asked(trained.layout.id, **job, checkpoint="last")
    pairs.write_text("premise,hypothesis\na,b\n")
    with pytest.raises(ConsoleError, match=r"answers to other pairs than pairs\.csv has now"):
        asked(trained.layout.id, **job)
    (tmp_path / f"answers.csv{MADE_BY}").unlink()
    with pytest.raises(ConsoleError, match=r"is there already, and no answers\.csv\.made-by\.json"):
        asked(trained.layout.id, **job)
    assert out.read_bytes() == kept
    assert asked(trained.layout.id, **job, overwrite=True)["rows"] == 1


@pytest.mark.slow
def test_it_waits_for_a_slot_and_says_for_whose(trained: Run, asked: Callable[..., dict[str, Any]]) -> None:
    slots = Slots()
    held = slots.take("cpu-0", Holder("run-9", "", own_identity()))
    assert held is not None
    told: list[tuple[str, dict[str, Any]]] = []

    def tell(event: str, **fields: Any) -> None:
        told.append((event, fields))
        if event == "waiting":
            held.release()

    assert asked(trained.layout.id, tell=tell, **PAIR)["predicted"] in LABELS
    (waiting,) = [fields for event, fields in told if event == "waiting"]
    assert waiting["holder"].startswith("run-9")
    assert slots.holder("cpu-0") is None


@pytest.mark.slow
def test_a_half_precision_base_is_merged_in_its_own_precision(
    submitted: Callable[..., Run],
    packed: Callable[..., Path],
    model_folder: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    base = tmp_path / "narrow"
    shutil.copytree(model_folder("llama_chat"), base)
    AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16).save_pretrained(base)
    run = submitted("qlora_classifier", model=base, lora_r=2, template="pair", **QUICK)
    assert run.attempt()["completed"]
    merged = packed(run.layout.id, tmp_path / "merged", merge=True)
    whole = AutoModelForSequenceClassification.from_pretrained(merged)
    assert {parameter.dtype for parameter in whole.parameters()} == {torch.bfloat16}
    update = load_file(run.layout.adapter / "adapter_model.safetensors")
    name = "model.layers.0.mlp.down_proj"
    a, b = (update[f"base_model.model.{name}.lora_{side}.weight"] for side in "AB")
    config = json.loads((run.layout.adapter / "adapter_config.json").read_text())
    before = AutoModelForCausalLM.from_pretrained(base).get_submodule(name).weight.float()
    expected = before + config["lora_alpha"] / config["r"] * (b @ a)
    assert torch.allclose(whole.get_submodule(name).weight.float(), expected, atol=4e-3)
    trained_head = update["base_model.model.score.weight"]
    assert torch.allclose(whole.score.weight.float(), trained_head, atol=4e-3)


@pytest.mark.slow
def test_a_package_is_whole_or_not_there(
    trained: Run,
    packed: Callable[..., Path],
    settings: LoadedSettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "notes.txt").write_text("mine")
    with pytest.raises(ConsoleError, match="is there already and holds files"):
        packed(trained.layout.id, taken)
    target = tmp_path / "empty"
    target.mkdir()
    request = compose_package(trained.layout.id, settings.runs_dir, target, merge=False, checkpoint="last")
    with monkeypatch.context() as patch:
        patch.setattr(packaging, "_MARGIN", 2**60)
        with pytest.raises(ConsoleError, match="free some, or name a folder on another disk"):
            done(request)
    flag = StopFlag()
    flag.requested = True
    with pytest.raises(Stopped):
        package(request, lambda *_, **__: None, flag)
    assert list(target.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir() if ".tmp" in path.name) == []
    done(request)
    assert {
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "config.json",
        "tokenizer.json",
    } <= {path.name for path in target.iterdir()}


@pytest.mark.slow
def test_a_checkpoint_is_packaged_with_what_is_known_of_it(
    trained: Run, asked: Callable[..., dict[str, Any]], packed: Callable[..., Path], tmp_path: Path
) -> None:
    first = min(int(name.partition("-")[2]) for name in trained.checkpoints())
    folder = packed(trained.layout.id, tmp_path / "first", checkpoint=str(first))
    expected = asked(trained.layout.id, checkpoint=str(first), **PAIR)["probabilities"]
    assert ast.literal_eval(card_code(folder)) == pytest.approx(expected, abs=2e-4)
    best = json.loads(trained.layout.attempt(1).final.read_text())["best_step"]
    scored = "No reported split was scored with these weights" not in (folder / "README.md").read_text()
    assert scored == (best == first)
