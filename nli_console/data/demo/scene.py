"""The words which a premise and its hypotheses share, and what labels two meanings."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from nli_console.data.demo.genres import Genre, Verb

Wording = tuple[str, dict[str, str]]
"""A premise clause and, for each label, a hypothesis clause; lower case, no full stop."""


def relation(premise: frozenset, hypothesis: frozenset) -> str:
    """Label of two sentences given as the sets of situations in which each is true."""
    if premise <= hypothesis:
        return "entailment"
    return "neutral" if premise & hypothesis else "contradiction"


def article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def plural(noun: str) -> str:
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


@dataclass(frozen=True)
class Action:
    """A verb with its object, without its subject."""

    verb: Verb
    object: str

    @property
    def past(self) -> str:
        return f"{self.verb.past} the {self.object}"

    @property
    def base(self) -> str:
        return f"{self.verb.base} the {self.object}"

    @property
    def gerund(self) -> str:
        return f"{self.verb.gerund} the {self.object}"


@dataclass
class Scene:
    """The words which a premise and its hypotheses share, drawn once without looking at any label."""

    genre: Genre
    rng: random.Random
    people: list[str] = field(init=False)
    actions: list[Action] = field(init=False)

    def __post_init__(self) -> None:
        everyone = [person for members in self.genre.people.values() for person in members]
        everything = [thing for members in self.genre.objects.values() for thing in members]
        self.people = self.rng.sample(everyone, 3)
        verbs, things = self.rng.sample(self.genre.verbs, 3), self.rng.sample(everything, 3)
        self.actions = [Action(verb, thing) for verb, thing in zip(verbs, things, strict=True)]

    def chain(self, taxonomy: dict[str, tuple[str, ...]]) -> tuple[str, str, str]:
        """A member, another member of its class, and the class."""
        name = self.rng.choice(list(taxonomy))
        member, sibling = self.rng.sample(taxonomy[name], 2)
        return member, sibling, name
