"""What the demo sentences mean, and how they are worded.

A *form* is an abstract sentence: a meaning without words. The relation of two forms is decided by their
meanings alone, as sets of the situations in which they hold, before any word is chosen; that makes every
label right by construction. Six phenomena are covered: events whose parts go up or down a taxonomy (also
negated), quantifiers, cardinalities, the order of two actions, who did and did not take part, and tries that
succeeded or not.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Hashable
from functools import cache
from itertools import permutations, product
from typing import TypeVar

from nli_console.data.demo.coupling import Coupling
from nli_console.data.demo.events import event
from nli_console.data.demo.scene import Scene, Wording, plural, relation

Form = TypeVar("Form", bound=Hashable)


# --- quantifiers --------------------------------------------------------------------------------------------

_SHARES = {
    "all": frozenset({4}),
    "some": frozenset({1, 2, 3, 4}),
    "none": frozenset({0}),
    "not all": frozenset({0, 1, 2, 3}),
    "most": frozenset({3, 4}),
    "few": frozenset({1}),
}
"""How much of a group: nobody, a few, about half, most but not all, everybody."""

_QUANTIFIERS = {
    "all": ("all of the {}", "every one of the {}"),
    "some": ("some of the {}",),
    "none": ("none of the {}", "not one of the {}"),
    "not all": ("not all of the {}",),
    "most": ("most of the {}",),
    "few": ("only a few of the {}",),
}

Quantified = tuple[tuple[int, str], ...]
"""Claims about groups: (group, quantifier), joined by "and"."""


def _quantified_meaning(form: Quantified) -> frozenset:
    claims = dict(form)
    return frozenset(product(*(_SHARES[claims[g]] if g in claims else range(5) for g in range(2))))


@cache
def _quantifier_coupling() -> Coupling[Quantified, Quantified]:
    single: list[Quantified] = [((group, name),) for group in range(2) for name in _SHARES]
    double: list[Quantified] = [((0, a), (1, b)) for a, b in permutations(("all", "some", "none"), 2)]
    return Coupling(
        single[: len(_SHARES)] + double,
        single,
        lambda p, h: relation(_quantified_meaning(p), _quantified_meaning(h)),
        lambda form: form[0][1],
    )


def quantifier(scene: Scene) -> Wording:
    """All, some, most, only a few, not all or none of a group did something."""
    rng, action = scene.rng, scene.actions[0]

    def say(form: Quantified) -> str:
        groups = [rng.choice(_QUANTIFIERS[name]).format(plural(scene.people[group])) for group, name in form]
        joint = " but " if {name for _, name in form} & {"none"} else " and "
        return f"{joint.join(groups)} {action.past}"

    return _word(_quantifier_coupling(), rng, say)


# --- cardinalities ------------------------------------------------------------------------------------------

NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_BOUNDS: dict[str, Callable[[int], range]] = {
    "exactly": lambda n: range(n, n + 1),
    "at least": lambda n: range(n, 13),
    "more than": lambda n: range(n + 1, 13),
    "at most": lambda n: range(n + 1),
    "fewer than": lambda n: range(n),
}


Counted = tuple[str, int, int]
"""A bound, its number and the group it is about."""


def _number_relation(premise: Counted, hypothesis: Counted) -> str:
    if premise[2] != hypothesis[2]:
        return "neutral"
    return relation(*(frozenset(_BOUNDS[kind](n)) for kind, n, _ in (premise, hypothesis)))


@cache
def _number_coupling() -> Coupling[Counted, Counted]:
    hypotheses = list(product(_BOUNDS, range(2, 9), (0, 1)))
    return Coupling([f for f in hypotheses if f[2] == 0], hypotheses, _number_relation, lambda form: form[:2])


def number(scene: Scene) -> Wording:
    """Exactly, at least, at most, more than or fewer than so many did something."""
    groups, action = [plural(person) for person in scene.people], scene.actions[0]

    def say(form: Counted) -> str:
        kind, count, group = form
        return f"{kind} {NUMBER_WORDS[count]} {groups[group]} {action.past}"

    return _word(_number_coupling(), scene.rng, say)


# --- order of actions ---------------------------------------------------------------------------------------

Ordered = tuple[str, tuple[int, ...]]
"""A kind ("then", "both", "only", "did", "never") and the actions it speaks of."""

_HISTORIES = [done for size in range(4) for done in permutations(range(3), size)]


def _ordered_meaning(form: Ordered) -> frozenset:
    kind, actions = form

    def holds(done: tuple[int, ...]) -> bool:
        if kind == "then":
            return set(actions) <= set(done) and done.index(actions[0]) < done.index(actions[1])
        if kind == "both":
            return set(actions) <= set(done)
        if kind == "only":
            return actions[0] in done and actions[1] not in done
        return (actions[0] in done) == (kind == "did")

    return frozenset(filter(holds, _HISTORIES))


@cache
def _order_coupling() -> Coupling[Ordered, Ordered]:
    pairs = list(permutations(range(3), 2))
    hypotheses: list[Ordered] = [(kind, pair) for kind in ("then", "both", "only") for pair in pairs]
    hypotheses += [(kind, (action,)) for kind in ("did", "never") for action in range(3)]
    return Coupling(
        [("then", (0, 1)), ("both", (0, 1)), ("only", (0, 1))],
        hypotheses,
        lambda p, h: relation(_ordered_meaning(p), _ordered_meaning(h)),
        lambda form: form[0],
    )


def order(scene: Scene) -> Wording:
    """Someone did one thing before, after or besides another, or without the other."""
    rng, actions, subject = scene.rng, scene.actions, f"the {scene.people[0]}"

    def say(form: Ordered) -> str:
        kind, chosen = form
        first = actions[chosen[0]]
        if kind == "did":
            return f"{subject} {first.past}"
        if kind == "never":
            return f"{subject} never {first.past}"
        second = actions[chosen[1]]
        if kind == "only":
            return f"{subject} {first.past} but never {second.past}"
        if kind == "both":
            return f"{subject} {first.past} and also {second.past}"
        return rng.choice(
            (
                f"{subject} {first.past} before {second.gerund}",
                f"{subject} {second.past} after {first.gerund}",
                f"{subject} {first.past} and then {second.past}",
            )
        )

    return _word(_order_coupling(), rng, say)


# --- who took part, and which tries succeeded ---------------------------------------------------------------

Claims = tuple[tuple[int, str], ...]
"""What is said of each proposition: (proposition, "+" true, "-" false or "?" left open)."""

_TRUTHS = [frozenset(i for i in range(3) if bits >> i & 1) for bits in range(8)]


def _claims_meaning(form: Claims) -> frozenset:
    return frozenset(t for t in _TRUTHS if all(sign == "?" or (i in t) == (sign == "+") for i, sign in form))


def _claims_coupling(premises: list[Claims], hypotheses: list[Claims]) -> Coupling[Claims, Claims]:
    return Coupling(
        premises,
        hypotheses,
        lambda p, h: relation(_claims_meaning(p), _claims_meaning(h)),
        lambda form: "".join(sign for _, sign in form),
    )


def _claims(*signs: str, propositions: int = 3) -> list[Claims]:
    """Every assignment of the given sign patterns to ordered choices of propositions."""
    return [
        tuple(zip(chosen, pattern, strict=True))
        for pattern in signs
        for chosen in permutations(range(propositions), len(pattern))
    ]


@cache
def _participation_coupling() -> Coupling[Claims, Claims]:
    return _claims_coupling(_claims("+-", "++", "--", propositions=2), _claims("+", "-", "+-", "++", "--"))


def participation(scene: Scene) -> Wording:
    """One person did something, another did or did not."""
    rng, people, action = scene.rng, [f"the {person}" for person in scene.people], scene.actions[0]

    def say(form: Claims) -> str:
        signs = "".join(sign for _, sign in form)
        who = [people[i] for i, _ in form]
        if signs == "+":
            return f"{who[0]} {action.past}"
        if signs == "-":
            return f"{who[0]} did not {action.base}"
        if signs == "++":
            return f"{rng.choice(('both ', ''))}{who[0]} and {who[1]} {action.past}"
        if signs == "--":
            return f"neither {who[0]} nor {who[1]} {action.past}"
        return rng.choice(
            (f"{who[0]} {action.past}, but {who[1]} did not", f"unlike {who[1]}, {who[0]} {action.past}")
        )

    return _word(_participation_coupling(), rng, say)


_ATTEMPTS = {
    "+": ("managed to {}", "remembered to {}", "was able to {}"),
    "-": ("failed to {}", "forgot to {}", "refused to {}"),
    "?": ("hoped to {}", "wanted to {}", "planned to {}"),
}


@cache
def _attempt_coupling() -> Coupling[Claims, Claims]:
    return _claims_coupling(
        _claims("+-", "-+", "+?", "?+", "-?", "?-", propositions=2), _claims("+", "-", "+-")
    )


def attempt(scene: Scene) -> Wording:
    """Someone managed, failed or merely hoped to do two things."""
    rng, actions, subject = scene.rng, scene.actions, f"the {scene.people[0]}"
    premise, hypotheses = _attempt_coupling().draw(rng)
    tries = [rng.choice(_ATTEMPTS[sign]).format(actions[i].base) for i, sign in premise]

    def say(form: Claims) -> str:
        first = actions[form[0][0]]
        if form[0][1] == "-":
            return rng.choice((f"{subject} did not {first.base}", f"{subject} never {first.past}"))
        rest = f" but did not {actions[form[1][0]].base}" if len(form) == 2 else ""
        return f"{subject} {first.past}{rest}"

    return f"{subject} {tries[0]} and {tries[1]}", {label: say(form) for label, form in hypotheses.items()}


def _word(coupling: Coupling[Form, Form], rng: random.Random, say: Callable[[Form], str]) -> Wording:
    premise, hypotheses = coupling.draw(rng)
    return say(premise), {label: say(form) for label, form in hypotheses.items()}


PHENOMENA: dict[Callable[[Scene], Wording], float] = {
    event: 0.40,
    quantifier: 0.12,
    number: 0.10,
    order: 0.13,
    participation: 0.13,
    attempt: 0.12,
}
"""Each phenomenon with its share of the corpus."""
