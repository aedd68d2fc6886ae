"""Arithmetic on module shapes: optimiser steps, peak memory with its parts, time. No torch, no guesses.

The activation counts follow what autograd keeps for the backward pass in transformers' RoBERTa, BERT, DeBERTa
and Llama layers; ``benchmarks/memory_estimate.py`` holds them against measured peaks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nli_console.methods.base import TrainingHyperparameters, TrainingPlan
from nli_console.methods.shapes import ModelShapes, ModuleShape

Precision = Literal["fp32", "bf16", "fp16"]
Compute = Literal["gpu", "cpu"]

_BLOCK = 64
"""Weights that share one scale in 4-bit storage (bitsandbytes' default); with double quantisation the scales
are 8-bit themselves, and 256 of them share a second scale."""
FP32 = 4
_ADAM_BYTES = {"adamw": 8, "adamw_8bit": 2, "paged_adamw_8bit": 2}
"""Optimiser state per trained parameter: two moments of 4 bytes, or of 1."""
_DEFAULT_DROPOUT = 0.1
"""What the configurations of BERT, RoBERTa and DeBERTa default to where ``config.json`` is not known."""

_QKV = frozenset(
    {"query", "key", "value", "q_proj", "k_proj", "v_proj", "query_proj", "key_proj", "value_proj", "in_proj"}
)
_UP = frozenset({"gate_proj", "up_proj"})

_Layer = Mapping[str, tuple[ModuleShape, ...]]
"""Linear modules of one layer by the tensor that they read: qkv, o, up and down."""


@dataclass(frozen=True)
class MemoryEstimate:
    """Peak device memory of a run, in bytes.

    Gradients fill up while activations are freed, so ``peak`` is less than the sum of the parts. ``cache`` is
    keys and values, where prompts are scored.

    Attributes:
        rows, width: the batch that was counted: examples, and tokens of its longest.
    """

    weights: int
    gradients: int
    optimiser: int
    activations: int
    quantisation: int
    peak: int
    rows: int
    width: int
    cache: int = 0

    @property
    def parts(self) -> dict[str, int]:
        return {
            "weights": self.weights,
            "gradients": self.gradients,
            "optimiser": self.optimiser,
            "activations": self.activations,
            "cache": self.cache,
            "quantisation": self.quantisation,
        }

    def to_json(self) -> dict[str, int]:
        return {"peak": self.peak, **self.parts, "rows": self.rows, "width": self.width}


def optimiser_steps(rows: int, hyperparameters: TrainingHyperparameters) -> int:
    """Optimiser steps over ``rows`` training rows: an epoch's last, smaller batch counts as one."""
    if hyperparameters.max_steps:
        return hyperparameters.max_steps
    batches = math.ceil(rows / hyperparameters.batch_size)
    per_epoch = max(1, math.ceil(batches / hyperparameters.gradient_accumulation_steps))
    return max(1, math.ceil(per_epoch * hyperparameters.epochs))


def run_seconds(samples: float, samples_per_second: float, other_seconds: float = 0.0) -> float:
    """Time for ``samples`` that are trained on or scored at a measured speed, and for all else in a run."""
    return samples / samples_per_second + other_seconds


def checkpoint_bytes(trainable: int, optimizer: str) -> int:
    """Size of one checkpoint: the trained weights in fp32 and their optimiser state."""
    return trainable * (FP32 + _ADAM_BYTES[optimizer])


def peak_memory(
    shapes: ModelShapes,
    plan: TrainingPlan,
    hyperparameters: TrainingHyperparameters,
    width: int,
    *,
    compute: Compute,
    config: Mapping[str, Any] | None = None,
) -> MemoryEstimate | None:
    """Peak memory of training with batches up to ``width`` tokens wide.

    Args:
        config: content of the model's ``config.json``, for its dropout rates.

    Returns:
        ``None`` where the layers are not of a kind that the arithmetic knows.
    """
    body = Body.of(shapes, config or {})
    if body is None:
        return None
    precision = resolve_precision(hyperparameters.precision, compute)
    layers = _Layers(body, plan, precision, compute, hyperparameters, width + plan.virtual_tokens)

    packed = {module.name: matrix_size(module) for module in shapes.modules if module.name in plan.quantised}
    own = sum(module.size for module in shapes.modules if module.name in plan.trained)
    frozen = shapes.total - sum(packed.values()) - own
    weights = frozen * (bytes_of(precision) if plan.frozen_in_precision else FP32)
    weights += (own + plan.added + plan.copied) * FP32 + sum(packed.values()) // 2
    quantisation = scale_bytes(sum(packed.values()), plan.double_quantised)
    quantisation += max(packed.values(), default=0) * bytes_of(precision)
    trained = own + plan.added
    gradients = trained * FP32
    optimiser = trained * _ADAM_BYTES[hyperparameters.optimizer]
    activations = layers.saved() + layers.transient() + _scored(shapes, plan, hyperparameters, precision)
    if precision != "fp32" and not packed:
        # Autocast keeps a half-precision copy of every matrix that the backward pass needs.
        activations += layers.cast_weights()
    standing = gradients if hyperparameters.gradient_accumulation_steps > 1 else 0
    peak = weights + quantisation + optimiser + max(activations + standing, gradients)
    return MemoryEstimate(
        weights=weights,
        gradients=gradients,
        optimiser=optimiser,
        activations=activations,
        quantisation=quantisation,
        peak=peak,
        rows=hyperparameters.batch_size,
        width=width,
    )


def resolve_precision(precision: str, compute: Compute) -> Precision:
    """What ``auto`` means on a device: bf16 on a GPU (all that are current compute in it), else fp32."""
    if precision == "auto":
        return "bf16" if compute == "gpu" else "fp32"
    return precision  # type: ignore[return-value]  # the field allows no other word


def bytes_of(precision: Precision) -> int:
    """Size of one number."""
    return FP32 if precision == "fp32" else 2


def matrix_size(module: ModuleShape) -> int:
    """Elements of the weight of a linear module: its bias is not quantised."""
    return math.prod(module.parameters["weight"])


def _scored(
    shapes: ModelShapes, plan: TrainingPlan, hyperparameters: TrainingHyperparameters, precision: Precision
) -> int:
    """Logits over the vocabulary: as the head gives them, and in fp32 with their gradient."""
    if not plan.scored_positions:
        return 0
    logits = hyperparameters.batch_size * plan.scored_positions * shapes.config["vocab_size"]
    return logits * (2 * FP32 + (0 if precision == "fp32" else bytes_of(precision)))


def scale_bytes(packed: int, double: bool) -> int:
    """What the scales of ``packed`` 4-bit weights take."""
    scales = packed // _BLOCK
    return scales + scales // 256 * FP32 if double else scales * FP32


@dataclass(frozen=True)
class Body:
    """The repeated layers of a model: sizes in elements, linear modules of each layer by what they read."""

    hidden: int
    inner: int
    heads: int
    key_value: int
    gated: bool
    disentangled: bool
    dropout: float
    attention_dropout: float
    layers: tuple[_Layer, ...]

    @classmethod
    def of(cls, shapes: ModelShapes, config: Mapping[str, Any]) -> "Body | None":
        known = {**shapes.config, **config}
        hidden, heads, count = (
            known.get(key) for key in ("hidden_size", "num_attention_heads", "num_hidden_layers")
        )
        inner = known.get("intermediate_size")
        if not (isinstance(hidden, int) and isinstance(heads, int) and isinstance(count, int)):
            return None
        if not isinstance(inner, int):
            return None
        layers = tuple(_by_input(shapes, index) for index in range(count))
        if not all(set(layer) == {"qkv", "o", "up", "down"} for layer in layers):
            return None
        gated = any(module.name.endswith("gate_proj") for module in layers[0]["up"])
        groups = known.get("num_key_value_heads") or heads
        default = 0.0 if gated else _DEFAULT_DROPOUT
        return cls(
            hidden=hidden,
            inner=inner,
            heads=heads,
            key_value=hidden * groups // heads,
            gated=gated,
            disentangled=str(known.get("model_type")).startswith("deberta"),
            dropout=float(known.get("hidden_dropout_prob", default)),
            attention_dropout=float(
                known.get("attention_probs_dropout_prob", known.get("attention_dropout", default))
            ),
            layers=layers,
        )


def _by_input(shapes: ModelShapes, index: int) -> dict[str, tuple[ModuleShape, ...]]:
    """Linear modules of layer ``index``, grouped by the tensor that they share as input."""
    found: dict[str, tuple[ModuleShape, ...]] = {}
    marks = (f".layer.{index}.", f".layers.{index}.")
    for module in shapes.modules:
        if "weight" not in module.parameters or len(module.parameters["weight"]) != 2:
            continue
        if any(mark in f".{module.name}" for mark in marks):
            role = _role(module.name)
            if role is not None:
                found[role] = (*found.get(role, ()), module)
    return found


def _role(name: str) -> str | None:
    last = name.rsplit(".", 1)[-1]
    if last in _QKV:
        return "qkv"
    if last in _UP or name.endswith("intermediate.dense"):
        return "up"
    if last == "o_proj" or name.endswith("attention.output.dense"):
        return "o"
    if last == "down_proj" or name.endswith("output.dense"):
        return "down"
    return None


class _Layers:
    """Bytes that the layers keep for the backward pass, after one forward pass of a batch."""

    def __init__(
        self,
        body: Body,
        plan: TrainingPlan,
        precision: Precision,
        compute: Compute,
        hyperparameters: TrainingHyperparameters,
        width: int,
    ) -> None:
        self._body = body
        self._plan = plan
        self._half = bytes_of(precision)
        self._cast = precision != "fp32"
        self._gpu = compute == "gpu"
        self._checkpointing = hyperparameters.gradient_checkpointing
        self._tokens = hyperparameters.batch_size * width
        self._scores = hyperparameters.batch_size * body.heads * width * width
        # Dropout keeps a mask of booleans on a GPU, and the multiplied noise itself on the CPU.
        self._mask = 1 if self._gpu else FP32

    def saved(self) -> int:
        """Everything kept when the forward pass has ended."""
        first = self._first()
        if first is None:
            return 0
        kept = [self._layer(layer) for layer in self._body.layers[first:]]
        if self._checkpointing:
            boundary = self._tokens * self._body.hidden * FP32
            return boundary * len(kept) + max(kept, default=0)
        return sum(kept) + (self._embeddings() if first == 0 else 0)

    def transient(self) -> int:
        """What the backward pass of one layer holds beside what was kept: its gradients in flight."""
        if self._first() is None:
            return self._tokens * (self._body.inner + 2 * self._body.hidden) * self._half
        inner = (3 if self._body.gated else 2) * self._body.inner
        feed_forward = self._tokens * (inner * self._half + 2 * self._body.hidden * FP32)
        attention = self._tokens * 4 * self._body.hidden * self._half
        if self._explicit_scores():
            attention += 2 * self._scores * self._half
        return max(feed_forward, attention)

    def cast_weights(self) -> int:
        """Half-precision copies of the weights of the layers through which gradients flow."""
        first = self._first()
        if first is None:
            return 0
        layers = self._body.layers[first:]
        return self._half * sum(
            module.size for layer in layers for group in layer.values() for module in group
        )

    def _first(self) -> int | None:
        """The lowest layer that keeps anything: below it nothing trains."""
        if self._plan.virtual_tokens or self._plan.embeddings:
            return 0
        touched = self._plan.trained | set(self._plan.adapted)
        for index, layer in enumerate(self._body.layers):
            if any(module.name in touched for group in layer.values() for module in group):
                return index
        return None

    def _explicit_scores(self) -> bool:
        """Whether attention keeps its score matrix: the CPU has no fused kernel with dropout."""
        return self._body.disentangled or (not self._gpu and self._body.attention_dropout > 0)

    def _layer(self, layer: _Layer) -> int:
        return self._tokens * (self._decoder(layer) if self._body.gated else self._encoder(layer)) + (
            self._score_bytes()
        )

    def _encoder(self, layer: _Layer) -> int:
        """Bytes per token: attention, two layer norms over residual sums, a GELU between two matrices."""
        body, half = self._body, self._half
        kept = 3 * body.hidden * half + 2 * body.hidden * FP32 + body.inner * half
        if not self._explicit_scores() or self._reads(layer["o"]):
            kept += body.hidden * half
        if body.dropout:
            kept += 2 * body.hidden * self._mask
        # The layer norms give fp32, which autocast copies once for each matrix that reads it.
        for role in ("qkv", "up"):
            kept += self._input(layer[role], body.hidden)
        if self._reads(layer["down"]):
            kept += body.inner * half
        return kept + sum(self._update(module) for group in layer.values() for module in group)

    def _decoder(self, layer: _Layer) -> int:
        """Bytes per token: two RMS norms, rotated heads repeated over their groups, and a gated product."""
        body, half = self._body, self._half
        kept = 2 * body.hidden * FP32 + 4 * body.hidden * half + 3 * body.inner * half
        if self._norms_train(layer):
            kept += 2 * body.hidden * half
        for role in ("qkv", "up"):
            kept += self._input(layer[role], body.hidden)
        if self._reads(layer["down"]):
            kept += body.inner * half
        return kept + sum(self._update(module) for group in layer.values() for module in group)

    def _score_bytes(self) -> int:
        if not self._explicit_scores():
            return 0
        copies = 6 if self._body.disentangled else 1
        if self._body.attention_dropout:
            return self._scores * (copies * self._half + self._half + self._mask)
        return self._scores * copies * self._half

    def _embeddings(self) -> int:
        if self._body.gated or not self._plan.embeddings:
            return 0
        mask = self._mask if self._body.dropout else 0
        return self._tokens * self._body.hidden * (FP32 + mask)

    def _reads(self, group: tuple[ModuleShape, ...]) -> bool:
        """Whether the backward pass needs the input of these matrices."""
        return any(module.name in self._plan.trained or module.name in self._plan.adapted for module in group)

    def _input(self, group: tuple[ModuleShape, ...], size: int) -> int:
        touched = [
            module
            for module in group
            if module.name in self._plan.trained or module.name in self._plan.adapted
        ]
        if not touched:
            return 0
        return size * (self._half * len(touched) if self._cast else FP32)

    def _norms_train(self, layer: _Layer) -> bool:
        return any(module.name in self._plan.trained for module in layer["qkv"])

    def _update(self, module: ModuleShape) -> int:
        """What a low-rank update of a matrix keeps of one token."""
        rank = self._plan.adapted.get(module.name)
        if rank is None:
            return 0
        kept = rank * self._half
        if self._plan.update_dropout:
            kept += module.parameters["weight"][-1] * (self._half + self._mask)
        return kept
