"""Pairs to token ids: truncated to what the model can read, cached by content."""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import transformers
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from transformers import PreTrainedTokenizerBase

from nli_console.data import token_cache
from nli_console.data.spec import Example

CACHE_VERSION = 1
CHUNK = 2048
"""Rows tokenised between two progress reports."""

_TOKENIZER_FILES = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt", "vocab.txt", "bpe.codes", "sentencepiece.bpe.model", "spiece.model", "spm.model",
    "tokenizer.model",
)  # fmt: skip

Progress = Callable[[int, int], None]
"""Called with rows done and rows in all; may raise to leave."""


def _quiet(_done: int, _total: int) -> None:
    """Nobody is told."""


@dataclass(frozen=True)
class Tokenised:
    """The token ids of a split, end to end.

    Attributes:
        input_ids: all rows one after another, int32, shape ``(tokens,)``.
        offsets: row ``i`` is ``input_ids[offsets[i]:offsets[i + 1]]``, int64, shape ``(rows + 1,)``.
        token_type_ids: as ``input_ids``, uint8, or ``None`` where the model takes none.
        truncated: rows that were longer than the limit.
    """

    input_ids: numpy.ndarray
    offsets: numpy.ndarray
    token_type_ids: numpy.ndarray | None
    truncated: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> numpy.ndarray:
        """Tokens per row, shape ``(rows,)``."""
        return numpy.diff(self.offsets)


class Tokeniser:
    """Tokenises premise-hypothesis pairs for one model.

    Args:
        tokenizer: the model's own.
        files: folder of the tokenizer's files; their content is part of the cache key.
        max_length: longest row in tokens, special tokens included.
        cache_dir: where the cache stands.
        cache_limit: bytes that the cache may take.
    """

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        files: Path,
        max_length: int,
        cache_dir: Path,
        cache_limit: int,
    ) -> None:
        self._tokenizer = tokenizer
        self._max_length = max_length
        self._cache_dir = cache_dir
        self._cache_limit = cache_limit
        self._identity = digest_files(files)
        self._used: set[str] = set()
        # Only the unknown token may come from text.
        self._special_ids = [id for id in tokenizer.all_special_ids if id != tokenizer.unk_token_id]
        self._special_text = re.compile(
            "|".join(re.escape(token) for token in tokenizer.all_special_tokens if len(token) > 1) or "(?!)",
            re.IGNORECASE,
        )
        self._specials_per_pair = self._count_specials([Example("", "a", "a", 0)])[0]

    def split(self, examples: Sequence[Example], progress: Progress) -> Tokenised:
        """The token ids of ``examples`` in their order, from the cache where they are there.

        A cache that cannot be written is not an error: the ids are returned all the same.
        """
        key = self._key(examples)
        self._used.add(key)
        cached = _read(self._cache_dir, key, len(examples))
        if cached is not None:
            progress(len(examples), len(examples))
            return cached
        result = self.fresh(examples, progress)
        try:
            with token_cache.writing(self._cache_dir, key) as path:
                _write(path, result)
            token_cache.evict(self._cache_dir, self._cache_limit, keep=frozenset(self._used))
        except (OSError, SafetensorError) as error:
            print(f"the tokenised data is not cached: {error}")
        return result

    def _key(self, examples: Sequence[Example]) -> str:
        digest = hashlib.sha256(
            f"{CACHE_VERSION}\0{transformers.__version__}\0{self._max_length}\0{self._identity}".encode()
        )
        add_pairs(digest, examples)
        return digest.hexdigest()

    def fresh(self, examples: Sequence[Example], progress: Progress = _quiet) -> Tokenised:
        """As :meth:`split`, without the cache."""
        with_types = "token_type_ids" in self._tokenizer.model_input_names
        ids: list[numpy.ndarray] = []
        types: list[numpy.ndarray] = []
        lengths = numpy.zeros(len(examples) + 1, dtype=numpy.int64)
        truncated = 0
        for start in range(0, len(examples), CHUNK):
            chunk = examples[start : start + CHUNK]
            batch_ids, batch_types = self._encode(chunk, self._max_length, with_types)
            self._expel_specials(chunk, batch_ids, batch_types)
            sizes = [len(row) for row in batch_ids]
            lengths[start + 1 : start + 1 + len(chunk)] = sizes
            ids.append(flat(batch_ids, numpy.int32))
            if with_types:
                types.append(flat(batch_types, numpy.uint8))
            full = [row for row, size in zip(chunk, sizes, strict=True) if size >= self._max_length]
            if full:
                whole, _ = self._encode(full, None, False)
                truncated += sum(len(row) > self._max_length for row in whole)
            progress(start + len(chunk), len(examples))
        return Tokenised(
            input_ids=numpy.concatenate(ids) if ids else numpy.zeros(0, numpy.int32),
            offsets=numpy.cumsum(lengths),
            token_type_ids=(numpy.concatenate(types) if types else numpy.zeros(0, numpy.uint8))
            if with_types
            else None,
            truncated=truncated,
        )

    def _encode(
        self, rows: Sequence[Example], max_length: int | None, with_types: bool
    ) -> tuple[list[list[int]], list[list[int]]]:
        # A text may contain "</s>" or "<mask>": split_special_tokens keeps it text, so that it does not act.
        batch = self._tokenizer(
            [_encodable(row.premise) for row in rows],
            [_encodable(row.hypothesis) for row in rows],
            truncation="longest_first" if max_length else False,
            max_length=max_length,
            split_special_tokens=True,
            return_attention_mask=False,
            return_token_type_ids=with_types,
            verbose=False,
        )
        return batch["input_ids"], batch["token_type_ids"] if with_types else []

    def _count_specials(self, rows: Sequence[Example]) -> list[int]:
        ids, _ = self._encode(rows, None, False)
        return [sum(value in self._special_ids for value in row) for row in ids]

    def _expel_specials(self, rows: Sequence[Example], ids: list[list[int]], types: list[list[int]]) -> None:
        """Tokenise rows again whose text still became a special token.

        Unigram vocabularies (DeBERTa-v3) hold "[SEP]" as an ordinary piece, unknown to
        split_special_tokens; a space after its first character keeps the text and breaks the piece.
        """
        special = numpy.isin(flat(ids, numpy.int32), self._special_ids)
        counts = numpy.add.reduceat(special, numpy.cumsum([0, *map(len, ids[:-1])]), dtype=numpy.int64)
        for i in numpy.flatnonzero(counts != self._specials_per_pair).tolist():
            row = Example("", self._broken(rows[i].premise), self._broken(rows[i].hypothesis), 0)
            again_ids, again_types = self._encode([row], self._max_length, bool(types))
            ids[i] = again_ids[0]
            if types:
                types[i] = again_types[0]

    def _broken(self, text: str) -> str:
        normal = unicodedata.normalize("NFKC", text)
        return self._special_text.sub(lambda match: f"{match[0][0]} {match[0][1:]}", normal)


