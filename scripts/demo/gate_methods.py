"""What each method reaches with the demo models: compact training and scoring loops for the gate.

Every recipe here is the one recommended for the demo; `RECIPES` is what the demo presets are made from.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import torch
from common import CONNECTIVES, lower_first, pad
from corpus_rows import LABELS, Row, corpus
from decoder_text import ASSISTANT, BOS, EOT, GATE_PROMPT, turn
from peft import LoraConfig, PrefixTuningConfig, PromptEncoderConfig, TaskType, get_peft_model
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BitsAndBytesConfig,
)

SEED = 0
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
VIRTUAL_TOKENS = 16


@dataclass(frozen=True)
class Recipe:
    learning_rate: float
    epochs: int
    batch: int
    fraction: float = 1.0


RECIPES = {
    "full": Recipe(5e-4, 2, 32),
    "lora": Recipe(3e-3, 2, 32),
    "top_layers": Recipe(1e-3, 2, 32),
    "head": Recipe(3e-3, 4, 64),
    "p_tuning": Recipe(1e-2, 2, 32),
    "prefix_tuning": Recipe(1e-2, 2, 32),
    "qlora_sft": Recipe(3e-3, 1, 32, 0.75),
    "qlora_classifier": Recipe(2e-3, 1, 32),
}


@dataclass(frozen=True)
class Reached:
    """Accuracies on the two validation sets, and the processor seconds of training and evaluation."""

    matched: float
    mismatched: float
    seconds: float


def reach(method: str, models: Path) -> Reached:
    """Train (where there is something to train) and evaluate one method.

    Args:
        method: a key of `RECIPES`, "verbalizer", or "icl_K" with K shots.
        models: folder that holds ``encoder/`` and ``decoder/``.
    """
    torch.manual_seed(SEED)
    started = time.process_time()
    if method == "verbalizer":
        scores = _verbalizer(models / "encoder")
    elif method.startswith("icl_"):
        scores = _in_context(models / "decoder", int(method.removeprefix("icl_")))
    elif method == "qlora_sft":
        scores = _qlora_sft(models / "decoder")
    elif method == "qlora_classifier":
        scores = _qlora_classifier(models / "decoder")
    else:
        scores = _encoder(method, models / "encoder")
    return Reached(*scores, time.process_time() - started)


def _batches(rows: list, size: int, rng: random.Random, length) -> list[list]:
    rows = rng.sample(rows, len(rows))
    found = []
    for start in range(0, len(rows), size * 16):
        block = sorted(rows[start : start + size * 16], key=length)
        found += [block[i : i + size] for i in range(0, len(block), size)]
    rng.shuffle(found)
    return found


def _train(model, rows: list[tuple[list[int], int]], recipe: Recipe, loss_of) -> None:
    """AdamW with 6 % warm-up and a linear fall; rows are (token ids, label)."""
    rng = random.Random(SEED)
    rows = rng.sample(rows, round(len(rows) * recipe.fraction))
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=recipe.learning_rate, weight_decay=0.01)
    steps, step = recipe.epochs * -(-len(rows) // recipe.batch), 0
    model.train()
    for _ in range(recipe.epochs):
        for batch in _batches(rows, recipe.batch, rng, lambda row: len(row[0])):
            factor = min(1.0, (step + 1) / (0.06 * steps + 1)) * (1 - step / steps)
            for group in optimizer.param_groups:
                group["lr"] = recipe.learning_rate * factor
            loss = loss_of(model, batch)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            step += 1
    model.eval()


def _classification_loss(model, batch):
    ids = pad([ids for ids, _ in batch], model.config.pad_token_id)
    logits = model(input_ids=ids, attention_mask=(ids != model.config.pad_token_id).long()).logits
    return cross_entropy(logits.float(), torch.tensor([label for _, label in batch]))


@torch.no_grad()
def _accuracy(predict, rows: list[tuple[list[int], int]], size: int = 100) -> float:
    """Share of rows where ``predict(list of ids)`` (class indices) is right."""
    rows, right = sorted(rows, key=lambda row: len(row[0])), 0
    for start in range(0, len(rows), size):
        batch = rows[start : start + size]
        right += (
            (predict([ids for ids, _ in batch]) == torch.tensor([label for _, label in batch])).sum().item()
        )
    return right / len(rows)


def _classify(model):
    def predict(ids: list[list[int]]) -> torch.Tensor:
        x = pad(ids, model.config.pad_token_id)
        return model(input_ids=x, attention_mask=(x != model.config.pad_token_id).long()).logits.argmax(-1)

    return predict


class _RealFirstToken(torch.nn.Module):
    """A classification head that skips the virtual tokens PEFT puts in front."""

    def __init__(self, head: torch.nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: torch.Tensor, **options) -> torch.Tensor:
        return self.head(features[:, VIRTUAL_TOKENS:], **options)


def _encoder(method: str, path: Path) -> list[float]:
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForSequenceClassification.from_pretrained(path, num_labels=3, dtype=torch.float32)
    if method in ("head", "top_layers"):
        model.roberta.requires_grad_(False)
    if method == "top_layers":
        model.roberta.encoder.layer[-1:].requires_grad_(True)
    if method == "lora":
        targets = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense"]
        config = LoraConfig(task_type=TaskType.SEQ_CLS, r=8, lora_alpha=16, target_modules=targets)
        model = get_peft_model(model, config)
    if method == "p_tuning":
        model.classifier = _RealFirstToken(model.classifier)
        config = PromptEncoderConfig(
            task_type=TaskType.SEQ_CLS, num_virtual_tokens=VIRTUAL_TOKENS, encoder_hidden_size=128
        )
        model = get_peft_model(model, config)
    if method == "prefix_tuning":
        config = PrefixTuningConfig(task_type=TaskType.SEQ_CLS, num_virtual_tokens=VIRTUAL_TOKENS)
        model = get_peft_model(model, config)

    def encode(rows: list[Row]) -> list[tuple[list[int], int]]:
        ids = tokenizer([r.premise for r in rows], [r.hypothesis for r in rows])["input_ids"]
        return [(i, LABELS.index(r.label)) for i, r in zip(ids, rows, strict=True)]

    train, *evaluations = map(encode, corpus())
    _train(model, train, RECIPES[method], _classification_loss)
    return [_accuracy(_classify(model), rows) for rows in evaluations]


def _verbalizer(path: Path) -> list[float]:
    """Zero-shot with the masked-language-model head: the most likely family of connectives at ``<mask>``."""
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForMaskedLM.from_pretrained(path, dtype=torch.float32).eval()
    words = {"entailment": " Yes", "neutral": " Maybe", "contradiction": " No"}
    tokens = [tokenizer(words[label], add_special_tokens=False)["input_ids"][0] for label in LABELS]
    assert {w.strip() for w in words.values()} <= {w for group in CONNECTIVES.values() for w in group}

    def encode(rows: list[Row]) -> list[tuple[list[int], int]]:
        texts = [f"{r.premise} {tokenizer.mask_token}, {lower_first(r.hypothesis)}" for r in rows]
        return [(i, LABELS.index(r.label)) for i, r in zip(tokenizer(texts)["input_ids"], rows, strict=True)]

    def predict(ids: list[list[int]]) -> torch.Tensor:
        x = pad(ids, tokenizer.pad_token_id)
        logits = model(input_ids=x, attention_mask=(x != tokenizer.pad_token_id).long()).logits
        return logits[x == tokenizer.mask_token_id][:, tokens].argmax(-1)

    return [_accuracy(predict, encode(rows)) for rows in corpus()[1:]]


def _quantised(model_class, path: Path, **options):
    quantisation = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
        llm_int8_skip_modules=["lm_head", "score"],
    )
    model = model_class.from_pretrained(
        path, dtype=torch.float32, quantization_config=quantisation, device_map={"": "cpu"}, **options
    )
    task = TaskType.SEQ_CLS if options else TaskType.CAUSAL_LM
    return get_peft_model(model, LoraConfig(task_type=task, r=8, lora_alpha=16, target_modules=PROJECTIONS))


def _chat(row: Row, shots: list[Row]) -> str:
    asked = [turn("user", GATE_PROMPT.format(p=r.premise, h=r.hypothesis)) for r in [*shots, row]]
    answered = [turn("assistant", shot.label) for shot in shots]
    return BOS + "".join(a + b for a, b in zip(asked, [*answered, ASSISTANT], strict=True))


def _chats(tokenizer, rows: list[Row], shots: int = 0) -> list[tuple[list[int], int]]:
    """Prompts up to the answer; the shots are drawn from the training rows, the classes balanced."""
    rng = random.Random(SEED)
    by_label = defaultdict(list)
    for row in corpus()[0]:
        by_label[row.label].append(row)

    def draw() -> list[Row]:
        labels = [LABELS[i % 3] for i in range(shots)] if shots > 1 else rng.choices(LABELS, k=shots)
        return [rng.choice(by_label[label]) for label in rng.sample(labels, len(labels))]

    texts = [_chat(row, draw()) for row in rows]
    ids = tokenizer(texts, add_special_tokens=False)["input_ids"]
    return [(i, LABELS.index(r.label)) for i, r in zip(ids, rows, strict=True)]


def _label_tokens(tokenizer) -> list[int]:
    ids = [tokenizer(label, add_special_tokens=False)["input_ids"] for label in LABELS]
    if any(len(i) != 1 for i in ids):
        raise SystemExit(f"decoder tokenizer: labels are split: {ids}")
    return [i[0] for i in ids]


def _answer(model, tokenizer):
    """Predict the label word that is most likely after the prompt."""
    tokens = _label_tokens(tokenizer)

    def predict(ids: list[list[int]]) -> torch.Tensor:
        x = pad(ids, tokenizer.pad_token_id)
        last = torch.tensor([len(i) - 1 for i in ids])[:, None]
        mask = (x != tokenizer.pad_token_id).long()
        return model(input_ids=x, attention_mask=mask, logits_to_keep=last).logits[:, 0, tokens].argmax(-1)

    return predict


def _in_context(path: Path, shots: int) -> list[float]:
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32).eval()
    predict = _answer(model, tokenizer)
    return [_accuracy(predict, _chats(tokenizer, rows, shots), size=32) for rows in corpus()[1:]]


def _qlora_sft(path: Path) -> list[float]:
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = _quantised(AutoModelForCausalLM, path)
    words, end = _label_tokens(tokenizer), tokenizer.convert_tokens_to_ids(EOT)

    def completion_loss(model, batch):
        ids = pad([[*ids, words[label], end] for ids, label in batch], tokenizer.pad_token_id)
        start = torch.tensor([len(ids) - 1 for ids, _ in batch])
        positions = torch.stack((start, start + 1), 1)
        mask = (ids != tokenizer.pad_token_id).long()
        logits = model(input_ids=ids, attention_mask=mask, logits_to_keep=positions).logits
        return cross_entropy(logits.flatten(0, 1), ids.gather(1, positions + 1).flatten())

    train, *evaluations = corpus()
    _train(model, _chats(tokenizer, train), RECIPES["qlora_sft"], completion_loss)
    return [_accuracy(_answer(model, tokenizer), _chats(tokenizer, rows)) for rows in evaluations]


def _qlora_classifier(path: Path) -> list[float]:
    tokenizer = AutoTokenizer.from_pretrained(path)
    model = _quantised(AutoModelForSequenceClassification, path, num_labels=3)

    def encode(rows: list[Row]) -> list[tuple[list[int], int]]:
        ids = tokenizer([f"Premise: {r.premise}\nHypothesis: {r.hypothesis}" for r in rows])["input_ids"]
        return [(i, LABELS.index(r.label)) for i, r in zip(ids, rows, strict=True)]

    train, *evaluations = map(encode, corpus())
    _train(model, train, RECIPES["qlora_classifier"], _classification_loss)
    return [_accuracy(_classify(model), rows) for rows in evaluations]
