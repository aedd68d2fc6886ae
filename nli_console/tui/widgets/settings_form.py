"""Which model answers and how its answers are drawn: each value with its meaning."""

from dataclasses import dataclass

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Static

from nli_console.data.chat import Sampling
from nli_console.methods.fields import FieldError, describe, parse
from nli_console.methods.icl import IclHyperparameters
from nli_console.settings import Settings
from nli_console.tui.keys import Group, Key
from nli_console.tui.suggestions import Suggester
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.choice import Choice
from nli_console.tui.widgets.text_input import TextInput

_FIELDS = {field.name: field for field in describe(IclHyperparameters)}
_DRAWING = ("max_new_tokens", "temperature", "top_p", "top_k")
_WEIGHTS = ("none", "8-bit", "nf4")
_MODEL_MEANING = "a name from [models], a folder or a hub id; enter takes it"
_SEED_MEANING = "of drawing and of the shots; the same one draws the same"
_LARGEST_SEED = 2**32 - 1


def meanings() -> Group:
    """Every setting and what it means, for the help."""
    drawing = [
        Key(name, "", name, f"{field.help}; {field.bounds}", bound=False)
        for name, field in _FIELDS.items()
        if name in _DRAWING
    ]
    model = Key("model", "", "model", _MODEL_MEANING, bound=False)
    weights = Key("weights", "", "weights", f"{_FIELDS['quantisation'].help}; nf4 is 4 bits", bound=False)
    return Group("Settings", (model, weights, *drawing, Key("seed", "", "seed", _SEED_MEANING, bound=False)))


class _Explained(TextInput):
    """A number: ``?`` is none, and asks for the meanings."""

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "question_mark":
            event.stop()
            event.prevent_default()
            await self.run_action("app.help")
        else:
            await super()._on_key(event)


class SettingsForm(VerticalScroll, can_focus=False):
    """Reports a model that was chosen, and sampling whose every value is in bounds."""

    DEFAULT_CSS = """
    SettingsForm { height: 1fr; padding: 0 1; }
    SettingsForm Horizontal { height: 1; }
    SettingsForm .name { width: 16; color: $muted; }
    SettingsForm Choice, SettingsForm TextInput { width: 1fr; }
    SettingsForm .meaning { color: $muted; height: auto; margin-bottom: 1; }
    SettingsForm .meaning.-problem { color: $error; }
    """

    @dataclass
    class ModelChosen(Message):
        """Another model, or another way to store it."""

        name: str
        weights: str

    @dataclass
    class SamplingChanged(Message):
        """Answers are to be drawn otherwise."""

        sampling: Sampling

    def __init__(self, settings: Settings, sampling: Sampling, symbols: Symbols) -> None:
        super().__init__()
        self._settings = settings
        self._sampling = sampling
        self._symbols = symbols

    def compose(self) -> ComposeResult:
        chat = self._settings.chat
        names = ("demo-decoder", *self._settings.models)
        yield from self._row(
            "model", TextInput(chat.model, id="model-name", suggester=Suggester(lambda: names))
        )
        yield self._meaning("model-name", _MODEL_MEANING)
        yield from self._row("weights", Choice(chat.quantisation, _WEIGHTS, self._symbols, id="weights"))
        yield self._meaning("weights", f"{_FIELDS['quantisation'].help}; nf4 is 4 bits")
        for name in _DRAWING:
            field = _FIELDS[name]
            value = field.format(getattr(self._sampling, name))
            yield from self._row(name.replace("_", " "), _Explained(value, id=name, restrict=r"[\d.eE-]*"))
            yield self._meaning(name, f"{field.help}; {field.bounds}")
        yield from self._row("seed", _Explained(str(self._sampling.seed), id="seed", restrict=r"\d*"))
        yield self._meaning("seed", _SEED_MEANING)

    def _row(self, title: str, editor: Choice | TextInput) -> ComposeResult:
        with Horizontal():
            yield Static(title, markup=False, classes="name")
            yield editor

    def _meaning(self, name: str, text: str) -> Static:
        return Static(text, markup=False, classes="meaning", id=f"meaning-{name}")

    def show_weights(self, weights: str) -> None:
        self.query_one("#weights", Choice).value = weights

    @on(TextInput.Submitted, "#model-name")
    def _named(self, event: TextInput.Submitted) -> None:
        event.stop()
        self._choose_model()

    @on(Choice.Changed, "#weights")
    def _stored(self, event: Choice.Changed) -> None:
        event.stop()
        self._choose_model()

    def _choose_model(self) -> None:
        name = self.query_one("#model-name", TextInput).value.strip()
        if name:
            self.post_message(self.ModelChosen(name, self.query_one("#weights", Choice).value))

    @on(TextInput.Changed)
    def _edited(self, event: TextInput.Changed) -> None:
        event.stop()
        name = event.input.id or ""
        if name not in (*_DRAWING, "seed"):
            return
        meaning = self.query_one(f"#meaning-{name}", Static)
        try:
            value = _seed(event.value) if name == "seed" else parse(_FIELDS[name], event.value)
        except FieldError as error:
            meaning.update(error.problem)
            meaning.add_class("-problem")
            return
        if meaning.has_class("-problem"):
            meaning.remove_class("-problem")
            field = _FIELDS.get(name)
            meaning.update(_SEED_MEANING if field is None else f"{field.help}; {field.bounds}")
        if getattr(self._sampling, name) != value:
            self._sampling = self._sampling.model_copy(update={name: value})
            self.post_message(self.SamplingChanged(self._sampling))


def _seed(text: str) -> int:
    if not text.isdigit() or int(text) > _LARGEST_SEED:
        raise FieldError("seed", f"must be a whole number from 0 to {_LARGEST_SEED}", text)
    return int(text)