def _encodable(text: str) -> str:
    """Lone surrogates, which no tokenizer takes, become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def flat(rows: Sequence[Sequence[int]], dtype: type) -> numpy.ndarray:
    """All numbers of ``rows``, one row after another."""
    return numpy.fromiter((value for row in rows for value in row), dtype=dtype, count=sum(map(len, rows)))


def add_pairs(digest: Any, examples: Sequence[Example]) -> None:
    """Put the texts of ``examples`` into a hash, with their lengths, so that no two lists are the same."""
    for example in examples:
        premise = example.premise.encode("utf-8", "surrogatepass")
        hypothesis = example.hypothesis.encode("utf-8", "surrogatepass")
        digest.update(b"%d %d\0%b%b" % (len(premise), len(hypothesis), premise, hypothesis))


def digest_files(folder: Path) -> str:
    """SHA-256 of the tokenizer's files that are there."""
    digest = hashlib.sha256()
    for name in _TOKENIZER_FILES:
        path = folder / name
        if path.is_file():
            digest.update(f"{name}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _write(path: Path, split: Tokenised) -> None:
    arrays = {"input_ids": split.input_ids, "offsets": split.offsets}
    if split.token_type_ids is not None:
        arrays["token_type_ids"] = split.token_type_ids
    save_file(arrays, str(path), metadata={"truncated": str(split.truncated)})


def _read(cache_dir: Path, key: str, rows: int) -> Tokenised | None:
    path = token_cache.lookup(cache_dir, key)
    if path is None:
        return None
    try:
        with safe_open(str(path), framework="numpy") as file:
            names = set(file.keys())
            result = Tokenised(
                input_ids=file.get_tensor("input_ids"),
                offsets=file.get_tensor("offsets"),
                token_type_ids=file.get_tensor("token_type_ids") if "token_type_ids" in names else None,
                truncated=int((file.metadata() or {})["truncated"]),
            )
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    fits = len(result) == rows and int(result.offsets[-1]) == len(result.input_ids)
    return result if fits else None
