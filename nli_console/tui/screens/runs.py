"""Runs: the history of runs, and beside or below it the selected one, live."""

from typing import TYPE_CHECKING, cast

from textual import on
from textual.app import ComposeResult
from textual.containers import Container, Vertical

from nli_console.record.comparable import FEWEST, MOST
from nli_console.record.groups import Group, runs_of
from nli_console.record.layout import RunLayout
from nli_console.record.state import State
from nli_console.record.store import RunSummary
from nli_console.tui import run_actions
from nli_console.tui.followers import Followers
from nli_console.tui.keys import bindings
from nli_console.tui.messages import CloneRun, RunsDue
from nli_console.tui.queue_keys import QueueKeys
from nli_console.tui.reviewing import Reviewable
from nli_console.tui.run_actions import ActionDone, Deleted
from nli_console.tui.run_readers import RunsRead
from nli_console.tui.run_view import RunView
from nli_console.tui.screens.history import HistoryScreen
from nli_console.tui.widgets.filter_field import FilterField
from nli_console.tui.widgets.ink import Span
from nli_console.tui.widgets.painted import Lines
from nli_console.tui.widgets.run_columns import about
from nli_console.tui.widgets.run_table import RunTable

if TYPE_CHECKING:
    from nli_console.tui.screens.evaluate import Evaluation
    from nli_console.tui.widgets.live_view import LiveView

EMPTY = ("No runs yet.", "Press 1 to set one up, then f5 to launch it.")


