"""The filter of the history: a field, and below it what may come next or what is wrong, and where."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.suggester import Suggester

from nli_console.record.history_fields import Vocabulary
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.ink import Line, Span
from nli_console.tui.widgets.painted import Lines
from nli_console.tui.widgets.scroll_lines import wrap
from nli_console.tui.widgets.text_input import TextInput

if TYPE_CHECKING:
    from nli_console.record.query import QueryError
    from nli_console.record.query_completion import Completion

_HINT = "filter: words, method:lora, accuracy>0.85, started:7d, tag:paper, -state:failed"
_ROWS = 3
"""Of an explanation that is long, or of a narrow terminal."""
_PADDING = 1
"""Cells of the field before its first character."""


class FilterInput(TextInput):
    """The field itself: up and down go through the rows, tab takes what is offered."""

    def on_key(self, event: events.Key) -> None:
        field = self.parent
        assert isinstance(field, FilterField)
        if event.key in ("down", "up"):
            field.post_message(FilterField.Moved(1 if event.key == "down" else -1))
        elif event.key != "tab" or not field.take_offer():
            return
        event.stop()
        event.prevent_default()


class _Suggester(Suggester):
    """Shows the first offer in faint letters behind what was typed."""

    def __init__(self, field: "FilterField") -> None:
        super().__init__(use_cache=False)
        self._field = field

    async def get_suggestion(self, value: str) -> str | None:
        return self._field.offered()


class FilterField(Vertical):
    """Hidden until it is opened. A filter that cannot be read is shown as such and never applied."""

    DEFAULT_CSS = """
    FilterField { height: auto; display: none; }
    """

    @dataclass
    class Changed(Message):
        """Another filter was typed; ``text`` is as much of it as can be read.

        ``without`` leaves out a last word that may yet become the name of a field.
        """

        text: str
        without: str

    @dataclass
    class Accepted(Message):
        """Enter was pressed on a filter that can be read."""

        text: str

    @dataclass
    class Moved(Message):
        """Another row is to be selected, ``rows`` further down."""

        rows: int

    def __init__(self, symbols: Symbols, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._symbols = symbols
        self.vocabulary = Vocabulary()
        self.error: QueryError | None = None
        self._completion: Completion | None = None

    def compose(self) -> ComposeResult:
        yield FilterInput(placeholder=_HINT, suggester=_Suggester(self))
        yield Lines(id="filter-help")

    @property
    def input(self) -> FilterInput:
        return self.query_one(FilterInput)

    @property
    def opened(self) -> bool:
        return bool(self.display)

    def open(self, vocabulary: Vocabulary, text: str) -> None:
        """Show the field with the filter that is in force."""
        self.vocabulary = vocabulary
        self.display = True
        self.input.value = text
        self.input.cursor_position = len(text)
        self._look()
        self.input.focus()

    def close(self) -> None:
        self.display = False

    def take_offer(self) -> bool:
        """Put the first of what is offered into the text; ``False`` when there is nothing to take."""
        if self._completion is None or not self._completion.options:
            return False
        text, cursor = self._completion.applied(self.input.value, self._completion.options[0])
        self.input.value = text
        self.input.cursor_position = cursor
        return True

    def offered(self) -> str | None:
        """The text with the first offer behind it, where that goes on from what was typed."""
        from nli_console.record.query_completion import complete

        value = self.input.value
        completion = complete(value, len(value), self.vocabulary)
        if not completion.options or completion.end != len(value):
            return None
        offered = value[: completion.start] + completion.options[0].text
        return value + offered[len(value) :] if offered.casefold().startswith(value.casefold()) else None

    def on_resize(self) -> None:
        if self.opened:
            self._look()

    @on(TextInput.Changed)
    def _changed(self, event: TextInput.Changed) -> None:
        event.stop()
        from nli_console.record.query import readable

        self._look()
        text = readable(event.value, self.vocabulary)
        without = self._without_beginning(event.value)
        self.post_message(self.Changed(text, text if without is None else without))

    @on(TextInput.Submitted)
    def _submitted(self, event: TextInput.Submitted) -> None:
        event.stop()
        if self.error is None:
            self.post_message(self.Accepted(event.value))

    def _without_beginning(self, value: str) -> str | None:
        """The filter without its last word, where that begins a name that is offered."""
        from nli_console.record.query import readable

        completion = self._completion
        if completion is None or not completion.options or completion.end != len(value):
            return None
        typed = value[completion.start : completion.end]
        if not typed or not completion.options[0].text.startswith(typed.casefold()):
            return None
        return readable(value[: completion.start].rstrip("-!"), self.vocabulary)

    def _look(self) -> None:
        """Read the text, and say below it what is wrong or what may come next."""
        from nli_console.record.query import QueryError, parse
        from nli_console.record.query_completion import complete

        text = self.input.value
        self.error = None
        try:
            parse(text, self.vocabulary)
        except QueryError as error:
            self.error = error
        self._completion = complete(text, self.input.cursor_position, self.vocabulary)
        wrong = self.error is not None and not self.error.incomplete
        self.input.set_class(wrong, "-problem")
        width = max(self.size.width, self.input.size.width)
        offers = self._offers(self._completion, width)
        lines: list[Line] = self._pointer(width) if wrong or not offers else [offers]
        self.query_one("#filter-help", Lines).show(lines)

    def _pointer(self, width: int) -> list[Line]:
        """Carets under what is wrong, and the problem beside them, or below where it has no room there."""
        error = self.error
        if error is None:
            return [[]]
        caret = "^" * max(1, cell_len(self.input.value[error.start : error.end]))
        left = _PADDING + cell_len(self.input.value[: error.start]) - self.input.scroll_offset.x
        left = min(max(left, 0), max(width - len(caret), 0))
        ink = "muted" if error.incomplete else "error"
        if cell_len(error.problem) < width - left - len(caret):
            return [[(f"{' ' * left}{caret} {error.problem}", ink)]]
        room = max(width - _PADDING, 1)
        return [
            [(" " * left + caret, ink)],
            *([(" " + row, ink)] for row in wrap(error.problem, room)[:_ROWS]),
        ]

    def _offers(self, completion: "Completion", width: int) -> list[Span]:
        if not completion.options:
            return []
        spans: list[Span] = [(" tab ", "muted")]
        used = 5
        for place, option in enumerate(completion.options):
            text = option.text + (f" {option.about}" if len(completion.options) == 1 else "")
            if used + cell_len(text) + 2 > width:
                break
            ink = "accent" if place == 0 else "foreground"
            spans += [(option.text, ink), (f"{text[len(option.text) :]}  ", "muted")]
            used += cell_len(text) + 2
        return spans
