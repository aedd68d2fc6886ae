"""Where the next pair comes from: a dataset, a split, a gold label, a genre."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Static

from nli_console.data.browse import Filters, Found
from nli_console.data.helper import examples
from nli_console.data.spec import LABELS, DataSpec
from nli_console.settings import LoadedSettings
from nli_console.text import clean_line
from nli_console.tui import background
from nli_console.tui.chat_examples import ExampleSource
from nli_console.tui.chat_work import DataNamed, name_data
from nli_console.tui.data_reading import ExamplesFailed, ExamplesRead, GenreReading, GenresRead, Searched
from nli_console.tui.suggestions import explain_data, known_data
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.choice import Choice
from nli_console.tui.widgets.example_browser import ALL_GENRES, ALL_LABELS
from nli_console.tui.widgets.painted import Lines

_ROWS = (("data", "data"), ("split", "split"), ("gold", "gold label"), ("genre", "genre"))


class ExampleChooser(Vertical):
    """Finds a dataset when it is first needed, and walks through its examples."""

    DEFAULT_CSS = """
    ExampleChooser { height: auto; }
    """

    @dataclass
    class Taken(Message):
        """An example is to be asked about."""

        found: Found

    @dataclass
    class DataReady(Message):
        """Another dataset was found; ``spec`` is ``None`` where there is none, ``problem`` then says why."""

        spec: DataSpec | None
        problem: str

    def __init__(self, settings: LoadedSettings, symbols: Symbols) -> None:
        super().__init__()
        self._settings = settings
        self._symbols = symbols
        self._source = ExampleSource(self)
        self._genres: GenreReading | None = None
        self._split_job = 0
        self._spec: DataSpec | None = None
        self._finding = False
        self._step = 0
        """What was asked for while the dataset was looked for."""

    def compose(self) -> ComposeResult:
        usual = self._settings.values.defaults.data
        offered = {
            "data": tuple(dict.fromkeys((usual, *known_data(self._settings.values)))),
            "split": (),
            "gold": (ALL_LABELS, *LABELS),
            "genre": (ALL_GENRES,),
        }
        for name, title in _ROWS:
            choices = offered[name]
            with Horizontal():
                yield Static(title, markup=False, classes="name")
                yield Choice(choices[0] if choices else "", choices, self._symbols, id=name)
        yield Lines([[("f2 takes the next example", "muted")]], rows=1, id="example-status")

    def on_unmount(self) -> None:
        self._source.close()
        if self._genres is not None:
            self._genres.close()

    def choice(self, name: str) -> Choice:
        return self.query_one(f"#{name}", Choice)

    @property
    def spec(self) -> DataSpec | None:
        """The dataset, once it was found."""
        return self._spec

    @property
    def split(self) -> str:
        return self.choice("split").value

    def about(self, name: str) -> Mapping[str, str]:
        """What there is to say of a choice's values."""
        values = self._settings.values
        return (
            {each: explain_data(values, each) for each in self.choice("data").choices}
            if name == "data"
            else {}
        )

    # The dataset

    def need(self) -> None:
        """Look for the dataset, unless that goes on already."""
        if not self._finding:
            self.find()

    def find(self) -> None:
        """Look for the dataset; :class:`DataReady` follows."""
        self._finding = True
        name, settings = self.choice("data").value, self._settings
        self._spec = None
        self._source.close()
        self._say(f"looking for {name}…")
        background.run(lambda: name_data(name, settings), self, title="Data")

    @on(DataNamed)
    def _named(self, event: DataNamed) -> None:
        event.stop()
        if event.name != self.choice("data").value:
            return
        self._spec, self._finding = event.spec, False
        if event.spec is None:
            self._step = 0
            self._say(clean_line(event.problem), "error")
        else:
            split = self.choice("split")
            split.choices = event.splits
            split.value = event.splits[0]
            self._open_split()
            if self._step:
                self.step(self._step)
        self.post_message(self.DataReady(event.spec, event.problem))

    # Examples

    def step(self, by: int) -> None:
        """Take the next example, or one before; as soon as it is read."""
        if self._spec is None:
            self._step = by
            self.need()
            return
        self._step = 0
        self._take(self._source.step(by))

    def _take(self, found: Found | None) -> None:
        if found is not None:
            self.post_message(self.Taken(found))
        self._say(clean_line(self._source.status), "error" if self._source.problem else "muted")

    def _open_split(self) -> None:
        """Read another split from its beginning, and beside that which genres it has."""
        genre = self.choice("genre")
        genre.choices, genre.value = (ALL_GENRES,), ALL_GENRES
        if self._genres is not None:
            self._genres.close()
        if self._spec is not None:
            self._split_job += 1
            self._genres = GenreReading(self._split_job, self._spec, self.split, self)
            self._read()

    @on(GenresRead)
    def _genres_read(self, event: GenresRead) -> None:
        event.stop()
        if event.job == self._split_job:
            self.choice("genre").choices = (ALL_GENRES, *event.genres)

    def _read(self) -> None:
        if self._spec is None:
            return
        gold, genre = self.choice("gold").value, self.choice("genre").value
        filters = Filters(
            label="" if gold == ALL_LABELS else gold, genre="" if genre == ALL_GENRES else genre
        )
        self._source.begin(partial(examples, self._spec, self.split, filters))
        self._take(None)

    @on(ExamplesRead)
    def _examples_read(self, event: ExamplesRead) -> None:
        event.stop()
        self._take(self._source.read(event))

    @on(ExamplesFailed)
    def _examples_failed(self, event: ExamplesFailed) -> None:
        event.stop()
        self._source.failed(event)
        self._take(None)

    @on(Searched)
    def _searched(self, event: Searched) -> None:
        event.stop()

    @on(Choice.Changed)
    def _chosen(self, event: Choice.Changed) -> None:
        event.stop()
        if event.choice.id == "data":
            self.find()
        elif event.choice.id == "split":
            self._open_split()
        else:
            self._read()

    def _say(self, text: str, ink: str = "muted") -> None:
        self.query_one("#example-status", Lines).show([[(text, ink)]])
