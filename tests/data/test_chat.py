"""Requests to a chat engine: what can be read, and what is refused in a sentence."""

import pytest

from nli_console.data.chat import Dialogue, Generate, Question, read_request, refuse_masked, refuse_too_long
from nli_console.data.prompts import Turn, catalogue
from nli_console.data.spec import Example
from nli_console.errors import ConsoleError

TEMPLATE = catalogue.load("demo")


def test_a_request_survives_its_way_through_json():
    shots = (Example("s", "a", "b", 2, "fiction", ("entailment", "neutral")),)
    asked = Generate(prompt=Question(template=TEMPLATE, premise="p", hypothesis="h", shots=shots))
    assert read_request(asked.model_dump(mode="json")) == asked
    free = Generate(prompt=Dialogue(turns=(Turn("system", "s"), Turn("user", "u"))), adapter="/a")
    assert read_request(free.model_dump(mode="json")) == free


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({"op": "dance"}, "'dance'"),
        ({}, "op"),
        ({"op": "stop"}, "target: field required"),
        ({"op": "stop", "target": 1, "more": 2}, "more: "),
        ({"op": "load", "model": "m", "model_name": "m", "quantisation": "3-bit"}, "quantisation: "),
        ({"op": "attach", "adapter": None}, "adapter: "),
    ],
)
def test_what_is_no_request_is_named(record: dict[str, object], message: str):
    with pytest.raises(ConsoleError, match="the request cannot be read: ") as caught:
        read_request(record)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Question(template=TEMPLATE, premise=" \n", hypothesis="h"), "the premise is empty"),
        (Question(template=TEMPLATE, premise="p", hypothesis=""), "the hypothesis is empty"),
        (Dialogue(turns=(Turn("user", " "),)), "the message is empty"),
        (Dialogue(turns=(Turn("user", "u"), Turn("assistant", "a"))), "the last turn is the assistant's"),
    ],
)
def test_nothing_to_answer_is_refused(prompt: Question | Dialogue, message: str):
    with pytest.raises(ConsoleError, match=message):
        prompt.refuse_empty()


def test_a_prompt_must_leave_room_for_one_token():
    refuse_too_long(99, 100)
    refuse_too_long(10**6, None)
    with pytest.raises(ConsoleError, match=r"takes 2,050 tokens, and the model reads at most 2,048"):
        refuse_too_long(2050, 2048)


def test_a_masked_template_is_for_encoders():
    refuse_masked(TEMPLATE)
    with pytest.raises(ConsoleError, match=r"yes-maybe-no.*encoders"):
        refuse_masked(catalogue.load("yes-maybe-no"))
