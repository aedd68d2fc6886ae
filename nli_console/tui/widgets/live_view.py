"""One run, live: header, charts, readings, evaluations, log and settings."""

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message
from textual.widget import Widget

from nli_console.record.state import State
from nli_console.record.store import RunSummary
from nli_console.tui.keys import key_name
from nli_console.tui.run_view import RunView
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.buckets import Buckets
from nli_console.tui.widgets.chart import LineChart
from nli_console.tui.widgets.evaluation_page import evaluation_lines
from nli_console.tui.widgets.ink import Line
from nli_console.tui.widgets.live_tabs import log_lines, setting_lines
from nli_console.tui.widgets.live_text import accuracy_reading, compact_readings, header, readings
from nli_console.tui.widgets.page_bar import PageBar
from nli_console.tui.widgets.painted import Lines
from nli_console.tui.widgets.raster import Mark
from nli_console.tui.widgets.scored import score_marks, score_reading
from nli_console.tui.widgets.scroll_lines import ScrollLines

PAGES = ("overview", "evaluation", "log", "settings")
SMOOTHINGS = (0.0, 0.6, 0.9, 0.97, 0.99)
_CHART_ROWS = 7
_LOG_ROWS = 5
_ROWS_FOR_BOTH = 14
_BROKEN = (State.FAILED, State.LOST, State.ORPHANED)
_NO_STEP = "no training step yet"
_NO_VALUES = Buckets()


def _has(view: RunView, page: str) -> bool:
    """Whether a run has anything to show on a page."""
    return {
        "evaluation": bool(view.evaluations or view.reports or view.guards),
        "log": bool(view.log),
    }.get(page, True)


class Overview(Vertical):
    """Charts and readings; arranged anew when the header above leaves it another height."""

    class Resized(Message):
        """The height changed."""

    def on_resize(self) -> None:
        self.post_message(self.Resized())


