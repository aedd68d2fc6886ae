"""What is known of a run that trains nothing, from the real engine on the demo."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from nli_console.data.prompts import catalogue
from nli_console.data.resolve import resolve_dataset, resolve_model
from nli_console.methods import registry
from nli_console.methods.checks import PromptFacts
from nli_console.record.speed import Speed
from nli_console.settings import LoadedSettings, load_settings
from nli_console.supervisor.engine import Engine
from nli_console.supervisor.preflight import Assessment, Machine, Recipe, assess, engine_question

CPU = Machine("cpu", "cpu", free_device_bytes=2**34)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> LoadedSettings:
    path = tmp_path_factory.mktemp("preflight") / "settings.toml"
    path.write_text('runs_dir = "runs"\ncache_dir = "cache"\n')
    return load_settings(path)


@pytest.fixture(scope="module")
def engine(settings: LoadedSettings) -> Iterator[Engine]:
    engine = Engine(settings.cache_dir)
    yield engine
    engine.close()


@pytest.fixture
def ask(settings: LoadedSettings, engine: Engine) -> Any:
    def ask(
        method: str = "icl", *, model: str = "", template: str = "", words: Any = None, **values: Any
    ) -> Assessment:
        chosen = registry.get(method)
        kind = "encoder" if method == "verbalizer" else "decoder"
        name = template or ("demo-masked" if method == "verbalizer" else "demo")
        recipe = Recipe(
            chosen,
            chosen.Hyperparameters(template=name, **values),
            resolve_model(model or f"demo-{kind}", settings),
            model or f"demo-{kind}",
            template=catalogue.load(name).model_copy(update={"labels": words} if words else {}),
        )
        told = engine.wait_for(engine_question(recipe, resolve_dataset("demo", settings), 1), 120)
        assert told.problem is None
        return assess(recipe, settings, CPU, data=told.data, prompts=told.prompts, speed=Speed(100.0, 4.0, 2))

    return ask


def ids(found: Assessment) -> set[str]:
    return {finding.id for finding in found.findings}


def test_rows_memory_and_time_of_a_sound_recipe(ask: Any) -> None:
    found = ask(max_length=512)
    assert ids(found) == {"validation_size"}
    assert (found.scored_rows, found.steps, found.seconds) == (1970, None, pytest.approx(23.7))
    assert found.counts is not None
    assert (found.counts.trainable, found.counts.total) == (0, 1_023_104)
    memory = found.memory
    assert memory is not None
    assert (memory.weights, memory.gradients, memory.optimiser) == (4 * 1_023_104, 0, 0)
    assert memory.peak == sum(memory.parts.values())


def test_demonstrations_take_memory_and_at_last_all_room(ask: Any) -> None:
    none, four, many = (ask(shots=shots, max_length=512) for shots in (0, 4, 60))
    assert four.memory.width > none.memory.width + 100
    assert four.memory.cache > none.memory.cache
    assert "prompt_room" in ids(many)
    assert many.blocking


def test_too_few_tokens_for_a_word_matter_only_where_it_is_written(ask: Any) -> None:
    words = {"entailment": "it follows", "neutral": "neutral", "contradiction": "contradiction"}
    compared = ids(ask(words=words, max_new_tokens=1, max_length=512))
    assert "max_new_tokens" not in compared
    assert "label_lengths" in compared
    assert "label_lengths" not in ids(ask(words=words, calibration="batch", max_length=512))
    written = ids(ask(words=words, scorer="generation", max_new_tokens=1, max_length=512))
    assert "max_new_tokens" in written
    assert "label_lengths" not in written


def test_a_mask_and_its_words(ask: Any) -> None:
    assert ids(ask("verbalizer", max_length=64)) == {"validation_size"}
    assert "mask_token" in ids(ask("verbalizer", model="demo-decoder"))
    assert "template_format" in ids(ask("verbalizer", template="demo"))
    assert "template_format" in ids(ask("icl", template="demo-masked"))


def test_without_lengths_no_memory_is_guessed(settings: LoadedSettings) -> None:
    method = registry.get("icl")
    recipe = Recipe(method, method.Hyperparameters(), resolve_model("demo-decoder", settings), "demo-decoder")
    found = assess(recipe, settings, CPU, prompts=replace(PromptFacts(1), shared_tokens=40))
    assert (found.memory, found.scored_rows, found.seconds) == (None, None, None)
