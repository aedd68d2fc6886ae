"""Scores of every row of a split, what they are worth, and every prediction, in dataset order."""

import math
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import torch

from nli_console.data.spec import LABELS, Example
from nli_console.worker.batches import Batcher
from nli_console.worker.device import Device
from nli_console.worker.features import FeatureBatcher
from nli_console.worker.likelihood import LabelScorer
from nli_console.worker.metrics import NO_ANSWER, compute
from nli_console.worker.models import LabelOrder
from nli_console.worker.prompted import Prompted
from nli_console.worker.tokenise import Tokenised

Progress = Callable[[int, int], None]
"""Called with rows done and rows in all after each batch; may raise to leave."""


@dataclass(frozen=True)
class Scores:
    """What a model says about a split, in dataset order.

    Attributes:
        log_probabilities: natural logarithms over our labels, float32, shape ``(rows, 3)``.
        gold: indices of our labels, shape ``(rows,)``.
        loss: mean cross-entropy in nats.
        answers: what was said where that is not the likeliest label, as indices of our labels with
            :data:`nli_console.worker.metrics.NO_ANSWER` for none, shape ``(rows,)``.
    """

    log_probabilities: numpy.ndarray
    gold: numpy.ndarray
    loss: float
    answers: numpy.ndarray | None = None

    @property
    def predicted(self) -> numpy.ndarray:
        """Indices of our labels, shape ``(rows,)``."""
        return self.log_probabilities.argmax(axis=1) if self.answers is None else self.answers


def score(
    model: torch.nn.Module,
    split: Tokenised,
    examples: Sequence[Example],
    batcher: Batcher | FeatureBatcher,
    labels: LabelOrder,
    device: Device,
    batch_size: int,
    progress: Progress,
) -> Scores:
    """Score every row, longest rows first for little padding, and put the results back in dataset order.

    Draws no random numbers, so training goes on after it as if it had not been there.
    """
    logits = numpy.zeros((len(split), len(LABELS)), dtype=numpy.float32)
    done = 0
    for rows, values in LogitScorer(model, split, batcher, labels, device, batch_size).batches():
        logits[rows] = values
        done += len(rows)
        progress(done, len(split))
    return scores_of(logits, examples)


@dataclass(frozen=True)
class LogitScorer:
    """A classifier's answers to a split, with the weights that it has at that moment."""

    model: torch.nn.Module
    split: Tokenised
    batcher: Batcher | FeatureBatcher
    labels: LabelOrder
    device: Device
    batch_size: int

    def plan(self) -> list[list[int]]:
        """Row numbers in batches of like length, the longest first: what does not fit fails at once."""
        order = numpy.argsort(-self.split.lengths, kind="stable").tolist()
        return [order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size)]

    def batches(
        self, done: Container[int] = (), plan: list[list[int]] | None = None
    ) -> Iterator[tuple[list[int], numpy.ndarray]]:
        """Yield row numbers and their logits in our order, float32, shape ``(rows, 3)``, batch by batch.

        Batches are those of ``plan``, or of :meth:`plan`. Which rows make a batch does not depend on
        ``done``, so that a resumed run gives the same numbers; a batch whose rows are all ``done`` is left
        out.
        """
        training = self.model.training
        self.model.eval()
        try:
            for rows in self.plan() if plan is None else plan:
                if all(row in done for row in rows):
                    continue
                with torch.inference_mode(), self.device.autocast():
                    outputs = self.model(**self.batcher.inputs(rows))
                yield rows, outputs.logits.float().cpu().numpy()[:, self.labels.to_model]
        finally:
            self.model.train(training)


def score_words(
    scorer: LabelScorer, split: Prompted, examples: Sequence[Example], progress: Progress
) -> Scores:
    """As :func:`score` for a language model: how likely each label word is, normalised over the three."""
    return scores_of(scorer.score(split.prompts(), progress), examples)


def scores_of(logits: numpy.ndarray, examples: Sequence[Example]) -> Scores:
    """From logits in our order, shape ``(rows, 3)``."""
    ours = logits.astype(numpy.float64)
    # Shifted by the maximum, so that large logits do not overflow.
    shifted = ours - ours.max(axis=1, keepdims=True)
    log_probabilities = shifted - numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True))
    gold = numpy.fromiter((row.label for row in examples), dtype=numpy.int64, count=len(examples))
    loss = float(-log_probabilities[numpy.arange(len(gold)), gold].mean()) if len(gold) else float("nan")
    return Scores(log_probabilities.astype(numpy.float32), gold, loss)


def measure(scores: Scores, examples: Sequence[Example]) -> dict[str, Any]:
    """Everything that :class:`nli_console.worker.metrics.NliMetric` says of ``scores`` of ``examples``.

    Raises:
        ValueError: there are no rows.
    """
    measured = compute(
        scores.predicted.tolist(),
        scores.gold.tolist(),
        log_probabilities=scores.log_probabilities,
        genres=[row.genre for row in examples],
        votes=[row.annotator_labels for row in examples],
    )
    return {**measured, "loss": scores.loss if math.isfinite(scores.loss) else None}


def write_predictions(path: Path, examples: Sequence[Example], scores: Scores) -> None:
    """Write one row per example in dataset order, atomically.

    Columns: ``id``, ``genre`` (null where unknown), ``gold`` and ``predicted`` (label names; ``predicted`` is
    null where an answer names no label), and ``score_<label>``, the natural logarithm of the label's
    probability (float32).

    Raises:
        OSError: the file cannot be written.
    """
    import pyarrow
    import pyarrow.parquet

    names = pyarrow.array(LABELS)

    def by_name(indices: numpy.ndarray) -> pyarrow.Array:
        places = pyarrow.array(indices.astype(numpy.int8), mask=indices == NO_ANSWER)
        return pyarrow.DictionaryArray.from_arrays(places, names)

    columns: dict[str, Any] = {
        "id": pyarrow.array([row.id for row in examples], pyarrow.string()),
        "genre": pyarrow.array([row.genre for row in examples], pyarrow.string()),
        "gold": by_name(scores.gold),
        "predicted": by_name(scores.predicted),
    }
    for i, label in enumerate(LABELS):
        columns[f"score_{label}"] = pyarrow.array(scores.log_probabilities[:, i], pyarrow.float32())
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        pyarrow.parquet.write_table(pyarrow.table(columns), temporary)
        temporary.chmod(0o600)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
