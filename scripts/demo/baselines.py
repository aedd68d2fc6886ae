"""Baselines without a pre-trained model: logistic regression on words."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from corpus_rows import LABELS, Row

Features = Callable[[Row], list[str]]


def _words(text: str) -> list[str]:
    return text.lower().replace(".", "").replace(",", "").split()


def hypothesis_only(row: Row) -> list[str]:
    """Words and word pairs of the hypothesis."""
    words = _words(row.hypothesis)
    return words + [f"{a} {b}" for a, b in itertools.pairwise(words)]


def premise_only(row: Row) -> list[str]:
    """Words and word pairs of the premise."""
    words = _words(row.premise)
    return words + [f"{a} {b}" for a, b in itertools.pairwise(words)]


def bag_of_words(row: Row) -> list[str]:
    """Words of both sentences, words they share, words new in the hypothesis, and the share of shared
    words."""
    premise, hypothesis = set(_words(row.premise)), set(_words(row.hypothesis))
    shared = premise & hypothesis
    found = [f"premise {w}" for w in premise] + [f"hypothesis {w}" for w in hypothesis]
    found += [f"both {w}" for w in shared] + [f"new {w}" for w in hypothesis - premise]
    return [*found, f"overlap {10 * len(shared) // len(hypothesis)}"]


def accuracy(features: Features, train: list[Row], evaluations: list[list[Row]]) -> list[float]:
    """Accuracy on each evaluation set of the best of three L2 penalties (favouring the baseline)."""
    index: dict[str, int] = {}
    for row in train:
        for name in features(row):
            index.setdefault(name, len(index))

    def matrix(rows: list[Row]) -> torch.Tensor:
        x = torch.zeros(len(rows), len(index))
        for i, row in enumerate(rows):
            x[i, [index[name] for name in features(row) if name in index]] = 1
        return x

    def labels(rows: list[Row]) -> torch.Tensor:
        return torch.tensor([LABELS.index(row.label) for row in rows])

    x, y = matrix(train), labels(train)
    best = [0.0]
    for penalty in (1e-4, 1e-3, 1e-2):
        model = torch.nn.Linear(len(index), len(LABELS))
        optimizer = torch.optim.LBFGS(model.parameters(), max_iter=50)

        def closure(model=model, optimizer=optimizer, penalty=penalty):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x), y) + penalty * model.weight.square().sum()
            loss.backward()
            return loss

        optimizer.step(closure)
        with torch.no_grad():
            reached = [(model(matrix(e)).argmax(1) == labels(e)).float().mean().item() for e in evaluations]
        best = max(best, reached)
    return best
