"""What a model finds likely: the label words after one prompt, and after rows of a split."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy

from nli_console.data.chat import Check
from nli_console.data.prompts import PromptRenderer, Prompts
from nli_console.data.read import read_split
from nli_console.data.sample import sampling_order
from nli_console.data.spec import LABELS, Example
from nli_console.errors import ConsoleError
from nli_console.statistics import wilson
from nli_console.worker.calibration import CONTENT_FREE, calibrated, normalised
from nli_console.worker.likelihood import LabelScorer


def likelihoods(scorer: LabelScorer, prompts: Prompts) -> numpy.ndarray:
    """Log-likelihoods of the label words, shape ``(rows, 3)``.

    Raises:
        ConsoleError: the model gives no numbers.
    """
    found = scorer.score(prompts)
    if not numpy.isfinite(found).all():
        raise ConsoleError(
            "the model gives NaN or infinite scores; its weights are damaged, or the arithmetic overflows: "
            "try another precision"
        )
    return found


def reference(scorer: LabelScorer, renderer: PromptRenderer, shots: Sequence[Example]) -> numpy.ndarray:
    """Log-likelihoods after pairs that say nothing, shape ``(3, 3)``: for contextual calibration."""
    return likelihoods(scorer, renderer.render(CONTENT_FREE, shots))


def probabilities(found: numpy.ndarray, empty: numpy.ndarray) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Of the labels, raw and calibrated by ``empty``; each of shape ``(rows, 3)``, rows add up to 1."""
    return numpy.exp(normalised(found)), numpy.exp(calibrated(found, empty))


def chosen_rows(request: Check) -> list[Example]:
    """Rows of the split in the order in which chance takes them; the same for every template.

    Raises:
        ConsoleError: no such split, or one that cannot be read.
    """
    rows = read_split(request.data, request.split).examples
    order = sampling_order([row.id for row in rows], request.seed)
    return [rows[number] for number in order[: request.rows]]


class RunningCheck:
    """Counts while rows are scored in the order of chance, so that the share so far is a fair estimate."""

    def __init__(self, rows: list[Example], batch_size: int) -> None:
        self._rows = rows
        self._batch_size = batch_size
        self._results: list[dict[str, Any]] = []

    def run(self, scorer: LabelScorer, prompts: Prompts, empty: numpy.ndarray) -> Iterator[dict[str, Any]]:
        """Score batch by batch; yields what is known so far."""
        for start in range(0, len(self._rows), self._batch_size):
            end = start + self._batch_size
            part = Prompts(
                prompts.input_ids[start:end], prompts.answers[start:end], prompts.shared, prompts.truncated
            )
            raw, fair = probabilities(likelihoods(scorer, part), empty)
            for row, before, after in zip(self._rows[start:end], raw, fair, strict=True):
                self._results.append(_result(row, before, after))
            yield self.summary()

    def summary(self) -> dict[str, Any]:
        """Rows done and in all, and the accuracies with their Wilson intervals."""
        done = len(self._results)
        return {
            "done": done,
            "total": len(self._rows),
            "raw": self._accuracy("raw"),
            "calibrated": self._accuracy("calibrated"),
        }

    @property
    def results(self) -> list[dict[str, Any]]:
        """A record of each row that was scored: its texts, gold label and probabilities."""
        return self._results

    def _accuracy(self, kind: str) -> dict[str, Any]:
        n = len(self._results)
        correct = sum(result["gold"] == _likeliest(result[kind]) for result in self._results)
        low, high = wilson(correct, n)
        return {"correct": correct, "n": n, "value": correct / n, "low": low, "high": high}


def _result(row: Example, raw: numpy.ndarray, fair: numpy.ndarray) -> dict[str, Any]:
    return {
        "id": row.id,
        "premise": row.premise,
        "hypothesis": row.hypothesis,
        "genre": row.genre,
        "gold": LABELS[row.label],
        "raw": raw.tolist(),
        "calibrated": fair.tolist(),
    }


def _likeliest(values: list[float]) -> str:
    return LABELS[int(numpy.argmax(values))]
