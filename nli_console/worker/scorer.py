"""Scoring splits with the model of a run."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy
import torch

from nli_console.data.spec import Example
from nli_console.worker.attempt import Attempt
from nli_console.worker.batches import Batcher
from nli_console.worker.device import Device
from nli_console.worker.evaluate import Scores, score, score_words
from nli_console.worker.features import FeatureBatcher
from nli_console.worker.likelihood import LabelScorer
from nli_console.worker.models import LabelOrder
from nli_console.worker.prompted import Prompted
from nli_console.worker.report import report, report_selection
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
            scores, seconds = self._score("selection", rows, batcher)
            return report_selection(
                self._attempt, rows.examples, scores, step=step, epoch=epoch, seconds=seconds
            )

        return evaluate

    def report(self, split: str, rows: Rows) -> None:
        """Evaluate a split for good."""
        scores, seconds = self._score(split, rows, self._batcher(rows))
        report(self._attempt, split, rows.examples, scores, seconds=seconds)

    def _batcher(self, rows: Rows) -> Batcher | FeatureBatcher:
        return rows.batcher(self._labels, self._pad, self._device)

    def _score(self, split: str, rows: Rows, batcher: Batcher | FeatureBatcher) -> tuple[Scores, float]:
        """The scores, and how many seconds they took."""
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
        return scores, time.perf_counter() - started
