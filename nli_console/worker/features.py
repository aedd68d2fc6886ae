"""Features of a frozen encoder: computed once, kept on the disk, trained on and scored from.

Where only the layers on top of an encoder are trained, what it says about a row never changes. One pass in
evaluation mode (no dropout) writes the state of each row's first token; training and evaluation read it.
"""

import copy
import hashlib
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
import torch
from transformers.modeling_outputs import (
    BaseModelOutputWithPoolingAndCrossAttentions,
    SequenceClassifierOutput,
)

from nli_console.data.spec import Example
from nli_console.errors import ConsoleError
from nli_console.worker.batches import Batcher
from nli_console.worker.device import Device
from nli_console.worker.models import LabelOrder

PASS_ROWS = 64
"""Rows of one pass: features must not depend on the batch size that they are trained with."""

_TOLERANCE = {"fp32": 1e-3, "bf16": 5e-2, "fp16": 1e-2}
"""How far logits may lie apart, as a share of their largest, where the head reads the features."""

Progress = Callable[[int, int], None]
"""Called with rows done and rows in all; may raise to leave."""


class FeatureHead(torch.nn.Module):
    """The part of a classifier above its encoder; it shares its weights with the whole.

    The classifier's own forward pass runs, with the features in the place of its base model, so that pooling,
    activation and dropout of the head are those of the architecture.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        base = getattr(model, model.base_model_prefix)
        top = copy.copy(model)
        top._modules = {**model._modules, model.base_model_prefix: _Stand(getattr(base, "pooler", None))}
        self.top = top

    def forward(self, features: torch.Tensor) -> SequenceClassifierOutput:
        """Logits of shape ``(batch, 3)`` from ``features`` of shape ``(batch, hidden)``."""
        return SequenceClassifierOutput(logits=self.top(inputs_embeds=features[:, None]).logits)


class _Stand(torch.nn.Module):
    """Stands in the place of the base model and says what it would have said."""

    def __init__(self, pooler: torch.nn.Module | None) -> None:
        super().__init__()
        self.pooler = pooler

    def forward(
        self, *_: Any, inputs_embeds: torch.Tensor, **__: Any
    ) -> BaseModelOutputWithPoolingAndCrossAttentions:
        pooled = None if self.pooler is None else self.pooler(inputs_embeds)
        return BaseModelOutputWithPoolingAndCrossAttentions(
            last_hidden_state=inputs_embeds,  # type: ignore[arg-type]  # any tensor is one
            pooler_output=pooled,
        )


class FeatureBatcher:
    """As :class:`Batcher`, with features in the place of token ids.

    Args:
        features: float32, shape ``(rows, hidden)``, in dataset order.
    """

    def __init__(
        self, features: numpy.ndarray, examples: Sequence[Example], labels: LabelOrder, device: Device
    ) -> None:
        self._features = features
        self._labels = numpy.fromiter(
            (labels.to_model[row.label] for row in examples), dtype=numpy.int64, count=len(examples)
        )
        self._device = device.torch_device

    def __call__(self, rows: Sequence[int]) -> dict[str, Any]:
        """The collator: ``features``, ``labels`` and ``tokens``, one for each row that is read."""
        labels = torch.from_numpy(self._labels[list(rows)])
        return {"features": self._read(rows), "labels": labels, "tokens": len(rows)}

    def inputs(self, rows: Sequence[int]) -> dict[str, torch.Tensor]:
        """As :meth:`__call__` without labels, on the device."""
        return {"features": self._read(rows).to(self._device, non_blocking=True)}

    def _read(self, rows: Sequence[int]) -> torch.Tensor:
        return torch.from_numpy(numpy.ascontiguousarray(self._features[list(rows)]))


class FeaturePass:
    """Runs the encoder of ``model`` over splits, and keeps what comes out in ``folder``.

    Attributes:
        seconds: time that passes took in this process; a file that is there already takes none.
    """

    def __init__(self, model: Any, folder: Path, device: Device) -> None:
        self._model = model
        self._base = getattr(model, model.base_model_prefix)
        self._folder = folder
        self._device = device
        self._compared = False
        self.seconds = 0.0

    def split(self, name: str, lengths: numpy.ndarray, batcher: Batcher, progress: Progress) -> numpy.ndarray:
        """Features of a split, float32, shape ``(rows, hidden)``, mapped from the disk.

        Args:
            lengths: tokens of each row, shape ``(rows,)``.

        Raises:
            ConsoleError: the head of this architecture reads more than the first token.
            OSError: the disk is full.
        """
        path = self._folder / f"{name}-{self._key(lengths, batcher)}.npy"
        if not path.is_file():
            started = time.perf_counter()
            self._compute(path, lengths, batcher, progress)
            self.seconds += time.perf_counter() - started
        progress(len(lengths), len(lengths))
        return numpy.load(path, mmap_mode="r")

    def _key(self, lengths: numpy.ndarray, batcher: Batcher) -> str:
        digest = hashlib.sha256(f"{self._device.precision} {self._device.torch_device.type} ".encode())
        digest.update(batcher.digest())
        digest.update(numpy.ascontiguousarray(lengths).data)
        return digest.hexdigest()[:16]

    def _compute(self, path: Path, lengths: numpy.ndarray, batcher: Batcher, progress: Progress) -> None:
        # Longest rows first: little padding, and memory that does not suffice shows at once.
        order = numpy.argsort(-lengths, kind="stable")
        self._folder.mkdir(mode=0o700, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        training = self._model.training
        self._model.to(self._device.torch_device).eval()
        try:
            kept = numpy.lib.format.open_memmap(
                temporary,
                mode="w+",
                dtype=numpy.float32,
                shape=(len(lengths), self._model.config.hidden_size),
            )
            temporary.chmod(0o600)
            with torch.inference_mode(), self._device.autocast():
                for start in range(0, len(order), PASS_ROWS):
                    rows = order[start : start + PASS_ROWS]
                    inputs = batcher.inputs(rows.tolist())
                    features = self._base(**inputs)[0][:, 0].float()
                    if not self._compared:
                        self._compare(inputs, features)
                    kept[rows] = features.cpu().numpy()
                    progress(start + len(rows), len(order))
            kept.flush()
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
            self._model.train(training)

    def _compare(self, inputs: dict[str, torch.Tensor], features: torch.Tensor) -> None:
        """Refuse an architecture whose head reads anything but the first token's state."""
        whole = self._model(**inputs).logits.float()
        head = FeatureHead(self._model).eval()(features).logits.float()
        apart = float((whole - head).abs().max())
        if apart > _TOLERANCE[self._device.precision] * max(1.0, float(whole.abs().max())):
            raise ConsoleError(
                f"head: {type(self._model).__name__} does not classify by the first token alone (its logits "
                f"are {apart:.3g} off), so it cannot be trained on features; use top_layers or lora"
            )
        self._compared = True
