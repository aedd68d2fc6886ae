"""Arithmetic on module shapes for runs that train nothing: peak memory of scoring prompts, with its parts.

It follows what stands at the same time in one forward pass of transformers' decoder and encoder layers
without gradients; ``benchmarks/scoring_memory.py`` holds it against measured peaks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nli_console.methods.base import TrainingPlan
from nli_console.methods.estimate import (
    FP32,
    Body,
    Compute,
    MemoryEstimate,
    Precision,
    bytes_of,
    matrix_size,
    resolve_precision,
    scale_bytes,
)
from nli_console.methods.prompting import ScoringHyperparameters
from nli_console.methods.shapes import ModelShapes

LEAST_SHARED = 4
"""Common leading tokens from which on it pays to keep their keys and values."""

_INDEX = 8
"""Bytes of a place in a sorted vocabulary, where tokens are drawn."""


@dataclass(frozen=True)
class Asked:
    """The prompts that are scored, in tokens.

    Attributes:
        width: of the longest prompt, its answer included.
        shared: leading tokens that all prompts have in common.
        word: of the longest label word.
        generated: that the model may write; 0 where label words are compared.
    """

    width: int
    shared: int = 0
    word: int = 1
    generated: int = 0


def scoring_memory(
    shapes: ModelShapes,
    plan: TrainingPlan,
    hyperparameters: ScoringHyperparameters,
    asked: Asked,
    *,
    compute: Compute,
    masked: bool,
    config: Mapping[str, Any] | None = None,
) -> MemoryEstimate | None:
    """Peak memory of scoring batches of the longest prompts.

    Args:
        masked: whether an encoder fills in a mask.
        config: content of the model's ``config.json``.

    Returns:
        ``None`` where the layers are not of a kind that the arithmetic knows.
    """
    body = Body.of(shapes, config or {})
    if body is None:
        return None
    precision = resolve_precision(hyperparameters.precision, compute)
    number, rows = bytes_of(precision), hyperparameters.batch_size
    packed = {module.name: matrix_size(module) for module in shapes.modules if module.name in plan.quantised}
    stored = sum(packed.values())
    weights = (shapes.total - stored) * number + stored * plan.quantised_bits // 8
    whole_numbers = bool(packed) and plan.quantised_bits == 8
    forward = Forward(
        body, rows, number, shapes.config["vocab_size"], precision, compute if whole_numbers else None
    )
    if masked:
        cache, activations = 0, forward.encoder(asked.width)
    elif asked.generated:
        cache, activations = forward.generation(asked.width - asked.generated, asked.generated)
    else:
        cache, activations = forward.likelihood(asked)
    quantisation = _quantisation(shapes, plan, packed, number)
    return MemoryEstimate(
        weights=weights,
        gradients=0,
        optimiser=0,
        activations=activations,
        cache=cache,
        quantisation=quantisation,
        peak=weights + cache + activations + quantisation,
        rows=rows,
        width=asked.width,
    )


def _quantisation(shapes: ModelShapes, plan: TrainingPlan, packed: Mapping[str, int], number: int) -> int:
    """The scales, and with 4 bits the one matrix that is unpacked to be multiplied."""
    if plan.quantised_bits == 4:
        unpacked = max(packed.values(), default=0) * number
        return scale_bytes(sum(packed.values()), plan.double_quantised) + unpacked
    # One for each output.
    return FP32 * sum(
        module.parameters["weight"][0] for module in shapes.modules if module.name in plan.quantised
    )


class Forward:
    """Bytes that stand at once while a batch of ``rows`` goes through the layers without gradients.

    ``whole_numbers`` is where matrices are multiplied in 8 bits; ``None`` where they are not.
    """

    def __init__(
        self,
        body: Body,
        rows: int,
        number: int,
        vocabulary: int,
        precision: Precision,
        whole_numbers: Compute | None,
    ) -> None:
        self._body = body
        self._rows = rows
        self._number = number
        self._vocabulary = vocabulary
        self._fp32 = precision == "fp32"
        self._whole_numbers: Compute | None = whole_numbers

    def likelihood(self, asked: Asked) -> tuple[int, int]:
        """Cache and activations of :class:`nli_console.worker.likelihood.LabelScorer` at its peak."""
        prompt = asked.width - asked.word
        shared = asked.shared if LEAST_SHARED <= asked.shared < prompt else 0
        several = asked.word > 1
        kept = self._cache(shared, rows=1)
        whole = self._cache(prompt) if shared or several else 0
        first = kept + whole, self._decoder(prompt - shared, prompt, self._vocabulary_bytes(1))
        if not several:
            return first
        # Each word goes on from a copy of the cache.
        steps = asked.word - 1
        copied = kept + whole + self._cache(prompt + steps)
        again = copied, self._decoder(steps, prompt + steps, self._vocabulary_bytes(steps))
        return max(first, again, key=sum)

    def generation(self, prompt: int, generated: int) -> tuple[int, int]:
        """Cache and activations of ``generate``: of the prompt at once, or of the last token."""
        drawn = self._rows * self._vocabulary * (3 * FP32 + _INDEX)
        first = self._cache(prompt), self._decoder(prompt, prompt, self._vocabulary_bytes(1) + drawn)
        length = prompt + generated
        last = self._cache(length), self._decoder(1, length, self._vocabulary_bytes(1) + drawn)
        return max(first, last, key=sum)

    def encoder(self, width: int) -> int:
        """Activations of an encoder that scores its vocabulary at one place of each row."""
        body, tokens = self._body, self._rows * width
        # Layer norms give fp32 whatever the arithmetic.
        between = tokens * (2 * body.inner * self._number + 3 * body.hidden * FP32)
        attention = tokens * 6 * body.hidden * FP32 + self._mask(width, width)
        if body.disentangled:
            # Content to content, to position and from position: scores, gathered, added up and normalised.
            scores = self._rows * body.heads * width * width * self._number
            attention += 9 * scores + tokens * body.hidden * self._number
        return max(between, attention, self._vocabulary_bytes(1))

    def _decoder(self, width: int, length: int, vocabulary: int) -> int:
        """Activations of ``width`` new tokens a row, which look at ``length``."""
        body, tokens = self._body, self._rows * width
        # The embeddings, what enters the layer, the sum after attention and its norm.
        between = tokens * (3 * body.inner + 4 * body.hidden) * self._number
        if self._whole_numbers == "gpu":
            # Sums in 32 bits stand beside what becomes of them.
            between += tokens * (2 * body.inner + 3 * body.hidden)
        elif self._whole_numbers == "cpu":
            # The CPU multiplies and scales them in fp32.
            between += tokens * (8 * body.inner + body.hidden)
        attention = tokens * 5 * body.hidden * self._number
        if body.key_value < body.hidden:
            # Heads that share keys and values get copies of them.
            attention += 2 * self._rows * length * body.hidden * self._number
        return max(between, attention + self._mask(width, length), vocabulary)

    def _mask(self, width: int, length: int) -> int:
        """Who looks at whom, as booleans and as numbers."""
        return self._rows * width * length * (1 + self._number)

    def _cache(self, tokens: int, rows: int | None = None) -> int:
        """Keys and values of every layer."""
        body = self._body
        held = self._rows if rows is None else rows
        return len(body.layers) * 2 * held * tokens * body.key_value * self._number

    def _vocabulary_bytes(self, places: int) -> int:
        """Scores of the vocabulary: as the head gives them, in fp32, and normalised."""
        copies = 2 * FP32 if self._fp32 else self._number + 2 * FP32
        return self._rows * places * self._vocabulary * copies
