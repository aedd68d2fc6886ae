"""Answers that a language model writes, in batches of similar length."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedTokenizerBase

from nli_console.data.prompts import Prompts
from nli_console.worker.device import Device
from nli_console.worker.likelihood import Plan, batches_by_length


@dataclass(frozen=True)
class Sampling:
    """How tokens are chosen: the likeliest where ``temperature`` is 0, else drawn; ``top_k`` 0 is all."""

    max_new_tokens: int
    temperature: float
    top_p: float
    top_k: int


class Generator:
    """Lets the model answer; what is drawn depends on the seed and the batch, not on what came before.

    Args:
        end: tokens that end an answer.
    """

    def __init__(
        self,
        model: Any,
        device: Device,
        tokenizer: PreTrainedTokenizerBase,
        end: list[int],
        batch_size: int,
        sampling: Sampling,
        seed: int,
    ) -> None:
        self._model = model
        self._device = device
        self._tokenizer = tokenizer
        self._batch_size = batch_size
        self._seed = seed
        draws = sampling.temperature > 0
        drawing = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": sampling.top_k}
        self._config = GenerationConfig(
            max_new_tokens=sampling.max_new_tokens,
            do_sample=draws,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=end or None,
            **(drawing if draws else {}),
        )
        # Models ship sampling settings of their own, which would fill what is left open here.
        model.generation_config = self._config

    def batches(
        self, prompts: Prompts, done: Container[int] = (), plan: Plan | None = None
    ) -> Iterator[tuple[list[int], list[str]]]:
        """As :meth:`LabelScorer.batches`: row numbers and what was written for them."""
        self._model.eval()
        plan = batches_by_length(prompts, self._batch_size) if plan is None else plan
        for number, rows in enumerate(plan):
            if all(row in done for row in rows):
                continue
            torch.manual_seed(self._seed * 1_000_003 + number)
            ids = [prompts.input_ids[row] for row in rows]
            width, pad = max(map(len, ids)), self._tokenizer.pad_token_id
            # On the left, so that every answer goes on from its prompt.
            inputs = torch.tensor([[pad] * (width - len(row)) + row for row in ids])
            mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids])
            with torch.inference_mode(), self._device.autocast():
                written = self._model.generate(
                    input_ids=inputs.to(self._device.torch_device),
                    attention_mask=mask.to(self._device.torch_device),
                    generation_config=self._config,
                )
            yield rows, self._tokenizer.batch_decode(written[:, width:], skip_special_tokens=True)