class LiveView(Vertical):
    """Shows the newest :class:`RunView` of the selected run; every part repaints only what changed.

    The page that was turned to is kept from run to run; a run that has nothing for it shows its overview.
    """

    DEFAULT_CSS = """
    LiveView { width: 1fr; height: 1fr; }
    LiveView > #overview { height: 1fr; }
    LiveView #accuracy { display: none; }
    LiveView #log-tail { display: none; }
    LiveView.-roomy #pages, LiveView.-roomy #readings, LiveView.-roomy #accuracy { margin-top: 1; }
    LiveView.-roomy #log-tail, LiveView.-roomy > ScrollLines, LiveView.-roomy > #overview { margin-top: 1; }
    """

    def __init__(self, symbols: Symbols, *, smoothing: float = 0.9, id: str | None = None) -> None:
        super().__init__(id=id)
        self.symbols = symbols
        self.page = self._asked = PAGES[0]
        self._settled = False
        self.smoothing = smoothing
        self._run: RunSummary | None = None
        self._view: RunView | None = None
        self._shown: str | None = None
        self._tail_rows = _LOG_ROWS

    def compose(self) -> ComposeResult:
        chart = self.symbols.chart
        yield Lines(id="live-header")
        yield PageBar(PAGES, hint=key_name("right_square_bracket"), id="pages")
        with Overview(id="overview"):
            loss = LineChart("loss", symbols=chart, smoothing=self.smoothing, empty=_NO_STEP, id="loss")
            loss.mark_title = "evaluation"
            yield loss
            yield LineChart("accuracy", symbols=chart, percent=True, empty="no evaluation yet", id="accuracy")
            yield Lines(id="readings")
            yield Lines(id="log-tail", rows=_LOG_ROWS)
        yield ScrollLines(id="evaluation")
        yield ScrollLines(follow=True, id="log")
        yield ScrollLines(id="settings")

    def on_mount(self) -> None:
        self._turn_to(self.page)

    # What it shows

    def show(self, run: RunSummary | None, view: RunView | None) -> None:
        """Draw a run; ``view`` is ``None`` until its record has been read."""
        another = run is None or run.id != self._shown
        self._run, self._view, self._shown = run, view, run.id if run else None
        if another:
            self.page, self._settled = self._asked, False
        if view is not None and not self._settled:
            self._settled = True
            if not _has(view, self.page):
                self.page, another = PAGES[0], True
        self._draw(another)

    def on_resize(self) -> None:
        self._draw(another=False)

    def on_overview_resized(self) -> None:
        self._draw(another=False)

    def _draw(self, another: bool) -> None:
        if not self.is_mounted or not self.size or not self.query("#log-tail"):
            return
        self.set_class(self.size.height >= 26, "-roomy")
        head = self.query_one("#live-header", Lines)
        if self._run is None:
            head.show([])
            for part in ("#pages", "#overview", *(f"#{page}" for page in PAGES[1:])):
                self.query_one(part).display = False
            return
        width = self.size.width
        rows = 6 if self.size.height >= 26 else 3 if self.size.height >= 18 else 2
        head.show(header(self._run, self._view, width, self.symbols, rows))
        if another:
            self._turn_to(self.page)
        if self.page == "overview":
            self._draw_overview(self._run, self._view, width, another)
        elif self._view is not None:
            self._draw_page(self._run, self._view)
        elif another:
            self.query_one(f"#{self.page}", ScrollLines).show(lambda _: [])

    def _draw_overview(self, run: RunSummary, view: RunView | None, width: int, another: bool) -> None:
        if view is None:
            view = RunView(run.id)
        live = run.state.state.live
        self._arrange(run, view)
        evaluated = [held for held in view.evaluations if held.purpose != "final" or not live]
        marks = [Mark(held.step, held.loss) for held in evaluated if held.loss is not None]
        loss = self.query_one("#loss", LineChart)
        loss.show(view.loss, marks=marks, total_steps=view.total_steps, live=live, another=another)
        accuracy = self.query_one("#accuracy", LineChart)
        accuracy.unit = "rows" if view.scores_only else "steps"
        accuracy.empty = "no row scored yet" if view.scores_only else "no evaluation yet"
        if accuracy.display and view.scores_only:
            points = score_marks(view)
            accuracy.reading = score_reading(run, view, self.symbols)
            total = None if view.start is None else view.start.scored_rows
            last = max([0, *(point.step for point in points)])
            accuracy.show(
                _NO_VALUES, marks=points, total_steps=total, live=live, another=another, last_step=last
            )
        elif accuracy.display:
            points = [Mark(held.step, held.accuracy, held.low, held.high) for held in view.evaluations]
            accuracy.reading = accuracy_reading(run, view, self.symbols)
            last = max([view.loss.last_step, *(point.step for point in points)])
            accuracy.show(
                _NO_VALUES,
                marks=points,
                total_steps=view.total_steps,
                live=live,
                another=another,
                last_step=last,
            )
        lines = readings(view, width, self.symbols, live, run.host)
        if self.query_one("#overview").size.height < 20:
            lines = compact_readings(view, width, self.symbols, run.host)
        self.query_one("#readings", Lines).show(lines)
        tail = self.query_one("#log-tail", Lines)
        if tail.display:
            tail.show(self._tail(view, width))

    def _arrange(self, run: RunSummary, view: RunView) -> None:
        """Give the room to what matters: a failed run's log, or charts when there is something to draw."""
        rows = self.query_one("#overview").size.height
        failed = run.state.state in _BROKEN
        drawn = bool(view.loss) and not (failed and rows < _ROWS_FOR_BOTH)
        self.query_one("#loss").display = drawn or not (failed or view.scores_only)
        self.query_one("#readings").display = not failed or rows >= _ROWS_FOR_BOTH
        accuracy = self.query_one("#accuracy")
        accuracy.display = not failed and (
            view.scores_only or (rows >= 20 and (drawn or bool(view.evaluations)))
        )
        accuracy.styles.height = "1fr" if view.scores_only else _CHART_ROWS + (2 if rows >= 34 else 0)
        tail = self.query_one("#log-tail", Lines)
        tail.display = failed or rows >= 26
        if not failed:
            self._tail_rows = _LOG_ROWS
        elif rows < _ROWS_FOR_BOTH:
            self._tail_rows = rows
        else:
            self._tail_rows = rows // 2 if drawn else rows - 8
        tail.styles.height = self._tail_rows

    def _tail(self, view: RunView, width: int) -> list[Line]:
        title: Line = [("end of the log", "bold foreground"), ("  all of it on the log page", "muted")]
        return [title, *log_lines(view, width, max(self._tail_rows - 1, 1))]

    def _draw_page(self, run: RunSummary, view: RunView) -> None:
        page = self.query_one(f"#{self.page}", ScrollLines)
        if self.page == "evaluation":
            page.show(lambda width: evaluation_lines(run, view, width, self.symbols))
        elif self.page == "log":
            page.show(lambda width: log_lines(view, width))
        else:
            page.show(lambda width: setting_lines(run, view, width, self.symbols))

    # Pages and charts

    def turn(self, pages: int) -> None:
        """Turn ``pages`` further, round and round."""
        self.turn_to(PAGES[(PAGES.index(self.page) + pages) % len(PAGES)])

    def turn_to(self, page: str) -> None:
        focused = self.has_focus_within
        self._asked, self._settled = page, True
        self._turn_to(page)
        self._draw(another=False)
        if focused and self.focus_target is not None:
            self.focus_target.focus()

    def _turn_to(self, page: str) -> None:
        self.page = page
        for name in PAGES:
            self.query_one(f"#{name}").display = name == page
        bar = self.query_one(PageBar)
        bar.display = True
        bar.show_page(page)

    @property
    def focus_target(self) -> Widget | None:
        """What takes the keys on this page; the overview has nothing to scroll."""
        return None if self.page == "overview" else self.query_one(f"#{self.page}")

    def on_page_bar_turned(self, event: PageBar.Turned) -> None:
        event.stop()
        self.turn_to(event.page)

    def toggle_log_axis(self) -> None:
        self.query_one("#loss", LineChart).toggle_log()

    def next_smoothing(self) -> None:
        """Step through no, some and strong smoothing; the title of the chart tells the weight."""
        self.smoothing = next(
            (weight for weight in SMOOTHINGS if weight > self.smoothing + 1e-9), SMOOTHINGS[0]
        )
        self.query_one("#loss", LineChart).set_smoothing(self.smoothing)
