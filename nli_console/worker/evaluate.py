"""Accuracy with its interval, and every prediction in dataset order."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy
import torch
from evaluate import Metric, MetricInfo

from nli_console.data.spec import LABELS, Example
from nli_console.statistics import wilson
from nli_console.worker.batches import Batcher
from nli_console.worker.device import Device
from nli_console.worker.features import FeatureBatcher
from nli_console.worker.likelihood import LabelScorer
from nli_console.worker.models import LabelOrder
from nli_console.worker.prompted import Prompted
from nli_console.worker.tokenise import Tokenised

NO_ANSWER = -1
"""In the place of a label: what was said names none."""

Progress = Callable[[int, int], None]
"""Called with rows done and rows in all after each batch; may raise to leave."""


class NliAccuracy(Metric):
    """Share of right answers with its 95 % Wilson interval; computed here, nothing is downloaded."""

    def _info(self) -> MetricInfo:
        features = datasets.Features(
            {"predictions": datasets.Value("int32"), "references": datasets.Value("int32")}
        )
        return MetricInfo(
            description="Accuracy with a 95 % Wilson score interval.",
            citation="",
            inputs_description="predictions and references: indices into entailment, neutral, contradiction.",
            features=features,
        )

    def _compute(self, *, predictions: Any = None, references: Any = None, **kwargs: Any) -> dict[str, Any]:
        n = len(references)
        correct = int((numpy.asarray(predictions) == numpy.asarray(references)).sum())
        low, high = wilson(correct, n)
        return {"accuracy": correct / n, "low": low, "high": high, "n": n, "correct": correct}


@dataclass(frozen=True)
class Scores:
    """What a model says about a split, in dataset order.

    Attributes:
        log_probabilities: natural logarithms over our labels, float32, shape ``(rows, 3)``.
        gold: indices of our labels, shape ``(rows,)``.
        loss: mean cross-entropy in nats.
        answers: what was said where that is not the likeliest label, as indices of our labels with
            :data:`NO_ANSWER` for none, shape ``(rows,)``.
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
    order = numpy.argsort(-split.lengths, kind="stable")
    logits = numpy.zeros((len(split), len(LABELS)), dtype=numpy.float32)
    training = model.training
    model.eval()
    try:
        with torch.inference_mode(), device.autocast():
            for start in range(0, len(order), batch_size):
                rows = order[start : start + batch_size]
                outputs = model(**batcher.inputs(rows.tolist()))
                logits[rows] = outputs.logits.float().cpu().numpy()
                progress(start + len(rows), len(order))
    finally:
        model.train(training)
    return _scores(logits[:, labels.to_model], examples)


def score_words(
    scorer: LabelScorer, split: Prompted, examples: Sequence[Example], progress: Progress
) -> Scores:
    """As :func:`score` for a language model: how likely each label word is, normalised over the three."""
    return _scores(scorer.score(split.prompts(), progress), examples)


def _scores(logits: numpy.ndarray, examples: Sequence[Example]) -> Scores:
    """From logits in our order, shape ``(rows, 3)``."""
    ours = logits.astype(numpy.float64)
    # Shifted by the maximum, so that large logits do not overflow.
    shifted = ours - ours.max(axis=1, keepdims=True)
    log_probabilities = shifted - numpy.log(numpy.exp(shifted).sum(axis=1, keepdims=True))
    gold = numpy.fromiter((row.label for row in examples), dtype=numpy.int64, count=len(examples))
    loss = float(-log_probabilities[numpy.arange(len(gold)), gold].mean()) if len(gold) else float("nan")
    return Scores(log_probabilities.astype(numpy.float32), gold, loss)


def accuracy(scores: Scores) -> dict[str, Any]:
    """``{accuracy, low, high, n, correct}`` of ``scores``.

    Raises:
        ValueError: there are no rows.
    """
    with tempfile.TemporaryDirectory() as folder:
        metric = NliAccuracy(keep_in_memory=True, cache_dir=folder)
        result = metric.compute(predictions=scores.predicted.tolist(), references=scores.gold.tolist())
    assert result is not None
    return result


def write_predictions(path: Path, examples: Sequence[Example], scores: Scores) -> None:
    """Write one row per example in dataset order, atomically.

    Columns: ``id``, ``genre`` (null where unknown), ``gold`` and ``predicted`` (label names; null where
    an answer names no label), and
    ``score_<label>``, the natural logarithm of the label's probability (float32).

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
