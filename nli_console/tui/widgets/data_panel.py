"""What a dataset holds: its name, how far its reading is, and the figures."""

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Vertical

from nli_console.data.profile import DataProfile
from nli_console.data.spec import DataSpec
from nli_console.text import clean_line, format_bytes
from nli_console.tui.data_reading import DataProgress
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.data_figures import Look, figures
from nli_console.tui.widgets.ink import Line, Span
from nli_console.tui.widgets.painted import Lines
from nli_console.tui.widgets.scroll_lines import ScrollLines, wrap
from nli_console.tui.widgets.sparkline import progress_bar

EMPTY = ("No dataset is open.", "Choose one and press enter, or press p and name a path.")
_BAR = 12


@dataclass(frozen=True)
class Opened:
    """The dataset that is looked at, as far as it is known. Only ``profile`` or ``error`` is there."""

    name: str = ""
    spec: DataSpec | None = None
    where: str = ""
    profile: DataProfile | None = None
    note: str = ""
    error: str = ""
    reading: bool = False


class DataPanel(Vertical):
    """Draws an :class:`Opened`."""

    DEFAULT_CSS = """
    DataPanel #figures { margin-top: 1; }
    """

    def __init__(self, symbols: Symbols, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._symbols = symbols

    def compose(self) -> ComposeResult:
        yield Lines(rows=2, id="data-about")
        yield ScrollLines(id="figures")

    def show(self, opened: Opened, look: Look) -> None:
        """Show everything again."""
        self.show_progress(opened, None)
        panel = self.query_one("#figures", ScrollLines)
        profile = opened.profile
        if profile is not None:
            panel.show(lambda width: figures(profile, look, width))
            return
        if opened.error:
            texts = [(opened.error, "error"), ("", ""), ("r reads it again; or choose another one.", "muted")]
        elif opened.name:
            texts = [("The figures follow when every row was read; x stops.", "muted")]
        else:
            texts = [(text, "muted") for text in EMPTY]
        panel.show(lambda width: [[(piece, ink)] for text, ink in texts for piece in wrap(text, width)])

    def show_progress(self, opened: Opened, progress: DataProgress | None) -> None:
        """Show the name, and where the data is or how far its reading is."""
        if not opened.name:
            self.query_one("#data-about", Lines).show([[("no dataset", "muted")]])
            return
        kind = f"   {opened.spec.format}" if opened.spec else ""
        title: Line = [(clean_line(opened.name), "bold bright"), (kind, "muted")]
        second: Line = [(opened.where, "muted")]
        if opened.reading:
            second = self._progress_line(progress)
        self.query_one("#data-about", Lines).show([title, second])

    def _progress_line(self, progress: DataProgress | None) -> list[Span]:
        symbols = self._symbols
        if progress is None or not progress.total:
            return [(f"{symbols.busy} looking at the files", "state-running")]
        counted = f"{progress.done:,} of {progress.total:,} {progress.unit}"
        if progress.unit == "bytes":
            counted = f"{format_bytes(progress.done)} of {format_bytes(progress.total)}"
        text = progress_bar(progress.done / progress.total, _BAR, ascii_only=symbols.ascii)
        full = text.rstrip("-─")
        bar: list[Span] = [(full, "state-running"), (text[len(full) :], "line")]
        return [(f"{progress.phase} ", "state-running"), *bar, (f" {counted}", "foreground")]
