"""A dialog that shows what could be dropped and how much each frees, and drops what is chosen."""

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from nli_console.settings import LoadedSettings
from nli_console.supervisor.cleaning import KINDS, Item, carry_out, propose, total_text
from nli_console.text import clean, format_bytes
from nli_console.tui.background import post, run
from nli_console.tui.messages import Failure
from nli_console.tui.screens.base import ConsoleModal
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.sparkline import progress_bar

_BAR = 12
_OTHERS = 12
"""Rows of the title, the sentences and the hint, with the lines between them."""
_SIZE = 9
_NAME = 28


@dataclass
class Proposed(Message):
    """What could go."""

    items: tuple[Item, ...]


@dataclass
class CleaningOn(Message):
    """How far measuring or dropping is: ``done`` of ``total``, and what is next."""

    done: int
    total: int
    name: str

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, CleaningOn)


class _Left(Exception):
    """Nobody waits for what is measured."""


@dataclass
class Cleaned(Message):
    """What was chosen is gone; ``text`` says how much that freed, and what stays."""

    text: str


class CleanScreen(ConsoleModal[str]):
    """Returns a sentence on what was done, or ``None``. Nothing is dropped before enter is pressed twice."""

    BINDINGS = [
        Binding("space", "switch", show=False, priority=True),
        Binding("enter", "drop", show=False, priority=True),
    ]

    def __init__(self, settings: LoadedSettings, symbols: Symbols) -> None:
        super().__init__()
        self._settings = settings
        self._symbols = symbols
        self._items: tuple[Item, ...] | None = None
        self._chosen: set[int] = set()
        self._sure = False
        self._working = False
        self._left = False

    def body(self) -> ComposeResult:
        yield Static("Clean up", markup=False, classes="title")
        yield Static("measuring…", markup=False, classes="explanation")
        yield OptionList(markup=False)
        yield Static(id="detail", markup=False)
        yield Static("esc leaves everything as it is", markup=False, classes="hint")

    def on_mount(self) -> None:
        settings = self._settings

        def work() -> Message | None:
            try:
                return Proposed(tuple(propose(settings, self._progress)))
            except _Left:
                return None

        run(work, self, title="Clean up")

    def _progress(self, done: int, total: int, name: str) -> None:
        """Called on the thread that works."""
        if self._left and not self._working:
            raise _Left
        post(self, CleaningOn(done, total, name))

    @on(CleaningOn)
    def _went_on(self, event: CleaningOn) -> None:
        event.stop()
        bar = progress_bar(event.done / max(event.total, 1), _BAR, ascii_only=self._symbols.ascii)
        what = f"{bar} {event.done:,} of {event.total:,}  {event.name}"
        if self._working and not self._left:
            self.query_one(".hint", Static).update(f"dropping {what}  esc stops")
        elif self._items is None:
            self.query_one(".explanation", Static).update(f"measuring {what}")

    def action_cancel(self) -> None:
        """Leave; what is being dropped is finished first, and the dialog stays to tell of it."""
        if self._working and not self._left:
            self.query_one(".hint", Static).update("stopping after this one; esc does not wait for it")
        else:
            self.dismiss(None)
        self._left = True

    def on_resize(self) -> None:
        self.query_one(OptionList).styles.max_height = self.rows_for_list(_OTHERS)

    @on(Failure)
    def _failed(self, event: Failure) -> None:
        event.stop()
        self.query_one(".explanation", Static).update(Content.styled(clean(event.text), "$error"))

    @on(Proposed)
    def _proposed(self, event: Proposed) -> None:
        event.stop()
        self._items = event.items
        # What may be wanted back is chosen by hand: everything else is of no use to anybody.
        self._chosen = {place for place, item in enumerate(event.items) if item.kind != "trash"}
        options = self.query_one(OptionList)
        options.add_options([Option(self._line(place), id=str(place)) for place in range(len(event.items))])
        if event.items:
            options.highlighted = 0
            options.focus()
        self._tell()

    def _line(self, place: int) -> Content:
        assert self._items is not None
        item, symbols = self._items[place], self._symbols
        chosen = place in self._chosen
        box = symbols.checked if chosen else symbols.unchecked
        mark = f"[{box}]" if symbols.ascii else box
        size = "to trash" if item.kind == "failed" else format_bytes(item.bytes)
        name = item.name if len(item.name) <= _NAME else f"{item.name[: _NAME - 1]}…"
        return Content.assemble(
            (f"{mark} ", "$accent" if chosen else "$muted"),
            (f"{size:>{_SIZE}}  ", "$bright"),
            (f"{name:<{_NAME}}  ", "$foreground"),
            (item.kind, "$muted"),
        )

    @on(OptionList.OptionHighlighted)
    def _explain(self, event: OptionList.OptionHighlighted) -> None:
        """Why the highlighted thing could go."""
        if self._items and event.option.id is not None:
            item = self._items[int(event.option.id)]
            detail = self.query_one("#detail", Static)
            detail.display = True
            detail.update(Content(f"{item.name}: {item.why}"))

    def _tell(self) -> None:
        """What is chosen, and what enter would do."""
        explanation, hint = self.query_one(".explanation", Static), self.query_one(".hint", Static)
        if not self._items:
            explanation.update(
                "There is nothing to drop: no spare checkpoint, no empty run, no trash, no cache."
            )
            return
        chosen = [item for place, item in enumerate(self._items) if place in self._chosen]
        kinds = "; ".join(about for kind, about in KINDS.items() if any(item.kind == kind for item in chosen))
        explanation.update(
            Content(f"Chosen: {total_text(chosen)}. {kinds}" if chosen else "Nothing is chosen.")
        )
        if self._sure:
            hint.update(
                Content.styled(f"enter once more drops {total_text(chosen)}; esc leaves it", "$warning")
            )
        else:
            hint.update("space chooses, enter drops what is chosen, esc leaves everything as it is")

    def action_switch(self) -> None:
        options = self.query_one(OptionList)
        if self._items and options.highlighted is not None and not self._working:
            self._sure = False
            self._chosen ^= {options.highlighted}
            options.replace_option_prompt_at_index(options.highlighted, self._line(options.highlighted))
            self._tell()

    def action_drop(self) -> None:
        if not self._items or not self._chosen or self._working:
            return
        if not self._sure:
            self._sure = True
            self._tell()
            return
        self._working = True
        self.query_one(".hint", Static).update("dropping…")
        chosen = [item for place, item in enumerate(self._items) if place in self._chosen]
        settings = self._settings

        def work() -> Cleaned:
            freed, problems = carry_out(chosen, settings, self._progress, lambda: self._left)
            return Cleaned("\n".join([f"Freed {format_bytes(freed)}.", *problems]))

        run(work, self, title="Clean up")

    @on(Cleaned)
    def _cleaned(self, event: Cleaned) -> None:
        event.stop()
        self.dismiss(event.text)
