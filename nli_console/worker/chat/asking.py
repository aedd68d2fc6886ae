"""Prompts of a chat as tokens, for one tokenizer."""

from dataclasses import dataclass
from typing import Any

from nli_console.data.chat import Prompt, Question, refuse_masked
from nli_console.data.prompts import (
    AnswerReader,
    DialogueRenderer,
    Piece,
    PromptRenderer,
    Prompts,
    PromptTemplate,
)
from nli_console.data.prompts.control import ControlTokens
from nli_console.data.spec import LABELS, Example

_KEPT = 16
"""Renderers that are kept; the oldest goes first."""


@dataclass(frozen=True)
class Asked:
    """A prompt as a model reads it.

    Attributes:
        prompts: the pair with its label words; ``None`` for a conversation.
        closing: tokens that end an answer.
        reader: reads the label out of an answer.
    """

    input_ids: list[int]
    prompts: Prompts | None
    closing: tuple[int, ...]
    reader: AnswerReader


class Asker:
    """Renders prompts with one tokenizer, for one thread."""

    def __init__(self, tokenizer: Any, model_name: str) -> None:
        self.tokenizer = tokenizer
        self._name = model_name
        self._renderers: dict[str, PromptRenderer] = {}
        self._dialogues: DialogueRenderer | None = None
        self._control: ControlTokens | None = None

    def renderer(self, template: PromptTemplate) -> PromptRenderer:
        """Raises ``ConsoleError`` where the model cannot be asked with this template."""
        refuse_masked(template)
        key = f"{template.name} {template.digest}"
        if key not in self._renderers:
            self._renderers[key] = PromptRenderer(template, self.tokenizer, self._name)
            while len(self._renderers) > _KEPT:
                del self._renderers[next(iter(self._renderers))]
        return self._renderers[key]

    def ask(self, prompt: Prompt) -> Asked:
        """Raises ``ConsoleError``: nothing to answer, or no way to ask this model."""
        prompt.refuse_empty()
        if not isinstance(prompt, Question):
            end = self.tokenizer.eos_token_id
            ids = self._dialogue().encode(prompt.turns)
            return Asked(ids, None, () if end is None else (int(end),), AnswerReader(LABELS))
        renderer = self.renderer(prompt.template)
        prompts = renderer.render([pair_of(prompt)], prompt.shots)
        reader = AnswerReader(prompt.template.words)
        return Asked(prompts.input_ids[0], prompts, renderer.closing, reader)

    def pieces(self, prompt: Prompt) -> list[Piece]:
        """What the model reads, control tokens that act apart from text."""
        if isinstance(prompt, Question):
            return self.renderer(prompt.template).pieces(pair_of(prompt), prompt.shots)
        return self._dialogue().pieces(prompt.turns)

    def only_text(self, pieces: list[Piece]) -> list[str]:
        """Control tokens that a person or the data wrote: they look as if they acted, and are text."""
        if self._control is None:
            self._control = ControlTokens(self.tokenizer)
        return self._control.only_text(pieces)

    def _dialogue(self) -> DialogueRenderer:
        if self._dialogues is None:
            self._dialogues = DialogueRenderer(self.tokenizer, self._name)
        return self._dialogues


def pair_of(question: Question) -> Example:
    """The pair of a question; it has no label."""
    return Example("", question.premise, question.hypothesis, 0)
