"""What an evaluation takes: weights and the widest layer, and less than training in every part."""

from pathlib import Path

from nli_console.methods import registry, shapes
from nli_console.methods.estimate import peak_memory
from nli_console.methods.evaluation import EvaluationHyperparameters
from nli_console.methods.inference import Weights, evaluation_memory
from nli_console.methods.qlora import quantised_modules

ROBERTA = shapes.load("roberta-large", Path("/nowhere"))
LLAMA = shapes.load("meta-llama/Meta-Llama-3-8B-Instruct", Path("/nowhere"), "causal")
GIB = 1024**3


def test_a_classifier_keeps_its_weights_in_fp32_and_nothing_for_a_backward_pass() -> None:
    assert ROBERTA is not None
    chosen = EvaluationHyperparameters(batch_size=64)
    found = evaluation_memory(ROBERTA, Weights(), chosen, 128, 0, compute="gpu")
    assert found is not None
    assert found.weights == 4 * 355_362_819
    assert (found.gradients, found.optimiser) == (0, 0)
    assert found.peak == found.weights + found.cache + found.quantisation + found.activations
    method = registry.get("full")
    recipe = method.Hyperparameters(batch_size=64)
    plan = method.plan(ROBERTA, recipe)
    training = peak_memory(ROBERTA, plan, recipe, 128, compute="gpu")  # type: ignore[arg-type]
    assert training is not None
    assert found.activations < training.activations / 20


def test_four_bits_take_an_eighth_and_wider_batches_take_more() -> None:
    assert LLAMA is not None
    chosen = EvaluationHyperparameters(batch_size=16, precision="bf16")
    plain = evaluation_memory(LLAMA, Weights(wide=False), chosen, 256, 1, compute="gpu")
    packed = Weights(quantised_modules(LLAMA), wide=False, added=41_943_040)
    small = evaluation_memory(LLAMA, packed, chosen, 256, 1, compute="gpu")
    assert plain is not None
    assert small is not None
    assert 14.9 * GIB < plain.weights < 15.0 * GIB
    # Embeddings and head stay in bf16: 2.1 GB.
    assert 5.3 * GIB < small.peak - small.activations < 5.9 * GIB
    four = EvaluationHyperparameters(batch_size=64, precision="bf16")
    wide = evaluation_memory(LLAMA, packed, four, 256, 1, compute="gpu")
    assert wide is not None
    assert wide.activations == 4 * small.activations
