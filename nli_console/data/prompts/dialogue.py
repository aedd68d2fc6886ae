"""A free conversation, from its turns to the tokens that a model reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nli_console.data.prompts.control import ControlTokens, Piece, unmarked
from nli_console.data.prompts.conversation import apply_chat_template
from nli_console.errors import ConsoleError

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True)
class Turn:
    """What somebody said."""

    role: Role
    text: str


class DialogueRenderer:
    """Renders conversations for one model, by its own chat template.

    Raises:
        ConsoleError: the model has no chat template.
    """

    def __init__(self, tokenizer: Any, model_name: str) -> None:
        if not tokenizer.chat_template:
            raise ConsoleError(
                f"{model_name} has no chat template, so there is no way to talk to it; ask it with a raw "
                "template, or choose an instruction-tuned model"
            )
        self._tokenizer = tokenizer
        self._model = model_name
        self._controls = ControlTokens(tokenizer)

    def text(self, turns: Sequence[Turn]) -> str:
        """The exact text up to where the assistant's next answer begins, control tokens written out."""
        return unmarked(self._marked(turns))

    def encode(self, turns: Sequence[Turn]) -> list[int]:
        """The tokens of :meth:`text`."""
        return self._controls.encode(self._marked(turns))

    def pieces(self, turns: Sequence[Turn]) -> list[Piece]:
        """:meth:`text` in pieces: control tokens that act, and the texts between."""
        return self._controls.pieces(self._marked(turns))

    def _marked(self, turns: Sequence[Turn]) -> str:
        messages = [{"role": turn.role, "content": self._controls.mark(turn.text)} for turn in turns]
        # How the tokenizer cuts texts is tried on this very conversation, without what may look like a token.
        plain = [{"role": turn.role, "content": " One, two.\nThree is  four "} for turn in turns]
        self._controls.try_on(apply_chat_template(self._tokenizer, plain, True, self._model))
        return apply_chat_template(self._tokenizer, messages, True, self._model)
