"""The pair that is asked about, how it is put, and where the next one comes from."""

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Static

from nli_console.data.chat import Prompt, Question
from nli_console.data.spec import LABELS
from nli_console.settings import LoadedSettings
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.choice import Choice
from nli_console.tui.widgets.example_chooser import ExampleChooser
from nli_console.tui.widgets.text_box import TextBox
from nli_console.tui.widgets.text_input import TextInput

NOT_KNOWN = "not known"
_ROWS = (
    ("label", "right label"),
    ("template", "template"),
    ("shots", "shots"),
    ("answers", "who answers"),
    ("versus", "compared to"),
)


class PairForm(Vertical):
    """Premise, hypothesis and the choices below them. It reports edits and knows no engine."""

    DEFAULT_CSS = """
    PairForm { height: 1fr; padding: 0 1; }
    PairForm .caption { color: $muted; height: 1; }
    PairForm #premise { height: 2fr; min-height: 2; max-height: 8; }
    PairForm #hypothesis { height: 1fr; min-height: 1; max-height: 5; }
    PairForm Horizontal { height: 1; }
    PairForm .name { width: 13; color: $muted; }
    PairForm Choice, PairForm TextInput { width: 1fr; }
    PairForm .gap { margin-top: 1; }
    """

    @dataclass
    class Edited(Message):
        """The pair or the label was changed, by hand or by an example."""

    def __init__(self, settings: LoadedSettings, symbols: Symbols) -> None:
        super().__init__()
        self._settings = settings
        self._symbols = symbols

    def compose(self) -> ComposeResult:
        yield Static("premise", markup=False, classes="caption")
        yield TextBox(submits=True, id="premise", placeholder="what is known")
        yield Static("hypothesis", markup=False, classes="caption")
        yield TextBox(submits=True, id="hypothesis", placeholder="what may follow from it")
        for row, (name, title) in enumerate(_ROWS):
            with Horizontal(classes="" if row else "gap"):
                yield Static(title, markup=False, classes="name")
                yield self._editor(name)
        yield (chooser := ExampleChooser(self._settings, self._symbols))
        chooser.add_class("gap")

    def _editor(self, name: str) -> Choice | TextInput:
        if name == "shots":
            return TextInput("0", id="shots", restrict=r"\d{0,3}")
        offered = (NOT_KNOWN, *LABELS) if name == "label" else ()
        return Choice(offered[0] if offered else "", offered, self._symbols, id=name)

    def choice(self, name: str) -> Choice:
        """One of label, template, answers, versus, or one of where examples come from."""
        return self.query_one(f"#{name}", Choice)

    def box(self, name: str) -> TextBox:
        """``premise`` or ``hypothesis``."""
        return self.query_one(f"#{name}", TextBox)

    @property
    def chooser(self) -> ExampleChooser:
        return self.query_one(ExampleChooser)

    @property
    def premise(self) -> str:
        return self.box("premise").text

    @property
    def hypothesis(self) -> str:
        return self.box("hypothesis").text

    @property
    def gold(self) -> str:
        """The right label; empty where it is not known."""
        value = self.choice("label").value
        return "" if value == NOT_KNOWN else value

    @property
    def shots(self) -> int:
        text = self.query_one("#shots", TextInput).value
        return int(text) if text.isdigit() else 0

    def is_other_than(self, prompt: Prompt) -> bool:
        """Whether the fields hold another pair than the one that was asked about."""
        asked = isinstance(prompt, Question)
        return asked and (prompt.premise, prompt.hypothesis) != (self.premise, self.hypothesis)

    def put(self, premise: str, hypothesis: str, label: str) -> None:
        """Take another pair; in the fields that can be undone."""
        self.box("premise").put(premise)
        self.box("hypothesis").put(hypothesis)
        self.choice("label").value = label or NOT_KNOWN

    def offer(self, name: str, choices: tuple[str, ...], value: str | None = None) -> None:
        """Replace what a choice offers; its value stays where it is still offered."""
        choice = self.choice(name)
        choice.choices = choices
        if value is not None:
            choice.value = value
        elif choice.value not in choices and choices:
            choice.value = choices[0]
        choice.refresh()

    @on(TextBox.Changed)
    def _typed(self, event: TextBox.Changed) -> None:
        event.stop()
        self.post_message(self.Edited())

    @on(ExampleChooser.Taken)
    def _taken(self, event: ExampleChooser.Taken) -> None:
        event.stop()
        self.put(event.found.premise, event.found.hypothesis, event.found.label)
        self.post_message(self.Edited())
