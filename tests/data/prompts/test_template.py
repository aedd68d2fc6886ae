"""Prompt templates: what they hold, what is refused, and when two are the same."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from nli_console.data.prompts import PromptTemplate, catalogue
from nli_console.data.spec import LABELS, Example
from nli_console.errors import ConsoleError

PAIR = {"user": "{premise}\n{hypothesis}"}


def make(**fields: object) -> PromptTemplate:
    return PromptTemplate.model_validate({"name": "mine", **PAIR, **fields})


def test_every_shipped_template_can_be_used() -> None:
    found = catalogue.scan()
    assert not found.problems
    assert {template.name for template in found.templates} >= {
        "report-zero-shot", "report-one-shot", "true-neither-false", "recommended", "demo", "yes-maybe-no",
    }  # fmt: skip
    for template in found.templates:
        assert template.description
        assert template.source
        assert catalogue.load(template.name) == template


def test_shipped_templates_differ_in_their_digest() -> None:
    digests = [template.digest for template in catalogue.scan().templates]
    assert len(set(digests)) == len(digests)


def test_digest_is_stable_and_of_what_matters() -> None:
    first = make()
    assert first.digest == "4827ba46999c42d6c68eb22d7ded96025653b26bf8071e840f5fd4c0656b79f0"
    assert make(name="other", description="words", source="a book").digest == first.digest
    for change in (
        {"user": "{premise} {hypothesis}"},
        {"system": "You judge."},
        {"format": "raw"},
        {"answer": "It is {label}"},
        {"labels": {"entailment": "yes", "neutral": "maybe", "contradiction": "no"}},
        {"shot": "{premise} {hypothesis} {label}"},
        {"separator": "\n"},
    ):
        assert make(**change).digest != first.digest


def test_label_words_follow_the_order_of_our_labels() -> None:
    words = {"contradiction": "no", "entailment": "yes", "neutral": "maybe"}
    assert make(labels=words).words == ("yes", "maybe", "no")
    assert make(labels=words).digest == make(labels=dict(sorted(words.items(), reverse=True))).digest
    assert make().words == LABELS


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"user": "{premise} only"}, "{premise} and {hypothesis}"),
        ({"user": "{premise} {hypothesis} {label}"}, "must not hold {label}"),
        ({"user": "{premise} {hypothesis} {mask}"}, "{mask} once where the format is masked"),
        ({"format": "masked"}, "{mask} once where the format is masked"),
        ({"answer": "{label}."}, "must end with {label}"),
        ({"answer": "{premise} {label}"}, "its only placeholder"),
        ({"shot": "{premise} {hypothesis}"}, "{premise}, {hypothesis} and {label}"),
        ({"format": "raw", "system": "You judge."}, "system is for chats"),
        ({"labels": {"entailment": "yes"}}, "a word for each of"),
        ({"labels": {"entailment": "yes", "neutral": "Yes ", "contradiction": "no"}}, "not three different"),
        ({"labels": {"entailment": " ", "neutral": "maybe", "contradiction": "no"}}, "is empty"),
    ],
)
def test_what_cannot_work_is_refused(fields: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError, match=complaint.replace("{", r"\{").replace("}", r"\}")):
        make(**fields)


def test_a_placeholder_inside_a_text_stays_text() -> None:
    template = make(user="{premise} / {hypothesis} / {other} {}")
    assert template.question("{hypothesis}", "{label} {mask}") == "{hypothesis} / {label} {mask} / {other} {}"


@pytest.mark.parametrize(
    ("hypothesis", "clause"),
    [("A man sleeps.", "a man sleeps."), ("I sleep.", "I sleep."), ("NATO left.", "NATO left."), ("", "")],
)
def test_hypothesis_as_a_clause(hypothesis: str, clause: str) -> None:
    assert (
        make(user="{premise_clause}? {hypothesis_clause}").question("He ran. ", hypothesis)
        == f"He ran? {clause}"
    )


def test_demonstrations_in_text() -> None:
    shot = Example("1", "P", "H", 2)
    assert make(format="raw", answer=" -> {label}").text("p", "h", [shot]) == "P\nH -> contradiction\n\np\nh"
    assert make(shot="{premise}|{hypothesis}|{label}", separator=" ").text("p", "h", [shot]) == (
        "P|H|contradiction p\nh"
    )
    masked = make(format="masked", user="{premise}? {mask}, {hypothesis}", labels={
        "entailment": "Yes", "neutral": "Maybe", "contradiction": "No"})  # fmt: skip
    assert masked.text("p", "h", [shot], mask="<m>") == "P? No, H\n\np? <m>, h"


def test_demonstrations_of_a_chat_are_turns_unless_it_says_how_to_write_them() -> None:
    assert make().shots_are_turns
    assert make().text("p", "h", [Example("1", "P", "H", 2)]) == "p\nh"
    assert not make(shot="{premise} {hypothesis} {label}").shots_are_turns


def write(folder: Path, name: str, text: str) -> None:
    (folder / "templates").mkdir(exist_ok=True)
    (folder / "templates" / f"{name}.toml").write_text(text)


def test_own_templates_stand_last_and_take_the_place_of_shipped_ones(tmp_path: Path) -> None:
    write(tmp_path, "mine", 'user = "{premise} {hypothesis}"')
    write(tmp_path, "demo", 'user = "mine: {premise} {hypothesis}"')
    found = catalogue.scan(tmp_path)
    assert found.own == {"mine", "demo"}
    assert [template.name for template in found.templates][-2:] == ["demo", "mine"]
    assert catalogue.load("demo", tmp_path).user == "mine: {premise} {hypothesis}"
    assert catalogue.load("demo").user != catalogue.load("demo", tmp_path).user


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("user = ", "not valid TOML"),
        ('usr = "{premise}"', 'unknown key "usr"; did you mean "user"'),
        ('user = "{premise}"', "user must hold"),
        ('user = "{premise} {hypothesis}"\nformat = "chatty"', "format: "),
        ("", "user: "),
    ],
)
def test_a_broken_file_spoils_only_itself_and_says_where(tmp_path: Path, text: str, complaint: str) -> None:
    write(tmp_path, "broken", text)
    found = catalogue.scan(tmp_path)
    assert len(found.templates) == len(catalogue.scan().templates)
    assert len(found.problems) == 1
    assert "broken.toml" in found.problems[0]
    assert complaint in found.problems[0]
    with pytest.raises(ConsoleError, match=r"broken\.toml"):
        catalogue.load("broken", tmp_path)


@pytest.mark.parametrize("name", ["recomended", "../secrets", "", "a/b"])
def test_an_unknown_name_is_answered_with_the_known_ones(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConsoleError, match=r"there is no template of this name.*true-neither-false"):
        catalogue.load(name, tmp_path)


def test_saved_templates_come_back_as_they_were(tmp_path: Path) -> None:
    template = make(
        user='Two\nlines, "quotes" and \\: {premise}\n\n{hypothesis} ', answer=" {label}", format="raw"
    )
    path = catalogue.save(template, tmp_path)
    assert path == tmp_path / "templates" / "mine.toml"
    assert catalogue.load("mine", tmp_path) == template
    with pytest.raises(ConsoleError, match="exists already"):
        catalogue.save(template, tmp_path)
    changed = template.model_copy(update={"answer": "{label}"})
    catalogue.save(changed, tmp_path, overwrite=True)
    assert catalogue.load("mine", tmp_path) == changed
    with pytest.raises(ConsoleError, match="up to 64 letters"):
        catalogue.save(template.model_copy(update={"name": "../mine"}), tmp_path)
