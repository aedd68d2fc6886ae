"""Peak memory of scoring with weights as they are: no gradients, nothing kept for a backward pass."""

from collections.abc import Collection
from dataclasses import dataclass

from nli_console.methods.estimate import Compute, MemoryEstimate, resolve_precision, scale_bytes
from nli_console.methods.shapes import ModelShapes

_FP32 = 4


@dataclass(frozen=True)
class Scoring:
    """How a model is scored.

    Attributes:
        rows, width: the largest batch: examples, and tokens of its longest.
        precision: of the arithmetic, as a hyperparameter has it.
        wide: whether weights that are not quantised are stored in fp32, and not in that precision.
        quantised: names of modules stored in 4 bits.
        added: parameters of an adapter, in fp32.
        answers: positions of a row at which the whole vocabulary is scored.
    """

    rows: int
    width: int
    precision: str = "auto"
    wide: bool = True
    quantised: Collection[str] = ()
    added: int = 0
    answers: int = 0


def scoring_memory(shapes: ModelShapes, scoring: Scoring, compute: Compute) -> MemoryEstimate | None:
    """Weights, and what one layer holds of a batch while it computes the next one's input.

    Returns:
        ``None`` where the configuration does not say how wide the layers are.
    """
    hidden, inner = shapes.config.get("hidden_size"), shapes.config.get("intermediate_size")
    if not isinstance(hidden, int) or not isinstance(inner, int):
        return None
    precision = resolve_precision(scoring.precision, compute)
    half = _FP32 if precision == "fp32" else 2
    packed = [module.size for module in shapes.modules if module.name in scoring.quantised]
    plain = shapes.total - sum(packed)
    weights = plain * (_FP32 if scoring.wide else half) + scoring.added * _FP32 + sum(packed) // 2
    unpacked = max(packed, default=0) * half
    if scoring.wide and precision != "fp32":
        # Autocast makes the matrix that it multiplies with anew at each pass.
        unpacked = max(unpacked, hidden * inner * half)
    tokens = scoring.rows * scoring.width
    gated = any(module.name.endswith("gate_proj") for module in shapes.modules)
    residual = 2 * hidden * _FP32
    attention = tokens * (residual + 4 * hidden * half) + scoring.rows * scoring.width**2 * half
    feed_forward = tokens * (residual + (3 if gated else 2) * inner * half)
    logits = scoring.rows * scoring.answers * shapes.config.get("vocab_size", 0) * (_FP32 + half)
    activations = max(attention, feed_forward, logits)
    quantisation = scale_bytes(sum(packed), double=True) + unpacked
    return MemoryEstimate(
        weights=weights,
        gradients=0,
        optimiser=0,
        activations=activations,
        quantisation=quantisation,
        peak=weights + quantisation + activations,
        rows=scoring.rows,
        width=scoring.width,
    )
