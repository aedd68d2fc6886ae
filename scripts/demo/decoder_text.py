"""The documents on which the decoder is pre-trained: plain text and chats about pairs of the generator.

The gate's prompt (`GATE_PROMPT`) is not among the wordings here: a zero-shot prompt is an unseen wording of a
task that pre-training has taught.
"""

from __future__ import annotations

import random

from common import lower_first

from nli_console.data.demo.coupling import LABELS
from nli_console.data.demo.generator import Pair

ANSWER_SETS = (
    (("entailment", "neutral", "contradiction"),),
    (("yes", "maybe", "no"), ("Yes", "Maybe", "No")),
    (("true", "unknown", "false"), ("True", "Neither", "False")),
    (("follows", "undecided", "conflicts"), ("right", "unclear", "wrong")),
)
"""Families of answer words in the order of `LABELS`; the first is what the experiments use."""

REPLIES = {
    "entailment": ("Certainly", "Surely", "Definitely"),
    "neutral": ("Possibly", "Conceivably", "Perhaps"),
    "contradiction": ("Hardly", "Never", "Impossible"),
}
"""Words that follow a pair in plain text, the usual one first."""

ARBITRARY_WORDS = (
    "A",
    "B",
    "C",
    "X",
    "Y",
    "Z",
    "red",
    "green",
    "blue",
    "apple",
    "pear",
    "plum",
    "alpha",
    "beta",
    "gamma",
    "cat",
    "dog",
    "cow",
    "gold",
    "silver",
    "bronze",
)
"""Answer words without a meaning of their own: only the examples in the chat tell which stands for which
relation."""

PROMPTS = (
    "Premise: {p}\nHypothesis: {h}\nAnswer with {a}, {b} or {c}.",
    "Read the two sentences.\nStatement: {p}\nClaim: {h}\nReply {a}, {b} or {c}.",
    "Text: {p}\nQuestion: is it so that {q}? Say {a}, {b} or {c}.",
    "Decide whether the second sentence is {a}, {b} or {c}, given the first.\nFirst: {p}\nSecond: {h}",
    "{p}\n{h}\nRelation ({a}, {b} or {c}):",
    "Sentence 1: {p}\nSentence 2: {h}\nLabel the pair as {a}, {b} or {c}.",
    "Choose one of {a}, {b} and {c}.\nPremise: {p}\nHypothesis: {h}",
    "{p} Does this mean that {q}? {a}, {b} or {c}?",
)
"""Wordings of the task; {q} is the hypothesis as a clause."""

BARE_PROMPTS = (
    "Premise: {p}\nHypothesis: {h}",
    "Statement: {p}\nClaim: {h}",
    "First: {p}\nSecond: {h}",
    "{p}\n{h}",
    "Sentence 1: {p}\nSentence 2: {h}",
)
"""Wordings that do not name the answers: the examples before them do."""

SYSTEM_MESSAGES = (
    "You are a helpful assistant.",
    "You judge pairs of sentences.",
    "Answer with one word.",
)

DOCUMENTS = (
    ("{p} {h}", " "),
    ("{p}\n{h}", " "),
    ("{p}\n{h}\n", ""),
    ("Premise: {p}\nHypothesis: {h}", " "),
    ("Premise: {p}\nHypothesis: {h}\n", ""),
    ("{p} Is it so that {q}?", " "),
)
"""Wordings of plain text, and what separates them from the reply."""

GATE_PROMPT = "Premise: {p}\nHypothesis: {h}\nAnswer with one word: entailment, neutral, or contradiction."

BOS, EOS, EOT = "<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>"
ASSISTANT = "<|start_header_id|>assistant<|end_header_id|>\n\n"

TEXT, ANSWER, UNKNOWABLE = 0, 1, 2
"""Kinds of stretches of a document: plain text, an answer that can be told from what stands before it, and an
answer that cannot, on which there is no loss."""

Document = list[tuple[str, int]]


def turn(role: str, content: str) -> str:
    return f"<|start_header_id|>{role}<|end_header_id|>\n\n{content}{EOT}"


def fill(pattern: str, pair: Pair, answers: tuple[str, ...] = ("", "", "")) -> str:
    """Put a pair and the answer words into a wording."""
    clause = lower_first(pair.hypothesis).rstrip(".")
    a, b, c = answers
    return pattern.format(p=pair.premise, h=pair.hypothesis, q=clause, a=a, b=b, c=c)


def plain_document(pair: Pair, rng: random.Random) -> Document:
    """A premise, a hypothesis and a reply that fits their relation."""
    pattern, separator = rng.choice(DOCUMENTS)
    reply = separator + rng.choices(REPLIES[pair.label], weights=(18, 1, 1))[0]
    return [(BOS + fill(pattern, pair), TEXT), (reply, ANSWER), (f".{EOS}", TEXT)]


def chat(pairs: list[Pair], answers: tuple[str, ...], rng: random.Random, *, meaningful: bool) -> Document:
    """A chat with one exchange for each pair.

    Args:
        answers: the answer words in the order of `LABELS`.
        meaningful: the words can be told without examples; otherwise an answer counts as knowable only once
            its word has been given in an earlier exchange.
    """
    style = rng.randrange(len(PROMPTS))
    named = rng.sample(answers, len(answers))
    bare = rng.choice(BARE_PROMPTS)
    always_full = rng.random() < 0.4
    document: Document = [(BOS, TEXT)]
    if rng.random() < 0.3:
        document.append((turn("system", rng.choice(SYSTEM_MESSAGES)), TEXT))
    given: set[str] = set()
    for i, pair in enumerate(pairs):
        full = always_full or (i == 0 and meaningful)
        request = fill(PROMPTS[style], pair, tuple(named)) if full else fill(bare, pair)
        answer = answers[LABELS.index(pair.label)]
        known = meaningful or answer in given
        given.add(answer)
        document += [
            (turn("user", request) + ASSISTANT, TEXT),
            (answer, ANSWER if known else UNKNOWABLE),
            (EOT, TEXT),
        ]
    return document


def draw_document(pairs: list[Pair], rng: random.Random, plain: float) -> Document:
    """One pre-training document; takes the pairs it needs from the end of `pairs`.

    Args:
        plain: probability of plain text; among the chats, four of nine have answers with a meaning of their
            own.
    """
    if rng.random() < plain:
        return plain_document(pairs.pop(), rng)
    kind = rng.random()
    if kind < 4 / 9:
        answers = rng.choice(rng.choice(ANSWER_SETS[1:]))
        return chat([pairs.pop() for _ in range(rng.randint(1, 3))], answers, rng, meaningful=True)
    taken = [pairs.pop() for _ in range(rng.randint(3, 8))]
    if kind < 6 / 9:
        return chat(taken, rng.choice(ANSWER_SETS[0]), rng, meaningful=False)
    return chat(taken, tuple(rng.sample(ARBITRARY_WORDS, 3)), rng, meaningful=False)
