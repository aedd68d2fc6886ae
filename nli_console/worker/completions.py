"""Batches of prompts with their answers, for training on the answers alone."""

from collections.abc import Sequence
from typing import Any

import numpy
import torch

from nli_console.data.spec import LABELS, Example
from nli_console.worker.device import Device
from nli_console.worker.prompted import Prompted
from nli_console.worker.train import IGNORED


class CompletionBatcher:
    """Makes the tensors of a batch in which a language model learns to answer, and to end its turn.

    The model is told at which positions an answer's tokens are predicted (``logits_to_keep``), so that the
    vocabulary is scored there and nowhere in the prompt.

    Args:
        split: prompts and answers.
        examples: the same rows, for their labels.
        pad_token_id: fills short rows, on the right.
        device: what widths are rounded up to.
    """

    def __init__(
        self, split: Prompted, examples: Sequence[Example], pad_token_id: int, device: Device
    ) -> None:
        self._split = split
        self._gold = [row.label for row in examples]
        self._pad = pad_token_id
        self._multiple = device.width_multiple
        answers = numpy.diff(split.answer_offsets).reshape(-1, len(LABELS))
        whole = split.lengths + answers[numpy.arange(len(split)), self._gold] + len(split.closing)
        # Rounded up, a batch may be wider than the model has positions for.
        self._widest = int(whole.max(initial=0))

    def __call__(self, rows: Sequence[int]) -> dict[str, Any]:
        """The collator.

        Returns:
            ``input_ids`` and ``attention_mask``, int64 of shape ``(rows, width)``; ``logits_to_keep`` and
            ``labels``, int64 of shape ``(rows, answer)``: where each token of the answer is predicted, and
            the token (:data:`IGNORED` after a short answer's end); ``tokens``, the count of all tokens.
        """
        answers = [[*self._split.answer(row, self._gold[row]), *self._split.closing] for row in rows]
        whole = [
            numpy.concatenate([self._split.prompt(row), answer])
            for row, answer in zip(rows, answers, strict=True)
        ]
        width = min(-(-max(map(len, whole)) // self._multiple) * self._multiple, self._widest)
        shape = (len(rows), max(map(len, answers)))
        ids = numpy.full((len(rows), width), self._pad, dtype=numpy.int64)
        mask = numpy.zeros_like(ids)
        places = numpy.zeros(shape, dtype=numpy.int64)
        labels = numpy.full(shape, IGNORED, dtype=numpy.int64)
        for i, (text, answer) in enumerate(zip(whole, answers, strict=True)):
            ids[i, : len(text)] = text
            mask[i, : len(text)] = 1
            # The token before predicts each; the last of a row predicts nothing that is learnt.
            places[i, : len(answer)] = numpy.arange(len(text) - len(answer) - 1, len(text) - 1)
            labels[i, : len(answer)] = answer
        return {
            "input_ids": torch.from_numpy(ids),
            "attention_mask": torch.from_numpy(mask),
            "logits_to_keep": torch.from_numpy(places),
            "labels": torch.from_numpy(labels),
            "tokens": sum(map(len, whole)),
        }
