"""Errors: the rows that a run gets wrong, where two runs disagree, and accuracy on slices."""

from collections.abc import Sequence
from dataclasses import replace

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.timer import Timer

from nli_console.record.findings import Explanation, Query, Which
from nli_console.record.store import RunSummary
from nli_console.record.summary import headline_split
from nli_console.text import clean_line, format_accuracy, format_count
from nli_console.tui.analysing import AnalysisFailed, AnalysisProgress, Answered, Asking
from nli_console.tui.keys import bindings, key_name
from nli_console.tui.screens.base import ConsoleScreen
from nli_console.tui.screens.picker import Choosable, Picker
from nli_console.tui.widgets.error_table import ErrorTable
from nli_console.tui.widgets.explanation_text import row_lines, slice_lines
from nli_console.tui.widgets.ink import Span
from nli_console.tui.widgets.live_text import split_name
from nli_console.tui.widgets.page_bar import PageBar
from nli_console.tui.widgets.painted import Lines
from nli_console.tui.widgets.scroll_lines import ScrollLines, wrap
from nli_console.tui.widgets.text_input import TextInput

PAGES = ("rows", "slices")
LISTED = 2_000
"""Rows that are held at most; a narrower filter reaches the others."""
ALONE: tuple[Which, ...] = ("errors", "all")
AGAINST: tuple[Which, ...] = ("disagreements", "lost", "won", "errors", "all")
_NOBODY = "-"
_SETTLE = 0.3
"""Seconds without a key after which the text is looked for."""


