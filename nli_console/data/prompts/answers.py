"""Reading the label out of what a model wrote.

The rules, in this order:

1. The first paragraph (up to a blank line) with a label word in it counts, so that an explanation below
   does not; a text without one is invalid.
2. A label word counts as a whole word, in any case: ``Neutral.`` counts, ``neutrality`` and ``non-neutral``
   do not. A longer word is read before a shorter one that it contains.
3. A word that a negation stands right before (``not entailment``, ``isn't a contradiction``) says which label
   it is *not*: such an answer is invalid, even when it goes on to another label.
4. Two different labels are invalid: a list of the options, or ``entailment or neutral``. The same one twice
   is that label.

A number before a label (``1. entailment``) is ignored; a number alone is invalid.
"""

import re
from collections.abc import Sequence

_PARAGRAPH = re.compile(r"\n\s*\n")
_NEGATION = re.compile(
    r"\b(?:not|no|never|neither|nor|without|cannot|\w+n['’]t)"
    r"(?:\s+(?:a|an|the|any|really|quite|necessarily|be|clearly|strictly))*[\s\"'“”‘’*_`(]+$",
    re.IGNORECASE,
)


class AnswerReader:
    """Reads answers that use certain label words.

    Args:
        words: label words in the order of the labels, all different.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._labels = {word.strip().lower(): label for label, word in enumerate(words)}
        longest_first = sorted(self._labels, key=len, reverse=True)
        alternatives = "|".join(re.escape(word) for word in longest_first)
        self._word = re.compile(rf"(?<![\w-])(?:{alternatives})(?![\w-])", re.IGNORECASE)

    def read(self, text: str) -> int | None:
        """The index of the label that ``text`` names, or ``None`` where it is invalid."""
        for paragraph in _PARAGRAPH.split(text):
            named: set[int] = set()
            for match in self._word.finditer(paragraph):
                if _NEGATION.search(paragraph, 0, match.start()):
                    return None
                named.add(self._labels[match[0].lower()])
            if named:
                return named.pop() if len(named) == 1 else None
        return None


def invalid_rate(labels: Sequence[int | None]) -> float:
    """Share of the answers that are invalid; 0 where there are none."""
    return sum(label is None for label in labels) / len(labels) if labels else 0.0
