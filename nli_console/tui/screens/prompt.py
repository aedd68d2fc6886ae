"""A dialog that asks for one line of text."""

from collections.abc import Callable

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Static

from nli_console.text import clean, clean_line
from nli_console.tui.screens.base import ConsoleModal
from nli_console.tui.widgets.text_input import TextInput


class Prompt(ConsoleModal[str]):
    """Returns the text, or ``None``. ``check`` says what is wrong with a text, or returns ``None``."""

    def __init__(
        self,
        title: str,
        explanation: str,
        value: str = "",
        *,
        check: Callable[[str], str | None] | None = None,
    ) -> None:
        super().__init__()
        self._title = clean_line(title)
        self._explanation = clean(explanation)
        self._value = value
        self._check = check

    def body(self) -> ComposeResult:
        yield Static(self._title, markup=False, classes="title")
        yield Static(self._explanation, markup=False, classes="explanation")
        yield TextInput(self._value)
        yield Static("enter accepts, esc closes", markup=False, classes="hint")

    def on_mount(self) -> None:
        self.query_one(TextInput).focus()

    @on(TextInput.Changed)
    def _changed(self, event: TextInput.Changed) -> None:
        self._problem(event.value.strip())

    @on(TextInput.Submitted)
    def _submit(self, event: TextInput.Submitted) -> None:
        text = event.value.strip()
        if not self._problem(text):
            self.dismiss(text)

    def _problem(self, text: str) -> str | None:
        problem = self._check(text) if self._check else None
        hint = self.query_one(".hint", Static)
        hint.update(Content.styled(clean_line(problem), "$error") if problem else "enter accepts, esc closes")
        return problem
