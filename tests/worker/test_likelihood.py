"""Label likelihoods against the plainest way to compute them: one row, one word, no cache, no padding."""

from pathlib import Path

import numpy
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from nli_console.data.demo import demo_model_path
from nli_console.data.prompts import PromptRenderer, Prompts, PromptTemplate, catalogue, choose
from nli_console.worker.device import Device
from nli_console.worker.likelihood import LEAST_SHARED, LabelScorer
from tests.worker import tiny, tiny_decoders

CPU = Device(torch.device("cpu"), "fp32")
ROWS = tiny.rows(24, seed=5)
TRAIN = tiny.rows(60, seed=6)
YES_NO = {"entailment": "Yes", "neutral": "Maybe so", "contradiction": "No"}
RAW = PromptTemplate(
    name="raw", format="raw", user="{premise}\nQuestion: {hypothesis}?\nAnswer:", answer=" {label}"
)


def plainly(model: torch.nn.Module, prompts: Prompts) -> numpy.ndarray:
    scores = numpy.zeros((len(prompts), 3))
    with torch.inference_mode():
        for i, (ids, answers) in enumerate(zip(prompts.input_ids, prompts.answers, strict=True)):
            for label, word in enumerate(answers):
                logits = model(input_ids=torch.tensor([[*ids, *word]])).logits[0].double()
                found = torch.log_softmax(logits, dim=-1)
                scores[i, label] = sum(
                    found[len(ids) - 1 + step, token].item() for step, token in enumerate(word)
                )
    return scores


def load(folder: Path) -> tuple[torch.nn.Module, PromptRenderer]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model, AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize("shots", [0, 1, 3, 8])
@pytest.mark.parametrize("whole_words", [True, False], ids=["one-token", "several-tokens"])
@pytest.mark.parametrize("architecture", tiny_decoders.CHATS)
def test_equal_to_the_plain_computation(
    architecture: str, whole_words: bool, shots: int, tmp_path: Path
) -> None:
    model, tokenizer = load(tiny_decoders.CHATS[architecture](tmp_path, whole_words=whole_words))
    template = catalogue.load("demo")
    prompts = PromptRenderer(template, tokenizer, "tiny").render(ROWS, choose(TRAIN, shots, seed=1))
    assert len({len(ids) for ids in prompts.input_ids}) > 10
    assert shots == 0 or prompts.shared > 4 * LEAST_SHARED
    assert all((len(word) == 1) == whole_words for answers in prompts.answers for word in answers)
    scores = LabelScorer(model, CPU, tokenizer.pad_token_id, batch_size=7).score(prompts)
    assert numpy.abs(scores - plainly(model, prompts)).max() < 1e-4


@pytest.mark.parametrize(
    "template",
    [RAW, RAW.model_copy(update={"labels": YES_NO}), catalogue.load("true-neither-false")],
    ids=["words", "mixed-lengths", "harness"],
)
def test_plain_text_and_words_of_different_lengths(template: PromptTemplate, tmp_path: Path) -> None:
    model, tokenizer = load(tiny_decoders.llama_chat(tmp_path))
    prompts = PromptRenderer(template, tokenizer, "tiny").render(ROWS, choose(TRAIN, 2, seed=1))
    scores = LabelScorer(model, CPU, tokenizer.pad_token_id, batch_size=5).score(prompts)
    assert numpy.abs(scores - plainly(model, prompts)).max() < 1e-4


def test_demo_decoder_with_eight_shots() -> None:
    folder = demo_model_path("decoder")
    model, tokenizer = load(folder)
    prompts = PromptRenderer(catalogue.load("demo"), tokenizer, "demo").render(ROWS, choose(TRAIN, 8, seed=2))
    scores = LabelScorer(model, CPU, tokenizer.pad_token_id, batch_size=16).score(prompts)
    assert numpy.abs(scores - plainly(model, prompts)).max() < 1e-4


def test_batches_are_longest_first_and_skip_only_what_is_done(tmp_path: Path) -> None:
    model, tokenizer = load(tiny_decoders.llama_chat(tmp_path))
    prompts = PromptRenderer(catalogue.load("demo"), tokenizer, "tiny").render(ROWS)
    scorer = LabelScorer(model, CPU, tokenizer.pad_token_id, batch_size=10)
    whole = list(scorer.batches(prompts))
    lengths = [len(prompts.input_ids[row]) for rows, _ in whole for row in rows]
    assert lengths == sorted(lengths, reverse=True)
    assert sorted(row for rows, _ in whole for row in rows) == list(range(len(ROWS)))
    first = whole[0][0]
    rest = list(scorer.batches(prompts, done={*first, whole[1][0][0]}))
    # A batch that was done in part is scored again, with the very same rows and numbers.
    assert [rows for rows, _ in rest] == [rows for rows, _ in whole[1:]]
    assert all((again == before).all() for (_, again), (_, before) in zip(rest, whole[1:], strict=True))


def test_the_model_stays_in_training_mode_when_it_was(tmp_path: Path) -> None:
    model, tokenizer = load(tiny_decoders.llama_chat(tmp_path))
    prompts = PromptRenderer(catalogue.load("demo"), tokenizer, "tiny").render(ROWS[:3])
    model.train()
    LabelScorer(model, CPU, tokenizer.pad_token_id, batch_size=2).score(prompts)
    assert model.training
