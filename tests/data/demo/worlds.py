"""A second opinion on the demo's labels: read the sentences as text and try them in small worlds.

Nothing here uses the generator's own meanings: a sentence is parsed from its words, and the label follows
from the worlds in which premise and hypothesis come out true.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import combinations, permutations, product

from nli_console.data.demo.genres import ADJECTIVES, GENRES, TIMES, Genre

World = object
Claim = Callable[[World], bool]


def label_in(worlds: Iterable[World], premise: Claim, hypothesis: Claim) -> str:
    """Entailment, neutral or contradiction, from the worlds in which the premise is true."""
    outcomes = {hypothesis(world) for world in worlds if premise(world)}
    assert outcomes, "the premise is true nowhere"
    return {frozenset({True}): "entailment", frozenset({False}): "contradiction"}.get(
        frozenset(outcomes), "neutral"
    )


def clause_of(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:].rstrip(".")


# --- quantifiers and numbers: a world says how many of each group did it ------------------------------------

SIZE = 12
SHARE = {
    "all of the": lambda k: k == SIZE,
    "every one of the": lambda k: k == SIZE,
    "some of the": lambda k: k > 0,
    "none of the": lambda k: k == 0,
    "not one of the": lambda k: k == 0,
    "not all of the": lambda k: k < SIZE,
    "most of the": lambda k: k > SIZE / 2,
    "only a few of the": lambda k: 0 < k <= 3,
}
BOUND = {
    "exactly": lambda k, n: k == n,
    "at least": lambda k, n: k >= n,
    "more than": lambda k, n: k > n,
    "at most": lambda k, n: k <= n,
    "fewer than": lambda k, n: k < n,
}
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def label_of_quantified(premise: str, hypothesis: str) -> str:
    def claims(text: str) -> list[tuple[str, str]]:
        return re.findall(rf"(?<!not )({'|'.join(SHARE)}) (\w+)", text)

    groups = sorted({group for text in (premise, hypothesis) for _, group in claims(text)})
    worlds = [
        dict(zip(groups, counts, strict=True)) for counts in product(range(SIZE + 1), repeat=len(groups))
    ]

    def true(text: str) -> Claim:
        parsed = claims(text)
        assert parsed, text
        return lambda world: all(SHARE[share](world[group]) for share, group in parsed)

    return label_in(worlds, true(premise), true(hypothesis))


def label_of_counted(premise: str, hypothesis: str) -> str:
    def parse(text: str) -> tuple[str, int, str]:
        found = re.match(rf"({'|'.join(BOUND)}) ({'|'.join(NUMBERS)}) (\w+) ", text)
        assert found, text
        return found[1], NUMBERS.index(found[2]), found[3]

    groups = sorted({parse(text)[2] for text in (premise, hypothesis)})
    worlds = [dict(zip(groups, counts, strict=True)) for counts in product(range(15), repeat=len(groups))]

    def true(text: str) -> Claim:
        bound, number, group = parse(text)
        return lambda world: BOUND[bound](world[group], number)

    return label_in(worlds, true(premise), true(hypothesis))


# --- order: a world is the list of things done, in order ----------------------------------------------------


def label_of_ordered(premise: str, hypothesis: str, genre: Genre) -> str:
    forms = {form: verb.base for verb in genre.verbs for form in (verb.past, verb.gerund)}
    pattern = rf"\b({'|'.join(sorted(forms, key=len, reverse=True))}) the (\w+)"

    def actions(text: str) -> list[tuple[str, str]]:
        return [(forms[verb], thing) for verb, thing in re.findall(pattern, text)]

    everything = sorted({action for text in (premise, hypothesis) for action in actions(text)})
    worlds = [done for size in range(len(everything) + 1) for done in permutations(everything, size)]

    def true(text: str) -> Claim:
        first, *rest = actions(text)
        if not rest:
            return lambda world: (first in world) != (" never " in text)
        (second,) = rest
        if "but never" in text:
            return lambda world: first in world and second not in world
        if "and also" in text:
            return lambda world: {first, second} <= set(world)
        early, late = (second, first) if " after " in text else (first, second)
        return lambda world: {first, second} <= set(world) and world.index(early) < world.index(late)

    return label_in(worlds, true(premise), true(hypothesis))


# --- events: a world is a set of concrete events ------------------------------------------------------------


def label_of_events(premise: str, hypothesis: str, genre: Genre) -> str:
    kinds = [_members(genre.people), _members(genre.objects)]
    places = {
        place: roof
        for roof, group in (("indoors", genre.indoors), ("outdoors", genre.outdoors))
        for place in group
    }
    times = {time: name for name, group in TIMES.items() for time in group}
    texts = (premise, hypothesis)
    values = [
        _relevant(kinds[0], texts),
        _relevant(kinds[1], texts),
        _relevant(places, texts),
        _relevant(times, texts),
        ["plain", *(a for a in ADJECTIVES if f" {a} " in premise)],
    ]
    events = list(product(*values))

    def true(text: str) -> Claim:
        happened, fits = _parse_event(text, genre, kinds, places, times)
        matching = {i for i, event in enumerate(events) if fits(event)}
        return lambda world: bool(matching & world) == happened

    worlds = (frozenset(w) for size in range(3) for w in combinations(range(len(events)), size))
    return label_in(worlds, true(premise), true(hypothesis))


def _members(taxonomy: dict[str, tuple[str, ...]]) -> dict[str, str]:
    return {member: name for name, members in taxonomy.items() for member in members}


def _relevant(classes: dict[str, str], texts: tuple[str, str]) -> list[str]:
    """What the sentences mention, and of each mentioned or other class one member which they do not
    mention."""
    mentioned = [member for member in classes if any(re.search(rf"\b{member}\b", text) for text in texts)]
    touched = {classes[m] for m in mentioned} | {c for c in classes.values() if any(c in t for t in texts)}
    others = [next((m for m in classes if classes[m] == c and m not in mentioned), None) for c in touched]
    outside = next((m for m in classes if classes[m] not in touched), None)
    return [*mentioned, *filter(None, [*others, outside])]


def _parse_event(text: str, genre: Genre, kinds, places, times):
    """Whether the text says that something happened, and which concrete events would be it."""
    verb = "|".join(f"did not {v.base}|never {v.past}|{v.past}" for v in genre.verbs)
    found = re.match(
        rf"(.+?) ({verb}) (something|anything|an? (?:({'|'.join(ADJECTIVES)}) )?(\w+))( .*)?$", text
    )
    assert found, text
    subject, said, thing, adjective, noun, tail = found.groups()
    happened = not (said.startswith(("did not", "never")) or subject.startswith("no"))
    who = subject.split()[-1]
    rest = (tail or "").strip()
    place = next((p for p in (*places, "indoors", "outdoors") if re.search(rf"\b{p}\b", rest)), None)
    time = next((t for t in (*times, *TIMES) if re.search(rf"\b{t}\b", rest)), None)
    assert len(rest) == len(place or "") + len(time or "") + (1 if place and time else 0), text

    def fits(event: tuple[str, ...]) -> bool:
        person, item, where, when, look = event
        return (
            (who in ("someone", "nobody", "one") or who in (person, kinds[0][person]))
            and (thing in ("something", "anything") or noun in (item, kinds[1][item]))
            and (place is None or place in (where, places[where]))
            and (time is None or time in (when, times[when]))
            and (adjective is None or adjective == look)
        )

    return happened, fits


GENRE = {genre.name: genre for genre in GENRES}
