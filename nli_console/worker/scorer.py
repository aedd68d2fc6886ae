"""Scoring splits with the model of a run, and recording what came out."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy
import torch

from nli_console.data.spec import Example
from nli_console.worker.attempt import Attempt
from nli_console.worker.batches import Batcher
from nli_console.worker.device import Device
from nli_console.worker.evaluate import Scores, accuracy, score, score_words, write_predictions
from nli_console.worker.features import FeatureBatcher
from nli_console.worker.likelihood import LabelScorer
from nli_console.worker.models import LabelOrder
from nli_console.worker.prompted import Prompted
from nli_console.worker.selection import Evaluation
from nli_console.worker.tokenise import Tokenised


@dataclass(frozen=True)
class Rows:
    """A split as text and as token ids, in the same order.

    Attributes:
        features: of a frozen encoder, shape ``(rows, hidden)``, where they are read instead of the ids.
    """

    examples: list[Example]
    tokens: Tokenised
    features: numpy.ndarray | None = None

    @property
    def lengths(self) -> numpy.ndarray:
        """What a row weighs in a batch, shape ``(rows,)``: its tokens, or one vector."""
        lengths = self.tokens.lengths
        return lengths if self.features is None else numpy.ones_like(lengths)

    def batcher(self, labels: LabelOrder, pad_token_id: int, device: Device) -> Batcher | FeatureBatcher:
        """What makes tensors of row numbers."""
        if self.features is not None:
            return FeatureBatcher(self.features, self.examples, labels, device)
        return Batcher(self.tokens, self.examples, labels, pad_token_id, device)


class Scorer:
    """Scores with the weights that the model has at that moment.

    Args:
        words: whether the model is a language model, which is asked for the label words.
    """

    def __init__(
        self,
        attempt: Attempt,
        model: torch.nn.Module,
        labels: LabelOrder,
        pad_token_id: int,
        device: Device,
        batch_size: int,
        *,
        words: bool = False,
    ) -> None:
        self._attempt = attempt
        self._model = model
        self._labels = labels
        self._pad = pad_token_id
        self._device = device
        self._batch_size = batch_size
        self._words = LabelScorer(model, device, pad_token_id, batch_size) if words else None

    def selector(self, rows: Rows) -> Callable[[int, float], Evaluation]:
        """A function of (step, epoch) that evaluates and records the held-out slice."""
        batcher = self._batcher(rows)

        def evaluate(step: int, epoch: float) -> Evaluation:
            evaluation, _ = self._evaluate("selection", rows, batcher, step, epoch, "selection")
            return evaluation

        return evaluate

    def report(self, split: str, rows: Rows) -> None:
        """Evaluate a split for good: the record, ``final.json``'s figures and the predictions."""
        figures = self._attempt.figures
        evaluation, scores = self._evaluate(
            split, rows, self._batcher(rows), figures.best_step or figures.step, figures.epoch, "final"
        )
        write_predictions(self._attempt.layout.predictions / f"{split}.parquet", rows.examples, scores)
        figures.accuracy[split] = evaluation.summary()

    def _batcher(self, rows: Rows) -> Batcher | FeatureBatcher:
        return rows.batcher(self._labels, self._pad, self._device)

    def _evaluate(
        self, split: str, rows: Rows, batcher: Batcher | FeatureBatcher, step: int, epoch: float, purpose: str
    ) -> tuple[Evaluation, Scores]:
        started = time.perf_counter()
        self._attempt.recorder.phase("evaluating", 0, len(rows.examples), "rows", split)

        def progress(done: int, total: int) -> None:
            self._attempt.recorder.phase("evaluating", done, total, "rows", split)
            self._attempt.stop.check()

        if self._words is not None and isinstance(rows.tokens, Prompted):
            scores = score_words(self._words, rows.tokens, rows.examples, progress)
        else:
            scores = score(
                self._model,
                rows.tokens,
                rows.examples,
                batcher,
                self._labels,
                self._device,
                self._batch_size,
                progress,
            )
        measured = accuracy(scores)
        loss = scores.loss if math.isfinite(scores.loss) else None
        seconds = time.perf_counter() - started
        self._attempt.figures.eval_seconds += seconds
        self._attempt.recorder.evaluation(
            step=step, epoch=epoch, split=split, **measured, loss=loss, seconds=seconds, purpose=purpose
        )
        return Evaluation(step=step, **measured, loss=loss), scores
