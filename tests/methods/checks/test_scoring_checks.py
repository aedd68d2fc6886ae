"""The checks where nothing is trained: which of them then mean something else, or nothing."""

from dataclasses import replace

import pytest

from nli_console.methods.checks import MachineFacts, run_checks
from nli_console.methods.checks.facts import ModelFacts, TokenizerFacts
from tests.methods.checks.recipes import DATA, GIB, MEMORY, PROMPTS, asked, found


@pytest.mark.parametrize("method", ["icl", "verbalizer"])
def test_a_sound_recipe_has_no_findings(method):
    assert run_checks(replace(asked(method, max_length=512), model=ModelFacts("tiny", "", 512))) == []


def test_what_is_generated_takes_its_room_out_of_the_prompt():
    likelihood = asked(shots=11, max_length=512)
    generated = asked(shots=11, max_length=512, scorer="generation", max_new_tokens=20)
    assert found(likelihood, "prompt_room") == []
    (finding,) = found(generated, "prompt_room")
    assert "and 492 fit, 20 more being kept for the answer" in finding.message
    assert "a larger --max-length" not in finding.suggestion
    assert (found(asked(max_length=119), "truncation"), generated.longest_input) == ([], 492)
    (cut,) = found(asked(max_length=119, scorer="generation", max_new_tokens=20), "truncation")
    assert cut.message.startswith("max_length 119: 20.0 %")
    assert cut.suggestion.startswith("--max-length 139")


def test_prompts_that_are_cut_by_demonstrations_are_told_to_take_fewer():
    assert "fewer --shots" in found(asked(shots=1, max_length=110), "truncation")[0].suggestion
    assert "--shots" not in found(asked(max_length=90), "truncation")[0].suggestion
    beyond = replace(
        asked(shots=1, max_length=80), tokenizer=TokenizerFacts(limit=80), model=ModelFacts("m", "", 80)
    )
    assert "reads no more than 80 tokens" in found(beyond, "truncation")[0].suggestion


def test_an_answer_is_read_whole_however_its_words_begin():
    words = {"yes": (9,), "yes and no": (9, 1, 4), "no": (5,)}
    assert found(asked("icl", {"label_tokens": words}), "label_tokens")
    generated = asked("icl", {"label_tokens": words}, scorer="generation", max_new_tokens=2)
    assert found(generated, "label_tokens") == []
    assert '"yes and no" is 3 tokens' in found(generated, "max_new_tokens")[0].message
    likelihood = asked("icl", {"label_tokens": words}, max_new_tokens=2)
    assert found(likelihood, "max_new_tokens") == []


def test_words_that_are_one_token_at_a_mask_cannot_be_told_apart():
    (finding,) = found(
        asked("verbalizer", {"label_tokens": {"Yes": (9,), "yes": (9,), "No": (3,)}}), "label_tokens"
    )
    assert '"Yes" and "yes"' in finding.message


def test_half_right_is_known_less_well_than_nine_in_ten():
    rows = replace(DATA, evaluation={"validation_matched": 2000})
    (finding,) = found(replace(asked(), data=rows), "validation_size")
    assert "an accuracy near 50 % is known to ± 2.2 points" in finding.message


def test_rows_that_teach_nothing_are_not_judged():
    sound = {finding.id for finding in run_checks(asked())}
    rows = replace(DATA, labels={"entailment": 900, "neutral": 50, "contradiction": 50}, repeated={"a": 3})
    assert {finding.id for finding in run_checks(replace(asked(), data=rows))} == sound


def test_too_much_memory_is_answered_with_what_a_scored_run_has():
    small = MachineFacts(free_device_bytes=4 * GIB, device="NVIDIA T4")
    (finding,) = found(replace(asked(shots=8), machine=small), "memory")
    assert finding.suggestion == "--batch-size 16, or --quantisation nf4, or fewer --shots"
    heavy = replace(MEMORY, weights=5 * GIB, activations=0)
    (finding,) = found(replace(asked("verbalizer"), machine=small, memory=heavy), "memory")
    assert finding.suggestion == "a smaller model"


def test_the_header_and_two_beginnings_are_judged_as_for_every_prompt():
    facts = {"ends_with_header": False, "leading_bos": 2, "pad_token": "<|eot_id|>", "with_pad_token": 9}
    ids = {finding.id for finding in run_checks(asked("icl", facts))}
    assert {"assistant_header", "double_bos", "pad_in_prompts"} <= ids
    assert PROMPTS.ends_with_header
