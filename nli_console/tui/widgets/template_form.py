"""The editor of a prompt template: every text of it, and the demonstrations that it is shown with."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from nli_console.data.prompts import PromptTemplate, catalogue
from nli_console.data.spec import LABELS, Example
from nli_console.errors import ConsoleError
from nli_console.text import clean_line
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.choice import Choice
from nli_console.tui.widgets.example_table import LABEL_INKS
from nli_console.tui.widgets.ink import Line
from nli_console.tui.widgets.painted import Lines
from nli_console.tui.widgets.scroll_lines import wrap
from nli_console.tui.widgets.text_box import TextBox
from nli_console.tui.widgets.text_input import TextInput

_BOXES = (
    ("system", "system message", "none"),
    ("user", "what the user says: {premise} {hypothesis}", ""),
    ("shot", "a demonstration in text", "empty: a turn of its own"),
)
_SHOWN_SHOTS = 20

Record = dict[str, Any]


class TemplateForm(VerticalScroll, can_focus=False):
    """Edits a copy of the template that is shown; what was not saved is kept for each by its name."""

    DEFAULT_CSS = """
    TemplateForm { height: 1fr; padding: 0 1; }
    TemplateForm .caption { color: $muted; height: 1; }
    TemplateForm #system, TemplateForm #shot { height: 2; }
    TemplateForm #user { height: 7; }
    TemplateForm Horizontal { height: 1; }
    TemplateForm .name { width: 14; color: $muted; }
    TemplateForm Choice, TemplateForm TextInput { width: 1fr; }
    """

    @dataclass
    class Edited(Message):
        """The template says something else now."""

    def __init__(self, symbols: Symbols) -> None:
        super().__init__()
        self._symbols = symbols
        self._saved: PromptTemplate | None = None
        self._drafts: dict[str, Record] = {}

    def compose(self) -> ComposeResult:
        yield Lines(rows=1, id="template-title")
        yield Lines(id="template-problem")
        with Horizontal():
            yield Static("format", markup=False, classes="name")
            yield Choice("chat", ("chat", "raw"), self._symbols, id="format")
        for name, title, placeholder in _BOXES:
            yield Static(title, markup=False, classes="caption")
            yield TextBox(id=name, placeholder=placeholder)
        with Horizontal():
            yield Static("answer", markup=False, classes="name")
            yield TextInput(id="answer")
        yield Static("words that stand for the labels", markup=False, classes="caption")
        for label in LABELS:
            with Horizontal():
                yield Static(label, markup=False, classes="name")
                yield TextInput(id=f"word-{label}")
        yield Lines(id="demonstrations")

    # The template

    def show(self, template: PromptTemplate) -> None:
        """Edit this one, from where it was left."""
        self._saved = template
        self._write(self._drafts.get(template.name) or _record(template))
        self._tell()

    def forget(self, name: str) -> None:
        """Drop what was not saved of a template."""
        self._drafts.pop(name, None)

    def reset(self) -> None:
        """Set the template back to what is saved."""
        if self._saved is not None:
            self.forget(self._saved.name)
            self.show(self._saved)
            self.post_message(self.Edited())

    @property
    def is_edited(self) -> bool:
        return self._saved is not None and self._saved.name in self._drafts

    def template(self, name: str | None = None) -> PromptTemplate | None:
        """The template as it is edited, called ``name``; ``None`` before one is shown.

        Raises:
            ConsoleError: it is no template yet.
        """
        if self._saved is None or (name is None and not self.is_edited):
            return self._saved
        record = {**self._read(), "description": self._saved.description, "source": self._saved.source}
        if name is not None:
            record["source"] = ""
        return catalogue.from_record(record, name or f"{self._saved.name}, edited")

    def _read(self) -> Record:
        boxes = {name: self.query_one(f"#{name}", TextBox).text for name, *_ in _BOXES}
        words = {label: self.query_one(f"#word-{label}", TextInput).value for label in LABELS}
        answer = self.query_one("#answer", TextInput).value
        separator = "\n\n" if self._saved is None else self._saved.separator
        # A field of one row cannot hold a line break; an answer that has one keeps it until it is edited.
        if self._saved is not None and answer == clean_line(self._saved.answer):
            answer = self._saved.answer
        format = self.query_one("#format", Choice).value
        return {**boxes, "format": format, "answer": answer, "labels": words, "separator": separator}

    def _write(self, record: Record) -> None:
        with self.prevent(TextBox.Changed, TextInput.Changed):
            for name, *_ in _BOXES:
                self.query_one(f"#{name}", TextBox).load_text(record[name])
            for label in LABELS:
                self.query_one(f"#word-{label}", TextInput).value = record["labels"][label]
            self.query_one("#answer", TextInput).value = record["answer"]
            self.query_one("#format", Choice).value = record["format"]

    @on(TextBox.Changed)
    @on(TextInput.Changed)
    @on(Choice.Changed)
    def _edited(self, event: Message) -> None:
        event.stop()
        if self._saved is None:
            return
        record = self._read()
        if record == _record(self._saved):
            self.forget(self._saved.name)
        else:
            self._drafts[self._saved.name] = record
        self._tell()
        self.post_message(self.Edited())

    def _tell(self) -> None:
        if self._saved is None:
            return
        line: Line = [(self._saved.name, "bold bright")]
        if self.is_edited:
            line = [*line, (f"  {self._symbols.changed} not saved; ctrl+s saves", "accent")]
        self.query_one("#template-title", Lines).show([line])
        problem = ""
        try:
            self.template()
        except ConsoleError as error:
            problem = clean_line(error)
        lines = wrap(problem, max(self.size.width - 4, 20)) if problem else []
        self.query_one("#template-problem", Lines).show([[(piece, "error")] for piece in lines])

    # Demonstrations

    def show_shots(self, shots: Sequence[Example] | None) -> None:
        """The solved pairs that stand before the question."""
        lines: list[Line] = []
        if shots:
            lines = [[], [(f"{len(shots)} demonstrations", "bold bright")]]
        width = max(self.size.width - 4, 20)
        for shot in (shots or ())[:_SHOWN_SHOTS]:
            label = LABELS[shot.label]
            text = clean_line(f"{shot.premise} / {shot.hypothesis}", limit=400)
            lines += [[(label, LABEL_INKS[label])], *([(piece, "foreground")] for piece in wrap(text, width))]
        self.query_one("#demonstrations", Lines).show(lines)


def _record(template: PromptTemplate) -> Record:
    keys = ("format", "system", "user", "answer", "labels", "shot", "separator")
    return {key: getattr(template, key) for key in keys}
