"""What Runs does with the history itself: filter, columns and order, pins, another seed, cleaning up."""

from collections.abc import Callable, Sequence

from textual import on

from nli_console.record.access import refusal
from nli_console.record.groups import runs_of
from nli_console.record.history_fields import Vocabulary
from nli_console.record.store import RunSummary
from nli_console.tui import run_actions
from nli_console.tui.background import Latest
from nli_console.tui.history_view import HistoryView, load_view, save_view
from nli_console.tui.messages import Launched, OpenRun, RunsDue
from nli_console.tui.screens.base import ConsoleScreen
from nli_console.tui.widgets.filter_field import FilterField
from nli_console.tui.widgets.run_table import RunTable


class HistoryScreen(ConsoleScreen):
    """Base of Runs: everything that needs the table and not the live view."""

    def __init__(self) -> None:
        super().__init__()
        self.view = load_view()
        self._keeper: Latest | None = None

    def on_unmount(self) -> None:
        if self._keeper is not None:
            self._keeper.stop()

    @property
    def table(self) -> RunTable:
        return self.query_one("#table", RunTable)

    @property
    def filter_field(self) -> FilterField:
        return self.query_one(FilterField)

    def to_table(self) -> None:
        """Bring the history back, where something else has the whole screen."""

    def ask(self, text: str, verb: str, act: Callable[[], None]) -> None:
        """Do ``act`` when the user agrees."""
        from nli_console.tui.screens.confirm import Confirm

        self.app.push_screen(Confirm(text, verb), lambda agreed: act() if agreed else None)

    def mine(self, runs: Sequence[RunSummary], verb: str) -> list[RunSummary]:
        """Those of ``runs`` that may be changed from here; of the others it is said whose they are."""
        foreign = [run for run in runs if run.read_only]
        if foreign:
            first = foreign[0]
            more = f" (and {len(foreign) - 1} more)" if len(foreign) > 1 else ""
            self.shell.tell(refusal(f'"{first.name}"{more}', first.read_only, verb), severity="warning")
        return [run for run in runs if not run.read_only]

    # Filter

    def action_filter(self) -> None:
        self.to_table()
        self.filter_field.open(self.table.vocabulary, self.table.filter)

    @on(FilterField.Changed)
    def _filter_changed(self, event: FilterField.Changed) -> None:
        self._use_filter(event.text)
        if not self.table.listed:
            # Half a name of a field stands nowhere, and would only make the rows flicker.
            self._use_filter(event.without)

    @on(FilterField.Moved)
    def _row_moved(self, event: FilterField.Moved) -> None:
        self.table.move(event.rows)

    @on(FilterField.Accepted)
    def _filter_accepted(self, event: FilterField.Accepted) -> None:
        self._use_filter(event.text)
        self.close_filter()

    def _use_filter(self, text: str) -> None:
        from nli_console.record.query import QueryError

        try:
            self.table.filter = text
        except QueryError as error:
            # The last run that knew a hyperparameter went away while the filter was typed.
            self.shell.tell(error.problem, severity="warning")

    def close_filter(self) -> None:
        self.filter_field.close()
        self.table.focus()

    def clear_filter(self) -> None:
        self.table.filter = ""

    # Columns and order

    def action_columns(self) -> None:
        from nli_console.tui.screens.columns import ColumnChooser

        self.to_table()
        table = self.table
        vocabulary = Vocabulary(tuple(self.shell.runs))
        self.app.push_screen(
            ColumnChooser(table.columns, table.view, vocabulary, self.shell.symbols), self._use_view
        )

    def _use_view(self, view: HistoryView | None) -> None:
        if view is not None:
            self.table.view = view

    @on(RunTable.Arranged)
    def _keep_view(self) -> None:
        """Columns and order are kept as soon as they are chosen."""
        view = self.table.view
        if view == self.view:
            return
        self.view = view
        if self._keeper is None:
            self._keeper = Latest(self.app, title="keeping columns and order")
        self._keeper.submit(lambda: save_view(view))

    # Runs

    def action_pin(self) -> None:
        runs = self.mine(self.table.targets, "pinned")
        if runs:
            run_actions.pin(self, runs, not all(run.pinned for run in runs))

    def action_other_seed(self) -> None:
        from nli_console.record.seeds import next_seed
        from nli_console.tui.launching import machine_of_reading

        row, run = self.table.row, self.table.selected
        if row is None or run is None:
            return
        if run.evaluates:
            self.shell.tell("An evaluation draws nothing by its seed; c evaluates again.", severity="warning")
            return
        seed = next_seed(runs_of(row)[-1], self.shell.runs)
        settings, machine = self.shell.settings, machine_of_reading(self.shell.status.machine)
        self.ask(
            f"Run {run_actions.name_of([run])} again with seed {seed}? Everything else stays as it was.",
            "start it",
            lambda: run_actions.again(self, run, seed, settings, machine),
        )

    @on(Launched)
    def _launched(self, event: Launched) -> None:
        event.stop()
        self.post_message(RunsDue())
        self.post_message(OpenRun(event.run_id))

    def action_clean(self) -> None:
        from nli_console.tui.screens.clean import CleanScreen

        def done(text: str | None) -> None:
            if text:
                self.shell.tell(text)
                self.post_message(RunsDue())

        self.app.push_screen(CleanScreen(self.shell.settings, self.shell.symbols), done)
