"""Label likelihoods of a masked language model: which label word it would put in the place of the mask."""

from collections.abc import Container, Iterator
from typing import Any

import numpy
import torch

from nli_console.data.prompts import Prompts
from nli_console.data.spec import LABELS
from nli_console.worker.device import Device
from nli_console.worker.likelihood import Plan, batches_by_length, padded


class MaskedScorer:
    """Scores with the weights that the model has at that moment; draws no random numbers.

    Args:
        model: a masked language model, on ``device``.
        mask_token_id: stands once in every row, where the label word would.
        pad_token_id: fills short rows, on the right.
        batch_size: rows in one forward pass.
    """

    def __init__(
        self, model: Any, device: Device, mask_token_id: int, pad_token_id: int, batch_size: int
    ) -> None:
        self._model = model
        self._device = device
        self._mask = mask_token_id
        self._pad = pad_token_id
        self._batch_size = batch_size

    def batches(
        self, prompts: Prompts, done: Container[int] = (), plan: Plan | None = None
    ) -> Iterator[tuple[list[int], numpy.ndarray]]:
        """As :meth:`LabelScorer.batches`: row numbers and the logarithms of the words' probabilities."""
        self._model.eval()
        widest = max(map(len, prompts.input_ids), default=0)
        for rows in batches_by_length(prompts, self._batch_size) if plan is None else plan:
            if all(row in done for row in rows):
                continue
            ids, mask = padded([prompts.input_ids[row] for row in rows], self._pad, self._device, widest)
            places = (ids == self._mask).int().argmax(dim=1)
            words = [[prompts.answers[row][label][0] for label in range(len(LABELS))] for row in rows]
            with torch.inference_mode(), self._device.autocast():
                logits = self._at(places, input_ids=ids, attention_mask=mask)
                found = torch.log_softmax(logits.float(), dim=-1)
                values = found.gather(1, torch.tensor(words, device=ids.device))
            yield rows, values.cpu().numpy()

    def _at(self, places: torch.Tensor, **inputs: torch.Tensor) -> torch.Tensor:
        """Logits at one place of each row, shape ``(rows, vocabulary)``.

        The last matrix of the head is by far the largest, and is shown no more than the places asked for; a
        head that does not call it as a module scores every place, and one is taken.
        """
        width = inputs["input_ids"].shape[1]
        everyone = torch.arange(len(places), device=places.device)

        def choose(_: torch.nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
            hidden, *rest = arguments
            return (hidden[everyone, places][:, None], *rest) if hidden.shape[1] == width else arguments

        hook = self._model.get_output_embeddings().register_forward_pre_hook(choose)
        try:
            logits = self._model(**inputs).logits
        finally:
            hook.remove()
        return logits[everyone, places] if logits.shape[1] == width > 1 else logits[:, 0]
