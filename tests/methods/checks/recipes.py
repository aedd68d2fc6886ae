"""Contexts for checks: a recipe in which nothing is wrong, and ways to spoil one thing."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from nli_console.methods import registry, shapes
from nli_console.methods.base import TrainingPlan
from nli_console.methods.checks import (
    CheckContext,
    DataFacts,
    Finding,
    MachineFacts,
    ModelFacts,
    PromptFacts,
    TokenizerFacts,
    run_checks,
)
from nli_console.methods.estimate import MemoryEstimate

GIB = 1024**3

ROBERTA = shapes._shipped("roberta-large", "classifier")
LLAMA = shapes._shipped("llama-3-8b", "classifier")

DATA = DataFacts(
    train_rows=39_270,
    selection_rows=2000,
    evaluation={"validation_matched": 9815, "validation_mismatched": 9832},
    labels={"entailment": 13_090, "neutral": 13_090, "contradiction": 13_090},
    lengths=tuple(range(20, 120)) * 20,
    longest=240,
    repeated={"validation_matched": 0, "validation_mismatched": 0},
)
PROMPTS = PromptFacts(
    sampled=200,
    pad_token="<|end_of_text|>",
    with_pad_token=0,
    leading_bos=1,
    header="<|start_header_id|>assistant<|end_header_id|>\n\n",
    ends_with_header=True,
    training_hash="5f1c0a3e8d",
    evaluation_hash="5f1c0a3e8d",
    label_tokens={"entailment": (306, 607, 479), "neutral": (60668,), "contradiction": (8386, 329, 2538)},
    max_new_tokens=10,
    first_token_only=True,
)
MEMORY = MemoryEstimate(
    weights=GIB,
    gradients=0,
    optimiser=0,
    activations=4 * GIB,
    quantisation=0,
    peak=5 * GIB,
    rows=32,
    width=240,
)


def context(method: str = "lora", **values: Any) -> CheckContext:
    """A sound recipe on roberta-large; ``values`` replace hyperparameters."""
    chosen = registry.get(method)
    sound = {"target_modules": ("query", "value")} if method == "lora" else {}
    return CheckContext(
        method=chosen,
        hyperparameters=chosen.Hyperparameters(**{**sound, **values}),
        shapes=ROBERTA,
        plan=TrainingPlan(),
        model=ModelFacts("roberta-large", "roberta", 512),
        tokenizer=TokenizerFacts("<pad>", "<s>", "</s>", limit=512),
        data=DATA,
        prompts=PROMPTS,
        machine=MachineFacts(100 * GIB, 20 * GIB, "NVIDIA L4"),
        memory=MEMORY,
        checkpoint_bytes=GIB,
        checkpoints=4,
    )


def prompted(method: str = "lora", **facts: Any) -> CheckContext:
    """As :func:`context`, with other facts about its prompts."""
    return replace(context(method), prompts=replace(PROMPTS, **facts))


def asked(method: str = "icl", facts: dict[str, Any] | None = None, **values: Any) -> CheckContext:
    """A sound recipe of a method that trains nothing; ``facts`` replace those of its prompts."""
    masked = method == "verbalizer"
    prompts = replace(
        PROMPTS,
        training_hash=None,
        label_tokens={"Yes": (9,), "Maybe": (5,), "No": (3,)},
        max_new_tokens=values.get("max_new_tokens", 10) if values.get("scorer") == "generation" else None,
        first_token_only=masked,
        mask_token=True if masked else None,
        demonstrations=values.get("shots", 0),
        fixed_tokens=60 + 40 * values.get("shots", 0),
        shared_tokens=50,
    )
    return replace(
        context(method, **values),
        template_format="masked" if masked else "chat",
        prompts=replace(prompts, **(facts or {})),
    )


def with_data(**facts: Any) -> CheckContext:
    """As :func:`context`, with other facts about its rows."""
    return replace(context(), data=replace(DATA, **facts))


def with_virtual_tokens(number: int, max_length: int) -> CheckContext:
    """A recipe with virtual tokens before the pair."""
    return replace(
        context(), hyperparameters=SimpleNamespace(max_length=max_length, num_virtual_tokens=number)
    )


def as_method(name: str, **values: Any) -> CheckContext:
    """A recipe of a method by its name alone."""
    stand_in: Any = SimpleNamespace(name=name, title=name, family="encoder", task="classifier", trains=True)
    return replace(context(), method=stand_in, hyperparameters=SimpleNamespace(**values))


def found(context: CheckContext, id: str) -> list[Finding]:
    """What the check ``id`` says."""
    return [finding for finding in run_checks(context) if finding.id == id]
