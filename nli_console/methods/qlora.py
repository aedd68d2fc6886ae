"""QLoRA: the base model stored in 4 bits and frozen, low-rank updates and new layers trained beside it."""

from typing import TYPE_CHECKING, Any

from nli_console.methods.base import ModelLoader, ParameterCounts, TrainingPlan, hyperparameter
from nli_console.methods.lora import LoraHyperparameters, matched_modules, update_size
from nli_console.methods.padding import AUTO

if TYPE_CHECKING:
    from torch.nn import Module

    from nli_console.methods.shapes import ModelShapes, Task

_QUANTISED = frozenset({"Linear", "Conv1D"})
"""Layers that bitsandbytes replaces; subclasses of them it leaves alone."""


class QloraHyperparameters(LoraHyperparameters):
    """Defaults after the QLoRA paper's recipes (Dettmers et al. 2023), on every projection."""

    learning_rate: float = hyperparameter(2e-4, "peak learning rate", group="optimiser", gt=0, le=1)
    batch_size: int = hyperparameter(
        16, "examples in one forward pass", group="optimiser", unit="examples", ge=1, le=4096
    )
    epochs: float = hyperparameter(
        1.0, "passes over the training rows", group="optimiser", unit="epochs", gt=0, le=1000
    )
    weight_decay: float = hyperparameter(0.0, "decoupled weight decay", group="optimiser", ge=0, le=1)
    max_grad_norm: float = hyperparameter(
        0.3,
        "gradient norm is clipped to this; 0 switches clipping off",
        group="optimiser",
        ge=0,
        le=1000,
        advanced=True,
    )
    warmup: float = hyperparameter(
        0.03, "share of the steps in which the learning rate rises", group="schedule", ge=0, lt=1
    )
    lora_r: int = hyperparameter(16, "rank of the updates", group="LoRA", ge=1, le=1024)
    lora_alpha: float = hyperparameter(
        32.0, "updates are scaled by alpha / r (alpha / √r with rsLoRA)", group="LoRA", gt=0, le=4096
    )
    lora_dropout: float = hyperparameter(0.05, "dropout before the updates", group="LoRA", ge=0, lt=1)
    template: str = hyperparameter(
        "recommended", "prompt template that pairs are put into, by name", group="prompt"
    )
    double_quantisation: bool = hyperparameter(
        True,
        "quantise the scales of the 4-bit (nf4) weights too: 0.37 bits less for each weight",
        group="quantisation",
    )
    pad_token: str = hyperparameter(
        AUTO,
        f"token that fills short rows; {AUTO} takes one that never occurs in text",
        group="input",
        advanced=True,
    )


def quantised_modules(shapes: "ModelShapes") -> frozenset[str]:
    """Names of the modules that are stored in 4 bits: linear layers below the head, which stays as it is.

    The library's own list keeps no more than the last named parameter and the output embeddings: of RoBERTa's
    head only ``classifier.out_proj``, so that ``classifier.dense`` became 4-bit and could not be trained.
    """
    return frozenset(
        module.name
        for module in shapes.modules
        if module.kind in _QUANTISED and module.parameters and not shapes.in_head(module)
    )


def load_quantised(loader: ModelLoader, task: "Task", *, double: bool) -> "Module":
    """The base model in nf4, its scales quantised too where ``double``, everything frozen.

    What is not quantised is kept in the arithmetic's precision. There is no cast of embeddings and norms to
    fp32 as in PEFT's ``prepare_model_for_kbit_training``, which costs 4.2 GB with Llama-3-8B and serves
    training only where they are trained.
    """
    from transformers import BitsAndBytesConfig

    quantisation = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=double,
        bnb_4bit_compute_dtype=loader.compute_dtype,
        llm_int8_skip_modules=unquantised_names(loader.shapes(task)),
    )
    load = loader.causal if task == "causal" else loader.classifier
    model = load(dtype=loader.compute_dtype, quantization_config=quantisation)
    model.requires_grad_(False)
    return unpacked(model)


def unpacked(model: "Module") -> "Module":
    """``model``, its 4-bit layers told to keep their weights as they are.

    On a CPU with AVX512-BF16 the first pass without gradients would repack them for a kernel that computes in
    bf16 whatever was asked for, refuses widths that are no multiple of 64, and has no backward pass:
    training after an evaluation would lose the gradients of every such layer.
    """
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False  # type: ignore[assignment]  # a plain attribute
    return model


def unquantised_names(shapes: "ModelShapes") -> list[str]:
    """Top-level modules that the library is told to leave alone: the head, tied or not."""
    return list(dict.fromkeys([*shapes.head, *_tied_heads(shapes)]))


def widen_head(model: Any, shapes: "ModelShapes") -> None:
    """The head of ``model`` in fp32: updates of 1e-4 vanish in bf16 weights."""
    for name in shapes.head:
        model.get_submodule(name).float()


def with_updates(
    model: Any, shapes: "ModelShapes", hyperparameters: QloraHyperparameters, *, head: bool
) -> "Module":
    """``model`` with LoRA on its target modules, and with its head trained in full in fp32 where ``head``."""
    from peft import LoraConfig, TaskType, get_peft_model

    if head:
        widen_head(model, shapes)
    return get_peft_model(
        model,
        LoraConfig(
            task_type=TaskType.SEQ_CLS if head else TaskType.CAUSAL_LM,
            r=hyperparameters.lora_r,
            lora_alpha=hyperparameters.lora_alpha,  # type: ignore[arg-type]  # any number works
            lora_dropout=hyperparameters.lora_dropout,
            target_modules=[
                module.name for module in matched_modules(shapes, hyperparameters.target_modules)
            ],
            modules_to_save=list(shapes.head) if head else None,
            use_rslora=hyperparameters.use_rslora,
            use_dora=hyperparameters.use_dora,
        ),
    )


def count(shapes: "ModelShapes", hyperparameters: QloraHyperparameters, *, head: bool) -> ParameterCounts:
    """The updates, and the head where it is trained; a 4-bit weight counts as one parameter."""
    added = update_size(shapes, hyperparameters)
    return ParameterCounts(
        trainable=added + (shapes.head_size if head else 0),
        total=added + shapes.total,
    )


def plan(
    shapes: "ModelShapes", hyperparameters: QloraHyperparameters, *, head: bool, scored_positions: int = 0
) -> TrainingPlan:
    """As :func:`count`, for the memory estimate."""
    targets = matched_modules(shapes, hyperparameters.target_modules)
    trained_head = shapes.head_size if head else 0
    return TrainingPlan(
        trained=frozenset(module.name for module in shapes.modules if head and shapes.in_head(module)),
        adapted={module.name: hyperparameters.lora_r for module in targets},
        update_dropout=hyperparameters.lora_dropout > 0,
        added=update_size(shapes, hyperparameters),
        # PEFT keeps the original of each module that it trains in full.
        copied=trained_head,
        quantised=quantised_modules(shapes),
        double_quantised=hyperparameters.double_quantisation,
        frozen_in_precision=True,
        scored_positions=scored_positions,
    )


def _tied_heads(shapes: "ModelShapes") -> list[str]:
    """Heads that own no weight because it is that of the embeddings."""
    return [module.name for module in shapes.modules if module.kind in _QUANTISED and not module.parameters]
