"""Prompts to token ids, with the tokens of each answer as they continue a row; cached by content."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy
import transformers
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from transformers import PreTrainedTokenizerBase

from nli_console.data import token_cache
from nli_console.data.prompts.render import PromptRenderer, Prompts
from nli_console.data.spec import LABELS, Example
from nli_console.errors import ConsoleError
from nli_console.worker.tokenise import Progress, Tokenised, add_pairs, digest_files, flat

CACHE_VERSION = 2
_PROBE = Example("", "A man sleeps.", "Nobody is awake.", 0)


@dataclass(frozen=True)
class Prompted(Tokenised):
    """The token ids of prompts, each up to where its answer begins.

    Attributes:
        answers: the answers of every row, our labels in their order, int32, end to end.
        answer_offsets: answer ``j`` of row ``i`` is ``answers[answer_offsets[3 * i + j]:…[3 * i + j + 1]]``,
            int64, shape ``(3 * rows + 1,)``.
        shared: leading tokens that all rows have in common.
        closing: the tokens that end the assistant's turn, after any answer.
        digest: of the wording, see :func:`wording_digest`.
    """

    answers: numpy.ndarray
    answer_offsets: numpy.ndarray
    shared: int
    closing: tuple[int, ...]
    digest: str

    def prompt(self, row: int) -> numpy.ndarray:
        """The tokens of a row, shape ``(tokens,)``."""
        return self.input_ids[self.offsets[row] : self.offsets[row + 1]]

    def answer(self, row: int, label: int) -> numpy.ndarray:
        """The tokens that a label is, after row ``row``, shape ``(tokens,)``; never empty."""
        place = len(LABELS) * row + label
        return self.answers[self.answer_offsets[place] : self.answer_offsets[place + 1]]

    def prompts(self) -> Prompts:
        """The same as lists, as the scorers of label words read them."""
        offsets, places = self.offsets.tolist(), self.answer_offsets.tolist()
        ids, words = self.input_ids.tolist(), self.answers.tolist()
        answers = [tuple(words[start:end]) for start, end in pairwise(places)]
        return Prompts(
            [ids[start:end] for start, end in pairwise(offsets)],
            [tuple(answers[row : row + len(LABELS)]) for row in range(0, len(answers), len(LABELS))],
            self.shared,
            self.truncated,
        )


def wording_digest(renderer: PromptRenderer) -> str:
    """SHA-256 of what a model reads around a pair, and of its answers: template, chat format and tokens.

    Two runs with the same digest ask in exactly the same way; demonstrations are not part of it.
    """
    probe = renderer.render([_PROBE])
    matter = [
        renderer.template.digest,
        renderer.text(_PROBE),
        probe.input_ids,
        probe.answers,
        renderer.closing,
    ]
    return hashlib.sha256(json.dumps(matter).encode()).hexdigest()


class PromptTokeniser:
    """Renders and tokenises prompts for one model.

    Args:
        tokenizer: the model's own.
        files: folder of the tokenizer's files; their content is part of the cache key.
        max_length: longest row in tokens, with its answer and what ends the turn.
        cache_dir: where the cache stands.
        cache_limit: bytes that the cache may take.

    Attributes:
        digest: of the wording, see :func:`wording_digest`.
    """

    def __init__(
        self,
        renderer: PromptRenderer,
        tokenizer: PreTrainedTokenizerBase,
        files: Path,
        max_length: int,
        cache_dir: Path,
        cache_limit: int,
    ) -> None:
        self._renderer = renderer
        self.digest = wording_digest(renderer)
        self._room = max_length - self._longest_answer()
        if self._room < 1:
            raise ConsoleError(
                f"--max-length {max_length}: the answers of this template take {max_length - self._room} "
                "tokens; nothing is left for a pair"
            )
        self._cache_dir = cache_dir
        self._cache_limit = cache_limit
        self._identity = "\0".join(
            (
                f"prompted {CACHE_VERSION}",
                transformers.__version__,
                self.digest,
                str(self._room),
                digest_files(files),
                str(tokenizer.chat_template),
            )
        )
        self._used: set[str] = set()

    def split(
        self, examples: Sequence[Example], progress: Progress, shots: Sequence[Example] = ()
    ) -> Prompted:
        """The prompts of ``examples`` in their order, after ``shots``; from the cache where they are there.

        A cache that cannot be written is not an error: the ids are returned all the same.

        Raises:
            ConsoleError: the template does not fit even without a pair.
        """
        digest = hashlib.sha256(self._identity.encode())
        digest.update(str([shot.label for shot in shots]).encode())
        add_pairs(digest, shots)
        add_pairs(digest, examples)
        key = digest.hexdigest()
        self._used.add(key)
        cached = self._read(key, len(examples))
        if cached is not None:
            progress(len(examples), len(examples))
            return cached
        result = self.fresh(examples, shots, progress)
        try:
            with token_cache.writing(self._cache_dir, key) as path:
                _write(path, result)
            token_cache.evict(self._cache_dir, self._cache_limit, keep=frozenset(self._used))
        except (OSError, SafetensorError) as error:
            print(f"the tokenised data is not cached: {error}")
        return result

    def fresh(
        self,
        examples: Sequence[Example],
        shots: Sequence[Example] = (),
        progress: Progress | None = None,
    ) -> Prompted:
        """As :meth:`split`, without the cache."""
        prompts = self._renderer.render(examples, shots, max_length=self._room, progress=progress)
        answers = [answer for row in prompts.answers for answer in row]
        return Prompted(
            input_ids=flat(prompts.input_ids, numpy.int32),
            offsets=_offsets(prompts.input_ids),
            token_type_ids=None,
            truncated=prompts.truncated,
            answers=flat(answers, numpy.int32),
            answer_offsets=_offsets(answers),
            shared=prompts.shared,
            closing=self.closing,
            digest=self.digest,
        )

    @property
    def closing(self) -> tuple[int, ...]:
        """The tokens that end the assistant's turn, after any answer."""
        return tuple(self._renderer.closing)

    def _longest_answer(self) -> int:
        """Of a short pair; a word that merges with the end of a prompt differs by no more than that merge."""
        probe = self._renderer.render([_PROBE])
        return max(len(answer) for answer in probe.answers[0]) + len(self.closing)

    def _read(self, key: str, rows: int) -> Prompted | None:
        path = token_cache.lookup(self._cache_dir, key)
        if path is None:
            return None
        try:
            with safe_open(str(path), framework="numpy") as file:
                figures = file.metadata() or {}
                result = Prompted(
                    input_ids=file.get_tensor("input_ids"),
                    offsets=file.get_tensor("offsets"),
                    token_type_ids=None,
                    truncated=int(figures["truncated"]),
                    answers=file.get_tensor("answers"),
                    answer_offsets=file.get_tensor("answer_offsets"),
                    shared=int(figures["shared"]),
                    closing=self.closing,
                    digest=self.digest,
                )
        except (OSError, SafetensorError, KeyError, ValueError):
            return None
        fits = (
            len(result) == rows
            and int(result.offsets[-1]) == len(result.input_ids)
            and len(result.answer_offsets) == len(LABELS) * rows + 1
            and int(result.answer_offsets[-1]) == len(result.answers)
        )
        return result if fits else None


def _offsets(rows: Sequence[Sequence[int]]) -> numpy.ndarray:
    lengths = numpy.zeros(len(rows) + 1, dtype=numpy.int64)
    lengths[1:] = [len(row) for row in rows]
    return numpy.cumsum(lengths)


def _write(path: Path, split: Prompted) -> None:
    arrays = {
        "input_ids": split.input_ids,
        "offsets": split.offsets,
        "answers": split.answers,
        "answer_offsets": split.answer_offsets,
    }
    save_file(arrays, str(path), metadata={"truncated": str(split.truncated), "shared": str(split.shared)})
