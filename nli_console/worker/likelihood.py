"""Label likelihoods: how likely a language model finds each label word as the answer to a prompt.

The leading tokens that all prompts share (system message, demonstrations) are computed once and their keys
and values reused. Rows are sorted by length and padded on the right, where causal attention never looks, and
of each row the vocabulary is scored at one position only. Words of several tokens go on from the keys and
values of their row.
"""

import copy
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from nli_console.data.prompts import Prompts
from nli_console.data.spec import LABELS
from nli_console.methods.scoring_estimate import LEAST_SHARED
from nli_console.worker.device import Device

_REPEATED = (DynamicLayer, DynamicSlidingWindowLayer)

BLOCK_BATCHES = 16
"""Batches of chance rows that are sorted by length together: enough for little padding."""

Plan = list[list[int]]
"""Row numbers, batch by batch."""

Progress = Callable[[int, int], None]
"""Called with rows done and rows in all after each batch; may raise to leave."""


class LabelScorer:
    """Scores with the weights that the model has at that moment; draws no random numbers.

    Args:
        model: a causal language model, on ``device``.
        pad_token_id: any token of the vocabulary; what it stands for is never attended to.
        batch_size: rows in one forward pass.
    """

    def __init__(self, model: Any, device: Device, pad_token_id: int, batch_size: int) -> None:
        self._model = model
        self._device = device
        self._pad = pad_token_id
        self._batch_size = batch_size

    def score(self, prompts: Prompts, progress: Progress | None = None) -> numpy.ndarray:
        """Natural logarithm of the probability of each label's word, in the order of ``prompts``.

        Returns:
            float32, shape ``(rows, 3)``; the sum over the tokens of a word, not normalised over the labels.
        """
        scores = numpy.zeros((len(prompts), len(LABELS)), dtype=numpy.float32)
        done = 0
        for rows, values in self.batches(prompts):
            scores[rows] = values
            done += len(rows)
            if progress is not None:
                progress(done, len(prompts))
        return scores

    def batches(
        self, prompts: Prompts, done: Container[int] = (), plan: Plan | None = None
    ) -> Iterator[tuple[list[int], numpy.ndarray]]:
        """Yield row numbers and their scores, shape ``(rows, 3)``, batch by batch.

        Batches are those of ``plan``, or the longest rows first. Which rows make a batch does not depend on
        ``done``, so that a resumed run gives the same numbers; a batch whose rows are all ``done`` is left
        out.
        """
        if plan is None:
            plan = batches_by_length(prompts, self._batch_size)
        wanted = [rows for rows in plan if not all(row in done for row in rows)]
        if not wanted:
            return
        training = self._model.training
        self._model.eval()
        try:
            with torch.inference_mode(), self._device.autocast():
                shared = self._share(prompts)
            for rows in wanted:
                with torch.inference_mode(), self._device.autocast():
                    values = self._score(prompts, rows, shared)
                yield rows, values.cpu().numpy()
        finally:
            self._model.train(training)

    def _share(self, prompts: Prompts) -> "_Shared":
        """Compute the shared tokens, where that pays and the model's cache can be repeated for a batch."""
        cache = DynamicCache(config=self._model.config)
        longest = max(map(len, prompts.input_ids))
        words = max(len(word) for answers in prompts.answers for word in answers)
        windows = [getattr(layer, "sliding_window", longest + words + 1) for layer in cache.layers]
        # A recurrent state cannot be repeated, nor go on behind padding, which also takes room in a window.
        repeats = all(type(layer) in _REPEATED for layer in cache.layers)
        continues = repeats and longest + words <= min(windows, default=longest + words)
        if not repeats or prompts.shared < LEAST_SHARED:
            return _Shared(None, 0, continues, longest)
        ids = torch.tensor([prompts.input_ids[0][: prompts.shared]], device=self._device.torch_device)
        self._model(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
        return _Shared(cache, prompts.shared, continues, longest - prompts.shared)

    def _score(self, prompts: Prompts, rows: Sequence[int], shared: "_Shared") -> torch.Tensor:
        """Scores of one batch, shape ``(rows, 3)``, float32."""
        answers = [prompts.answers[row] for row in rows]
        longest = [max(len(answer[label]) for answer in answers) for label in range(len(LABELS))]
        several = max(longest) > 1
        if several and not shared.continues:
            return self._score_whole([prompts.input_ids[row] for row in rows], answers)
        suffixes = [prompts.input_ids[row][shared.length :] for row in rows]
        cache = shared.repeated(len(rows))
        if cache is None and several:
            cache = DynamicCache(config=self._model.config)
        ids, mask = self._padded(suffixes, shared.widest)
        last = torch.tensor([[len(suffix) - 1] for suffix in suffixes], device=ids.device)
        whole = torch.cat([mask.new_ones(len(rows), shared.length), mask], dim=1)
        first = self._log_probabilities(ids, whole, last, cache)[:, 0]
        scores = torch.stack(
            [first.gather(1, self._tokens(answers, label, 0))[:, 0] for label in range(len(LABELS))], dim=1
        )
        for label in range(len(LABELS)):
            if longest[label] > 1:
                scores[:, label] += self._continue(answers, label, whole, shared.length + last + 1, cache)
        return scores

    def _continue(
        self,
        answers: Sequence[tuple[tuple[int, ...], ...]],
        label: int,
        before: torch.Tensor,
        position: torch.Tensor,
        cache: DynamicCache | None,
    ) -> torch.Tensor:
        """Log-probability of a word's tokens after its first, shape ``(rows,)``.

        Args:
            before: mask of everything that the cache holds.
            position: of the word's first token, shape ``(rows, 1)``.
        """
        words = [list(answer[label]) for answer in answers]
        ids, mask = self._padded([word[:-1] or [self._pad] for word in words])
        steps = torch.arange(ids.shape[1], device=ids.device)
        logits = self._model(
            input_ids=ids,
            attention_mask=torch.cat([before, mask], dim=1),
            position_ids=position + steps,
            # The next word starts from the same place.
            past_key_values=copy.deepcopy(cache),
            use_cache=True,
        ).logits
        found = torch.log_softmax(logits.float(), dim=-1)
        total = found.new_zeros(len(words))
        for step in range(ids.shape[1]):
            there = torch.tensor([len(word) > step + 1 for word in words], device=ids.device)
            tokens = self._tokens(answers, label, step + 1)
            total += torch.where(there, found[:, step].gather(1, tokens)[:, 0], 0.0)
        return total

    def _score_whole(
        self, prompts: Sequence[list[int]], answers: Sequence[tuple[tuple[int, ...], ...]]
    ) -> torch.Tensor:
        """As :meth:`_score` without any cache: prompt and word in one pass for each label."""
        scores: list[torch.Tensor] = []
        for label in range(len(LABELS)):
            words = [list(answer[label]) for answer in answers]
            ids, mask = self._padded(
                [[*prompt, *word[:-1]] for prompt, word in zip(prompts, words, strict=True)]
            )
            steps = torch.arange(max(map(len, words)), device=ids.device)
            last = torch.tensor([[len(prompt) - 1] for prompt in prompts], device=ids.device)
            places = (last + steps).clamp(max=ids.shape[1] - 1)
            found = self._log_probabilities(ids, mask, places, None)
            total = found.new_zeros(len(words))
            for step in range(len(steps)):
                there = torch.tensor([len(word) > step for word in words], device=ids.device)
                tokens = self._tokens(answers, label, step)
                total += torch.where(there, found[:, step].gather(1, tokens)[:, 0], 0.0)
            scores.append(total)
        return torch.stack(scores, dim=1)

    def _log_probabilities(
        self, ids: torch.Tensor, mask: torch.Tensor, places: torch.Tensor, cache: DynamicCache | None
    ) -> torch.Tensor:
        """After the tokens at ``places``: shape ``(rows, places, vocabulary)``, float32."""
        logits = self._model(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=cache is not None,
            logits_to_keep=places,
        ).logits
        return torch.log_softmax(logits.float(), dim=-1)

    def _tokens(self, answers: Sequence[tuple[tuple[int, ...], ...]], label: int, step: int) -> torch.Tensor:
        """Token ``step`` of each row's word, shape ``(rows, 1)``; any where the word is shorter."""
        tokens = [[answer[label][step] if len(answer[label]) > step else self._pad] for answer in answers]
        return torch.tensor(tokens, device=self._device.torch_device)

    def _padded(self, rows: Sequence[Sequence[int]], widest: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        return padded(rows, self._pad, self._device, widest)


@dataclass(frozen=True)
class _Shared:
    """What the rows of all batches have in common.

    Attributes:
        cache: keys and values of the ``length`` tokens that all rows begin with, or ``None``.
        continues: whether words of several tokens can go on from the cache of their row.
        widest: tokens of the longest row after the shared ones.
    """

    cache: DynamicCache | None
    length: int
    continues: bool
    widest: int

    def repeated(self, rows: int) -> DynamicCache | None:
        """A copy of the cache for a batch, which the forward pass may add to."""
        if self.cache is None:
            return None
        cache = copy.deepcopy(self.cache)
        cache.batch_repeat_interleave(rows)
        return cache


def batches_by_length(prompts: Prompts, batch_size: int) -> Plan:
    """Row numbers in batches of similar length, the longest first: what does not fit fails at once."""
    order = numpy.argsort(-_lengths(prompts), kind="stable").tolist()
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def batches_at_random(prompts: Prompts, batch_size: int, seed: int) -> Plan:
    """The longest rows as the first batch, then all others by chance, in batches of similar length.

    What does not fit fails at once, and the batches after the first are at any moment a fair sample of their
    rows: these are drawn in blocks of :data:`BLOCK_BATCHES` batches, and the batches of a block shuffled.
    """
    lengths = _lengths(prompts)
    chance = numpy.random.default_rng(seed)
    order = numpy.argsort(-lengths, kind="stable")
    plan, rest = [order[:batch_size].tolist()], chance.permutation(order[batch_size:])
    for start in range(0, len(rest), BLOCK_BATCHES * batch_size):
        block = rest[start : start + BLOCK_BATCHES * batch_size]
        block = block[numpy.argsort(-lengths[block], kind="stable")]
        places = chance.permutation(range(0, len(block), batch_size))
        plan += [block[place : place + batch_size].tolist() for place in places]
    return plan


def _lengths(prompts: Prompts) -> numpy.ndarray:
    return numpy.fromiter((len(row) for row in prompts.input_ids), dtype=numpy.int64, count=len(prompts))


def padded(
    rows: Sequence[Sequence[int]], pad_token_id: int, device: Device, widest: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids padded on the right, and their mask, both shape ``(rows, longest)``.

    Tensor cores want round widths, up to ``widest``: the model may have no positions beyond.
    """
    multiple, longest = device.width_multiple, max(map(len, rows))
    width = max(longest, min(-(-longest // multiple) * multiple, widest))
    ids = torch.tensor([[*row, *[pad_token_id] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids.to(device.torch_device), mask.to(device.torch_device)