class RunsScreen(HistoryScreen, QueueKeys, Reviewable):
    """The history table and the live view share the run that is selected by its id."""

    mode = "runs"
    key_group = "runs"
    BINDINGS = bindings("runs")
    CSS = """
    RunsScreen #runs { layout: vertical; height: 1fr; }
    RunsScreen #history { width: 1fr; height: 2fr; max-height: 12; padding: 0 1; }
    RunsScreen #beside { height: 3fr; border-top: solid $line; padding: 0 1; }
    RunsScreen.-tall #history { max-height: 14; }
    RunsScreen.-wide #runs { layout: horizontal; }
    RunsScreen.-wide #history { width: 1fr; height: 1fr; max-height: 100%; }
    RunsScreen.-wide #beside { width: 1fr; height: 1fr; border-top: none; border-left: solid $line; }
    RunsScreen.-table-only #beside { display: none; }
    RunsScreen.-table-only #history { height: 1fr; max-height: 100%; }
    RunsScreen.-zoomed #history { display: none; }
    RunsScreen.-zoomed #beside, RunsScreen.-wide.-zoomed #beside { display: block; border: none; }
    .-ascii RunsScreen #beside { border-top: ascii $line; }
    .-ascii RunsScreen.-wide #beside { border-left: ascii $line; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._views: dict[str, RunView] = {}
        self._kill_next: set[str] = set()
        self._trash: list[tuple[RunLayout, ...]] = []

    def body(self) -> ComposeResult:
        with Container(id="runs"):
            with Vertical(id="history"):
                table = RunTable(self.shell.symbols, view=self.view, id="table")
                table.empty_lines = EMPTY
                yield table
                yield FilterField(self.shell.symbols, id="filter")
                yield Lines(id="history-status", rows=1)
            yield Container(id="beside")

    def on_mount(self) -> None:
        self._followers = Followers(self, self.shell.settings.look.refresh)
        self.table.focus()
        self.watch(self.app, "runs", self._show_runs)
        self.watch(self.app, "selected_run", self._select)
        self.watch(self.app, "all_listed", lambda _: self._show_status())
        self.watch(self.app, "root_notes", lambda _: self._show_status())

    def on_unmount(self) -> None:
        self._followers.stop()

    def on_screen_suspend(self) -> None:
        self._followers.pause(True)

    def on_screen_resume(self) -> None:
        if hasattr(self, "_followers"):
            self._followers.pause(False)

    @property
    def live(self) -> "LiveView | None":
        """The live view; ``None`` until the first frame stands."""
        found = self.query("#live").results()
        return cast("LiveView | None", next(iter(found), None))

    async def begin(self) -> None:
        """The rows are on the screen; the live view beside them is made and read now."""
        from nli_console.tui.widgets.live_view import LiveView

        smoothing = self.shell.settings.look.smoothing
        await self.query_one("#beside").mount(LiveView(self.shell.symbols, smoothing=smoothing, id="live"))
        self._followers.start()
        self._show_live()

    # What arrives

    def _show_runs(self, runs: tuple[RunSummary, ...]) -> None:
        self.table.show(runs)
        if self.shell.selected_run:
            self._select(self.shell.selected_run)
        self._follow()
        self._show_live()
        self._show_status()

    def _select(self, run_id: str | None) -> None:
        """Obey a request for a run as soon as it is listed."""
        if run_id and self.table.select(run_id):
            self.shell.selected_run = None

    @on(RunsRead)
    def _read(self, event: RunsRead) -> None:
        for view in event.views:
            self._views[view.id] = view
        selected = self.table.selected
        if selected is not None and any(view.id == selected.id for view in event.views):
            self._show_live()

    @on(RunTable.Highlighted)
    def _highlighted(self) -> None:
        self._follow()
        self._show_live()
        self._show_status()
        self._followers.poke()

    @on(RunTable.Arranged)
    def _show_status(self) -> None:
        table = self.table
        notes: list[Span] = (
            [(f"{'; '.join(self.shell.root_notes)}  ", "warning")] if self.shell.root_notes else []
        )
        if not table.total:
            self.query_one("#history-status", Lines).show([notes])
            return
        total = "1 run" if table.total == 1 else f"{table.total:,} runs"
        count = f"{table.listed:,} of {total}" if table.filter else total
        spans: list[Span] = [*notes, (count, "muted")]
        if table.marked:
            spans += [("  ", "muted"), (f"{len(table.marked)} marked", "accent")]
            if FEWEST <= len(table.marked) <= MOST:
                spans.append((" C compares", "muted"))
        if table.filter:
            spans += [("  filter ", "muted"), (table.filter, "accent")]
        if not self.shell.all_listed:
            spans.append(("  reading the rest", "state-starting"))
        spans.append((f"  by {table.sort_column.title} {table.arrow}", "muted"))
        if isinstance(table.row, Group):
            spread = f"{self.shell.symbols.minus_plus} std deviation, " if table.row.headline else ""
            spans.append((f"  {spread}{table.row.state_summary}", "muted"))
        elif table.row is not None:
            spans += about(table.row)
        self.query_one("#history-status", Lines).show([spans])

    def _follow(self) -> None:
        """Read the selected run, and those that are live, so that turning to one shows it at once."""
        self._followers.follow(self.table.selected, self.shell.runs)

    def _show_live(self) -> None:
        if self.live is not None:
            self.live.show(self.table.selected, self._selected_view())

    def _selected_view(self) -> RunView | None:
        selected = self.table.selected
        return None if selected is None else self._views.get(selected.id)

    # Table

    def to_table(self) -> None:
        """Bring the history back beside the live view."""
        if self.has_class("-zoomed"):
            self.zoom(False)
            self.table.focus()

    def action_sort(self) -> None:
        self.to_table()
        self.table.sort_by_next()

    def action_reverse(self) -> None:
        self.to_table()
        self.table.descending = not self.table.descending

    def action_mark(self) -> None:
        # Marks are not to be seen on a zoomed run, whose pages some people turn with space.
        if not self.has_class("-zoomed"):
            self.table.toggle_mark()

    def action_fold(self) -> None:
        self.to_table()
        if not self.table.fold():
            self.shell.tell("This run is in no group: run --seeds 1,2,3 makes one.", severity="warning")

    def action_select(self, rows: int) -> None:
        self.table.move(rows)

    def action_wide_table(self) -> None:
        self.to_table()
        self.toggle_class("-table-only")

    # Live view

    @on(RunTable.Opened)
    def action_zoom(self) -> None:
        if self.table.selected is not None:
            self.zoom(True)
            self._focus_page()

    def _focus_page(self) -> None:
        if self.live is not None:
            self.set_focus(self.live.focus_target)

    def action_page(self, pages: int) -> None:
        if self.live is None:
            return
        self.live.turn(pages)
        if self.has_class("-zoomed"):
            self._focus_page()

    def action_log_axis(self) -> None:
        if self.live is not None:
            self.live.toggle_log_axis()

    def action_smoothing(self) -> None:
        if self.live is not None:
            self.live.next_smoothing()

    def peel(self) -> bool:
        """Filter field, zoom, filter, marks: one layer at a time."""
        table = self.table
        if self.filter_field.opened:
            self.clear_filter()
            self.close_filter()
        elif self.has_class("-zoomed"):
            self.to_table()
        elif not table.has_focus:
            table.focus()
        elif table.filter:
            self.clear_filter()
        elif table.marked:
            table.marked.clear()
            table.repaint()
            self._show_status()
        else:
            return False
        return True

    # Actions on runs

    @on(ActionDone)
    def _done(self, event: ActionDone) -> None:
        if isinstance(event, Deleted):
            self._trash.append(event.gone)
        self.shell.tell(event.text)
        self.post_message(RunsDue())

    def action_stop(self) -> None:
        going = [run for run in self.table.targets if run.state.state.live]
        runs = self.mine(going, "stopped")
        if not runs:
            if not going:
                self.shell.tell("Nothing to stop: none of these runs is going.", severity="warning")
            return
        kill = all(run.id in self._kill_next for run in runs)
        what = run_actions.name_of(runs)
        if kill:
            text = f"Kill {what} at once? What was done since the last checkpoint is lost."
        else:
            text = f"Stop {what}? It saves a checkpoint after the current step and can be resumed."
        self.ask(text, "kill" if kill else "stop", lambda: self._stop(runs, kill))

    def _stop(self, runs: list[RunSummary], kill: bool) -> None:
        self._kill_next.update(run.id for run in runs)
        run_actions.stop(self, runs, kill=kill)

    def action_resume(self) -> None:
        ended = (State.STOPPED, State.FAILED)
        runs = self.table.targets
        over = [run for run in runs if run.state.resumable or run.state.state in ended or run.host]
        runs = self.mine(over, "resumed")
        if not runs:
            if not over:
                told = "Nothing to resume: only a stopped, failed or lost run can be."
                self.shell.tell(told, severity="warning")
            return
        self._kill_next.difference_update(run.id for run in runs)
        run_actions.resume(self, self.shell.settings, runs)

    def action_delete(self) -> None:
        over = [run for run in self.table.targets if not run.state.state.live]
        runs = self.mine(over, "deleted")
        if not runs:
            if not over:
                told = "A run that is going cannot be deleted; x stops it first."
                self.shell.tell(told, severity="warning")
            return
        text = f"Delete {run_actions.name_of(runs)}? u brings it back from the trash."
        self.ask(text, "delete", lambda: self._delete(runs))

    def _delete(self, runs: list[RunSummary]) -> None:
        self.table.marked -= {run.id for run in runs}
        run_actions.delete(self, runs)

    def action_undo(self) -> None:
        if not self._trash:
            self.shell.tell("Nothing to bring back: nothing was deleted since the console was opened.")
            return
        run_actions.restore(self, self._trash.pop())

    def action_label(self, what: str) -> None:
        from nli_console.tui.screens.prompt import Prompt

        row, run = self.table.row, self.table.selected
        if row is None or run is None:
            return
        runs = self.mine(runs_of(row), "labelled")
        if not runs:
            return
        value = {"name": row.name, "notes": run.notes, "tags": ", ".join(run.tags)}[what]
        explanation = {
            "name": "Its folder keeps its name.",
            "notes": "Anything worth remembering; the filter finds it.",
            "tags": "Separated by commas.",
        }[what]
        if len(runs) > 1:
            explanation = f"For each of its {len(runs)} runs. {explanation}"
        self.app.push_screen(
            Prompt(f"{what.capitalize()} of {row.name}", explanation, value),
            lambda text: None if text is None else run_actions.label(self, runs, what, text),
        )

    def action_clone(self) -> None:
        from nli_console.tui import evaluating

        view = self._selected_view()
        if view is None or view.spec is None:
            self.shell.tell("This run's settings cannot be read, so it cannot be cloned.", severity="warning")
            return
        asked = evaluating.again_of(view.spec)
        if asked is not None:
            self._evaluate(asked.run, asked)
        elif view.spec.evaluates is not None:
            self.shell.tell("It evaluates no run; y copies the command that asks for it again.")
        else:
            self.post_message(CloneRun(view.spec))

    def action_evaluate(self) -> None:
        from nli_console.tui import evaluating

        run = self.table.selected
        if run is None:
            return
        if problem := evaluating.problem_of(run):
            self.shell.tell(f"{run.name} cannot be evaluated: {problem}.", severity="warning")
        else:
            self._evaluate(run.name, evaluating.first_of(run))

    def _evaluate(self, title: str, asked: "Evaluation") -> None:
        from nli_console.tui import evaluating
        from nli_console.tui.launching import machine_of_reading

        machine = machine_of_reading(self.shell.status.machine)
        evaluating.ask(self, title, asked, self.shell.settings, machine)

    def action_copy_command(self) -> None:
        from nli_console.tui.widgets.live_tabs import command_line

        view = self._selected_view()
        if view is None or view.spec is None or not view.spec.provenance.command:
            self.shell.tell("This run has no recorded command.", severity="warning")
            return
        command = command_line(view.spec.provenance.command)
        self.app.copy_to_clipboard(command)
        self.shell.tell(command, title="Sent to the terminal's clipboard")
