"""What a written answer says, by the documented rules."""

import pytest

from nli_console.data.prompts import AnswerReader, invalid_rate

NAMES = AnswerReader(("entailment", "neutral", "contradiction"))
TRUTH = AnswerReader(("True", "Neither", "False"))
YES = AnswerReader(("Yes", "Maybe", "No"))
E, N, C = 0, 1, 2


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("entailment", E),
        (" Neutral.", N),
        ("**CONTRADICTION**", C),
        ("The correct answer is:\n\n1. entailment\n\n", E),
        ("The answer is 'neutral', I think.", N),
        ("neutral, neutral", N),
        ("neutral\n\nThe premise is no contradiction of the hypothesis.", N),
        ("It is a contradiction!", C),
        ("", None),
        ("2.", None),
        ("The correct answer", None),
        ("neutrality", None),
        ("non-neutral", None),
        ("entailmentneutral", None),
        ("entail", None),
        ("not entailment", None),
        ("It is not an entailment but a contradiction", None),
        ("This isn't a contradiction", None),
        ("This isn’t contradiction", None),
        ("no entailment", None),
        ("neither entailment nor contradiction", None),
        ("This is not clearly neutral", None),
        ("entailment or neutral", None),
        ("1. entailment\n2. neutral\n3. contradiction", None),
        ("entailment, neutral", None),
    ],
)
def test_label_names(text: str, label: int | None) -> None:
    assert NAMES.read(text) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("True", E),
        ("false.", C),
        ("Neither", N),
        ("not true", None),
        ("True or False", None),
        ("untrue", None),
    ],
)
def test_other_words(text: str, label: int | None) -> None:
    assert TRUTH.read(text) == label


@pytest.mark.parametrize(
    ("text", "label"),
    [("No", C), ("No, it does not.", C), ("Yes.", E), ("maybe not", N), ("no, maybe", None)],
)
def test_a_word_that_is_a_negation_itself(text: str, label: int | None) -> None:
    assert YES.read(text) == label


def test_a_longer_word_is_read_before_one_that_it_contains() -> None:
    reader = AnswerReader(("true", "not sure", "sure"))
    assert reader.read("Not sure.") == 1
    assert reader.read("Sure.") == 2


def test_invalid_rate() -> None:
    assert invalid_rate([0, None, 2, None]) == 0.5
    assert invalid_rate([]) == 0.0
