"""From template and pair to the tokens that a model reads. The tokenizer is an argument; nothing is imported.

A prompt is text with control tokens in it (``<|eot_id|>``). Those that the chat template or the prompt
template writes act; those that stand in a premise or hypothesis are only text. To keep the two apart, what
comes from the data is marked while the text is put together, and the text between two control tokens is
tokenised alone, which gives the same tokens as the whole. That is tried for each tokenizer; where it does
not, as with SentencePiece's leading space, the whole text is tokenised and a control token in the data gets
a space inside.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nli_console.data.prompts.conversation import SENTINEL, Conversation
from nli_console.data.prompts.template import PromptTemplate
from nli_console.data.spec import Example
from nli_console.errors import ConsoleError

CHUNK = 1024
"""Rows tokenised between two progress reports."""

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
"""Around a control token that is only text; noncharacters, which no text has to hold."""
_PROBE = " One, two.\nThree is  four "

Progress = Callable[[int, int], None]
"""Called with rows done and rows in all; may raise to leave."""
_Segments = list[int | str]
"""A prompt as ids of control tokens and the texts between them; the last is always a text."""
_Answers = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Prompts:
    """Rows as a model reads them, in their order.

    Attributes:
        input_ids: the tokens of each row up to its answer.
        answers: for each row the tokens of each label word, in the order of :data:`LABELS`, as they continue
            that row. With a masked template, the one token that stands for the label at the mask.
        shared: leading tokens that all rows have in common; every row has at least one more.
        truncated: rows whose premise or hypothesis was cut to fit.
    """

    input_ids: list[list[int]]
    answers: list[_Answers]
    shared: int
    truncated: int

    def __len__(self) -> int:
        return len(self.input_ids)


class PromptRenderer:
    """Renders pairs for one model.

    Args:
        template: what to ask.
        tokenizer: the model's own (a ``PreTrainedTokenizerBase``).
        model_name: as messages call the model.

    Attributes:
        header: the text with which the chat template opens the assistant's turn; empty where it has none.
        closing: the tokens that end the assistant's turn, or the text: what is trained on after a label.

    Raises:
        ConsoleError: a chat template or a mask token is needed and the model has none.
    """

    def __init__(self, template: PromptTemplate, tokenizer: Any, model_name: str) -> None:
        self.template = template
        self._tokenizer = tokenizer
        self._model = model_name
        if template.format == "masked" and tokenizer.mask_token is None:
            raise ConsoleError(
                f'template "{template.name}" fills in a mask, and {model_name} has no mask token; choose a '
                "template for language models, or a model such as roberta-large"
            )
        self._conversation = Conversation(template, tokenizer, model_name)
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
        self._around = (empty[:-1], empty[-1:]) if template.format == "masked" else ([], [])
        self._by_runs = True
        self._by_runs = self._runs_suffice()
        self.header = self._conversation.header
        self.closing = self._find_closing()

    def text(self, example: Example, shots: Sequence[Example] = ()) -> str:
        """The exact text that the model reads about a pair, control tokens written out."""
        return self._marked(example, shots).replace(_OPEN, "").replace(_CLOSE, "")

    def render(
        self,
        examples: Sequence[Example],
        shots: Sequence[Example] = (),
        *,
        max_length: int | None = None,
        progress: Progress | None = None,
    ) -> Prompts:
        """The tokens of ``examples`` after ``shots``.

        Args:
            max_length: longest prompt in tokens, without the answer; the premise or the hypothesis, whichever
                is longer, is cut until the prompt fits.

        Raises:
            ConsoleError: a prompt does not fit even without its pair; with a masked template, a label word is
                more than one token.
        """
        ids: list[list[int]] = []
        answers: list[_Answers] = []
        truncated = 0
        for start in range(0, len(examples), CHUNK):
            chunk = list(examples[start : start + CHUNK])
            chunk_ids, chunk_answers = self._encode(chunk, shots)
            for i, row in enumerate(chunk):
                if max_length is not None and len(chunk_ids[i]) > max_length:
                    chunk_ids[i], chunk_answers[i] = self._cut(row, shots, max_length)
                    truncated += 1
            ids += chunk_ids
            answers += chunk_answers
            if progress is not None:
                progress(start + len(chunk), len(examples))
        return Prompts(ids, answers, _shared(ids), truncated)

    def word_tokens(self, example: Example) -> _Answers:
        """The tokens of each label word after one pair; at a mask too, however many they are."""
        if self.template.format != "masked":
            return self.render([example]).answers[0]
        segments = self._segments(self._marked(example, ()))
        place = segments.index(self._tokenizer.mask_token_id)
        return self._masked_words(["" if place == 0 else str(segments[place - 1])])[0]

    def leading_bos(self, input_ids: Sequence[int]) -> int:
        """How many beginning-of-text tokens a prompt starts with."""
        bos, count = self._tokenizer.bos_token_id, 0
        while bos is not None and count < len(input_ids) and input_ids[count] == bos:
            count += 1
        return count

    def _marked(self, example: Example, shots: Sequence[Example]) -> str:
        """The whole text, control tokens that come from the data marked."""
        marked = [self._mark(shot) for shot in shots]
        row = self._mark(example)
        mask = self._tokenizer.mask_token if self.template.format == "masked" else ""
        text = self.template.text(row.premise, row.hypothesis, marked, mask=mask)
        return self._conversation.write(marked, text) + self.template.lead

    def _mark(self, example: Example) -> Example:
        def mark(text: str) -> str:
            # Lone surrogates, which no tokenizer takes, become U+FFFD.
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            text = text.replace(_OPEN, "").replace(_CLOSE, "").replace(SENTINEL, "")
            return self._control.sub(lambda match: f"{_OPEN}{match[0]}{_CLOSE}", text)

        return replace(example, premise=mark(example.premise), hypothesis=mark(example.hypothesis))

    def _encode(
        self, rows: Sequence[Example], shots: Sequence[Example]
    ) -> tuple[list[list[int]], list[_Answers]]:
        segmented = [self._segments(self._marked(row, shots)) for row in rows]
        if self.template.format == "masked":
            return self._encode_masked(segmented)
        words = self.template.words
        texts = {part for segments in segmented for part in segments if isinstance(part, str)}
        texts |= {f"{segments[-1]}{word}" for segments in segmented for word in words}
        known = self._tokenise(texts)
        ids: list[list[int]] = []
        answers: list[_Answers] = []
        for segments in segmented:
            last = str(segments[-1])
            # A word may merge with what stands before it: what all continuations share is the prompt.
            continued = [known[f"{last}{word}"] for word in words]
            kept = _shared([known[last], *continued], leave=0)
            head = self._join(segments[:-1], known)
            ids.append([*self._bos_for(head or known[last]), *head, *known[last][:kept]])
            answers.append(tuple(tuple(each[kept:]) for each in continued))
        return ids, answers

    def _encode_masked(self, segmented: list[_Segments]) -> tuple[list[list[int]], list[_Answers]]:
        mask = self._tokenizer.mask_token_id
        places = [segments.index(mask) for segments in segmented]
        befores = [
            "" if place == 0 else str(segments[place - 1])
            for segments, place in zip(segmented, places, strict=True)
        ]
        known = self._tokenise({part for segments in segmented for part in segments if isinstance(part, str)})
        first, last = self._around
        ids = [[*first, *self._join(segments, known), *last] for segments in segmented]
        answers = self._masked_words(befores)
        for row in answers:
            for word, tokens in zip(self.template.words, row, strict=True):
                if len(tokens) != 1:
                    raise ConsoleError(
                        f'template "{self.template.name}": the label word "{word.strip()}" is {len(tokens)} '
                        f"tokens for {self._model}; expected 1, because it fills in one mask"
                    )
        return ids, answers

    def _masked_words(self, befores: Sequence[str]) -> list[_Answers]:
        """The tokens of each label word in the place of a mask, however many they are."""
        spaced = [f"{before.rstrip()} " if before else "" for before in befores]
        texts = {before.rstrip() for before in befores}
        texts |= {space + word.strip() for space in spaced for word in self.template.words}
        known = self._tokenise(texts)
        return [
            tuple(
                tuple(known[space + word.strip()][len(known[before.rstrip()]) :])
                for word in self.template.words
            )
            for before, space in zip(befores, spaced, strict=True)
        ]

    def _bos_for(self, ids: Sequence[int]) -> list[int]:
        """What a tokenizer that begins every text with a token would put in front, unless it is there."""
        return [] if self._bos is None or ids[:1] == [self._bos] else [self._bos]

    def _join(self, segments: Sequence[int | str], known: dict[str, list[int]]) -> list[int]:
        ids: list[int] = []
        for part in segments:
            ids += known[part] if isinstance(part, str) else [part]
        return ids

    def _segments(self, marked: str) -> _Segments:
        if not self._by_runs:
            return [re.sub(f"{_OPEN}(.*?){_CLOSE}", lambda m: _broken(m[1]), marked, flags=re.DOTALL)]
        segments: _Segments = []
        run, start, strip_next = "", 0, False

        def add(text: str) -> None:
            nonlocal run, strip_next
            run += text.lstrip() if strip_next and not run else text
            strip_next = strip_next and not run

        for match in self._split.finditer(marked):
            add(marked[start : match.start()])
            start = match.end()
            if match["control"] is None:
                text = match["text"]
                add(text if text in self._special else _broken(text))
                continue
            id, token = self._special[match["control"]]
            run = run.rstrip() if token.lstrip else run
            segments += [run, id] if run else [id]
            run, strip_next = "", token.rstrip
        add(marked[start:])
        return [*segments, run]

    def _tokenise(self, texts: set[str]) -> dict[str, list[int]]:
        ordered = sorted(texts - {""})
        known: dict[str, list[int]] = {"": []}
        if ordered:
            known.update(zip(ordered, self._ids(ordered), strict=True))
        if self._by_runs:
            for text, ids in known.items():
                if not self._special_ids.isdisjoint(ids):
                    # Unigram vocabularies hold some control tokens as ordinary pieces.
                    known[text] = self._ids([self._control.sub(lambda m: _broken(m[0]), text)])[0]
        return known

    def _ids(self, texts: list[str]) -> list[list[int]]:
        batch = self._tokenizer(
            texts,
            add_special_tokens=False,
            split_special_tokens=self._by_runs,
            return_attention_mask=False,
            return_token_type_ids=False,
            verbose=False,
        )
        return batch["input_ids"]

    def _runs_suffice(self) -> bool:
        """Whether texts between control tokens give the tokens of the whole, for this very template."""
        probe = Example("", _PROBE, _PROBE, 0)
        marked = self._marked(probe, [probe])
        segments = self._segments(marked)
        texts = {part for part in segments if isinstance(part, str)}
        joined = self._join(segments, self._tokenise(texts))
        whole = self._tokenizer(marked, add_special_tokens=False, verbose=False)["input_ids"]
        return joined == [int(id) for id in whole]

    def _find_closing(self) -> tuple[int, ...]:
        """Tokens after an answer up to the first control token; without one, the end-of-text token."""
        segments = self._segments(self._conversation.after_answer) if self._by_runs else []
        closing: list[int] = []
        for part in segments:
            if isinstance(part, int):
                return (*closing, part)
            closing += self._tokenise({part})[part]
        end = self._tokenizer.eos_token_id
        return () if end is None or self.template.format == "masked" else (int(end),)

    def _cut(self, row: Example, shots: Sequence[Example], max_length: int) -> tuple[list[int], _Answers]:
        while True:
            ids, answers = self._encode([row], shots)
            over = len(ids[0]) - max_length
            if over <= 0:
                return ids[0], answers[0]
            longer = "premise" if len(row.premise) >= len(row.hypothesis) else "hypothesis"
            text: str = getattr(row, longer)
            if not text:
                hint = f" with its {len(shots)} demonstrations" if shots else ""
                raise ConsoleError(
                    f'template "{self.template.name}" takes {len(ids[0])} tokens{hint} without any pair, and '
                    f"only {max_length} fit; raise --max-length or use fewer --shots"
                )
            # At least a character a token; the next round sees what is still too much.
            row = replace(row, **{longer: text[: max(len(text) - over, 0)]})


def _broken(token: str) -> str:
    """A control token as text that no tokenizer takes for it."""
    return f"{token[0]} {token[1:]}"


def _either(texts: Any) -> re.Pattern[str]:
    alternatives = sorted(texts, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, alternatives)) or "(?!)")


def _shared(rows: Sequence[list[int]], leave: int = 1) -> int:
    """Length of the longest common beginning, ``leave`` less than the shortest row at most."""
    if not rows:
        return 0
    shortest = min(len(row) for row in rows) - leave
    # Of all rows the smallest and the largest differ first.
    low, high = min(rows), max(rows)
    count = 0
    while count < shortest and low[count] == high[count]:
        count += 1
    return max(count, 0)
