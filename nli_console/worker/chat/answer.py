"""One answer, token by token: streamed, measured, and ended between two tokens when a stop is asked for."""

import time
from dataclasses import dataclass
from typing import Any, Literal

import torch
from transformers import PreTrainedTokenizerBase, StoppingCriteria, StoppingCriteriaList
from transformers.generation.streamers import BaseStreamer

from nli_console.data.chat import Sampling
from nli_console.worker.chat.channel import Tell
from nli_console.worker.generation import Sampling as Drawing
from nli_console.worker.generation import generation_config
from nli_console.worker.stop import StopFlag

PAUSE = 0.03
"""Seconds between two pieces of text that are told: a terminal shows no more."""

RATED = 8
"""Tokens from which a rate is told: that of a word or two is noise."""

Ended = Literal["end", "limit", "positions", "stopped"]


@dataclass(frozen=True)
class Answer:
    """What was written.

    Attributes:
        tokens: that were generated, with the one that ends the answer.
        seconds: from the request on; ``first_token_seconds`` likewise, ``None`` where none came.
        tokens_per_second: of the tokens after the first; ``None`` for fewer than :data:`RATED` tokens.
        ended: by an end token, by ``max_new_tokens``, for want of positions, or by a stop.
    """

    text: str
    tokens: int
    seconds: float
    first_token_seconds: float | None
    tokens_per_second: float | None
    ended: Ended


class Detokeniser:
    """Text of tokens that come one at a time; a character is held back until all of its tokens are there."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        # Tokens before ``_known`` are told; those from ``_start`` on decide how the next ones are joined.
        self._start = self._known = 0

    def add(self, id: int) -> str:
        """The text that a token adds; empty while its character is not whole."""
        self._ids.append(id)
        added = self._added()
        if not added or added.endswith("\ufffd"):
            return ""
        self._start, self._known = self._known, len(self._ids)
        return added

    def rest(self) -> str:
        """What is held back, as it is."""
        added, self._known = self._added(), len(self._ids)
        return added

    def _added(self) -> str:
        known, whole = (self._decode(self._ids[self._start : end]) for end in (self._known, len(self._ids)))
        return whole[len(known) :]

    def _decode(self, ids: list[int]) -> str:
        text = self._tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text if isinstance(text, str) else "".join(text)


class _Stream(BaseStreamer):
    """Takes tokens as the library gives them, and tells their text in pieces."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, tell: Tell, started: float) -> None:
        self._words = Detokeniser(tokenizer)
        self._tell = tell
        self._started = started
        self._prompt = True
        self._waiting: list[str] = []
        self._told = 0.0
        self.text: list[str] = []
        self.ids: list[int] = []
        self.first = self.last = 0.0

    def put(self, value: torch.Tensor) -> None:
        if self._prompt:
            self._prompt = False
            return
        self.last = time.perf_counter()
        self.first = self.first or self.last
        id = int(value.reshape(-1)[0])
        self.ids.append(id)
        self._keep(self._words.add(id))
        if self._waiting and self.last - self._told >= PAUSE:
            self._flush()

    def end(self) -> None:
        self._keep(self._words.rest())
        self._flush()

    def _keep(self, text: str) -> None:
        if text:
            self._waiting.append(text)
            self.text.append(text)

    def _flush(self) -> None:
        if self._waiting:
            self._tell("text", text="".join(self._waiting))
            self._waiting.clear()
            self._told = time.perf_counter()


class _StopAsked(StoppingCriteria):
    def __init__(self, flag: StopFlag) -> None:
        self._flag = flag

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: Any) -> torch.Tensor:  # type: ignore[override]
        return torch.full((len(input_ids),), self._flag.requested, device=input_ids.device, dtype=torch.bool)


def answer(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    input_ids: list[int],
    ends: list[int],
    sampling: Sampling,
    positions: int | None,
    *,
    tell: Tell,
    flag: StopFlag,
    started: float,
) -> Answer:
    """Let ``model`` answer a prompt.

    Args:
        ends: tokens that end an answer.
        positions: of the model; the prompt leaves at least one free.
        started: when the request came, by ``time.perf_counter``.
    """
    room = sampling.max_new_tokens if positions is None else positions - len(input_ids)
    new_tokens = min(sampling.max_new_tokens, room)
    drawing = Drawing(new_tokens, sampling.temperature, sampling.top_p, sampling.top_k)
    config = generation_config(drawing, tokenizer.pad_token_id, ends)
    stream = _Stream(tokenizer, tell, started)
    torch.manual_seed(sampling.seed)
    ids = torch.tensor([input_ids], device=model.device)
    with torch.inference_mode():
        model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            generation_config=config,
            streamer=stream,
            stopping_criteria=StoppingCriteriaList([_StopAsked(flag)]),
        )
    count = len(stream.ids)
    ended: Ended = "limit" if new_tokens == sampling.max_new_tokens else "positions"
    if stream.ids and stream.ids[-1] in ends:
        ended = "end"
    elif count < new_tokens:
        ended = "stopped"
    apart = stream.last - stream.first
    return Answer(
        text="".join(stream.text),
        tokens=count,
        seconds=time.perf_counter() - started,
        first_token_seconds=stream.first - started if count else None,
        tokens_per_second=(count - 1) / apart if count >= RATED and apart > 0 else None,
        ended=ended,
    )
