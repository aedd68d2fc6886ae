"""Peak memory of an evaluate-only run: no gradients, nothing kept for a backward pass."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nli_console.methods.estimate import (
    FP32,
    Body,
    Compute,
    MemoryEstimate,
    bytes_of,
    matrix_size,
    resolve_precision,
    scale_bytes,
)
from nli_console.methods.evaluation import EvaluationHyperparameters
from nli_console.methods.scoring_estimate import Asked, Forward
from nli_console.methods.shapes import ModelShapes


@dataclass(frozen=True)
class Weights:
    """How the weights are kept.

    Attributes:
        quantised: names of modules stored in 4 bits.
        wide: whether the others are stored in fp32, and not in what the forward pass computes in.
        added: parameters of an adapter, in fp32.
    """

    quantised: frozenset[str] = frozenset()
    wide: bool = True
    added: int = 0


def evaluation_memory(
    shapes: ModelShapes,
    weights: Weights,
    chosen: EvaluationHyperparameters,
    width: int,
    words: int,
    *,
    compute: Compute,
    config: Mapping[str, Any] | None = None,
) -> MemoryEstimate | None:
    """Weights, and what one layer holds of a batch while it computes the next one's input.

    Args:
        width: of the longest row, in tokens.
        words: tokens of the longest label word; 0 for a classifier.
        config: content of the model's ``config.json``.

    Returns:
        ``None`` where the layers are not of a kind that the arithmetic knows.
    """
    body = Body.of(shapes, config or {})
    if body is None:
        return None
    precision = resolve_precision(chosen.precision, compute)
    number, rows = bytes_of(precision), chosen.batch_size
    packed = [matrix_size(module) for module in shapes.modules if module.name in weights.quantised]
    stored = (shapes.total - sum(packed)) * (FP32 if weights.wide else number)
    stored += weights.added * FP32 + sum(packed) // 2
    quantisation = scale_bytes(sum(packed), double=True) + max(packed, default=0) * number
    if weights.wide and precision != "fp32":
        # Autocast makes the matrix that it multiplies with anew at each pass.
        quantisation += body.hidden * body.inner * number
    forward = Forward(body, rows, number, shapes.config["vocab_size"] if words else 0, precision, None)
    if words:
        cache, activations = forward.likelihood(Asked(width, word=words))
    elif body.gated:
        cache, activations = forward.likelihood(Asked(width + 1))
    else:
        cache, activations = 0, forward.encoder(width)
    return MemoryEstimate(
        weights=stored,
        gradients=0,
        optimiser=0,
        activations=activations,
        cache=cache,
        quantisation=quantisation,
        peak=stored + cache + activations + quantisation,
        rows=rows,
        width=width,
    )
