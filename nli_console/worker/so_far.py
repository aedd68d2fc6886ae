"""How a split stands while it is scored: rows done, and an accuracy that is fair from the second batch on."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy

from nli_console.data.prompts import AnswerReader
from nli_console.data.spec import LABELS
from nli_console.statistics import wilson
from nli_console.worker.calibration import calibrated
from nli_console.worker.metrics import NO_ANSWER

_POINTS = 200
"""At most so many records of one split."""


@dataclass(frozen=True)
class Seen:
    """Counts over ``n`` rows: of each label said and right, and of answers that name none."""

    n: int
    correct: int
    raw_correct: int
    invalid: int
    predicted: list[int]
    gold: list[int]


class SoFar:
    """Takes rows in as they are scored.

    Args:
        gold: labels, int64, shape ``(rows,)``.
        unfair: rows scored first because they are the longest; they count once everything is scored.
        calibration: how likelihoods are calibrated.
        reference: likelihoods of the content-free pairs, for contextual calibration.
    """

    def __init__(
        self,
        gold: numpy.ndarray,
        reader: AnswerReader,
        unfair: Iterable[int],
        calibration: str,
        reference: numpy.ndarray | None,
    ) -> None:
        self.reader = reader
        self._gold = gold
        self._calibration = calibration
        self._reference = reference
        self._likelihoods = numpy.zeros((len(gold), len(LABELS)), dtype=numpy.float32)
        self._told = numpy.full(len(gold), NO_ANSWER, dtype=numpy.int64)
        self._done = numpy.zeros(len(gold), dtype=bool)
        self._fair = numpy.ones(len(gold), dtype=bool)
        self._fair[list(unfair)] = False
        self._recorded = -1

    @property
    def total(self) -> int:
        """Rows of the split."""
        return len(self._gold)

    @property
    def done(self) -> int:
        """Rows that are scored."""
        return int(self._done.sum())

    def add(self, row: int, value: Any) -> None:
        """One row: three log-likelihoods, or the text that was generated."""
        self._done[row] = True
        if isinstance(value, str):
            answer = self.reader.read(value)
            self._told[row] = NO_ANSWER if answer is None else answer
        else:
            self._likelihoods[row] = value
            self._told[row] = int(numpy.argmax(value))

    def due(self) -> bool:
        """Whether it is time for a record; each time is told once."""
        done, total = self.done, len(self._gold)
        point = done * _POINTS // max(total, 1) if done < total else _POINTS + 1
        due = point != self._recorded and bool(self._counted().any())
        if due:
            self._recorded = point
        return due

    def seen(self) -> Seen:
        """Counts over the rows that are a fair sample."""
        rows = self._counted()
        raw, gold = self._told[rows], self._gold[rows]
        told = raw
        if self._calibration != "none" and len(gold):
            likelihoods = self._likelihoods[rows]
            reference = likelihoods if self._reference is None else self._reference
            told = calibrated(likelihoods, reference).argmax(axis=1)
        answered = told[told != NO_ANSWER]
        return Seen(
            n=len(gold),
            correct=int((told == gold).sum()),
            raw_correct=int((raw == gold).sum()),
            invalid=len(told) - len(answered),
            predicted=numpy.bincount(answered, minlength=len(LABELS)).tolist(),
            gold=numpy.bincount(gold, minlength=len(LABELS)).tolist(),
        )

    def figures(self) -> dict[str, Any]:
        """The fields of a ``score`` record."""
        seen = self.seen()
        low, high = wilson(seen.correct, seen.n)
        fields: dict[str, Any] = {
            "done": self.done,
            "total": len(self._gold),
            "accuracy": seen.correct / seen.n,
            "low": low,
            "high": high,
            "n": seen.n,
            "correct": seen.correct,
        }
        if self._calibration != "none":
            fields |= {"calibration": self._calibration, "raw": seen.raw_correct / seen.n}
        if seen.invalid:
            fields["invalid"] = seen.invalid / seen.n
        return fields

    def remark(self) -> str:
        """``51.2 % right so far (48.1 % to 54.3 %)``; empty while nothing says anything fair."""
        seen = self.seen()
        if not seen.n:
            return ""
        low, high = wilson(seen.correct, seen.n)
        return f"{seen.correct / seen.n:.1%} right so far ({low:.1%} to {high:.1%})"

    def _counted(self) -> numpy.ndarray:
        return self._done if self._done.all() else self._done & self._fair