class ExplainScreen(ConsoleScreen):
    """Stands on top of Runs or Compare; Esc takes back one filter after the other, then goes back there."""

    mode = "runs"
    key_group = "explain"
    BINDINGS = bindings("explain")
    AUTO_FOCUS = "#errors"
    CSS = """
    ExplainScreen #explain-pages, ExplainScreen #explain-title, ExplainScreen #explain-status {
        padding: 0 1;
    }
    ExplainScreen #explain { height: 1fr; }
    ExplainScreen #rows { width: 1fr; padding: 0 1; }
    ExplainScreen #errors { height: 2fr; }
    ExplainScreen #filter { display: none; }
    ExplainScreen #row { height: 3fr; border-top: solid $line; }
    ExplainScreen #slices { width: 57; border-left: vkey $line; padding: 0 0 0 1; }
    ExplainScreen.-wide #explain-pages { display: none; }
    ExplainScreen.-medium #slices, ExplainScreen.-narrow #slices {
        display: none; border-left: none; width: 1fr;
    }
    ExplainScreen.-medium.-slices #slices, ExplainScreen.-narrow.-slices #slices { display: block; }
    ExplainScreen.-medium.-slices #rows, ExplainScreen.-narrow.-slices #rows { display: none; }
    ExplainScreen.-zoomed #slices, ExplainScreen.-zoomed #errors, ExplainScreen.-zoomed #columns {
        display: none;
    }
    ExplainScreen.-zoomed #rows { display: block; }
    ExplainScreen.-zoomed #row { border-top: none; height: 1fr; }
    .-ascii ExplainScreen #row { border-top: ascii $line; }
    .-ascii ExplainScreen #slices { border-left: ascii $line; }
    """

    def __init__(self, run: RunSummary, against: RunSummary | None = None) -> None:
        super().__init__()
        self._run = run
        self._against = against
        self._job = 0
        self._settling: Timer | None = None
        self.asked = Query(which=AGAINST[0] if against is not None else ALONE[0], limit=LISTED)
        self.found: Explanation | None = None

    def body(self) -> ComposeResult:
        yield PageBar(PAGES, hint=key_name("right_square_bracket"), id="explain-pages")
        yield Lines(id="explain-title", rows=1)
        yield Lines(id="explain-status", rows=1)
        with Horizontal(id="explain"):
            with Vertical(id="rows"):
                yield Lines(id="columns", rows=1)
                yield ErrorTable(id="errors")
                yield TextInput(placeholder="text in premise, hypothesis or id", id="filter")
                yield ScrollLines(id="row")
            yield ScrollLines(id="slices")

    def on_mount(self) -> None:
        self.query_one(PageBar).show_page("rows")
        self._asking = Asking(self)
        self._ask("Reading…")
        # Who asks for a run, such as a launch, means the history.
        self.watch(self.app, "selected_run", self._leave_for, init=False)

    def on_unmount(self) -> None:
        self._asking.close()

    def _leave_for(self, run_id: str | None) -> None:
        if run_id:
            self.dismiss()

    @property
    def table(self) -> ErrorTable:
        return self.query_one("#errors", ErrorTable)

    @property
    def _box(self) -> TextInput:
        return self.query_one("#filter", TextInput)

    # Reading

    def _ask(self, *said: str) -> None:
        """Ask for what :attr:`asked` says; what was asked before is overtaken."""
        run, query = self._run.layout, self.asked
        against = self._against.layout if self._against is not None else None
        self._job = self._asking.ask(
            lambda analysis, tell: analysis.explain(run, query, against=against, progress=tell)
        )
        if said:
            self.table.clear(*said)
        self._show_title()

    def action_cancel(self) -> None:
        if not self._job:
            self.shell.tell("Nothing is being read.")
            return
        self._job = 0
        self._asking.cancel()
        self.table.clear("Stopped.", "A filter or another split reads again.")
        self._show_status([])

    @on(AnalysisProgress)
    def _progressed(self, event: AnalysisProgress) -> None:
        if event.job == self._job:
            share = f" {100 * event.done / event.total:.0f} %" if event.total else ""
            self._show_status(
                [(f"{event.phase}{share}", "state-running"), ("  x", "accent"), (" stops", "muted")]
            )

    @on(AnalysisFailed)
    def _failed(self, event: AnalysisFailed) -> None:
        if event.job != self._job:
            return
        self._job = 0
        lines = wrap(clean_line(event.text), max(self.table.size.width - 2, 20))
        if self.asked.filters:
            lines.append("Press esc to clear the filters.")
        self.table.clear(*lines)
        self._show_status([])
        self._show_row()

    @on(Answered)
    def _answered(self, event: Answered) -> None:
        if event.job != self._job or not isinstance(event.value, Explanation):
            return
        self._job, self.found = 0, event.value
        found, symbols = event.value, self.shell.symbols
        self.asked = replace(self.asked, split=found.split)
        none = "No row fits."
        hint = "Press esc to clear the filters." if self.asked.filters else ""
        self.table.clear(none, hint)
        self.table.add(found.rows)
        self._show_title()
        self._show_columns()
        self._show_counts()
        self._show_row()
        self.query_one("#slices", ScrollLines).show(lambda width: slice_lines(found, width, symbols))

    # Showing

    def _show_title(self) -> None:
        spans: list[Span] = [(clean_line(self._run.name, limit=50), "bold foreground")]
        if self._against is not None:
            spans += [("  against ", "muted"), (clean_line(self._against.name, limit=50), "foreground")]
        if self.asked.split:
            spans += [("  on ", "muted"), (split_name(clean_line(self.asked.split)), "foreground")]
        for name, value in self.asked.filters.items():
            spans += [(f"  {name} ", "muted"), (clean_line(value, limit=40), "accent")]
        self.query_one("#explain-title", Lines).show([spans])

    @on(events.Resize)
    def _show_columns(self) -> None:
        """What stands in the columns of the list."""
        self.query_one("#columns", Lines).show([self.table.header(self._against is not None)])

    def _show_counts(self) -> None:
        found = self.found
        if found is None:
            return
        spans: list[Span] = [(clean_line(found.sentence(self.asked.which)), "foreground")]
        if found.total > len(found.rows):
            spans.append((f"  {format_count(len(found.rows))} listed", "muted"))
        order = "by falling loss" if self.asked.order == "loss" else "in the dataset's order"
        spans.append((f"  {order}", "muted"))
        spans += [(f"  {clean_line(note)}", "warning") for note in found.notes]
        self._show_status(spans)

    def _show_status(self, spans: Sequence[Span]) -> None:
        self.query_one("#explain-status", Lines).show([list(spans)])

    @on(ErrorTable.Highlighted)
    def _show_row(self) -> None:
        row, found, symbols = self.table.selected, self.found, self.shell.symbols
        panel = self.query_one("#row", ScrollLines)
        panel.show(
            lambda width: [] if row is None or found is None else row_lines(row, found, width, symbols)
        )
        panel.scroll_to(y=0, animate=False)

    # Keys

    @on(ErrorTable.Opened)
    def _zoom(self) -> None:
        self.zoom(True)
        self.query_one("#row").focus()

    def action_row(self, by: int) -> None:
        self.table.move(by)

    def action_split(self) -> None:
        splits = self.found.splits if self.found is not None else ()
        if len(splits) < 2:
            self.shell.tell("There are predictions of one split alone.")
            return
        place = splits.index(self.asked.split) if self.asked.split in splits else -1
        self.asked = replace(self.asked, split=splits[(place + 1) % len(splits)])
        self._ask("Reading…")

    def action_which(self) -> None:
        known = AGAINST if self._against is not None else ALONE
        place = known.index(self.asked.which) if self.asked.which in known else -1
        self.asked = replace(self.asked, which=known[(place + 1) % len(known)])
        self._ask()

    def action_order(self) -> None:
        self.asked = replace(self.asked, order="row" if self.asked.order == "loss" else "loss")
        self._ask()

    def action_slice(self) -> None:
        """Choose a slice as a filter; its accuracy stands beside it."""
        found, symbols = self.found, self.shell.symbols
        if found is None:
            return
        rows = [
            Choosable(
                f"{part.by} {part.value}",
                f"{part.by} {part.value}",
                f"{part.text}, n = {format_count(part.accuracy.n)}".replace("±", symbols.minus_plus),
            )
            for part in found.slices
        ]
        labels = ("entailment", "neutral", "contradiction", "none")
        rows += [Choosable(f"predicted {label}", f"predicted {label}", "what was said") for label in labels]
        self.app.push_screen(Picker("Only rows of", rows), self._filter_by)

    def _filter_by(self, chosen: str | None) -> None:
        if chosen is not None:
            by, _, value = chosen.partition(" ")
            self.asked = replace(self.asked, **{by: value})
            self._ask()

    def action_against(self) -> None:
        """Choose the run to compare with, among those that were scored."""
        rows = [
            Choosable(run.id, clean_line(run.name, limit=60), _accuracy(run))
            for run in self.shell.runs
            if run.accuracy and run.id != self._run.id
        ]
        if not rows:
            self.shell.tell("No other run was scored.")
            return
        if self._against is not None:
            rows.insert(0, Choosable(_NOBODY, "no other run", "its own errors"))
        current = self._against.id if self._against is not None else None
        self.app.push_screen(Picker("Against another run", rows, current=current), self._compare_with)

    def _compare_with(self, run_id: str | None) -> None:
        if run_id is None:
            return
        self._against = next((run for run in self.shell.runs if run.id == run_id), None)
        self.asked = replace(self.asked, which=(AGAINST if self._against is not None else ALONE)[0])
        self._ask("Reading…")

    def action_filter(self) -> None:
        self._turn_to("rows")
        self._box.display = True
        self._box.focus()

    @on(TextInput.Changed, "#filter")
    def _filter_changed(self) -> None:
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(_SETTLE, self._look_for)

    def _look_for(self) -> None:
        text = self._box.value.strip()
        if text != self.asked.contains:
            self.asked = replace(self.asked, contains=text)
            self._ask()

    @on(TextInput.Submitted, "#filter")
    def _filter_submitted(self) -> None:
        self._box.display = False
        self.table.focus()

    def action_page(self) -> None:
        if not self.has_class("-wide"):
            self._turn_to("rows" if self.has_class("-slices") else "slices")

    @on(PageBar.Turned)
    def _page_clicked(self, event: PageBar.Turned) -> None:
        self._turn_to(event.page)

    def _turn_to(self, page: str) -> None:
        self.zoom(False)
        self.set_class(page == "slices", "-slices")
        self.query_one(PageBar).show_page(page)
        self.query_one("#slices" if page == "slices" else "#errors").focus()

    def peel(self) -> bool:
        """Zoom, text field, filters, page: one layer at a time; then back to where it was opened."""
        if self.has_class("-zoomed"):
            self.zoom(False)
            self.table.focus()
        elif self._box.display:
            self._box.value = ""
            self._filter_submitted()
        elif self.asked.filters:
            with self.prevent(TextInput.Changed):
                self._box.value = ""
            self.asked = replace(self.asked, **dict.fromkeys(self.asked.filters, ""))
            self._ask()
        elif self.has_class("-slices") and not self.has_class("-wide"):
            self._turn_to("rows")
        else:
            self.dismiss()
        return True


def _accuracy(run: RunSummary) -> str:
    split = headline_split(run.accuracy)
    held = run.accuracy[split] if split is not None else None
    return "" if held is None else format_accuracy(held.value, held.low, held.high)
