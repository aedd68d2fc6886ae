"""Batches of token ids: padded to the longest row of the batch, and no further than needed."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy
import torch
from torch.utils.data import Dataset

from nli_console.data.spec import Example
from nli_console.worker.device import Device
from nli_console.worker.models import LabelOrder
from nli_console.worker.tokenise import Tokenised


class RowNumbers(Dataset[int]):
    """The rows of a split by number; :class:`Batcher` turns numbers into tensors, whole batches at once."""

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return self._rows

    def __getitem__(self, index: int) -> int:
        return index


class Batcher:
    """Makes the tensors of a batch.

    Args:
        split: token ids.
        examples: the same rows, for their labels.
        labels: the model's label order.
        pad_token_id: fills short rows, on the right.
        device: where :meth:`inputs` puts its tensors, and what widths are rounded up to.
    """

    def __init__(
        self,
        split: Tokenised,
        examples: Sequence[Example],
        labels: LabelOrder,
        pad_token_id: int,
        device: Device,
    ) -> None:
        self._split = split
        self._labels = numpy.fromiter(
            (labels.to_model[row.label] for row in examples), dtype=numpy.int64, count=len(examples)
        )
        self._pad = pad_token_id
        self._multiple = device.width_multiple
        # Rounded up, a batch may be wider than the model has positions for.
        self._widest = int(split.lengths.max(initial=0))
        self._device = device.torch_device

    def __call__(self, rows: Sequence[int]) -> dict[str, Any]:
        """The collator.

        Returns:
            ``input_ids``, ``attention_mask`` and, where the model takes them, ``token_type_ids``, int64 of
            shape ``(rows, width)``; ``labels``, int64 of shape ``(rows,)``; ``tokens``, their count.
        """
        batch, tokens = self._tensors(rows)
        return {**batch, "labels": torch.from_numpy(self._labels[list(rows)]), "tokens": tokens}

    def inputs(self, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """As :meth:`__call__` without labels, on the device."""
        batch, _ = self._tensors(rows)
        return {name: tensor.to(self._device, non_blocking=True) for name, tensor in batch.items()}

    def digest(self) -> bytes:
        """Of all token ids in their order."""
        return hashlib.sha256(numpy.ascontiguousarray(self._split.input_ids).data).digest()

    def _tensors(self, rows: Sequence[int]) -> tuple[dict[str, torch.Tensor], int]:
        offsets = self._split.offsets
        spans = [(int(offsets[row]), int(offsets[row + 1])) for row in rows]
        longest = max(end - start for start, end in spans)
        shape = (len(spans), min(-(-longest // self._multiple) * self._multiple, self._widest))
        ids = numpy.full(shape, self._pad, dtype=numpy.int64)
        mask = numpy.zeros(shape, dtype=numpy.int64)
        types = None if self._split.token_type_ids is None else numpy.zeros(shape, dtype=numpy.int64)
        for i, (start, end) in enumerate(spans):
            ids[i, : end - start] = self._split.input_ids[start:end]
            mask[i, : end - start] = 1
            if types is not None and self._split.token_type_ids is not None:
                types[i, : end - start] = self._split.token_type_ids[start:end]
        batch = {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
        if types is not None:
            batch["token_type_ids"] = torch.from_numpy(types)
        return batch, sum(end - start for start, end in spans)
