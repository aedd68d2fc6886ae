"""Draw labelled premise-hypothesis pairs, three at a time: one premise with one hypothesis per label."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nli_console.data.demo.coupling import LABELS
from nli_console.data.demo.genres import Genre
from nli_console.data.demo.phenomena import PHENOMENA
from nli_console.data.demo.scene import Scene


@dataclass(frozen=True)
class Pair:
    """A premise and a hypothesis with the label that is right by construction.

    ``clause`` is the premise before its genre's frame was put around it; two pairs with the same clause and
    hypothesis say the same.
    """

    premise: str
    hypothesis: str
    label: str
    genre: str
    phenomenon: str
    clause: str


def _sentence(text: str) -> str:
    text = text[0].upper() + text[1:]
    return text if text.endswith(".") else text + "."


def draw_triple(rng: random.Random, genre: Genre, *, framed: float = 0.6) -> list[Pair]:
    """An entailment, a neutral and a contradiction that share their premise.

    Args:
        framed: probability that the premise stands in one of the genre's frames.
    """
    (phenomenon,) = rng.choices(list(PHENOMENA), weights=list(PHENOMENA.values()))
    clause, hypotheses = phenomenon(Scene(genre, rng))
    premise = rng.choice(genre.frames).format(clause) if rng.random() < framed else clause
    return [
        Pair(_sentence(premise), _sentence(hypotheses[label]), label, genre.name, phenomenon.__name__, clause)
        for label in LABELS
    ]


def draw_triples(rng: random.Random, genres: Sequence[Genre]) -> Iterator[list[Pair]]:
    """Endless triples, the genres taking turns; no premise clause comes twice."""
    seen: set[str] = set()
    while True:
        for genre in genres:
            triple = draw_triple(rng, genre)
            while triple[0].clause in seen:
                triple = draw_triple(rng, genre)
            seen.add(triple[0].clause)
            yield triple
