"""The report's collapsed classifier, rebuilt: a head that reads the token before the first pad token, where
the pad token is the one that ends every turn. That token belongs to the constant system line, and a causal
model cannot have seen the pair there."""

import json
from collections.abc import Callable
from pathlib import Path
from types import MethodType
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoTokenizer
from transformers.modeling_outputs import SequenceClassifierOutputWithPast

from nli_console.data.spec import LABELS
from nli_console.methods import registry
from nli_console.methods.base import hyperparameter
from nli_console.methods.checks import CheckContext, read_tokenizer, run_checks
from nli_console.methods.full import Full, FullHyperparameters
from nli_console.settings import Guards
from tests.worker import tiny
from tests.worker.conftest import Run

END_OF_TURN = "<|eot_id|>"
ROWS = 510
"""In each validation file: as many of each label."""


def before_the_first_pad(self: Any, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: Any) -> Any:
    """The forward pass of the library that the report used, up to transformers 4.4x."""
    states = self.model(input_ids=input_ids, attention_mask=attention_mask)[0]
    first = (input_ids == self.config.pad_token_id).int().argmax(dim=-1)
    return SequenceClassifierOutputWithPast(
        logits=self.score(states[torch.arange(len(states)), (first - 1) % states.shape[1]])
    )


class CollapsedHyperparameters(FullHyperparameters):
    """Pads with what ends every turn, as the report did; left to itself, a run would take another token."""

    pad_token: str = hyperparameter(END_OF_TURN, "token that fills short rows", group="input")


class Collapsed(Full):
    """Trains a head that reads the wrong token."""

    Hyperparameters = CollapsedHyperparameters

    name = "collapsed"
    family = "decoder"

    def build(self, loader: Any, hyperparameters: Any) -> Any:
        model: Any = super().build(loader, hyperparameters)
        model.forward = MethodType(before_the_first_pad, model)
        return model


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama whose input is a closed system line and the pair; it pads with the closer."""
    from tokenizers.processors import TemplateProcessing

    folder = tiny.llama(tmp_path_factory.mktemp("chat"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    begin, system, end = "<|begin_of_text|>", "<|reserved|>", END_OF_TURN
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single=f"{begin} $A",
        pair=f"{begin} {system} {end} $A {end} $B:1",
        special_tokens=[(token, tokenizer.convert_tokens_to_ids(token)) for token in (begin, system, end)],
    )
    tokenizer.pad_token = END_OF_TURN
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }}" + END_OF_TURN + "{% endfor %}"
    tokenizer.save_pretrained(folder)
    config = AutoConfig.from_pretrained(folder)
    config.pad_token_id = tokenizer.pad_token_id
    config.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def many_rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.write_multinli(tmp_path_factory.mktemp("many"), 420, ROWS)


@pytest.fixture
def trained(
    submitted: Callable[..., Run], chat_model: Path, many_rows: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Run]:
    """A run on the chat model: ``trained("collapsed")``, or ``trained("full")`` for the right head."""
    known = {**registry.methods(), "collapsed": Collapsed()}
    monkeypatch.setattr(registry, "methods", lambda: known)

    def make(method: str, **options: Any) -> Run:
        chosen = {"batch_size": 18, "epochs": 3.0, "evaluations": 4, "learning_rate": 4e-3, **options}
        return submitted(method, model=chat_model, data=many_rows, **chosen)

    return make


def active(run: Run) -> set[str]:
    path = run.layout.attempt(1).guards
    return {guard["id"] for guard in json.loads(path.read_text())["active"]} if path.exists() else set()


def test_the_check_warns_before_the_launch(chat_model: Path) -> None:
    context = CheckContext(
        method=Collapsed(), hyperparameters=CollapsedHyperparameters(), tokenizer=read_tokenizer(chat_model)
    )
    (finding,) = [finding for finding in run_checks(context) if finding.id == "pad_in_prompts"]
    assert END_OF_TURN in finding.message
    assert "collapse" in finding.reason


@pytest.mark.slow
def test_the_collapse_is_caught_while_it_is_trained(trained: Callable[..., Run]) -> None:
    run = trained("collapsed")
    final = run.attempt()
    assert final["completed"]
    total = run.records("start")[0]["total_steps"]
    raised = {record["id"]: record for record in reversed(run.records("guard")) if record["active"]}
    for id in ("constant_logits", "one_class", "loss_at_chance"):
        assert raised[id]["step"] <= total // 3, f"{id} came late"
    assert active(run) >= {"constant_logits", "one_class", "loss_at_chance", "at_majority"}
    for split in ("validation_matched", "validation_mismatched"):
        measured = json.loads((run.layout.evaluation / f"{split}.json").read_text())
        assert measured["accuracy"] == measured["majority"]["share"] == pytest.approx(1 / 3)
        assert measured["weighted_precision"] == pytest.approx(1 / 9)
        (said,) = [label for label in LABELS if measured["per_class"][label]["predicted"]]
        assert measured["per_class"][said]["predicted"] == ROWS


@pytest.mark.slow
def test_the_right_head_on_the_same_model_learns_and_nothing_is_left_to_warn_of(
    trained: Callable[..., Run],
) -> None:
    run = trained("full")
    final = run.attempt()
    assert final["accuracy"]["validation_matched"]["low"] > 0.4
    assert not any(record["id"] == "constant_logits" for record in run.records("guard"))
    assert active(run) == set()


@pytest.mark.slow
def test_a_guard_that_is_to_stop_the_run_does_and_leaves_a_checkpoint(trained: Callable[..., Run]) -> None:
    run = trained("collapsed", guards=Guards(stop_on=["constant_logits"]))
    final = run.attempt()
    assert (final["completed"], final["stopped"], final["reason"]["code"]) == (False, True, "guard")
    assert final["reason"]["detail"].startswith("constant_logits: the logits do not depend on the input")
    first = next(record for record in run.records("guard") if record["id"] == "constant_logits")
    assert final["step"] == run.records("train")[-1]["step"] == first["step"]
    assert f"checkpoint-{final['step']}" in run.checkpoints()
    assert final["accuracy"] == {}


@pytest.mark.slow
def test_who_resumes_a_run_that_a_guard_stopped_wants_it_to_go_on(trained: Callable[..., Run]) -> None:
    run = trained("collapsed", guards=Guards(stop_on=["constant_logits"]))
    assert run.attempt(1)["reason"]["code"] == "guard"
    final = run.attempt(2)
    assert final["completed"]
    raised = {record["id"] for record in run.records("guard", 2) if record["active"]}
    assert "constant_logits" in raised
