"""From the history to the screens that compare and explain runs."""

from nli_console.record.comparable import FEWEST, MOST
from nli_console.tui.screens.base import ConsoleScreen
from nli_console.tui.widgets.run_table import RunTable


class Reviewable(ConsoleScreen):
    """A screen with a table of runs, of which the marked or selected ones can be looked at more closely."""

    def action_compare(self) -> None:
        """Open Compare on the marked runs, or say how many it takes."""
        from nli_console.tui.screens.compare import CompareScreen

        runs = self.query_one(RunTable).targets
        if FEWEST <= len(runs) <= MOST:
            self.app.push_screen(CompareScreen(runs))
            return
        marked = "1 run is" if len(runs) == 1 else f"{len(runs)} runs are"
        self.shell.tell(
            f"{marked} marked or selected; mark {FEWEST} to {MOST} with space to compare them.",
            severity="warning",
        )

    def action_report(self) -> None:
        """Write the selected run, or those that are marked, to an HTML file."""
        from nli_console.tui import reporting

        runs = self.query_one(RunTable).targets
        if 0 < len(runs) <= MOST:
            reporting.ask(self, runs)
        elif runs:
            self.shell.tell(f"{len(runs)} runs: a report is of at most {MOST}.", severity="warning")

    def action_explain(self) -> None:
        """Open the errors of the selected run, or where the two that are marked disagree."""
        from nli_console.tui.screens.explain import ExplainScreen

        table = self.query_one(RunTable)
        if len(table.marked) == FEWEST:
            self.app.push_screen(ExplainScreen(*table.targets))
        elif table.selected is not None:
            self.app.push_screen(ExplainScreen(table.selected))
