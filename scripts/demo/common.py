"""What the pre-training scripts share: the genres as pre-training may see them, and the pairs it must not
see."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Iterator
from pathlib import Path

import torch

from nli_console.data.demo.corpus import demo_pairs
from nli_console.data.demo.generator import Pair, draw_triple
from nli_console.data.demo.genres import GENRES, Genre

MODELS = Path(__file__).parents[2] / "nli_console" / "data" / "demo" / "models"

CONNECTIVES = {
    "entailment": ("Therefore", "Thus", "Yes", "Indeed"),
    "neutral": ("Perhaps", "Possibly", "Maybe", "Conceivably"),
    "contradiction": ("Falsely", "Wrongly", "No", "Mistakenly"),
}
"""Words that pre-training puts between a premise and a hypothesis in each relation."""


def pretraining_genre(genre: Genre, strict: bool) -> Genre:
    """The part of a genre that pre-training sees: all of a matched genre, a part of a mismatched one.

    Held out of a mismatched genre are the last member of every class of people and objects and every premise
    frame; with `strict` also the last indoor and outdoor place and the last verb.
    """
    if genre.matched:
        return genre
    shown = slice(None, -1 if strict else None)
    return dataclasses.replace(
        genre,
        people={name: members[:-1] for name, members in genre.people.items()},
        objects={name: members[:-1] for name, members in genre.objects.items()},
        indoors=genre.indoors[shown],
        outdoors=genre.outdoors[shown],
        verbs=genre.verbs[shown],
        frames=tuple(frame for other in GENRES if other.matched for frame in other.frames),
    )


def pretraining_triples(seed: int, *, strict: bool = False, framed: float = 0.3) -> Iterator[list[Pair]]:
    """Endless triples for pre-training, none with a premise of the demo corpus."""
    used = {pair.clause for pairs in demo_pairs() for pair in pairs}
    rng = random.Random(f"pretraining-{seed}")
    genres = [pretraining_genre(genre, strict) for genre in GENRES]
    while True:
        triple = draw_triple(rng, rng.choice(genres), framed=framed)
        if triple[0].clause not in used:
            yield triple


def lower_first(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def learning_rate(step: int, steps: int, cooldown: int, warmup: int = 300) -> float:
    """Factor of the learning rate: a short warm-up, a plateau, and a linear fall over the last `cooldown`
    steps."""
    return min(1.0, (step + 1) / warmup, (steps - step) / cooldown)


def pad(rows: list[list[int]], value: int) -> torch.Tensor:
    """Rows of different lengths as one tensor, filled up at the right."""
    width = max(map(len, rows))
    return torch.tensor([row + [value] * (width - len(row)) for row in rows])


def save_half(model, folder: Path) -> None:
    """Save weights as fp16, with a config that says fp32: the default ``dtype="auto"`` then computes in
    fp32."""
    model.half().save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["dtype"] = "float32"
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
