"""The labels of the demo corpus are right, balanced, and not to be had from the hypothesis alone."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict

import pytest

from nli_console.data.demo.corpus import demo_pairs
from nli_console.data.demo.coupling import LABELS
from nli_console.data.demo.generator import Pair
from nli_console.data.demo.genres import GENRES
from nli_console.data.demo.phenomena import PHENOMENA
from tests.data.demo import worlds

CHECKERS = {
    "quantifier": lambda p, h, genre: worlds.label_of_quantified(p, h),
    "number": lambda p, h, genre: worlds.label_of_counted(p, h),
    "order": worlds.label_of_ordered,
    "event": worlds.label_of_events,
}


@pytest.fixture(scope="module")
def sets() -> tuple[list[Pair], list[Pair], list[Pair]]:
    return demo_pairs()


@pytest.mark.parametrize("phenomenon", CHECKERS)
def test_a_second_reading_in_small_worlds_gives_the_same_label(sets, phenomenon):
    pairs = [pair for part in sets for pair in part if pair.phenomenon == phenomenon][:120]
    assert len(pairs) == 120
    for pair in pairs:
        found = CHECKERS[phenomenon](pair.clause, worlds.clause_of(pair.hypothesis), worlds.GENRE[pair.genre])
        assert found == pair.label, f"{pair.clause} / {pair.hypothesis}"


def test_labels_are_balanced_in_every_set_and_phenomenon(sets):
    for part in sets:
        counts = Counter(pair.label for pair in part)
        assert set(counts) == set(LABELS)
        assert max(counts.values()) - min(counts.values()) <= 1
        for phenomenon in PHENOMENA:
            inside = Counter(pair.label for pair in part if pair.phenomenon == phenomenon.__name__)
            assert max(inside.values()) - min(inside.values()) <= 1


@pytest.mark.parametrize("side", ["hypothesis", "premise"])
def test_one_sentence_alone_does_not_tell_the_label(sets, side):
    """Naive Bayes on words and word pairs stays near a third."""
    train, *evaluations = sets
    counts: dict[str, Counter] = defaultdict(Counter)
    for pair in train:
        counts[pair.label].update(_features(getattr(pair, side)))
    vocabulary = set().union(*counts.values())
    totals = {label: sum(counts[label].values()) + len(vocabulary) for label in LABELS}

    def guess(text: str) -> str:
        return max(
            LABELS,
            key=lambda label: sum(math.log((counts[label][f] + 1) / totals[label]) for f in _features(text)),
        )

    for part in evaluations:
        right = sum(guess(getattr(pair, side)) == pair.label for pair in part)
        assert right / len(part) <= 0.40


def _features(text: str) -> list[str]:
    words = text.lower().rstrip(".").split()
    return words + [f"{a} {b}" for a, b in itertools.pairwise(words)]


def test_no_premise_stands_in_two_sets(sets):
    clauses = [{pair.clause for pair in part} for part in sets]
    assert not clauses[0] & clauses[1]
    assert not clauses[0] & clauses[2]
    assert not clauses[1] & clauses[2]


def test_five_genres_are_only_in_mismatched(sets):
    train, matched, mismatched = ({pair.genre for pair in part} for part in sets)
    assert train == matched == {genre.name for genre in GENRES if genre.matched}
    assert mismatched == {genre.name for genre in GENRES if not genre.matched}
    assert len(train) == len(mismatched) == 5


def test_articles_fit_the_next_word(sets):
    for part in sets:
        for pair in part:
            words = f"{pair.premise} {pair.hypothesis}".lower().split()
            for article, word in itertools.pairwise(words):
                if article in ("a", "an"):
                    assert (article == "an") == (word[0] in "aeiou"), pair
