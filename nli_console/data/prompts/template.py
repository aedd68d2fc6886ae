"""A prompt template: the text that a language model reads about a pair, and the words it may answer."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from nli_console.data.spec import LABELS, Example

Format = Literal["chat", "raw", "masked"]

_PLACEHOLDER = re.compile(r"\{((?:premise|hypothesis)(?:_clause)?|label|mask)\}")
_CAPITAL = re.compile(r"I\b|[^\W\d_a-z][A-Z]")
_LONGEST = 20_000


class PromptTemplate(BaseModel):
    """One way to put the question.

    ``{premise}`` and ``{hypothesis}`` stand for the pair and ``{label}`` for the label word;
    ``{premise_clause}`` is the premise without the mark at its end, ``{hypothesis_clause}`` the hypothesis
    with a small first letter. Every other brace is text.

    Attributes:
        format: ``chat`` goes through the model's own chat template; ``raw`` is plain text that the model
            continues; ``masked`` is for encoders, which fill in ``{mask}``.
        system: the system message of a chat; empty for none.
        user: the user's turn of a chat, or the whole text.
        answer: what the model is to continue with; the label word stands last, and what stands before it is
            part of the prompt.
        labels: label name → the word that stands for it.
        shot: how a demonstration is written into the text before the question; empty for a turn of its own
            (chat), or the question and its answer (raw).
        separator: between two demonstrations in text, and before the question.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    description: str = ""
    source: str = ""
    format: Format = "chat"
    system: str = Field("", max_length=_LONGEST)
    user: str = Field(max_length=_LONGEST)
    answer: str = Field("{label}", max_length=_LONGEST)
    labels: dict[str, str] = dict(zip(LABELS, LABELS, strict=True))
    shot: str = Field("", max_length=_LONGEST)
    separator: str = "\n\n"

    @field_validator("labels")
    @classmethod
    def _check_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        if sorted(labels) != sorted(LABELS):
            raise ValueError(f"expected a word for each of {', '.join(LABELS)}, and nothing else")
        words = [word.strip().lower() for word in labels.values()]
        if not all(words):
            raise ValueError("a label word is empty")
        if len(set(words)) < len(words):
            raise ValueError(f"the label words {', '.join(labels.values())} are not three different ones")
        return {label: labels[label] for label in LABELS}

    @model_validator(mode="after")
    def _check_placeholders(self) -> "PromptTemplate":
        user = _names(self.user)
        if not _holds_pair(user):
            raise ValueError("user must hold {premise} and {hypothesis}")
        if "label" in user:
            raise ValueError("user must not hold {label}: that would be the answer")
        if (self.format == "masked") != (self.user.count("{mask}") == 1):
            raise ValueError("user must hold {mask} once where the format is masked, and never elsewhere")
        if not self.answer.endswith("{label}") or len(_names(self.answer)) != 1:
            raise ValueError("answer must end with {label}, its only placeholder")
        if self.shot and not (_holds_pair(_names(self.shot)) and "label" in _names(self.shot)):
            raise ValueError("shot must hold {premise}, {hypothesis} and {label}")
        if self.format != "chat" and self.system:
            raise ValueError("system is for chats; write it into user")
        if self.format == "masked" and self.answer != "{label}":
            raise ValueError("answer is not used where the format is masked; leave it out")
        return self

    @property
    def words(self) -> tuple[str, ...]:
        """The label words, in the order of :data:`LABELS`."""
        return tuple(self.labels[label] for label in LABELS)

    @property
    def lead(self) -> str:
        """What stands before the label word in the answer, and is part of the prompt."""
        return self.answer.removesuffix("{label}")

    @property
    def digest(self) -> str:
        """SHA-256 of everything that changes a prompt or an answer; names and descriptions do not."""
        matter = self.model_dump(exclude={"name", "description", "source"})
        return hashlib.sha256(json.dumps(matter, sort_keys=True, ensure_ascii=True).encode()).hexdigest()

    def question(self, premise: str, hypothesis: str, mask: str = "") -> str:
        """``user`` about a pair, with ``mask`` where a masked template has its mask."""
        return _fill(self.user, {"premise": premise, "hypothesis": hypothesis, "mask": mask})

    def reply(self, label: int) -> str:
        """The whole answer that stands for a label (an index into :data:`LABELS`)."""
        return self.lead + self.words[label]

    def demonstration(self, shot: Example) -> str:
        """A solved pair as text, where demonstrations are text and not turns."""
        if self.format == "masked" and not self.shot:
            return self.question(shot.premise, shot.hypothesis, self.words[shot.label].strip())
        if not self.shot:
            return self.question(shot.premise, shot.hypothesis) + self.reply(shot.label)
        values = {"premise": shot.premise, "hypothesis": shot.hypothesis, "label": self.words[shot.label]}
        return _fill(self.shot, values)

    @property
    def shots_are_turns(self) -> bool:
        """Whether a demonstration is an exchange of its own in the chat."""
        return self.format == "chat" and not self.shot

    def text(self, premise: str, hypothesis: str, shots: Sequence[Example] = (), mask: str = "") -> str:
        """What the user says: demonstrations in text, then the question."""
        before = () if self.shots_are_turns else [self.demonstration(shot) for shot in shots]
        return self.separator.join([*before, self.question(premise, hypothesis, mask)])


def _holds_pair(names: set[str]) -> bool:
    return bool(names & {"premise", "premise_clause"}) and bool(names & {"hypothesis", "hypothesis_clause"})


def _names(pattern: str) -> set[str]:
    return set(_PLACEHOLDER.findall(pattern))


def _fill(pattern: str, values: Mapping[str, str]) -> str:
    """Put the values in, in one pass: a placeholder inside a value is text."""

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name == "premise_clause":
            return values["premise"].rstrip().rstrip(".!?;,:")
        if name == "hypothesis_clause":
            return lower_first(values["hypothesis"])
        return values.get(name, match[0])

    return _PLACEHOLDER.sub(value, pattern)


def lower_first(text: str) -> str:
    """A sentence as a clause: its first letter small, unless the first word is "I" or an abbreviation."""
    if _CAPITAL.match(text):
        return text
    return text[:1].lower() + text[1:]
