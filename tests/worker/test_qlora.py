"""QLoRA, answering and with a head: what is quantised and trained, the loss, resume, the product."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pyarrow.parquet
import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BitsAndBytesConfig,
)

from nli_console.data.demo import demo_model_path
from nli_console.data.prompts import PromptRenderer, catalogue
from nli_console.methods import registry
from nli_console.methods.shapes import ModelShapes
from nli_console.worker.completions import CompletionBatcher
from nli_console.worker.device import choose_device
from nli_console.worker.evaluate import score, score_words
from nli_console.worker.likelihood import LabelScorer
from nli_console.worker.models import OWN_ORDER, LabelOrder, ModelLoader, load_config, load_tokenizer
from nli_console.worker.prompted import Prompted, PromptTokeniser
from nli_console.worker.scorer import Rows
from nli_console.worker.train import IGNORED, summed_cross_entropy
from tests.worker import tiny
from tests.worker.conftest import Run
from tests.worker.test_resume import outcome

METHODS = ("qlora_sft", "qlora_classifier")
SMALL: dict[str, Any] = {"lora_r": 4, "max_length": 256, "learning_rate": 1e-2}
TEMPLATES = {"qlora_sft": "demo", "qlora_classifier": "pair"}
NAMES = ("entailment", "neutral", "contradiction")


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """27 training rows, 3 held out for selection, and twice 6 validation rows: prompts are long."""
    return tiny.write_multinli(tmp_path_factory.mktemp("few"), 30, 6)


def tokenised(folder: Path, template: str, cache: Path, n: int = 12, seed: int = 4) -> tuple[Any, Prompted]:
    tokenizer = load_tokenizer(folder, "tiny")
    renderer = PromptRenderer(catalogue.load(template), tokenizer, "tiny")
    tokeniser = PromptTokeniser(renderer, tokenizer, folder, 512, cache, 10**9)
    return tokenizer, tokeniser.split(tiny.rows(n, seed), lambda *_: None)


def built(folder: Path, method: str, **values: Any) -> Any:
    torch.manual_seed(1)
    tokenizer = load_tokenizer(folder, "tiny")
    loader = ModelLoader(folder, "tiny", load_config(folder, "tiny"), tokenizer.pad_token_id)
    chosen = registry.get(method)
    return chosen.build(loader, chosen.Hyperparameters(**{**SMALL, **values}))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["llama_chat", "qwen_chat"])
@pytest.mark.parametrize("method", METHODS)
def test_the_body_is_nf4_and_the_head_is_not(
    model_folder: Callable[[str], Path], tmp_path: Path, method: str, architecture: str
) -> None:
    folder = model_folder(architecture)
    model = built(folder, method, double_quantisation=architecture == "llama_chat")
    states = {
        name: parameter.quant_state
        for name, parameter in model.named_parameters()
        if getattr(parameter, "quant_state", None) is not None
    }
    assert len(states) == 2 * 7
    assert {state.quant_type for state in states.values()} == {"nf4"}
    assert {state.nested for state in states.values()} == {architecture == "llama_chat"}
    trained = {name: each for name, each in model.named_parameters() if each.requires_grad}
    assert {each.dtype for each in trained.values()} == {torch.float32}
    heads = [name for name in trained if "score" in name]
    assert len(heads) == (1 if method == "qlora_classifier" else 0)
    assert all("lora" in name for name in trained if name not in heads)
    plain = AutoModelForCausalLM if method == "qlora_sft" else AutoModelForSequenceClassification
    config = AutoConfig.from_pretrained(folder, num_labels=3)
    shapes = ModelShapes.of(plain.from_config(config), "tiny")
    hyperparameters = registry.get(method).Hyperparameters(**SMALL)
    counts = registry.get(method).count(shapes, hyperparameters)
    assert counts.trainable == sum(each.numel() for each in trained.values())
    plan = registry.get(method).plan(shapes, hyperparameters)
    assert plan is not None
    assert {f"base_model.model.{name}.base_layer.weight" for name in plan.quantised} == set(states)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["llama_chat", "qwen_chat"])
@pytest.mark.parametrize("template", ["recommended", "true-neither-false"])
def test_only_answers_are_scored_and_the_loss_is_theirs(
    model_folder: Callable[[str], Path], tmp_path: Path, architecture: str, template: str
) -> None:
    folder, rows = model_folder(architecture), tiny.rows(12, 4)
    tokenizer, split = tokenised(folder, template, tmp_path)
    batch = CompletionBatcher(split, rows, tokenizer.pad_token_id, choose_device("auto"))(range(12))
    batch.pop("tokens")
    model = AutoModelForCausalLM.from_pretrained(folder).eval()
    seen: list[int] = []
    model.get_output_embeddings().register_forward_hook(lambda *call: seen.append(call[2].shape[1]))
    labels = batch.pop("labels")
    with torch.inference_mode():
        loss = summed_cross_entropy(model(**batch), labels)
        # The plain way: logits everywhere, and labels that are ignored in the prompt.
        whole = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    targets = torch.full_like(batch["input_ids"], IGNORED)
    for i, row in enumerate(rows):
        answer = [*split.answer(i, row.label), *split.closing]
        start = len(split.prompt(i))
        assert batch["input_ids"][i, start : start + len(answer)].tolist() == answer
        targets[i, start : start + len(answer)] = torch.tensor(answer)
    expected = torch.nn.functional.cross_entropy(
        whole[:, :-1].flatten(0, 1), targets[:, 1:].flatten(), ignore_index=IGNORED
    )
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert seen == [labels.shape[1], whole.shape[1]]
    assert int(labels.ne(IGNORED).sum()) == int(targets.ne(IGNORED).sum())


@pytest.mark.parametrize("method", METHODS)
def test_an_evaluation_leaves_the_gradients_as_they_were(
    model_folder: Callable[[str], Path], method: str
) -> None:
    # A CPU with AVX512-BF16 would go on in a kernel without a backward pass.
    torch.manual_seed(2)
    model = built(model_folder("llama_chat"), method, lora_dropout=0.0)
    trained = [each for each in model.parameters() if each.requires_grad]
    for each in trained:
        torch.nn.init.normal_(each, std=0.1)
    ids = torch.randint(0, 50, (4, 12))

    def gradients() -> list[torch.Tensor]:
        return list(torch.autograd.grad(model.train()(input_ids=ids).logits.square().sum(), trained))

    before = gradients()
    with torch.inference_mode():
        model.eval()(input_ids=ids)
    assert all(torch.equal(*pair) for pair in zip(before, gradients(), strict=True))
    assert max(float(each.abs().max()) for each in before) > 0


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_a_stop_in_the_second_epoch_changes_nothing(
    submitted: Callable[..., Run], few: Path, stop_when: Callable[..., Any], method: str
) -> None:
    recipe = {**SMALL, "template": TEMPLATES[method], "batch_size": 9, "lora_dropout": 0.1}
    recipe |= {"data": few, "model": demo_model_path("decoder"), "evaluations": 1, "max_length": 80}
    whole, cut = submitted(method, **recipe), submitted(method, **recipe)
    assert whole.attempt()["completed"]
    per_epoch = whole.records("start")[0]["steps_per_epoch"]
    middle = per_epoch + per_epoch // 2
    stopped = cut.attempt(1, stop_when(lambda kind, fields: kind == "train" and fields["step"] == middle))
    assert (stopped["stopped"], stopped["step"]) == (True, middle)
    assert cut.attempt(2)["completed"]
    assert cut.records("start", 2)[0]["resumed_step"] == middle
    assert outcome(cut, 2) == outcome(whole, 1)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["llama_chat", "qwen_chat"])
@pytest.mark.parametrize("method", METHODS)
def test_the_adapter_of_the_best_checkpoint_loads_and_says_what_was_reported(
    submitted: Callable[..., Run],
    few: Path,
    model_folder: Callable[[str], Path],
    tmp_path: Path,
    method: str,
    architecture: str,
) -> None:
    folder = model_folder(architecture)
    recipe = {**SMALL, "learning_rate": 5e-2, "template": TEMPLATES[method]}
    run = submitted(method, model=architecture, **recipe, data=few, batch_size=9)
    final = run.attempt()
    assert (final["completed"], final["product"]) == (True, "adapter")
    assert "quantising" in {record["phase"] for record in run.records("phase")}
    config = AutoConfig.from_pretrained(run.layout.adapter)
    words = method == "qlora_sft"
    auto: Any = AutoModelForCausalLM if words else AutoModelForSequenceClassification
    quantisation = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
        llm_int8_skip_modules=["lm_head", "score"],
    )
    base = auto.from_pretrained(folder, config=config, dtype=torch.float32, quantization_config=quantisation)
    model: Any = PeftModel.from_pretrained(base, run.layout.adapter).eval()
    rows = tiny.rows(6, 2)
    tokenizer, split = tokenised(folder, TEMPLATES[method], tmp_path, 6, 2)
    assert tokenizer.pad_token_id == config.pad_token_id
    device = choose_device("auto")
    if words:
        scorer = LabelScorer(model, device, tokenizer.pad_token_id, 5)
        scores = score_words(scorer, split, rows, lambda *_: None)
    else:
        order = LabelOrder(OWN_ORDER, known=True)
        batcher: Any = Rows(rows, split).batcher(order, tokenizer.pad_token_id, device)
        scores = score(model, split, rows, batcher, order, device, 5, lambda *_: None)
    table = pyarrow.parquet.read_table(run.layout.predictions / "validation_matched.parquet")
    assert table["id"].to_pylist() == [row.id for row in rows]
    reported = numpy.stack([table[f"score_{name}"].to_numpy() for name in NAMES], axis=1)
    assert numpy.allclose(scores.log_probabilities, reported, atol=1e-4)
    assert numpy.ptp(reported, axis=0).max() > 1e-2
    loss = next(r["loss"] for r in run.records("eval") if r["split"] == "validation_matched")
    assert scores.loss == pytest.approx(loss, abs=1e-4)


@pytest.mark.slow
def test_sixteen_answers_at_once_and_four_times_four_are_the_same_step(
    submitted: Callable[..., Run],
    few: Path,
) -> None:
    runs = [
        submitted("qlora_sft", model="qwen_chat", data=few, batch_size=size,
                  gradient_accumulation_steps=passes,
                  max_steps=2, evaluations=0, adam_epsilon=1e-3, lora_dropout=0.0, lora_r=4, template="demo")
        for size, passes in ((16, 1), (4, 4))
    ]  # fmt: skip
    for run in runs:
        assert run.attempt()["completed"]
    for once, accumulated in zip(*(run.records("train") for run in runs), strict=True):
        assert accumulated["loss"] == pytest.approx(once["loss"], rel=2e-3)
        assert accumulated["grad_norm"] == pytest.approx(once["grad_norm"], rel=2e-2)


@pytest.mark.slow
def test_a_run_does_not_go_on_with_other_prompts(
    submitted: Callable[..., Run],
    few: Path,
    model_folder: Callable[[str], Path],
    stop_when: Callable[..., Any],
    tmp_path: Path,
) -> None:
    folder = shutil.copytree(model_folder("llama_chat"), tmp_path / "model")
    run = submitted("qlora_sft", model=folder, template="demo", data=few, **SMALL)
    run.attempt(1, stop_when(lambda kind, fields: kind == "train" and fields["step"] == 2))
    recorded = json.loads(run.layout.prompt.read_text())
    assert recorded["digest"] == run.records("start")[0]["prompt"]
    assert recorded["template"]["name"] == "demo"
    assert "Premise: {premise}\nHypothesis: {hypothesis}" in recorded["text"]
    assert recorded["text"].endswith("<|start_header_id|>assistant<|end_header_id|>\n\n")
    template = folder / "chat_template.jinja"
    template.write_text(
        template.read_text().replace("assistant<|end_header_id|>\n\n", "assistant<|end_header_id|> ")
    )
    final = run.attempt(2)
    assert not final["completed"]
    assert "was trained on other prompts" in final["reason"]["detail"]
    assert recorded["digest"][:8] in final["reason"]["detail"]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_checkpointed_activations_change_no_step(
    submitted: Callable[..., Run], few: Path, method: str
) -> None:
    recipe = {
        **SMALL,
        "model": "llama_chat",
        "data": few,
        "max_steps": 1,
        "evaluations": 0,
        "lora_dropout": 0.0,
    }
    recipe |= {"template": TEMPLATES[method]}
    runs = [submitted(method, gradient_checkpointing=value, **recipe) for value in (False, True)]
    for run in runs:
        assert run.attempt()["completed"]
    for plain, checkpointed in zip(*(run.records("train") for run in runs), strict=True):
        assert checkpointed["grad_norm"] == pytest.approx(plain["grad_norm"], rel=1e-3)
        assert plain["grad_norm"] > 0


def test_an_encoder_is_refused(submitted: Callable[..., Run], few: Path) -> None:
    final = submitted("qlora_sft", model="roberta", data=few).attempt()
    assert not final["completed"]
    assert "is an encoder (roberta), and qlora_sft is for decoders" in final["reason"]["detail"]


def test_bf16_keeps_what_is_trained_in_fp32(submitted: Callable[..., Run], few: Path) -> None:
    run = submitted(
        "qlora_classifier", model="llama_chat", data=few, precision="bf16", max_steps=2, evaluations=0
    )
    assert run.attempt()["completed"]
    with safe_open(run.layout.adapter / "adapter_model.safetensors", framework="pt") as file:
        assert {file.get_tensor(name).dtype for name in file.keys()} == {torch.float32}  # noqa: SIM118
