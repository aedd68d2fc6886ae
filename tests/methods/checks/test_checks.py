"""Every check twice: a recipe that must trigger it, and one that is close by and must not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.methods.base import TrainingPlan
from nli_console.methods.checks import (
    CHECKS,
    FAMILIES,
    CheckContext,
    MachineFacts,
    ModelFacts,
    TokenizerFacts,
    check_ignored,
    read_tokenizer,
    run_checks,
)
from nli_console.methods.evaluation import EvaluationHyperparameters
from tests.methods.checks.recipes import (
    DATA,
    GIB,
    LLAMA,
    MEMORY,
    PROMPTS,
    as_method,
    asked,
    context,
    found,
    prompted,
    with_data,
    with_virtual_tokens,
)

Make = Callable[[], CheckContext]

DECODER = replace(
    as_method("qlora_classifier"),
    prompts=None,
    tokenizer=TokenizerFacts("<|eot_id|>", chat_template="{{ message }}<|eot_id|>"),
)
DECODER.method.family = "decoder"  # type: ignore[misc]  # a stand-in
RESERVED = replace(
    DECODER,
    tokenizer=TokenizerFacts(special_tokens=("<|reserved|>", "<|eot_id|>"), chat_template="<|eot_id|>"),
)

LABELS = ("entailment", "neutral", "contradiction")


def evaluating(*labels: str, **values: object) -> CheckContext:
    """An evaluation of a classifier whose outputs have these names."""
    return replace(
        context(),
        method=registry.get("full"),
        hyperparameters=EvaluationHyperparameters(**values),  # type: ignore[arg-type]
        model=ModelFacts("own", labels=labels, classifier=True),
    )


# id: (triggers, a part of what it must say, does not trigger)
CASES: dict[str, tuple[Make, str, Make]] = {
    "target_modules": (
        lambda: context(target_modules=("query", "values")),
        'did you mean "value"?',
        lambda: context(target_modules=("query", "attention.output.dense")),
    ),
    "head_twice": (
        lambda: context(target_modules=("query", "dense")),
        "classifier.dense",
        lambda: context(target_modules=("query", "output.dense")),
    ),
    "lora_scale": (
        lambda: context(lora_alpha=0.5),
        "0.0625",
        lambda: context(lora_alpha=0.75, use_rslora=True),
    ),
    "learning_rate": (
        lambda: as_method("p_tuning", learning_rate=3e-5),
        "below",
        lambda: as_method("p_tuning", learning_rate=1e-3),
    ),
    "effective_batch": (
        lambda: context(batch_size=4),
        "effective batch 4",
        lambda: context(batch_size=4, gradient_accumulation_steps=4),
    ),
    "label_order": (
        lambda: replace(
            context(),
            model=ModelFacts(
                "roberta-large-mnli", labels=("contradiction", "neutral", "entailment"), classifier=True
            ),
        ),
        "0 = contradiction",
        lambda: replace(
            context(),
            model=ModelFacts("own", labels=("entailment", "neutral", "contradiction"), classifier=True),
        ),
    ),
    "label_names": (
        lambda: evaluating("label_0", "label_1", "label_2"),
        "label_0, label_1, label_2, which do not say which is which",
        lambda: evaluating("label_0", "label_1", "label_2", label_order=LABELS),
    ),
    "positions": (
        lambda: with_virtual_tokens(30, 512),
        "482 tokens",
        lambda: with_virtual_tokens(30, 482),
    ),
    "virtual_tokens": (
        lambda: with_virtual_tokens(500, 256),
        "leave 12",
        lambda: with_virtual_tokens(100, 256),
    ),
    "head_quantised": (
        lambda: replace(context(), plan=TrainingPlan(quantised=frozenset({"classifier.dense"}))),
        "classifier.dense",
        lambda: replace(
            context(), plan=TrainingPlan(quantised=frozenset({"roberta.encoder.layer.0.output.dense"}))
        ),
    ),
    "truncation": (
        lambda: context(max_length=100),
        "19.0 %",
        lambda: context(max_length=119),
    ),
    "validation_size": (
        lambda: with_data(evaluation={"validation_matched": 981}),
        "± 2.0 points",
        lambda: with_data(evaluation={"validation_matched": 2000}),
    ),
    "train_in_validation": (
        lambda: with_data(repeated={"validation_matched": 3}),
        "3 of 9,815",
        lambda: with_data(repeated={"validation_matched": 0}),
    ),
    "own_training_rows": (
        lambda: replace(context(), scores_own_training=True),
        "the rows that these weights were trained on",
        lambda: replace(context(), scores_own_training=False),
    ),
    "class_imbalance": (
        lambda: with_data(labels={"entailment": 700, "neutral": 200, "contradiction": 100}),
        "70.0 %",
        lambda: with_data(labels={"entailment": 400, "neutral": 300, "contradiction": 300}),
    ),
    "pad_in_prompts": (
        lambda: prompted(pad_token="<|eot_id|>", with_pad_token=200),
        "<|eot_id|>",
        lambda: prompted(pad_token="<|reserved_special_token_0|>", with_pad_token=0),
    ),
    "pad_token": (
        lambda: replace(RESERVED, hyperparameters=SimpleNamespace(pad_token="<|pad_it|>")),
        'has no special token called "<|pad_it|>"',
        lambda: replace(RESERVED, hyperparameters=SimpleNamespace(pad_token="<|reserved|>")),
    ),
    "model_family": (
        lambda: replace(DECODER, model=ModelFacts("roberta-large", "roberta")),
        "roberta-large is an encoder (roberta), and qlora_classifier is for decoders",
        lambda: replace(DECODER, model=ModelFacts("tiny", "llama")),
    ),
    "prompt_mismatch": (
        lambda: prompted(evaluation_hash="0000000000"),
        "training template",
        lambda: prompted(training_hash=None, evaluation_hash="0000000000"),
    ),
    "assistant_header": (
        lambda: prompted(ends_with_header=False),
        "assistant",
        lambda: prompted(ends_with_header=False, header=""),
    ),
    "double_bos": (
        lambda: prompted(leading_bos=2),
        "2 beginning-of-text tokens",
        lambda: prompted(leading_bos=0),
    ),
    "max_new_tokens": (
        lambda: prompted(max_new_tokens=2),
        '"entailment" is 3 tokens',
        lambda: prompted(max_new_tokens=3),
    ),
    "label_tokens": (
        lambda: prompted(label_tokens={"yes": (9, 1), "yet": (9, 2), "no": (5,)}),
        '"yes" and "yet"',
        lambda: prompted(label_tokens={"yes": (9, 1), "yet": (9, 2)}, first_token_only=False),
    ),
    "template_format": (
        lambda: replace(asked("verbalizer", template="recommended"), template_format="chat"),
        'template recommended has the format "chat", and verbalizer needs a masked one',
        lambda: asked("verbalizer"),
    ),
    "mask_token": (
        lambda: asked("verbalizer", {"sampled": 0, "mask_token": False, "label_tokens": None}),
        "has no mask token",
        lambda: asked("verbalizer", {"mask_token": True}),
    ),
    "mask_words": (
        lambda: asked("verbalizer", {"label_tokens": {"Yes": (9,), "Perhaps": (5, 6), "No": (3,)}}),
        '"Perhaps" is 2 tokens for roberta-large; expected 1',
        lambda: asked("icl", {"label_tokens": {"Yes": (9,), "Perhaps": (5, 6), "No": (3,)}}),
    ),
    "prompt_room": (
        lambda: asked(shots=16, max_length=512),
        "700 tokens with its 16 demonstrations without any pair, and 512 fit",
        lambda: asked(shots=8, max_length=512),
    ),
    "demonstrations": (
        lambda: replace(asked(shots=8), data=replace(DATA, labels={**(DATA.labels or {}), "neutral": 2})),
        "8 demonstrations need 3 rows of each label, and 2 training rows are neutral",
        lambda: replace(asked(shots=6), data=replace(DATA, labels={**(DATA.labels or {}), "neutral": 2})),
    ),
    "first_tokens": (
        lambda: asked("icl", {"label_tokens": {"yes": (9, 1), "yet": (9, 2), "no": (5, 7)}}),
        '"yes" and "yet" begin with the same token',
        lambda: asked(
            "icl", {"label_tokens": {"yes": (9, 1), "yet": (9, 2), "no": (5, 7)}}, scorer="generation"
        ),
    ),
    "label_lengths": (
        lambda: asked("icl", {"label_tokens": PROMPTS.label_tokens}),
        '"entailment" 3, "neutral" 1, "contradiction" 3',
        lambda: asked("icl", {"label_tokens": PROMPTS.label_tokens}, calibration="batch"),
    ),
    "disk_space": (
        lambda: replace(context(), machine=MachineFacts(free_disk_bytes=3 * GIB)),
        "4.0 GiB",
        lambda: replace(context(), machine=MachineFacts(free_disk_bytes=4 * GIB)),
    ),
    "memory": (
        lambda: replace(context(), machine=MachineFacts(free_device_bytes=4 * GIB, device="NVIDIA T4")),
        "5.0 GiB",
        lambda: replace(context(), memory=replace(MEMORY, peak=19 * GIB)),
    ),
}


def test_every_check_has_a_case():
    assert set(CASES) == set(CHECKS)


@pytest.mark.parametrize("id", CHECKS)
def test_triggers(id: str):
    make, words, _ = CASES[id]
    findings = found(make(), id)
    assert findings
    assert any(words in finding.message for finding in findings)
    assert {finding.severity for finding in findings} == {CHECKS[id].severity}
    assert all(finding.suggestion and finding.reason for finding in findings)


@pytest.mark.parametrize("id", CHECKS)
def test_stays_silent(id: str):
    _, _, make = CASES[id]
    assert found(make(), id) == []


def test_a_sound_recipe_has_no_findings():
    assert run_checks(context()) == []


def test_nothing_is_said_about_what_is_not_known():
    bare = CheckContext(registry.get("lora"), context(max_length=100).hyperparameters)
    assert run_checks(bare) == []


def test_full_fine_tuning_at_1e_3_is_said_to_be_too_high_for_a_large_model_only():
    assert "above" in found(context("full", learning_rate=1e-3), "learning_rate")[0].message
    assert found(replace(context("full", learning_rate=1e-3), shapes=None), "learning_rate") == []


def test_few_rows_for_the_batch_are_said_to_make_few_steps():
    small = replace(context(), data=replace(DATA, train_rows=300))
    assert "10 steps of an epoch" in found(small, "effective_batch")[0].message


def test_an_evaluation_needs_a_head_with_three_named_labels():
    assert found(evaluating("CONTRADICTION".lower(), "neutral", "entailment"), "label_names") == []
    assert "2 labels" in found(evaluating("entailment", "not_entailment"), "label_names")[0].message
    bare = evaluating(*LABELS)
    bare = replace(bare, model=replace(bare.model, classifier=False))
    assert "no classification head" in found(bare, "label_names")[0].message
    assert found(evaluating("label_0", "label_1", "label_2"), "label_order") == []
    training = replace(evaluating("label_0", "label_1", "label_2"), hyperparameters=context().hyperparameters)
    assert found(training, "label_names") == []


def test_names_that_do_not_tell_labels_apart_are_reported():
    model = ModelFacts("own", labels=("label_0", "label_1", "label_2"), classifier=True)
    assert "new head" in found(replace(context(), model=model), "label_order")[0].message


def test_a_pad_token_in_the_chat_template_is_found_before_prompts_are_rendered():
    assert "<|eot_id|>" in found(DECODER, "pad_in_prompts")[0].message
    other = replace(DECODER, tokenizer=TokenizerFacts("<|end_of_text|>", chat_template="<|eot_id|>"))
    assert found(other, "pad_in_prompts") == []
    assert found(RESERVED, "pad_in_prompts") == []
    wanted = replace(RESERVED, hyperparameters=SimpleNamespace(pad_token="<|eot_id|>"))
    assert found(wanted, "pad_in_prompts")


def test_a_label_word_that_begins_another_is_an_error_where_whole_words_are_scored():
    words = {"yes": (9, 1), "yes and no": (9, 1, 4), "no": (5,)}
    (finding,) = found(prompted(label_tokens=words, first_token_only=False), "label_tokens")
    assert finding.message.startswith('the label word "yes and no" begins with all of "yes"')


def test_a_name_that_stands_only_in_the_head_is_an_error():
    recipe = replace(context(target_modules=("q_proj", "score")), shapes=LLAMA)
    assert ["score" in finding.message for finding in found(recipe, "target_modules")] == [True]


def test_an_ignored_error_becomes_a_note_and_blocks_nothing():
    recipe = context(target_modules=("query", "values"), lora_alpha=0.5)
    first, *_ = run_checks(recipe)
    assert (first.id, first.blocks) == ("target_modules", True)
    findings = run_checks(recipe, ignored=["target_modules"])
    assert [(finding.id, finding.severity, finding.ignored) for finding in findings] == [
        ("lora_scale", "warning", False),
        ("target_modules", "note", True),
    ]


def test_ignoring_an_unknown_check_names_the_closest():
    with pytest.raises(ConsoleError, match='did you mean "lora_scale"'):
        check_ignored(["lora_scal"])
    assert check_ignored(["memory", "memory"]) == ("memory",)


def test_config_facts_count_only_positions_that_are_used():
    config = {"model_type": "roberta", "max_position_embeddings": 514, "pad_token_id": 1}
    assert ModelFacts.from_config(config, "r").positions == 512
    assert ModelFacts.from_config({**config, "model_type": "bert"}, "b").positions == 514
    labelled = {
        "id2label": {"1": "Neutral", "0": "Contradiction"},
        "architectures": ["XForSequenceClassification"],
    }
    facts = ModelFacts.from_config(labelled, "m")
    assert (facts.labels, facts.classifier, facts.positions) == (("contradiction", "neutral"), True, None)


def test_tokenizer_facts_come_from_its_own_files(tmp_path: Path):
    assert read_tokenizer(tmp_path) is None
    (tmp_path / "tokenizer_config.json").write_text(
        '{"pad_token": {"content": "<pad>"}, "eos_token": "</s>", "model_max_length": 1e30}'
    )
    (tmp_path / "chat_template.jinja").write_text("{{ x }}")
    facts = read_tokenizer(tmp_path)
    assert facts is not None
    assert (facts.pad_token, facts.eos_token, facts.limit, facts.chat_template) == (
        "<pad>", "</s>", None, "{{ x }}",
    )  # fmt: skip
    (tmp_path / "tokenizer_config.json").write_text("[]")
    assert read_tokenizer(tmp_path) is None


def test_the_table_in_the_docs_is_the_registry():
    page = (Path(__file__).parents[3] / "docs" / "checks.md").read_text(encoding="utf-8")
    rows = [
        f"| `{check.id}` | {check.severity} | {check.title} | {check.reason} |"
        for family in FAMILIES
        for check in CHECKS.values()
        if check.look.__module__ == family.__name__
    ]
    assert len(rows) == len(CHECKS)
    assert [line for line in page.splitlines() if line.startswith("| `")] == rows


def test_prompt_facts_are_only_judged_where_there_are_prompts():
    assert all(
        not found(replace(prompted(leading_bos=2), prompts=None), id) for id in ("double_bos", "label_tokens")
    )
    assert PROMPTS.first_token_only
