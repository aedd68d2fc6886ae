"""Compare: the curves of several runs over one another, and their figures, tests and settings."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from nli_console.record.findings import Comparison
from nli_console.record.store import RunSummary
from nli_console.text import clean_line
from nli_console.tui.analysing import AnalysisFailed, AnalysisProgress, Answered, Asking
from nli_console.tui.keys import bindings, key_name
from nli_console.tui.reporting import ENDING, problem_of, write_new
from nli_console.tui.screens.base import ConsoleScreen
from nli_console.tui.screens.picker import Choosable, Picker
from nli_console.tui.screens.prompt import Prompt
from nli_console.tui.widgets.comparison_text import comparison_lines, ink_of, letter_of
from nli_console.tui.widgets.ink import Span
from nli_console.tui.widgets.live_view import SMOOTHINGS
from nli_console.tui.widgets.overlay_chart import AXES, Axis, OverlayChart, RunCurve
from nli_console.tui.widgets.page_bar import PageBar
from nli_console.tui.widgets.painted import Lines
from nli_console.tui.widgets.scroll_lines import ScrollLines

PAGES = ("figures", "curves")
FORMATS = {".md": "markdown", ".tex": "latex", ".csv": "csv", ".json": "json"}
"""How a file with tables is written, by the end of its name."""
ENDINGS = (*FORMATS, ENDING)


class CompareScreen(ConsoleScreen):
    """Stands on top of Runs; Esc goes back there. Reads the runs once, in a process of its own."""

    mode = "runs"
    key_group = "compare"
    BINDINGS = bindings("compare")
    AUTO_FOCUS = "#comparison"
    CSS = """
    CompareScreen #compare { height: 1fr; padding: 0 1; }
    CompareScreen #compare-pages { display: none; }
    CompareScreen #curves { height: 2fr; max-height: 18; }
    CompareScreen #comparison { height: 3fr; border-top: solid $line; }
    CompareScreen.-short #compare-pages { display: block; }
    CompareScreen.-short #curves { display: none; max-height: 100%; }
    CompareScreen.-short #comparison { border-top: none; }
    CompareScreen.-short.-curves #curves { display: block; }
    CompareScreen.-short.-curves #comparison { display: none; }
    .-ascii CompareScreen #comparison { border-top: ascii $line; }
    .-ascii CompareScreen.-short #comparison { border-top: none; }
    """

    def __init__(self, runs: Sequence[RunSummary]) -> None:
        super().__init__()
        self._runs = tuple(runs)
        self._job = 0
        self._writing = 0
        self.found: Comparison | None = None
        self.axis: Axis = "step"
        self.held_out = False
        self.log_axis = False
        self.smoothing = 0.0

    def body(self) -> ComposeResult:
        with Vertical(id="compare"):
            yield PageBar(PAGES, hint=key_name("right_square_bracket"), id="compare-pages")
            yield Lines(id="compare-status", rows=1)
            yield OverlayChart(symbols=self.shell.symbols.chart, id="curves")
            yield ScrollLines(id="comparison")

    def on_mount(self) -> None:
        self.smoothing = self.shell.settings.values.interface.smoothing
        self.query_one(PageBar).show_page("figures")
        self._asking = Asking(self)
        self.action_reread()
        # Who asks for a run, such as a launch, means the history.
        self.watch(self.app, "selected_run", self._leave_for, init=False)

    def on_unmount(self) -> None:
        self._asking.close()

    def _leave_for(self, run_id: str | None) -> None:
        if run_id:
            self.dismiss()

    # Reading

    def action_reread(self) -> None:
        layouts = [run.layout for run in self._runs]
        self._job = self._asking.ask(lambda analysis, tell: analysis.compare(layouts, tell))
        self._say([("reading the runs", "state-running")])

    def action_cancel(self) -> None:
        if not (self._job or self._writing):
            self.shell.tell("Nothing is being read.")
            return
        self._job = self._writing = 0
        self._asking.cancel()
        self._say([("stopped", "muted"), ("  r", "accent"), (" reads again", "muted")])

    @on(AnalysisProgress)
    def _progressed(self, event: AnalysisProgress) -> None:
        if event.job in (self._job, self._writing):
            self._say(
                [
                    (f"{event.phase} {event.done} of {event.total} {event.unit}", "state-running"),
                    ("  x", "accent"),
                    (" stops", "muted"),
                ]
            )

    @on(AnalysisFailed)
    def _failed(self, event: AnalysisFailed) -> None:
        if event.job in (self._job, self._writing):
            self._job = self._writing = 0
            self._say([(clean_line(event.text), "error")])

    @on(Answered)
    def _answered(self, event: Answered) -> None:
        if event.job == self._job and isinstance(event.value, Comparison):
            self._job, self.found = 0, event.value
            self._show()
        elif event.job == self._writing and isinstance(event.value, str):
            self._writing = 0
            self.shell.tell(event.value)
            self._show_status()

    def _say(self, spans: list[Span]) -> None:
        self.query_one("#compare-status", Lines).show([spans])

    # Showing

    def _show(self) -> None:
        found, symbols = self.found, self.shell.symbols
        if found is None:
            return
        self._show_status()
        self._draw()
        self.query_one("#comparison", ScrollLines).show(lambda width: comparison_lines(found, width, symbols))

    def _show_status(self) -> None:
        spans: list[Span] = []
        for place, run in enumerate(self.found.runs if self.found is not None else ()):
            spans += [
                ("  " if spans else "", "muted"),
                (letter_of(place), f"bold {ink_of(place)}"),
                (f" {clean_line(run.title, limit=40)}", "foreground"),
            ]
        self._say(spans)

    def _draw(self) -> None:
        found = self.found
        if found is None:
            return
        curves = [
            RunCurve(letter_of(place), ink_of(place), run.evaluations if self.held_out else run.losses)
            for place, run in enumerate(found.runs)
        ]
        self.query_one(OverlayChart).show(
            "held-out accuracy" if self.held_out else "loss",
            curves,
            axis=self.axis,
            smoothing=0.0 if self.held_out else self.smoothing,
            percent=self.held_out,
            log=self.log_axis and not self.held_out,
            empty="none of these runs was trained" if not self.held_out else "no evaluations during training",
        )

    # Keys

    def action_axis(self) -> None:
        names = list(AXES)
        self.axis = names[(names.index(self.axis) + 1) % len(names)]
        self._draw()

    def action_curve(self) -> None:
        self.held_out = not self.held_out
        self._draw()

    def action_log_axis(self) -> None:
        self.log_axis = not self.log_axis
        self._draw()

    def action_smoothing(self) -> None:
        self.smoothing = next(
            (weight for weight in SMOOTHINGS if weight > self.smoothing + 1e-9), SMOOTHINGS[0]
        )
        self._draw()

    def action_page(self) -> None:
        if self.has_class("-short"):
            self._turn_to("figures" if self.has_class("-curves") else "curves")

    @on(PageBar.Turned)
    def _page_clicked(self, event: PageBar.Turned) -> None:
        self._turn_to(event.page)

    def _turn_to(self, page: str) -> None:
        self.set_class(page == "curves", "-curves")
        self.query_one(PageBar).show_page(page)
        self.set_focus(self.query_one("#comparison") if page == "figures" else None)

    def action_explain(self) -> None:
        """Errors of two runs: of more than two, those that are chosen."""
        if len(self._runs) == 2:
            self._explain(0, 1)
            return
        titles = [clean_line(run.name) for run in self._runs]
        pairs = [(a, b) for a in range(len(titles)) for b in range(len(titles)) if a < b]
        rows = [
            Choosable(f"{a} {b}", f"{letter_of(a)} and {letter_of(b)}", f"{titles[a]}, {titles[b]}")
            for a, b in pairs
        ]
        self.app.push_screen(
            Picker("Where two of the runs disagree", rows),
            lambda chosen: None if chosen is None else self._explain(*map(int, chosen.split())),
        )

    def _explain(self, a: int, b: int) -> None:
        from nli_console.tui.screens.explain import ExplainScreen

        self.app.push_screen(ExplainScreen(self._runs[a], self._runs[b]))

    def action_export(self) -> None:
        explanation = f"The end of its name says how it is written: {', '.join(ENDINGS)}."
        self.app.push_screen(
            Prompt(
                "Write the comparison to a file",
                explanation,
                "comparison.md",
                check=partial(problem_of, endings=ENDINGS),
            ),
            lambda text: None if text is None else self._write(Path(text).expanduser().absolute()),
        )

    def _write(self, path: Path) -> None:
        layouts, kind = [run.layout for run in self._runs], FORMATS.get(path.suffix)

        def write(analysis, tell) -> str:
            text = analysis.report(layouts, tell) if kind is None else analysis.export(layouts, kind, tell)
            write_new(path, text)
            return f"Written: {clean_line(path)}"

        self._writing = self._asking.ask(write)

    def peel(self) -> bool:
        """Esc leads back to the history."""
        self.dismiss()
        return True
