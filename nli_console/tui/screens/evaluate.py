"""A dialog that evaluates a run on other data: it stays open until the evaluation has been launched."""

from collections.abc import Callable
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.suggester import SuggestFromList
from textual.widgets import Static

from nli_console.text import clean_line
from nli_console.tui.messages import Failure, Launched
from nli_console.tui.screens.base import ConsoleModal
from nli_console.tui.widgets.text_input import TextInput

_HINT = "enter evaluates, tab goes to the next field, esc closes"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What is to be evaluated, as texts: ``run`` is an id, ``data`` a dataset as the command line takes it.

    ``splits`` are separated by commas, empty for all that are labelled but train; ``fraction`` is the share
    of their rows; an empty ``checkpoint`` is what the run made.
    """

    run: str
    data: str
    splits: str = ""
    fraction: str = "1"
    checkpoint: str = ""


_FIELDS = {
    "data": ("data", "a name from settings.toml, a hub id, a folder, a zip or a file"),
    "splits": ("splits", "all but train; or names, by commas"),
    "fraction": ("share", "of each split's rows: above 0, up to 1"),
    "checkpoint": ("checkpoint", "what it made; or a step, best or last"),
}


class EvaluateDialog(ConsoleModal[str]):
    """Returns the id of the run that was launched, or ``None``.

    Args:
        title: what is evaluated, in words; may be untrusted.
        launch: starts the evaluation in the background and posts :class:`Launched` or a :class:`Failure` to
            this dialog.
        datasets: names that the data field suggests.
    """

    CSS = """
    EvaluateDialog .row { height: 1; width: 100%; }
    EvaluateDialog .row Static { width: 12; color: $muted; }
    EvaluateDialog .row TextInput { width: 1fr; }
    """

    def __init__(
        self,
        title: str,
        asked: Evaluation,
        launch: Callable[["EvaluateDialog", Evaluation], None],
        datasets: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        self._title = clean_line(title)
        self._asked = asked
        self._launch = launch
        self._datasets = datasets
        self._busy = False

    def body(self) -> ComposeResult:
        yield Static(self._title, markup=False, classes="title")
        for name, (label, placeholder) in _FIELDS.items():
            with Horizontal(classes="row"):
                yield Static(label, markup=False)
                suggester = SuggestFromList(self._datasets) if name == "data" else None
                yield TextInput(
                    getattr(self._asked, name), placeholder=placeholder, suggester=suggester, id=name
                )
        yield Static(_HINT, markup=False, classes="hint")

    def on_mount(self) -> None:
        self.query_one("#data", TextInput).focus()

    @on(TextInput.Changed)
    def _changed(self) -> None:
        if not self._busy:
            self._say(_HINT)

    @on(TextInput.Submitted)
    def _submit(self) -> None:
        if self._busy:
            return
        self._busy = True
        self._say("looking at the weights and the data ...")
        texts = {name: self.query_one(f"#{name}", TextInput).value.strip() for name in _FIELDS}
        self._launch(self, Evaluation(self._asked.run, **texts))

    @on(Launched)
    def _launched(self, event: Launched) -> None:
        event.stop()
        self.dismiss(event.run_id)

    @on(Failure)
    def _failed(self, event: Failure) -> None:
        event.stop()
        self._busy = False
        self._say(event.text, "$error")

    def _say(self, text: str, ink: str = "$muted") -> None:
        lines = "\n".join(clean_line(line) for line in text.splitlines())
        self.query_one(".hint", Static).update(Content.styled(lines, ink))
