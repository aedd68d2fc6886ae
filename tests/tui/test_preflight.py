import json
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from queue import Empty, Queue

import pytest

from nli_console.data.resolve import resolve_dataset
from nli_console.data.sample import prepare
from nli_console.methods import registry
from nli_console.methods.fields import require
from nli_console.record.state import State
from nli_console.supervisor.engine import ENGINE_VARIABLE
from nli_console.supervisor.preflight import Machine
from nli_console.tui.preflight import Preflight, Question, optimiser_steps, queue_note, training_rows


def _question(**changes):
    hyperparameters = changes.pop("hyperparameters", {})
    validated = require(registry.get("lora").Hyperparameters, hyperparameters)
    values = {"method": "lora", "model": "roberta-large", "data": "nyu-mll/multi_nli", "fraction": 1.0}
    return Question(**{**values, **changes}, hyperparameters=validated)


@pytest.fixture
def preflight(loaded):
    class Nobody:
        def post_message(self, message):
            pass

    asked = Preflight(loaded(), Nobody())
    yield asked
    asked.stop()


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "corpus"
    folder.mkdir()
    labels = ["entailment", "neutral", "contradiction"]

    def write(name, count):
        rows = [
            {"premise": f"p {i}", "hypothesis": f"h {i}", "label": labels[i % 3], "id": str(i)}
            for i in range(count)
        ]
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))

    write("train.jsonl", 1234)
    write("validation.jsonl", 60)
    return folder


def test_parameters_of_a_shipped_architecture_are_counted_without_torch(preflight):
    answer = preflight.answer(_question(hyperparameters={"lora_r": 8, "target_modules": "query,dense"}))
    assert answer.trainable == 3_805_187
    assert not answer.counting


def test_a_target_that_matches_nothing_is_an_error_of_its_field(preflight):
    answer = preflight.answer(_question(hyperparameters={"target_modules": "values"}))
    (note,) = [note for note in answer.notes if note.kind == "error"]
    assert note.field == "target_modules"
    assert 'did you mean "value"' in note.text


def test_an_unknown_model_and_an_unknown_dataset_are_errors_of_their_fields(preflight):
    answer = preflight.answer(_question(model="./nowhere", data="./nothing.jsonl"))
    assert {note.field for note in answer.notes if note.kind == "error"} == {"model", "data"}


def test_rows_and_steps_are_those_of_the_run(preflight, corpus):
    question = _question(data=str(corpus), fraction=0.5, hyperparameters={"batch_size": 32, "epochs": 3})
    answer = preflight.answer(question)
    prepared = prepare(resolve_dataset(str(corpus), preflight._settings, 0.5), 1)
    assert answer.train_rows == len(prepared.train.examples)
    assert answer.steps == 3 * -(-answer.train_rows // 32)


def test_rows_of_multinli_on_the_hub_are_those_its_authors_publish(preflight):
    answer = preflight.answer(_question(hyperparameters={"batch_size": 32, "epochs": 1}))
    assert answer.train_rows == 392_702 - 2000
    assert answer.steps == 12_210
    assert any("checked when the run starts" in note.text for note in answer.notes)


def test_rows_of_an_unknown_hub_dataset_are_unknown(preflight):
    answer = preflight.answer(_question(data="somebody/their-nli"))
    assert answer.train_rows is None
    assert answer.steps is None


def test_steps_obey_accumulation_and_max_steps():
    lora = registry.get("lora").Hyperparameters
    assert optimiser_steps(100, require(lora, {"batch_size": 8, "epochs": 1})) == 13
    assert (
        optimiser_steps(100, require(lora, {"batch_size": 8, "gradient_accumulation_steps": 4, "epochs": 1}))
        == 4
    )
    assert optimiser_steps(100, require(lora, {"max_steps": 7})) == 7
    assert optimiser_steps(100, None) is None


def test_a_dataset_with_only_training_rows_loses_a_tenth_to_the_report(loaded):
    spec = resolve_dataset("nyu-mll/multi_nli", loaded(), 1.0).model_copy(update={"selection_rows": 0})
    assert training_rows(1000, spec, only_train=True) == 900


@pytest.mark.parametrize(
    ("states", "text"),
    [
        ([], "Starts at once"),
        ([State.FINISHED, State.FAILED], "Starts at once"),
        ([State.RUNNING], "Waits until the running run has ended"),
        ([State.RUNNING, State.QUEUED], "Waits behind 1 queued run"),
    ],
)
def test_the_place_in_the_queue_is_told(states, text):
    assert queue_note(states, 1).text == text


def test_findings_name_their_word_and_field_and_can_be_ignored(preflight):
    wrong = _question(hyperparameters={"target_modules": "query,values", "lora_alpha": 0.5})
    answer = preflight.answer(wrong)
    (error,) = [note for note in answer.notes if note.kind == "error"]
    assert error.text.startswith("error: ")
    assert error.field == "target_modules"
    assert any(note.kind == "warning" and note.field == "lora_alpha" for note in answer.notes)
    ignored = preflight.answer(replace(wrong, ignored=frozenset({"target_modules"})))
    assert not [note for note in ignored.notes if note.kind == "error"]
    assert any(note.text.startswith("ignored: ") for note in ignored.notes)
    assert ignored.trainable is not None


def test_memory_is_estimated_for_the_gpu_that_is_there(loaded):
    class Nobody:
        def post_message(self, message):
            pass

    gpu = Machine("gpu", "NVIDIA T4", free_device_bytes=2 * 1024**3)
    asked = Preflight(loaded(), Nobody(), lambda: gpu)
    answer = asked.answer(_question(hyperparameters={"batch_size": 64}))
    asked.stop()
    assert answer.memory is not None
    assert answer.memory.peak > 2 * 1024**3
    assert any("NVIDIA T4" in note.text and note.kind == "warning" for note in answer.notes)


def _next(answers):
    with suppress(Empty):
        return answers.get(timeout=3)
    return None


def test_what_the_engine_adds_is_told_and_then_there_is_silence(loaded, corpus, monkeypatch):
    monkeypatch.delenv(ENGINE_VARIABLE)
    answers = Queue()

    class Listener:
        def post_message(self, message):
            answers.put(message.answer)

    asked = Preflight(loaded(), Listener())
    try:
        asked.ask(_question(data=str(corpus)))
        told = [answers.get(timeout=60)]
        while not any("validation has 60 rows" in note.text for note in told[-1].notes):
            told.append(answers.get(timeout=60))
        # Only what one answer leads to may still follow: its parts, and its end.
        later = iter(lambda: _next(answers), None)
        assert len(list(islice(later, 7))) < 7
    finally:
        asked.stop()
    assert told[0].train_rows == told[-1].train_rows
