"""Head, top layers, P-tuning and prefix tuning run, stop, resume, and leave a product that loads."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pyarrow.parquet
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from nli_console.methods import registry
from nli_console.methods.p_tuning import read_chosen_token
from nli_console.worker.batches import Batcher
from nli_console.worker.device import choose_device
from nli_console.worker.features import FeatureHead, FeaturePass
from nli_console.worker.models import ModelLoader, load_config, load_tokenizer
from nli_console.worker.tokenise import Tokeniser
from nli_console.worker.trained_state import FILE_NAME
from tests.worker import tiny
from tests.worker.conftest import Run
from tests.worker.test_resume import outcome

NAMES = ("entailment", "neutral", "contradiction")
RECIPES: dict[str, tuple[str, dict[str, Any]]] = {
    "head": ("head", {"batch_size": 12}),
    "top layers": ("top_layers", {"num_layers": 1}),
    "p-tuning": ("p_tuning", {"num_virtual_tokens": 4, "learning_rate": 1e-2}),
    "p-tuning, LSTM": (
        "p_tuning",
        {"encoder_reparameterization_type": "lstm", "encoder_hidden_size": 8, "encoder_dropout": 0.2},
    ),
    "p-tuning, virtual": ("p_tuning", {"num_virtual_tokens": 4, "pool": "virtual", "learning_rate": 1e-2}),
    "prefix": ("prefix_tuning", {"num_virtual_tokens": 4}),
    "prefix, projected": ("prefix_tuning", {"prefix_projection": True, "learning_rate": 1e-3}),
}


def tokenise(folder: Path, name: str, rows: list[Any], cache: Path) -> Any:
    tokenizer = load_tokenizer(folder, name)
    return tokenizer, Tokeniser(tokenizer, folder, 64, cache, 0).split(rows, lambda *_: None)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_a_stop_in_the_second_epoch_changes_nothing(
    submitted: Callable[..., Run], stop_when: Callable[..., Any], recipe: str
) -> None:
    method, options = RECIPES[recipe]
    whole, cut = submitted(method, **options), submitted(method, **options)
    assert whole.attempt()["completed"]
    per_epoch = whole.records("start")[0]["steps_per_epoch"]
    middle = per_epoch + per_epoch // 2
    cut.attempt(1, stop_when(lambda kind, fields: kind == "train" and fields["step"] == middle))
    checkpoint = cut.layout.checkpoints / f"checkpoint-{middle}"
    assert (checkpoint / FILE_NAME).is_file()
    assert cut.attempt(2)["completed"]
    assert cut.records("start", 2)[0]["resumed_step"] == middle
    assert outcome(cut, 2) == outcome(whole, 1)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES)
def test_the_product_loads_and_says_what_was_reported_for_the_best_checkpoint(
    submitted: Callable[..., Run], model_folder: Callable[[str], Path], tmp_path: Path, recipe: str
) -> None:
    from peft import PeftModel

    method, options = RECIPES[recipe]
    run = submitted(method, **{**options, "evaluations": 6, "learning_rate": 3e-2})
    final = run.attempt()
    assert final["completed"]
    assert final["best_step"] < final["step"]
    base = model_folder("roberta")
    if final["product"] == "model":
        model: Any = AutoModelForSequenceClassification.from_pretrained(run.layout.model)
    else:
        from transformers import AutoConfig

        config = AutoConfig.from_pretrained(run.layout.adapter)
        model = AutoModelForSequenceClassification.from_pretrained(base, config=config)
        read_chosen_token(model, options.get("num_virtual_tokens", 20))
        model = PeftModel.from_pretrained(model, run.layout.adapter)
    rows = tiny.rows(24, 2)
    _, tokens = tokenise(base, "roberta", rows, tmp_path)
    model.eval()
    with torch.inference_mode():
        logits = torch.cat(
            [
                model(input_ids=torch.tensor(tokens.input_ids[start:end], dtype=torch.long)[None]).logits
                for start, end in zip(tokens.offsets[:-1], tokens.offsets[1:], strict=True)
            ]
        )
    table = pyarrow.parquet.read_table(run.layout.predictions / "validation_matched.parquet")
    reported = numpy.stack([table[f"score_{name}"].to_numpy() for name in NAMES], axis=1)
    assert numpy.allclose(logits.log_softmax(-1).numpy(), reported, atol=3e-6)
    assert numpy.ptp(reported, axis=0).max() > 5e-5


@pytest.mark.slow
@pytest.mark.parametrize("architecture", tiny.ENCODERS)
def test_the_head_reads_the_real_first_token(model_folder: Callable[[str], Path], architecture: str) -> None:
    folder = model_folder(architecture)
    ids = torch.tensor([[5, 9, 12, 7, 30], [6, 8, 20, 11, 40]])
    logits: dict[str, torch.Tensor] = {}
    for pool in ("real", "virtual"):
        torch.manual_seed(1)
        loader = ModelLoader(folder, architecture, load_config(folder, architecture), 0)
        method = registry.get("p_tuning")
        model: Any = method.build(loader, method.Hyperparameters(num_virtual_tokens=6, pool=pool)).eval()
        reads: list[torch.Tensor] = []
        last = model.get_submodule(f"base_model.{model.base_model.base_model_prefix}.encoder.layer.1")
        first = last.register_forward_hook(lambda *call, reads=reads: reads.append(_tensor(call[2])))
        with torch.inference_mode():
            logits[pool] = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
            states = reads[0]
            first.remove()
            # What the head says of one position of the last block, the virtual tokens being the first six.
            head = FeatureHead(model.base_model).eval()
            expected = head(states[:, 6 if pool == "real" else 0]).logits
        assert states.shape[1] == 6 + 5
        assert torch.allclose(logits[pool], expected, atol=1e-6)
    assert not torch.allclose(logits["real"], logits["virtual"], atol=1e-4)


def _tensor(output: Any) -> torch.Tensor:
    return output[0] if isinstance(output, tuple) else output


@pytest.mark.slow
@pytest.mark.parametrize("method", ["p_tuning", "prefix_tuning"])
@pytest.mark.parametrize("architecture", ["roberta", "bert"])
def test_pairs_get_the_positions_that_virtual_tokens_leave(
    submitted: Callable[..., Run], method: str, architecture: str
) -> None:
    run = submitted(
        method, model=architecture, num_virtual_tokens=44, max_length=64, max_steps=15, evaluations=1
    )
    assert run.attempt()["completed"]
    start = run.records("start")[0]
    assert start["max_length"] == 64 - 44
    assert start["truncated"]["train"] > 10


def test_virtual_tokens_that_leave_no_room_are_refused(submitted: Callable[..., Run]) -> None:
    final = submitted("p_tuning", num_virtual_tokens=60).attempt()
    assert not final["completed"]
    assert "--num-virtual-tokens 60 of the 64 positions" in final["reason"]["detail"]


@pytest.mark.slow
@pytest.mark.parametrize("architecture", tiny.ENCODERS)
def test_features_give_the_logits_of_the_whole_model(
    model_folder: Callable[[str], Path], tmp_path: Path, architecture: str
) -> None:
    folder, rows, device = model_folder(architecture), tiny.rows(80), choose_device("auto")
    loader = ModelLoader(folder, architecture, load_config(folder, architecture), 0)
    model: Any = registry.get("head").build(loader, registry.get("head").Hyperparameters()).train()
    tokenizer, tokens = tokenise(folder, architecture, rows, tmp_path)
    batcher = Batcher(tokens, rows, loader.labels, tokenizer.pad_token_id, device)
    seen: list[tuple[int, int]] = []
    features = FeaturePass(model, tmp_path / "features", device).split(
        "train", tokens.lengths, batcher, lambda done, total: seen.append((done, total))
    )
    assert (features.shape, features.dtype) == ((80, 32), numpy.float32)
    assert seen[-1] == (80, 80)
    assert model.training
    with torch.inference_mode():
        whole = model.eval()(**batcher.inputs(range(80))).logits
        head = FeatureHead(model).eval()(torch.from_numpy(features.copy())).logits
    assert torch.allclose(whole, head, atol=1e-5)


@pytest.mark.slow
def test_training_on_features_is_training_through_the_frozen_encoder(
    submitted: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = tiny.roberta(tmp_path / "still", dropout=0.0)
    options = {"model": still, "group_by_length": False, "adam_epsilon": 1e-3}
    fast, slow = submitted("head", **options), submitted("head", **options)
    on_features = fast.attempt()
    monkeypatch.setattr(type(registry.get("head")), "on_features", False)
    through = slow.attempt()
    for a, b in zip(fast.records("train"), slow.records("train"), strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
        assert a["grad_norm"] == pytest.approx(b["grad_norm"], rel=1e-3)
    for split, measured in on_features["accuracy"].items():
        assert measured["correct"] == through["accuracy"][split]["correct"]
    assert through["feature_seconds"] is None


@pytest.mark.slow
def test_the_heads_own_dropout_is_at_work_in_training_alone(
    submitted: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[bool] = []
    original = torch.nn.functional.dropout

    def spy(
        values: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> torch.Tensor:
        dropped.append(training and p > 0)
        return original(values, p, training, inplace)

    monkeypatch.setattr("torch.nn.functional.dropout", spy)
    run = submitted("head", epochs=1.0, evaluations=1)
    run.attempt()
    steps = run.records("start")[0]["total_steps"]
    # RoBERTa's head has two: before its dense layer and before its output.
    assert sum(dropped) == 2 * steps


@pytest.mark.slow
def test_the_feature_pass_is_a_phase_that_a_resumed_run_does_not_repeat(
    submitted: Callable[..., Run], stop_when: Callable[..., Any]
) -> None:
    run = submitted("head")
    stopped = run.attempt(1, stop_when(lambda kind, fields: kind == "train" and fields["step"] == 3))
    passes = [record for record in run.records("phase") if record["phase"] == "features"]
    assert (passes[-1]["done"], passes[-1]["total"], passes[-1]["unit"]) == (148, 148, "rows")
    assert stopped["feature_seconds"] > 0
    assert len(list(run.layout.features.iterdir())) == 4
    final = run.attempt(2)
    assert final["completed"]
    assert final["feature_seconds"] == 0
    assert not run.layout.features.exists()


@pytest.mark.slow
def test_a_stop_during_the_feature_pass_leaves_nothing_half_done(
    submitted: Callable[..., Run], stop_when: Callable[..., Any]
) -> None:
    run = submitted("head", max_steps=2, evaluations=1)
    stopped = run.attempt(1, stop_when(lambda kind, fields: fields.get("phase") == "features"))
    assert stopped["stopped"]
    assert not list(run.layout.features.glob("*"))
    assert run.attempt(2)["completed"]


@pytest.mark.slow
def test_a_head_that_reads_the_last_token_is_refused(submitted: Callable[..., Run]) -> None:
    final = submitted("head", model="llama").attempt()
    assert "does not classify by the first token alone" in final["reason"]["detail"]


@pytest.mark.slow
def test_a_checkpoint_of_another_recipe_is_not_loaded(
    submitted: Callable[..., Run], stop_when: Callable[..., Any]
) -> None:
    run = submitted("top_layers", num_layers=1, max_steps=6, evaluations=1)
    run.attempt(1, stop_when(lambda kind, fields: kind == "train" and fields["step"] == 3))
    state = load_file(run.layout.checkpoints / "checkpoint-3" / FILE_NAME)
    names = {name.split(".layer.")[1][0] for name in state if ".layer." in name}
    assert names == {"1"}
    other = submitted("top_layers", num_layers=2, max_steps=6, evaluations=1)
    run.layout.checkpoints.rename(other.layout.checkpoints)
    final = other.attempt()
    assert final["reason"]["code"] == "checkpoint_invalid"
