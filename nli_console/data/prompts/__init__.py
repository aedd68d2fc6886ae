"""Prompts: templates, demonstrations, rendering to tokens, and reading answers. Imports no heavy library."""

from nli_console.data.prompts import catalogue
from nli_console.data.prompts.answers import AnswerReader, invalid_rate
from nli_console.data.prompts.control import Piece
from nli_console.data.prompts.demonstrations import choose
from nli_console.data.prompts.dialogue import DialogueRenderer, Turn
from nli_console.data.prompts.render import PromptRenderer, Prompts
from nli_console.data.prompts.template import PromptTemplate

__all__ = [
    "AnswerReader",
    "DialogueRenderer",
    "Piece",
    "PromptRenderer",
    "PromptTemplate",
    "Prompts",
    "Turn",
    "catalogue",
    "choose",
    "invalid_rate",
]
