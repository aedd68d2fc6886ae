"""Control tokens (``<|eot_id|>``) in a text: those that act, and those that are only text.

Those that the chat template or the prompt template writes act; those that stand in a premise, a hypothesis
or a message are only text. To keep the two apart, what comes from a person or the data is marked while the
text is put together, and the text between two control tokens is tokenised alone, which gives the same tokens
as the whole. That is tried for each tokenizer; where it does not, as with SentencePiece's leading space, the
whole text is tokenised and a control token in the data gets a space inside.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

SENTINEL = "\ufdd2"
"""Stands for the question while a chat template is applied; a noncharacter."""

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
"""Around a control token that is only text; noncharacters, which no text has to hold."""
_MARKED = re.compile(f"{_OPEN}(.*?){_CLOSE}", re.DOTALL)

Segments = list[int | str]
"""A prompt as ids of control tokens and the texts between them; the last is always a text."""


@dataclass(frozen=True)
class Piece:
    """A part of a prompt: a control token that acts, or text."""

    text: str
    special: bool


class ControlTokens:
    """Tells the two kinds of control tokens apart for one tokenizer (a ``PreTrainedTokenizerBase``).

    Attributes:
        by_runs: whether texts between control tokens are tokenised alone.
    """

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        added = tokenizer.added_tokens_decoder
        self._special = {token.content: (int(id), token) for id, token in added.items() if token.special}
        # The unknown token is what any text may become; the others never come from text.
        self._special_ids = {id for id, _ in self._special.values() if id != tokenizer.unk_token_id}
        self._control = _either(
            token.content
            for token in added.values()
            if not token.content.isspace()
            and (token.special or token.content in (tokenizer.chat_template or ""))
        )
        self._split = re.compile(
            rf"{_OPEN}(?P<text>.*?){_CLOSE}|(?P<control>{_either(self._special).pattern})", re.DOTALL
        )
        empty = [int(id) for id in tokenizer("")["input_ids"]]
        bos = tokenizer.bos_token_id
        self._bos = bos if bos is not None and empty[:1] == [bos] else None
        self.by_runs = True

    def try_on(self, marked: str) -> None:
        """Settle :attr:`by_runs` by a text as it will be used."""
        self.by_runs = True
        segments = self.segments(marked)
        texts = {part for part in segments if isinstance(part, str)}
        joined = join(segments, self.tokenise(texts))
        whole = self._tokenizer(marked, add_special_tokens=False, verbose=False)["input_ids"]
        self.by_runs = joined == [int(id) for id in whole]

    def mark(self, text: str) -> str:
        """``text`` of a person or the data, its control tokens marked as text."""
        # Lone surrogates, which no tokenizer takes, become U+FFFD.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = unmarked(text).replace(SENTINEL, "")
        return self._control.sub(lambda match: f"{_OPEN}{match[0]}{_CLOSE}", text)

    def segments(self, marked: str) -> Segments:
        """Control tokens that act, and the texts between them."""
        if not self.by_runs:
            return [_MARKED.sub(lambda match: _broken(match[1]), marked)]
        segments: Segments = []
        run, start, strip_next = "", 0, False

        def add(text: str) -> None:
            nonlocal run, strip_next
            run += text.lstrip() if strip_next and not run else text
            strip_next = strip_next and not run

        for match in self._split.finditer(marked):
            add(marked[start : match.start()])
            start = match.end()
            if match["control"] is None:
                add(self._as_text(match["text"]))
                continue
            id, token = self._special[match["control"]]
            run = run.rstrip() if token.lstrip else run
            segments += [run, id] if run else [id]
            run, strip_next = "", token.rstrip
        add(marked[start:])
        return [*segments, run]

    def tokenise(self, texts: set[str]) -> dict[str, list[int]]:
        """The tokens of each text."""
        ordered = sorted(texts - {""})
        known: dict[str, list[int]] = {"": []}
        if ordered:
            known.update(zip(ordered, self._ids(ordered), strict=True))
        if self.by_runs:
            for text, ids in known.items():
                if not self._special_ids.isdisjoint(ids):
                    # Unigram vocabularies hold some control tokens as ordinary pieces.
                    known[text] = self._ids([self._control.sub(lambda m: _broken(m[0]), text)])[0]
        return known

    def bos_before(self, ids: Sequence[int]) -> list[int]:
        """What a tokenizer that begins every text with a token would put in front, unless it is there."""
        return [] if self._bos is None or ids[:1] == [self._bos] else [self._bos]

    def encode(self, marked: str) -> list[int]:
        """The tokens of a whole text."""
        segments = self.segments(marked)
        ids = join(segments, self.tokenise({part for part in segments if isinstance(part, str)}))
        return [*self.bos_before(ids), *ids]

    def pieces(self, marked: str) -> list[Piece]:
        """The text as it is read: what acts as a control token, and what is text."""
        found: list[Piece] = []
        start = 0

        def add(text: str, special: bool) -> None:
            if text and not special and found and not found[-1].special:
                found[-1] = Piece(found[-1].text + text, False)
            elif text:
                found.append(Piece(text, special))

        for match in self._split.finditer(marked):
            add(marked[start : match.start()], False)
            start = match.end()
            if match["control"] is None:
                add(self._as_text(match["text"]), False)
            else:
                add(match["control"], True)
        add(marked[start:], False)
        bos = self._tokenizer.bos_token
        if self._bos is not None and (not found or found[0] != Piece(bos, True)):
            found.insert(0, Piece(bos, True))
        return found

    def only_text(self, pieces: Iterable[Piece]) -> list[str]:
        """Names of control tokens that stand in the text of ``pieces`` and do not act, each once."""
        found = (self._control.findall(piece.text) for piece in pieces if not piece.special)
        return list(dict.fromkeys(name for names in found for name in names))

    def _as_text(self, token: str) -> str:
        """What is tokenised in place of a control token that is only text."""
        return token if self.by_runs and token in self._special else _broken(token)

    def _ids(self, texts: list[str]) -> list[list[int]]:
        batch = self._tokenizer(
            texts,
            add_special_tokens=False,
            split_special_tokens=self.by_runs,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        return batch["input_ids"]


def unmarked(text: str) -> str:
    """``text`` without marks: what a person reads."""
    return text.replace(_OPEN, "").replace(_CLOSE, "")


def join(segments: Sequence[int | str], known: dict[str, list[int]]) -> list[int]:
    """The tokens of segments, those of the texts by :meth:`ControlTokens.tokenise`."""
    ids: list[int] = []
    for part in segments:
        ids += known[part] if isinstance(part, str) else [part]
    return ids


def _broken(token: str) -> str:
    """A control token as text that no tokenizer takes for it."""
    return f"{token[0]} {token[1:]}"


def _either(texts: Iterable[str]) -> re.Pattern[str]:
    alternatives = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, alternatives)) or "(?!)")
