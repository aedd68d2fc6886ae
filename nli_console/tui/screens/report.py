"""A dialog that has the report of runs written, shows how far that is, and can stop it."""

from collections.abc import Sequence
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.widgets import Static

from nli_console.record.layout import RunLayout
from nli_console.supervisor.analysis import Analysis, AnalysisClosed, Progress
from nli_console.text import clean, clean_line
from nli_console.tui.analysing import AnalysisFailed, AnalysisProgress, Answered, Asking
from nli_console.tui.reporting import write_new
from nli_console.tui.screens.base import ConsoleModal
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.sparkline import progress_bar

_BAR = 24


class ReportScreen(ConsoleModal[str]):
    """Returns a sentence: what was written, or why nothing was; ``None`` where it was stopped."""

    def __init__(self, title: str, layouts: Sequence[RunLayout], path: Path, symbols: Symbols) -> None:
        super().__init__()
        self._title = clean(title)
        self._layouts = layouts
        self._path = path
        self._symbols = symbols
        self._left = False

    def body(self) -> ComposeResult:
        yield Static(self._title, markup=False, classes="title")
        yield Static("starting", markup=False, classes="explanation")
        yield Static("esc stops it; then nothing is written", markup=False, classes="hint")

    def on_mount(self) -> None:
        layouts, path = self._layouts, self._path

        def write(analysis: Analysis, tell: Progress) -> str:
            text = analysis.report(layouts, tell)
            if self._left:
                raise AnalysisClosed
            write_new(path, text)
            return f"Written: {clean_line(path)}"

        self._asking = Asking(self)
        self._asking.ask(write)

    def on_unmount(self) -> None:
        self._asking.close()

    def action_cancel(self) -> None:
        self._left = True
        super().action_cancel()

    @on(AnalysisProgress)
    def _progressed(self, event: AnalysisProgress) -> None:
        event.stop()
        bar = progress_bar(event.done / max(event.total, 1), _BAR, ascii_only=self._symbols.ascii)
        text = f"{bar} {event.phase} {event.done:,} of {event.total:,} {event.unit}"
        self.query_one(".explanation", Static).update(clean_line(text))

    @on(AnalysisFailed)
    def _failed(self, event: AnalysisFailed) -> None:
        event.stop()
        self.dismiss(f"No report was written: {event.text}")

    @on(Answered)
    def _answered(self, event: Answered) -> None:
        event.stop()
        self.dismiss(str(event.value))
