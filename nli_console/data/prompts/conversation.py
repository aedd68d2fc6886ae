"""The text around a question: turns, headers and demonstrations, as the model's chat template writes them."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from nli_console.data.prompts.control import SENTINEL
from nli_console.data.prompts.template import PromptTemplate
from nli_console.data.spec import Example
from nli_console.errors import ConsoleError
from nli_console.text import clean_line

_VARIABLES: dict[str, Any] = {
    # Without it Llama's templates write today's date, and the same run would have another prompt tomorrow.
    "date_string": "26 Jul 2024",
    # A label is to follow at once, not after a chain of thought.
    "enable_thinking": False,
}

Message = dict[str, str]


class Conversation:
    """Wraps questions of one template for one model. Plain text is wrapped in nothing.

    Raises:
        ConsoleError: a chat is asked for and the model has no chat template, or one that cannot be used.
    """

    def __init__(self, template: PromptTemplate, tokenizer: Any, model_name: str) -> None:
        self._template = template
        self._tokenizer = tokenizer
        self._model = model_name
        self._frames: dict[tuple[Example, ...], tuple[str, str]] = {}
        if template.format == "chat" and not tokenizer.chat_template:
            raise ConsoleError(
                f'template "{template.name}" is a chat, and {model_name} has no chat template; choose a raw '
                "template, or an instruction-tuned model"
            )
        self.has_system = self._knows_system()

    def write(self, shots: Sequence[Example], text: str) -> str:
        """The whole text that asks ``text`` after demonstrations, up to where the answer begins."""
        if self._template.format != "chat":
            return text
        key = tuple(shots)
        if key not in self._frames:
            # One chat template, one set of demonstrations: only the question differs from row to row.
            self._frames = {key: self._frame(shots)}
        before, after = self._frames[key]
        return before + (text.strip() if self._trims else text) + after

    @cached_property
    def header(self) -> str:
        """What the chat template writes to open the assistant's turn, whatever the format of the prompt."""
        if not self._tokenizer.chat_template:
            return ""
        messages = [_message("user", SENTINEL)]
        closed, opened = self._apply(messages, False), self._apply(messages, True)
        return opened.removeprefix(closed) if opened.startswith(closed) else ""

    @cached_property
    def after_answer(self) -> str:
        """What the chat template writes after an answer; empty for plain text."""
        if self._template.format != "chat":
            return ""
        messages = [_message("user", "a"), _message("assistant", SENTINEL)]
        return self._apply(messages, False).rpartition(SENTINEL)[2]

    @cached_property
    def _trims(self) -> bool:
        """Whether the chat template takes white space off both ends of a message."""
        bare, spaced = ([_message("user", text)] for text in (SENTINEL, f" \n{SENTINEL} \n"))
        return self._apply(bare, True) == self._apply(spaced, True)

    def _frame(self, shots: Sequence[Example]) -> tuple[str, str]:
        template = self._template
        messages: list[Message] = []
        for shot in shots if template.shots_are_turns else ():
            messages.append(_message("user", template.question(shot.premise, shot.hypothesis)))
            messages.append(_message("assistant", template.reply(shot.label)))
        messages.append(_message("user", SENTINEL))
        if template.system and self.has_system:
            messages.insert(0, _message("system", template.system))
        elif template.system:
            messages[0] = _message("user", f"{template.system}\n\n{messages[0]['content']}")
        parts = self._apply(messages, True).split(SENTINEL)
        if len(parts) != 2:
            raise ConsoleError(
                f"the chat template of {self._model} does not write the user's message exactly once; use a "
                "raw template with this model"
            )
        return parts[0], parts[1]

    def _knows_system(self) -> bool:
        """Whether the chat template takes a system message; some raise an error at the sight of one."""
        if self._template.format != "chat" or not self._template.system:
            return True
        messages = [_message("system", SENTINEL), _message("user", "a")]
        try:
            return SENTINEL in self._apply(messages, True)
        except ConsoleError:
            return False

    def _apply(self, messages: list[Message], opened: bool) -> str:
        try:
            return apply_chat_template(self._tokenizer, messages, opened, self._model)
        except ConsoleError as error:
            raise ConsoleError(f"{error}; use a raw template with this model") from error


def apply_chat_template(tokenizer: Any, messages: list[Message], opened: bool, model_name: str) -> str:
    """The text of a chat; ``opened``: up to where the assistant's next answer begins.

    Raises:
        ConsoleError: the chat template cannot be applied to these messages.
    """
    try:
        return tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=opened, **_VARIABLES
        )
    # A chat template is a program that came with the model: it may raise anything.
    except Exception as error:
        raise ConsoleError(
            f"the chat template of {model_name} cannot be applied: {clean_line(error, limit=200)}"
        ) from error


def _message(role: str, content: str) -> Message:
    return {"role": role, "content": content}
