"""Data: the datasets that are known, what one of them holds, and its examples."""

from dataclasses import replace

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from nli_console.data.resolve import DEMO_DATA
from nli_console.methods.defaults import method_to_begin_with
from nli_console.text import clean_line
from nli_console.tui.data_reading import DataFailed, DataOpened, DataProfiled, DataProgress, ProfileReading
from nli_console.tui.frugal import make_frugal
from nli_console.tui.keys import bindings, key_name
from nli_console.tui.screens.base import ConsoleScreen
from nli_console.tui.suggestions import explain_data
from nli_console.tui.widgets.data_figures import Look
from nli_console.tui.widgets.data_panel import DataPanel, Opened
from nli_console.tui.widgets.example_browser import ExampleBrowser
from nli_console.tui.widgets.example_table import ExampleTable
from nli_console.tui.widgets.page_bar import PageBar
from nli_console.tui.widgets.text_input import TextInput

PAGES = {"sources": "#datasets", "figures": "#figures", "examples": "#table"}
"""What a narrow terminal shows one at a time, and what gets the focus there."""


class DataScreen(ConsoleScreen):
    """Sources left, figures in the middle, examples right; a narrow terminal shows one of them."""

    mode = "data"
    key_group = "data"
    BINDINGS = bindings("data")
    AUTO_FOCUS = "#datasets"
    CSS = """
    DataScreen #data { height: 1fr; }
    DataScreen #data-pages { padding: 0 1; background: $surface; }
    DataScreen.-wide #data-pages, DataScreen.-zoomed #data-pages { display: none; }
    DataScreen #sources { width: 25; padding: 1 1 0 1; border-right: vkey $line; }
    DataScreen #datasets { max-height: 50%; }
    DataScreen #sources .caption { color: $muted; height: auto; margin-top: 1; }
    DataScreen DataPanel { width: 1fr; padding: 1 1 0 1; }
    DataScreen ExampleBrowser { width: 1fr; padding: 1 0 0 1; border-left: vkey $line; }
    DataScreen.-medium DataPanel, DataScreen.-medium ExampleBrowser { display: none; }
    DataScreen.-medium.-sources DataPanel, DataScreen.-medium.-figures DataPanel { display: block; }
    DataScreen.-medium.-examples ExampleBrowser { display: block; border-left: none; }
    DataScreen.-narrow #sources, DataScreen.-narrow DataPanel, DataScreen.-narrow ExampleBrowser {
        display: none; border: none; width: 1fr;
    }
    DataScreen.-narrow.-sources #sources, DataScreen.-narrow.-figures DataPanel,
    DataScreen.-narrow.-examples ExampleBrowser { display: block; }
    DataScreen.-short #sources, DataScreen.-short DataPanel { padding: 0 1; }
    DataScreen.-short ExampleBrowser { padding: 0 0 0 1; }
    DataScreen.-short #figures, DataScreen.-short #sources .caption { margin-top: 0; }
    DataScreen.-narrow #controls, DataScreen.-medium #controls { layout: horizontal; height: 1; }
    DataScreen.-narrow #more, DataScreen.-medium #more { width: 2fr; }
    DataScreen.-short #controls { margin-bottom: 0; }
    DataScreen.-zoomed #sources, DataScreen.-zoomed DataPanel { display: none; }
    DataScreen.-zoomed ExampleBrowser { display: block; border: none; }
    DataScreen.-zoomed #table, DataScreen.-zoomed #controls { display: none; }
    DataScreen.-zoomed #example { border-top: none; height: 1fr; }
    .-ascii DataScreen #example { border-top: ascii $line; }
    .-ascii DataScreen #sources { border-right: ascii $line; }
    .-ascii DataScreen ExampleBrowser { border-left: ascii $line; }
    """

    def __init__(self) -> None:
        super().__init__()
        make_frugal(self)
        self._job = 0
        self.opened = Opened()
        self._reading: ProfileReading | None = None
        self._page = "sources"

    def body(self) -> ComposeResult:
        settings, symbols = self.shell.settings.values, self.shell.symbols
        names = dict.fromkeys((DEMO_DATA, *settings.datasets))
        length = method_to_begin_with(settings).max_length
        yield PageBar(tuple(PAGES), hint=key_name("right_square_bracket"), id="data-pages")
        with Horizontal(id="data"):
            with Vertical(id="sources"):
                title = Content.assemble("Dataset", ("  enter opens", "not bold $muted"))
                yield Static(title, markup=False, classes="heading")
                options = [Option(Content(clean_line(name)), id=name) for name in names]
                yield OptionList(*options, id="datasets", markup=False)
                yield Static("folder, zip, file or hub id", markup=False, classes="caption")
                yield TextInput(id="path", placeholder="a path")
                yield Static("lengths by the tokenizer of", markup=False, classes="caption")
                yield TextInput(settings.defaults.model, id="model")
                yield Static("max length, in tokens", markup=False, classes="caption")
                yield TextInput(str(length), id="max-length", restrict=r"\d{0,5}")
            yield DataPanel(symbols)
            yield ExampleBrowser(symbols)

    def on_mount(self) -> None:
        self._show_page("sources")
        self.browser.forget("No dataset is open.")
        self._show()
        usual = self.shell.settings.values.defaults.data
        datasets = self.query_one("#datasets", OptionList)
        known = [option.id for option in datasets.options]
        datasets.highlighted = known.index(usual) if usual in known else 0
        # A dataset of the hub is read when it is asked for: that may mean to download it.
        if usual == DEMO_DATA:
            self.open(usual)

    def on_unmount(self) -> None:
        self._stop()

    @property
    def browser(self) -> ExampleBrowser:
        return self.query_one(ExampleBrowser)

    def _text(self, id: str) -> str:
        return self.query_one(f"#{id}", TextInput).value.strip()

    # Opening a dataset

    def open(self, name: str) -> None:
        """Read a dataset; what was being read is left."""
        self._stop()
        self._job += 1
        self.opened = Opened(name, reading=True)
        self.browser.forget("Reading…")
        self._reading = ProfileReading(self._job, name, self._text("model"), self.shell.settings, self)
        self._show()

    def _stop(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    @on(OptionList.OptionSelected, "#datasets")
    def _chosen(self, event: OptionList.OptionSelected) -> None:
        if event.option.id is not None:
            self._open_and_turn(event.option.id)

    @on(TextInput.Submitted, "#path")
    def _named(self, event: TextInput.Submitted) -> None:
        if event.value.strip():
            self.open(event.value.strip())
            self._turn_to("figures")

    def _open_and_turn(self, name: str) -> None:
        self.open(name)
        if not self.has_class("-wide"):
            self._turn_to("figures")

    @on(TextInput.Submitted, "#model")
    def action_reread(self) -> None:
        if self.opened.name:
            self.open(self.opened.name)

    @on(TextInput.Changed, "#max-length")
    def _other_length(self) -> None:
        self._show()

    def action_cancel(self) -> None:
        """Stop counting; the examples that were read stay."""
        if self._reading is None:
            self.shell.tell("Nothing is being read.")
            return
        self._stop()
        self.opened = replace(self.opened, reading=False, error="Stopped before every row was read.")
        self._show()

    # What the reading tells

    @on(DataOpened)
    def _data_opened(self, event: DataOpened) -> None:
        if event.job != self._job:
            return
        spec = event.spec
        settings = self.shell.settings.values
        where = explain_data(settings, DEMO_DATA) if spec.name == DEMO_DATA else spec.source
        self.opened = replace(self.opened, spec=spec, where=clean_line(where))
        if spec.splits:
            self.browser.show(spec, list(spec.splits))
        self._show()

    @on(DataProgress)
    def _progressed(self, event: DataProgress) -> None:
        if event.job == self._job:
            self.query_one(DataPanel).show_progress(self.opened, event)

    @on(DataProfiled)
    def _profiled(self, event: DataProfiled) -> None:
        if event.job != self._job:
            return
        self._reading = None
        self.opened = replace(self.opened, profile=event.profile, note=event.note, reading=False)
        spec = self.opened.spec
        if spec is not None and not spec.splits:
            self.browser.show(spec, [split.name for split in event.profile.splits])
        self._offer_genres()
        self._show()

    @on(DataFailed)
    def _failed(self, event: DataFailed) -> None:
        if event.job != self._job:
            return
        self._reading = None
        self.opened = replace(self.opened, error=clean_line(event.text), reading=False)
        if self.opened.spec is None:
            self.browser.forget("No examples.")
        self._show()

    @on(ExampleBrowser.SplitChanged)
    def _split_changed(self) -> None:
        self._offer_genres()
        self._show()

    def _offer_genres(self) -> None:
        profile = self.opened.profile
        split = profile.split(self.browser.split) if profile is not None else None
        self.browser.use_genres(tuple(split.genres) if split is not None else ())

    def _show(self) -> None:
        length = self._text("max-length")
        look = Look(
            self.browser.split,
            int(length) if length.isdigit() and int(length) else None,
            self._text("model"),
            self.opened.note,
            self.shell.symbols,
        )
        self.query_one(DataPanel).show(self.opened, look)

    # Keys

    def action_pick(self, control: str) -> None:
        self.browser.pick(control)

    def action_step(self, control: str) -> None:
        self.browser.choice(control).action_step(1)

    def action_example(self, by: int) -> None:
        self.browser.table.move(by)

    def action_source(self, field: str) -> None:
        self._turn_to("sources")
        self.query_one(f"#{field}", TextInput).focus()

    def action_filter(self) -> None:
        self._turn_to("examples")
        self.browser.ask_filter()

    @on(ExampleTable.Opened)
    def _zoom(self) -> None:
        self.zoom(True)
        self.query_one("#example").focus()

    def action_page(self, by: int) -> None:
        names = list(PAGES)
        self._turn_to(names[(names.index(self._page) + by) % len(names)])

    @on(PageBar.Turned)
    def _page_clicked(self, event: PageBar.Turned) -> None:
        self._turn_to(event.page)

    def _turn_to(self, page: str) -> None:
        self.zoom(False)
        self._show_page(page)
        self.query_one(PAGES[page]).focus()

    def _show_page(self, page: str) -> None:
        self._page = page
        self.query_one(PageBar).show_page(page)
        for name in PAGES:
            self.set_class(name == page, f"-{name}")

    def peel(self) -> bool:
        """Zoom, filter field, filters, fields, pages: one layer at a time."""
        if self.has_class("-zoomed"):
            self.zoom(False)
            self.browser.table.focus()
        elif self.browser.peel():
            return True
        elif isinstance(self.focused, TextInput) or (self._page != "sources" and not self.has_class("-wide")):
            self._turn_to("sources")
        else:
            return False
        return True
