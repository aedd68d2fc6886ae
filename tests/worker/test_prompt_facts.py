"""What is said of the prompts before a launch is what a run would render."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nli_console.data.demo import demo_model_path
from nli_console.data.prompts import PromptRenderer, PromptTemplate, catalogue
from nli_console.data.spec import Example
from nli_console.errors import ConsoleError
from nli_console.worker.prompt_facts import PromptProbe

PAIRS = [("the man is sleeping", "a man is not running"), ("a dog", "the cat"), ("a child", "some dog")]


def probe(folder: Path, template: PromptTemplate, pad_token: str = "auto") -> PromptProbe:
    return PromptProbe(folder, "tiny", template.model_dump(mode="json"), pad_token)


def facts(folder: Path, template: PromptTemplate, pad_token: str = "auto") -> dict[str, Any]:
    return probe(folder, template, pad_token).facts(PAIRS, "causal")


@pytest.mark.parametrize(
    ("architecture", "bos", "header"),
    [
        ("llama_chat", 1, "<|start_header_id|>assistant<|end_header_id|>\n\n"),
        ("qwen_chat", 0, "<|im_start|>assistant\n"),
    ],
)
def test_a_sound_chat(model_folder: Callable[[str], Path], architecture: str, bos: int, header: str) -> None:
    found = facts(model_folder(architecture), catalogue.load("recommended"))
    assert (found["sampled"], found["with_pad_token"], found["leading_bos"]) == (3, 0, bos)
    assert (found["header"], found["ends_with_header"]) == (header, True)
    assert set(found["label_tokens"]) == {"entailment", "neutral", "contradiction"}


def test_a_pad_token_of_the_turns_is_counted(model_folder: Callable[[str], Path]) -> None:
    folder, template = model_folder("llama_chat"), catalogue.load("recommended")
    assert facts(folder, template, "<|eot_id|>")["with_pad_token"] == 3
    with pytest.raises(ConsoleError, match=r'no special token called "<\|eot\|>"'):
        facts(folder, template, "<|eot|>")


def test_plain_text_for_a_chat_model_opens_no_turn(model_folder: Callable[[str], Path]) -> None:
    folder, template = model_folder("llama_chat"), catalogue.load("true-neither-false")
    assert facts(folder, template)["ends_with_header"] is False
    # A head reads the last token, whatever it is: there is no turn to open.
    assert "ends_with_header" not in probe(folder, template).facts(PAIRS, "classifier")


def test_a_beginning_of_text_that_the_template_writes_is_not_put_twice(
    model_folder: Callable[[str], Path],
) -> None:
    plain = catalogue.load("true-neither-false")
    written = plain.model_copy(update={"user": f"<|begin_of_text|>{plain.user}"})
    twice = plain.model_copy(update={"user": f"<|begin_of_text|><|begin_of_text|>{plain.user}"})
    folder = model_folder("llama_chat")
    assert [facts(folder, each)["leading_bos"] for each in (plain, written, twice)] == [1, 1, 2]


def test_lengths_count_the_answer_and_what_ends_the_turn(model_folder: Callable[[str], Path]) -> None:
    found = probe(model_folder("llama_chat"), catalogue.load("recommended"))
    prompt = found._render(PAIRS)
    assert found.lengths(PAIRS) == [len(ids) + 2 for ids in prompt.input_ids]


SHOTS = [Example(str(number), *pair, number) for number, pair in enumerate(PAIRS)]


@pytest.mark.parametrize("name", ["recommended", "true-neither-false"])
def test_demonstrations_are_counted_as_a_run_renders_them(
    model_folder: Callable[[str], Path], name: str
) -> None:
    folder, template = model_folder("llama_chat"), catalogue.load(name)
    found = probe(folder, template)
    told = found.facts(PAIRS, "causal", SHOTS)
    whole = found._render(PAIRS, SHOTS)
    assert told["demonstrations"] == 3
    assert told["shared_tokens"] == whole.shared > found.shot_tokens(SHOTS)
    behind = max(map(len, whole.answers[0])) + len(PromptRenderer(template, found._tokenizer, "tiny").closing)
    alone = found.lengths(PAIRS) or []
    assert [length + found.shot_tokens(SHOTS) for length in alone] == [
        len(ids) + behind for ids in whole.input_ids
    ]
    assert found.shot_tokens(SHOTS) < told["fixed_tokens"] < min(alone) + found.shot_tokens(SHOTS)


def test_a_mask_that_is_not_there_is_a_fact_and_no_error(model_folder: Callable[[str], Path]) -> None:
    found = probe(model_folder("llama_chat"), catalogue.load("yes-maybe-no"))
    assert found.facts(PAIRS, "masked") == {"sampled": 0, "mask_token": False, "label_tokens": {}}
    assert (found.lengths(PAIRS), found.shot_tokens(SHOTS)) == (None, 0)


def test_words_of_several_tokens_at_a_mask_are_counted(model_folder: Callable[[str], Path]) -> None:
    template = catalogue.load("demo-masked")
    longer = template.model_copy(update={"labels": {**template.labels, "neutral": "Maybe so"}})
    sound, several = (
        probe(demo_model_path("encoder"), each).facts(PAIRS, "masked") for each in (template, longer)
    )
    assert {len(tokens) for tokens in sound["label_tokens"].values()} == {1}
    assert sound["mask_token"] is True
    assert len(several["label_tokens"]["Maybe so"]) > 1
    assert several["sampled"] == 0
