"""Events at three levels of generality, affirmed and denied."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product

from nli_console.data.demo.coupling import Coupling
from nli_console.data.demo.genres import ADJECTIVES, TIMES
from nli_console.data.demo.scene import Scene, Wording, article

LEAF, SIBLING, CLASS, ANY = "leaf", "sibling", "class", "any"
_EXTENSION = {
    LEAF: frozenset({0}),
    SIBLING: frozenset({1}),
    CLASS: frozenset({0, 1, 2}),
    ANY: frozenset({0, 1, 2, 3}),
}


@dataclass(frozen=True)
class Event:
    """ "Some event of this kind happened", or "no event of this kind happened"."""

    happened: bool
    subject: str
    object: str
    adjunct: str

    def kinds(self) -> frozenset:
        """The most specific kinds of event (subject, object, adjunct) that fall under the sentence."""
        return frozenset(product(_EXTENSION[self.subject], _EXTENSION[self.object], _EXTENSION[self.adjunct]))


def event_relation(premise: Event, hypothesis: Event) -> str:
    """Label of two existential or negated existential sentences, from the kinds of event they speak of."""
    p, h = premise.kinds(), hypothesis.kinds()
    if premise.happened and hypothesis.happened:
        return "entailment" if p <= h else "neutral"
    if not premise.happened and not hypothesis.happened:
        return "entailment" if h <= p else "neutral"
    narrow, wide = (p, h) if premise.happened else (h, p)
    return "contradiction" if narrow <= wide else "neutral"


def _events(levels: tuple[str, ...]) -> list[Event]:
    return [Event(*f) for f in product((True, False), levels, levels, (LEAF, CLASS, ANY))]


def _general(level: str) -> str:
    """A reader of the hypothesis alone cannot tell a member from its sibling."""
    return LEAF if level == SIBLING else level


@cache
def _event_coupling() -> Coupling[Event, Event]:
    return Coupling(
        _events((LEAF, CLASS, ANY)),
        _events((LEAF, SIBLING, CLASS, ANY)),
        event_relation,
        lambda form: (form.happened, _general(form.subject), _general(form.object), form.adjunct),
    )


def event(scene: Scene) -> Wording:
    """Someone did or did not do something somewhere, at three levels of generality."""
    rng, genre = scene.rng, scene.genre
    subject, subject_sibling, subject_class = scene.chain(genre.people)
    thing, thing_sibling, thing_class = scene.chain(genre.objects)
    verb = rng.choice(genre.verbs)
    indoors = rng.random() < 0.5
    places = {
        LEAF: rng.choice(genre.indoors if indoors else genre.outdoors),
        CLASS: "indoors" if indoors else "outdoors",
    }
    time_class = rng.choice(list(TIMES))
    times = {LEAF: rng.choice(TIMES[time_class]), CLASS: time_class}
    varied, shared = (places, times) if rng.random() < 0.6 else (times, places)
    background = f" {shared[LEAF]}" if rng.random() < 0.25 else ""
    nouns = {LEAF: thing, SIBLING: thing_sibling, CLASS: thing_class}
    persons = {LEAF: subject, SIBLING: subject_sibling, CLASS: subject_class}

    def say(form: Event, is_premise: bool) -> str:
        tail = (f" {varied[form.adjunct]}" if form.adjunct in varied else "") + background
        if not form.happened:
            noun = "anything" if form.object == ANY else article(nouns[form.object])
            if form.subject == ANY:
                return f"{rng.choice(('nobody', 'no one'))} {verb.past} {noun}{tail}"
            if form.subject == CLASS:
                return f"no {subject_class} {verb.past} {noun}{tail}"
            negation = rng.choice((f"did not {verb.base}", f"never {verb.past}"))
            return f"the {persons[form.subject]} {negation} {noun}{tail}"
        adjective = f"{rng.choice(ADJECTIVES)} " if is_premise and rng.random() < 0.25 else ""
        noun = "something" if form.object == ANY else article(adjective + nouns[form.object])
        who = {ANY: "someone", CLASS: article(subject_class)}.get(form.subject)
        return f"{who or 'the ' + persons[form.subject]} {verb.past} {noun}{tail}"

    premise, hypotheses = _event_coupling().draw(rng)
    return say(premise, True), {label: say(form, False) for label, form in hypotheses.items()}
