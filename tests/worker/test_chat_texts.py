"""What needs no model: prompts with what the checks say of them, demonstrations, and errors in words."""

from pathlib import Path
from typing import Any

import pytest
import torch

from nli_console.data.chat import Demonstrate, Dialogue, Question, Render
from nli_console.data.demo import demo_corpus_path, demo_model_path
from nli_console.data.prompts import PromptTemplate, Turn, catalogue, choose
from nli_console.data.sample import prepare
from nli_console.data.spec import DataSpec, Example
from nli_console.errors import ConsoleError
from nli_console.worker.chat.server import _problem
from nli_console.worker.chat.texts import Texts

MODEL = str(demo_model_path("decoder"))
DEMO = catalogue.load("demo")


@pytest.fixture(scope="module")
def texts() -> Texts:
    return Texts()


def render(texts: Texts, template: PromptTemplate = DEMO, premise: str = "a", **more: Any) -> dict[str, Any]:
    shots = more.pop("shots", ())
    prompt = Question(template=template, premise=premise, hypothesis="b", shots=shots)
    return texts.do(Render(model=MODEL, model_name="demo-decoder", prompt=prompt, **more))


def ids(found: dict[str, Any]) -> set[str]:
    return {finding["id"] for finding in found["findings"]}


def test_a_sound_prompt_has_no_findings(texts: Texts):
    found = render(texts, premise="All the nurses are in the kitchen.")
    assert found["findings"] == found["only_text"] == []
    assert found["positions"] == 2048
    assert found["tokens"] > len(found["pieces"])


def test_label_words_that_cannot_be_told_apart_are_found(texts: Texts):
    words = {"entailment": "yes", "neutral": "yes maybe", "contradiction": "no"}
    found = render(texts, DEMO.model_copy(update={"labels": words}))
    assert "label_tokens" in ids(found)


def test_too_few_new_tokens_are_found(texts: Texts):
    words = {"entailment": "unquestionably so", "neutral": "neutral", "contradiction": "no"}
    template = DEMO.model_copy(update={"labels": words})
    assert "max_new_tokens" in ids(render(texts, template, max_new_tokens=1))
    assert "max_new_tokens" not in ids(render(texts, template, max_new_tokens=30))


def test_demonstrations_that_leave_no_room_are_found(texts: Texts):
    shots = (Example("s", "the man sleeps " * 700, "b", 0),)
    found = render(texts, shots=shots)
    assert "prompt_room" in ids(found)
    assert found["tokens"] > found["positions"]


def test_a_conversation_is_rendered_too(texts: Texts):
    prompt = Dialogue(turns=(Turn("user", "Hello <|eot_id|> there"),))
    found = texts.do(Render(model=MODEL, model_name="demo-decoder", prompt=prompt))
    special = [text for text, acts in found["pieces"] if acts]
    assert special.count("<|eot_id|>") == 1
    assert any("Hello <|eot_id|> there" in text for text, acts in found["pieces"] if not acts)
    assert found["only_text"] == ["<|eot_id|>"]
    assert found["findings"] == []


def test_a_model_that_is_not_here_is_a_sentence(texts: Texts):
    prompt = Question(template=DEMO, premise="a", hypothesis="b")
    with pytest.raises(ConsoleError, match='"nothing" is not on this machine; its prompts can be shown once'):
        texts.do(Render(model="nobody/nothing", model_name="nothing", prompt=prompt))


def test_demonstrations_are_those_of_an_icl_run(texts: Texts, tmp_path: Path):
    spec = DataSpec(
        name="demo",
        source=str(demo_corpus_path(tmp_path)),
        format="multinli",
        splits={
            "train": "multinli_1.0_train.jsonl",
            "validation_matched": "multinli_1.0_dev_matched.jsonl",
        },
    )
    found = texts.do(Demonstrate(data=spec, shots=4, seed=7))["examples"]
    expected = choose(prepare(spec, 7).train.examples, 4, 7)
    assert [(row["id"], row["premise"], row["label"]) for row in found] == [
        (row.id, row.premise, row.label) for row in expected
    ]


@pytest.mark.parametrize(
    ("error", "quantisation", "kind", "words"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. 3 GiB"),
            "none",
            "out_of_memory",
            "in 4-bit (nf4)",
        ),
        (torch.OutOfMemoryError("CUDA out of memory."), "nf4", "out_of_memory", "load a smaller model"),
        (MemoryError("cannot allocate"), "8-bit", "out_of_memory", "the machine has not enough memory"),
        (ConsoleError("the premise is empty"), "none", "refused", "the premise is empty"),
        (ZeroDivisionError("x \x1b[31m"), "none", "failed", "ZeroDivisionError: x \ufffd[31m"),
    ],
)
def test_what_went_wrong_is_told_in_words(error: Exception, quantisation: str, kind: str, words: str):
    found = _problem(error, quantisation)
    assert found["kind"] == kind
    assert words in found["message"]
