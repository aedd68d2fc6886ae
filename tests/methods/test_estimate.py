"""Estimates against exact values and known relations; benchmarks/memory_estimate.py measures real peaks."""

from typing import Any

import pytest

from nli_console.methods import registry, shapes
from nli_console.methods.base import TrainingPlan
from nli_console.methods.estimate import (
    MemoryEstimate,
    checkpoint_bytes,
    optimiser_steps,
    peak_memory,
    run_seconds,
)

GIB = 1024**3
ROBERTA = shapes._shipped("roberta-large", "classifier")
LLAMA = shapes._shipped("llama-3-8b", "classifier")
assert ROBERTA is not None
assert LLAMA is not None


def estimate(method: str = "full", width: int = 128, **values: Any) -> MemoryEstimate:
    chosen = registry.get(method)
    hyperparameters = chosen.Hyperparameters(**values)
    plan = chosen.plan(ROBERTA, hyperparameters)
    assert plan is not None
    memory = peak_memory(ROBERTA, plan, hyperparameters, width, compute="gpu")
    assert memory is not None
    return memory


@pytest.mark.parametrize(
    ("rows", "values", "steps"),
    [
        # The report's full fine-tuning: 39,270 rows, 4 × 4, one epoch.
        (39_270, {"batch_size": 4, "gradient_accumulation_steps": 4, "epochs": 1}, 2455),
        (39_270, {"batch_size": 8, "epochs": 3}, 14_727),
        (100, {"batch_size": 32, "epochs": 0.5}, 2),
        (100, {"batch_size": 32, "max_steps": 7}, 7),
        (1, {"batch_size": 32, "epochs": 0.1}, 1),
    ],
)
def test_optimiser_steps(rows: int, values: dict[str, Any], steps: int):
    assert optimiser_steps(rows, registry.get("full").Hyperparameters(**values)) == steps


def test_full_fine_tuning_holds_sixteen_bytes_for_every_parameter():
    memory = estimate()
    assert memory.weights + memory.gradients + memory.optimiser == 16 * 355_362_819
    assert memory.peak < sum(memory.parts.values())


def test_lora_holds_gradients_and_moments_of_what_it_trains_alone():
    memory = estimate("lora", target_modules=("query", "dense"))
    assert memory.gradients == 4 * 3_805_187
    assert memory.optimiser == 8 * 3_805_187
    assert memory.peak < estimate().peak


def test_activations_grow_with_rows_and_width():
    assert estimate(batch_size=64).activations == pytest.approx(
        2 * estimate(batch_size=32).activations, rel=0.2
    )
    assert estimate(width=256).activations > 1.7 * estimate(width=128).activations


def test_half_precision_and_checkpointing_save_activations():
    whole = estimate(precision="fp32").activations
    assert estimate(precision="bf16").activations < 0.85 * whole
    assert estimate(precision="fp32", gradient_checkpointing=True).activations < 0.3 * whole


def test_eight_bit_moments_take_a_quarter():
    assert estimate(optimizer="adamw_8bit").optimiser * 4 == estimate().optimiser


def test_accumulated_gradients_stand_beside_the_activations():
    alone, accumulated = estimate("full"), estimate("full", gradient_accumulation_steps=2)
    assert accumulated.peak == alone.peak + alone.gradients


def test_four_bit_weights_of_llama_fit_where_sixteen_bit_ones_would_not():
    body = frozenset(
        module.name
        for module in LLAMA.modules
        if module.name.startswith("model.layers.") and module.kind == "Linear"
    )
    hyperparameters = registry.get("lora").Hyperparameters(batch_size=4)
    added = 41_943_040
    single, double = (
        peak_memory(
            LLAMA,
            TrainingPlan(
                adapted=dict.fromkeys(body, 16),
                added=added,
                quantised=body,
                frozen_in_precision=True,
                double_quantised=twice,
            ),
            hyperparameters,
            128,
            compute="gpu",
        )
        for twice in (False, True)
    )
    assert single is not None
    assert double is not None
    assert 4 * GIB < single.weights < 5.5 * GIB
    assert double.quantisation < single.quantisation / 2


def test_an_unknown_architecture_has_no_estimate():
    strange = shapes.ModelShapes("strange", "X", "x", ROBERTA.modules[:3], {"hidden_size": 8})
    hyperparameters = registry.get("full").Hyperparameters()
    assert peak_memory(strange, TrainingPlan(), hyperparameters, 8, compute="cpu") is None


def test_a_checkpoint_is_the_trained_weights_and_their_moments():
    assert checkpoint_bytes(1000, "adamw") == 12_000
    assert checkpoint_bytes(1000, "adamw_8bit") == 6_000


def test_time_is_samples_over_a_measured_speed():
    assert run_seconds(1000, 50.0, 4.0) == pytest.approx(24.0)
