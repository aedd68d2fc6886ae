"""Memory of scoring: exact weights and known relations; benchmarks/scoring_memory.py measures real peaks."""

from dataclasses import replace
from typing import Any

import pytest

from nli_console.methods import registry, shapes
from nli_console.methods.estimate import MemoryEstimate
from nli_console.methods.scoring_estimate import Asked, scoring_memory

GIB = 1024**3
LLAMA = shapes._shipped("llama-3-8b", "causal")
ROBERTA = shapes._shipped("roberta-large", "masked")
ASKED = Asked(width=401, shared=300)


def estimate(
    asked: Asked = ASKED, method: str = "icl", compute: Any = "gpu", **values: Any
) -> MemoryEstimate:
    chosen = registry.get(method)
    masked = chosen.task == "masked"
    known = ROBERTA if masked else LLAMA
    assert known is not None
    hyperparameters: Any = chosen.Hyperparameters(**values)
    plan = chosen.plan(known, hyperparameters)
    assert plan is not None
    memory = scoring_memory(known, plan, hyperparameters, asked, compute=compute, masked=masked)
    assert memory is not None
    return memory


def test_nothing_is_trained_and_the_parts_make_the_peak() -> None:
    memory = estimate()
    assert memory.weights == 2 * 8_030_261_248
    assert (memory.gradients, memory.optimiser, memory.quantisation) == (0, 0, 0)
    assert memory.peak == sum(memory.parts.values())
    assert (memory.rows, memory.width) == (32, 401)


def test_the_cache_holds_keys_and_values_of_every_token_once_for_the_shared_ones() -> None:
    token = 32 * 2 * 1024 * 2
    assert estimate().cache == token * (32 * 400 + 300)
    assert estimate(batch_size=1).cache == token * (400 + 300)
    # Without a beginning that pays to keep, one word is scored without any cache.
    assert estimate(replace(ASKED, shared=15)).cache == 0


def test_words_of_several_tokens_go_on_from_a_copy_of_the_cache() -> None:
    one, three = estimate(), estimate(replace(ASKED, width=403, word=3))
    assert 1.9 * one.cache < three.cache < 2.1 * one.cache


def test_a_shared_beginning_saves_activations() -> None:
    assert estimate().activations < 0.5 * estimate(replace(ASKED, shared=0)).activations


def test_written_answers_need_the_cache_of_every_row() -> None:
    written = estimate(Asked(width=410, generated=10), scorer="generation")
    assert written.cache >= 32 * 2 * 1024 * 2 * 32 * 400


def test_fewer_bits_take_less_and_tell_of_their_scales() -> None:
    whole, half, quarter = (estimate(quantisation=kind) for kind in ("none", "8-bit", "nf4"))
    assert 15 * GIB > whole.weights > 1.6 * half.weights > 1.6 * 1.4 * quarter.weights
    assert 0 < half.quantisation < 0.1 * GIB
    assert 0.1 * GIB < quarter.quantisation < 0.5 * GIB
    assert quarter.weights < 6 * GIB


@pytest.mark.parametrize(("precision", "number"), [("fp32", 4), ("bf16", 2)])
def test_an_encoder_with_a_mask_has_no_cache(precision: str, number: int) -> None:
    memory = estimate(Asked(width=128), "verbalizer", precision=precision)
    assert memory.cache == 0
    assert memory.weights == number * (0 if ROBERTA is None else ROBERTA.total)
    wide = estimate(Asked(width=256), "verbalizer", precision=precision)
    assert 1.9 < wide.activations / memory.activations < 2.3


def test_an_unknown_architecture_has_no_estimate() -> None:
    assert LLAMA is not None
    strange = replace(LLAMA, modules=LLAMA.modules[:3])
    method = registry.get("icl")
    chosen: Any = method.Hyperparameters()
    plan = method.plan(strange, chosen)
    assert plan is not None
    assert scoring_memory(strange, plan, chosen, ASKED, compute="gpu", masked=False) is None
