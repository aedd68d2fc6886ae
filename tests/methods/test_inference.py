"""What scoring takes: weights and the widest layer, and less than training in every part."""

from dataclasses import replace
from pathlib import Path

from nli_console.methods import registry, shapes
from nli_console.methods.estimate import peak_memory
from nli_console.methods.inference import Scoring, scoring_memory
from nli_console.methods.qlora import quantised_modules

ROBERTA = shapes.load("roberta-large", Path("/nowhere"))
LLAMA = shapes.load("meta-llama/Meta-Llama-3-8B-Instruct", Path("/nowhere"), "causal")
GIB = 1024**3


def test_a_classifier_keeps_its_weights_in_fp32_and_nothing_for_a_backward_pass() -> None:
    assert ROBERTA is not None
    found = scoring_memory(ROBERTA, Scoring(64, 128), "gpu")
    assert found is not None
    assert found.weights == 4 * 355_362_819
    assert (found.gradients, found.optimiser) == (0, 0)
    assert found.peak == found.weights + found.quantisation + found.activations
    method = registry.get("full")
    recipe = method.Hyperparameters(batch_size=64)
    training = peak_memory(
        ROBERTA, method.plan(ROBERTA, recipe), recipe, 128, compute="gpu"  # type: ignore[arg-type]
    )  # fmt: skip
    assert training is not None
    assert found.activations < training.activations / 20


def test_four_bits_take_an_eighth_and_wider_batches_take_more() -> None:
    assert LLAMA is not None
    plain = scoring_memory(LLAMA, Scoring(16, 256, wide=False, answers=1), "gpu")
    packed = Scoring(16, 256, wide=False, quantised=quantised_modules(LLAMA), answers=1, added=41_943_040)
    small = scoring_memory(LLAMA, packed, "gpu")
    assert plain is not None
    assert small is not None
    assert 14.9 * GIB < plain.weights < 15.0 * GIB
    # Embeddings and head stay in bf16: 2.1 GB.
    assert 5.3 * GIB < small.peak - small.activations < 5.9 * GIB
    wide = scoring_memory(LLAMA, replace(packed, rows=64), "gpu")
    assert wide is not None
    assert wide.activations == 4 * small.activations
