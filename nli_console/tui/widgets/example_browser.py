"""The examples of a split: controls, the list, and the selected one in full."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.message import Message
from textual.timer import Timer

from nli_console.data.browse import Filters
from nli_console.data.helper import examples
from nli_console.data.spec import LABELS, DataSpec
from nli_console.text import clean_line
from nli_console.tui.data_reading import LISTED, ExampleReading, ExamplesFailed, ExamplesRead, Searched
from nli_console.tui.screens.picker import Choosable, Picker
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.choice import Choice
from nli_console.tui.widgets.data_figures import example_text
from nli_console.tui.widgets.example_table import ExampleTable
from nli_console.tui.widgets.ink import Span
from nli_console.tui.widgets.painted import Lines
from nli_console.tui.widgets.scroll_lines import ScrollLines, wrap
from nli_console.tui.widgets.text_input import TextInput

ALL_LABELS = "all labels"
ALL_GENRES = "all genres"
_AHEAD = 100
"""Examples are read by so many at once, on when fewer than half as many follow the selected one."""
_SETTLE = 0.3
"""Seconds without a key after which the filter is applied."""


class ExampleBrowser(Vertical):
    """Reads and shows examples; a filter starts the reading again from the first row."""

    DEFAULT_CSS = """
    ExampleBrowser #controls { layout: vertical; height: 2; margin-bottom: 1; }
    ExampleBrowser #more { width: 1fr; height: 1; }
    ExampleBrowser Choice { width: 1fr; margin-right: 1; }
    ExampleBrowser #filter { display: none; }
    ExampleBrowser #table { height: 2fr; }
    ExampleBrowser #example { height: 3fr; border-top: solid $line; }
    """

    @dataclass
    class SplitChanged(Message):
        """Another split is looked at."""

        split: str

    def __init__(self, symbols: Symbols, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._symbols = symbols
        self._spec: DataSpec | None = None
        self._reading: ExampleReading | None = None
        self._job = 0
        self._end = ""
        self._settling: Timer | None = None

    def compose(self) -> ComposeResult:
        with Container(id="controls"):
            yield Choice("", (), self._symbols, id="split")
            with Horizontal(id="more"):
                yield Choice(ALL_LABELS, (ALL_LABELS, *LABELS), self._symbols, id="label")
                yield Choice(ALL_GENRES, (ALL_GENRES,), self._symbols, id="genre")
        yield ExampleTable(id="table")
        yield TextInput(placeholder="text in premise, hypothesis or id", id="filter")
        yield Lines(rows=1, id="examples-status")
        yield ScrollLines(id="example")

    def on_unmount(self) -> None:
        self.stop()

    @property
    def table(self) -> ExampleTable:
        return self.query_one("#table", ExampleTable)

    @property
    def split(self) -> str:
        return self.choice("split").value

    @property
    def filters(self) -> Filters:
        """What the controls ask for."""
        label, genre = self.choice("label").value, self.choice("genre").value
        return Filters(
            contains=self._box.value.strip(),
            label="" if label == ALL_LABELS else label,
            genre="" if genre == ALL_GENRES else genre,
        )

    def choice(self, name: str) -> Choice:
        """The control called ``split``, ``label`` or ``genre``."""
        return self.query_one(f"#{name}", Choice)

    @property
    def _box(self) -> TextInput:
        return self.query_one("#filter", TextInput)

    # What is looked at

    def forget(self, text: str) -> None:
        """Leave the dataset; ``text`` stands where its examples were."""
        self._spec = None
        self.choice("split").choices = ()
        self.choice("split").value = ""
        self._box.display = False
        self._reset_filters()
        self.use_genres(())
        self._empty(text)

    def show(self, spec: DataSpec, splits: Sequence[str]) -> None:
        """Read the examples of a dataset, those of its first split at the beginning."""
        self._spec = spec
        split = self.choice("split")
        split.choices = tuple(splits)
        split.value = splits[0]
        self._read()

    def use_genres(self, genres: Sequence[str]) -> None:
        """Offer these genres."""
        choice = self.choice("genre")
        choice.choices = (ALL_GENRES, *genres)
        if choice.value not in choice.choices:
            choice.value = ALL_GENRES

    def stop(self) -> None:
        """Read no further; what is there stays."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    def _empty(self, *lines: str) -> None:
        self.stop()
        self._end = ""
        self.table.clear(*lines)
        self._show_example()
        self._show_status()

    def _read(self) -> None:
        """Read the examples that pass the filters, from the first."""
        if self._spec is None or not self.split:
            return
        self._empty("Reading…")
        self._job += 1
        start = partial(examples, self._spec, self.split, self.filters)
        self._reading = ExampleReading(self._job, start, self, _AHEAD)

    @on(ExamplesRead)
    def _examples_read(self, event: ExamplesRead) -> None:
        event.stop()
        if event.job != self._job or self._spec is None:
            return
        self.table.add(event.examples)
        if event.rows is not None:
            self._end = f"of {event.rows:,} rows"
            self._reading = None
            if not self.table.examples:
                self.table.clear("No example passes.", "Press esc to clear the filters.")
        elif len(self.table.examples) >= LISTED:
            self._end = "listed; a narrower filter shows others"
        self._show_status()

    @on(Searched)
    def _searched(self, event: Searched) -> None:
        event.stop()
        if event.job == self._job and self._reading is not None and not self.table.examples:
            share = f" {100 * event.done / event.total:.0f} %" if event.total else ""
            self.query_one("#examples-status", Lines).show([[(f"searching{share}", "state-running")]])

    @on(ExamplesFailed)
    def _examples_failed(self, event: ExamplesFailed) -> None:
        event.stop()
        if event.job != self._job or self._spec is None:
            return
        self._end = "before the file could not be read any further"
        if not self.table.examples:
            self.table.clear(*wrap(clean_line(event.text), max(self.table.size.width - 2, 20)))
        self._show_status()

    # Controls

    @on(ExampleTable.Highlighted)
    def _highlighted(self, event: ExampleTable.Highlighted) -> None:
        if self._reading is not None:
            self._reading.want(ceil((event.place + _AHEAD // 2) / _AHEAD) * _AHEAD)
        self._show_example()
        self._show_status()

    @on(Choice.Changed)
    def _control_changed(self, event: Choice.Changed) -> None:
        event.stop()
        if event.choice.id == "split":
            self.post_message(self.SplitChanged(event.value))
        self._read()

    @on(Choice.Asked)
    def _asked(self, event: Choice.Asked) -> None:
        event.stop()
        self.pick(event.choice.id or "")

    def pick(self, name: str) -> None:
        """Let the user choose the value of a control from a list."""
        choice = self.choice(name)
        rows = [Choosable(value, clean_line(value, limit=80)) for value in choice.choices]
        if rows:
            picker = Picker(name.capitalize(), rows, current=choice.value)
            self.app.push_screen(picker, lambda value: None if value is None else choice.choose(value))

    def ask_filter(self) -> None:
        """Open the filter field."""
        self._box.display = True
        self._box.focus()

    @on(TextInput.Changed, "#filter")
    def _filter_changed(self) -> None:
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(_SETTLE, self._read)

    @on(TextInput.Submitted, "#filter")
    def _filter_submitted(self) -> None:
        self._box.display = False
        self.table.focus()

    def peel(self) -> bool:
        """Filter field, then filters; ``False`` when there is neither."""
        if self._box.display:
            self._box.value = ""
            self._filter_submitted()
        elif self.filters:
            self._reset_filters()
            self._read()
        else:
            return False
        return True

    def _reset_filters(self) -> None:
        with self.prevent(TextInput.Changed):
            self._box.value = ""
        self.choice("label").value = ALL_LABELS
        self.choice("genre").value = ALL_GENRES

    # Showing

    def _show_status(self) -> None:
        table = self.table
        spans: list[Span] = []
        if table.examples:
            spans.append((f"{table.place + 1:,} of {len(table.examples):,}", "foreground"))
            spans.append((f" {self._end}" if self._end else " read so far", "muted"))
        if text := self._box.value.strip():
            spans += [("   with ", "muted"), (text, "accent")]
        self.query_one("#examples-status", Lines).show([spans])

    def _show_example(self) -> None:
        found, symbols = self.table.selected, self._symbols
        panel = self.query_one("#example", ScrollLines)
        panel.show(lambda width: example_text(found, width, symbols) if found is not None else [])
        panel.scroll_to(y=0, animate=False)
