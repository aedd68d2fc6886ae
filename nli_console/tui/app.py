"""The app: modes, the status line's readings, keys of everywhere, and leaving cleanly. It owns no run."""

import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from textual.binding import BindingType
from textual.filter import LineFilter
from textual.reactive import reactive

from nli_console.record.state import State
from nli_console.record.store import RunSummary
from nli_console.text import clean
from nli_console.tui import background
from nli_console.tui.alt_digits import read_alt_digits
from nli_console.tui.beginning import Collector, forget_stale_size, prepare_the_form
from nli_console.tui.key_order import KeysInOrder
from nli_console.tui.keys import GROUPS, Key, bindings, key_name
from nli_console.tui.leaving import SignalExit
from nli_console.tui.messages import (
    CloneRun,
    Failure,
    MachineRead,
    OpenRun,
    RunsDue,
    RunsListed,
    ScreenDrawn,
    ScreenOpened,
)
from nli_console.tui.modes import MODES
from nli_console.tui.output_filter import OutputFilter
from nli_console.tui.screens.base import ConsoleScreen
from nli_console.tui.sources import MachineReader, reader_of
from nli_console.tui.status import Status
from nli_console.tui.style_memory import StyleMemory
from nli_console.tui.symbols import Symbols, symbols
from nli_console.tui.theme import DARK, LIGHT

if TYPE_CHECKING:
    from nli_console.settings import LoadedSettings

_FIRST_LOOK = 0.5
"""Seconds that the first look at the history gets to say where to open."""
_GLANCE = 0.002
_LATER = 0.5
"""Seconds after the first frame until the other modes are prepared for."""


class ConsoleApp(KeysInOrder):
    """The console. Screens read ``settings`` and ``symbols``, and watch ``status`` and ``runs``.

    ``all_listed`` says that ``runs`` are all there are, ``root_notes`` which folders cannot be read.
    ``selected_run`` is what Runs is to select: whoever sets it is obeyed as soon as the run is listed.
    ``start`` is the mode to open in; ``None`` is Runs where there are any, else Launch.
    """

    CSS_PATH = "console.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = bindings("everywhere")

    status: reactive[Status] = reactive(Status(), repaint=False)
    runs: reactive[tuple[RunSummary, ...]] = reactive((), repaint=False, always_update=True)
    all_listed: reactive[bool] = reactive(False, repaint=False)
    root_notes: reactive[tuple[str, ...]] = reactive((), repaint=False)
    selected_run: reactive[str | None] = reactive(None, repaint=False)

    def __init__(
        self, settings: "LoadedSettings", *, select: str | None = None, start: str | None = "launch"
    ) -> None:
        super().__init__()
        self.settings = settings
        self.symbols: Symbols = symbols(settings.look.symbols)
        self._output_filter = OutputFilter(ascii_only=self.symbols.ascii)
        self.animation_level = "none"
        self.set_class(self.symbols.ascii, "-ascii")
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        self.theme = LIGHT.name if settings.look.theme == "light" else DARK.name
        self.stylesheet = StyleMemory(variables=self.get_css_variables())
        self.set_reactive(ConsoleApp.selected_run, select)
        for mode in MODES:
            self.add_mode(mode.name, mode.factory())
        self._opened = self._reading = False
        self._collector = Collector()
        self._start = "runs" if select else start
        self.signals: SignalExit | None = None
        look = settings.look
        self._machine = MachineReader(look.interval, settings.runs_dir)
        self._history = reader_of(settings.roots, settings.cache_dir)
        self._readers = (
            background.Poller(self._machine.read, self, look.interval, title="readings"),
            background.Poller(self._history.read, self, look.refresh, title="runs"),
        )

    async def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        self.signals = SignalExit(lambda code: loop.call_soon_threadsafe(self.exit, None, code))
        self.signals.catch()
        # Whatever the shell printed while the console was suspended is painted over.
        self.app_resume_signal.subscribe(self, lambda _: self.action_repaint())
        # The first screen is laid out and drawn once, when all of it is there.
        self._begin_batch()
        self.switch_mode(await self._first_mode())

    async def _first_mode(self) -> str:
        """Where to open; the history opens with its newest rows."""
        if self._start == "launch":
            return self._start
        self._readers[1].start()
        # A file system that does not answer does not keep the console from opening.
        deadline = time.monotonic() + _FIRST_LOOK
        while not self._history.looked.is_set() and time.monotonic() < deadline:
            await asyncio.sleep(_GLANCE)
        if self._history.first is not None:
            self.on_runs_listed(self._history.first)
        return self._start or ("runs" if self.runs else "launch")

    def on_screen_opened(self, message: ScreenOpened) -> None:
        """A mode was shown for the first time."""
        if not self._opened:
            self._opened = True
            self._end_batch()
            message.screen.refresh(layout=True)

    async def on_screen_drawn(self, message: ScreenDrawn) -> None:
        """A frame stands: what competes with it for the processor may begin."""
        await message.screen.begin()
        if not self._reading:
            self._reading = True
            self._begin_reading()

    def _begin_reading(self) -> None:
        for reader in self._readers:
            reader.start()
            reader.poke()
        self._collector.begin()
        self.set_timer(_LATER, self._prepare)
        # Where Launch stands beside its checks, they say so already.
        if self.settings.notice and (self.current_mode != "launch" or self.screen.has_class("-narrow")):
            self.tell(self.settings.notice)

    def _prepare(self) -> None:
        """Import what the form needs, so that turning to it takes no longer than drawing it."""
        background.run(lambda: prepare_the_form(self.settings), self, title="form")

    def on_unmount(self) -> None:
        for reader in self._readers:
            reader.stop()
        self._machine.close()
        if self.signals is not None:
            self.signals.restore()

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), self._output_filter]

    def _fatal_error(self) -> None:
        """Close without the traceback that Textual would print; :func:`run_console` raises the error."""
        self._close_messages_no_wait()

    # What background threads report

    def on_machine_read(self, message: MachineRead) -> None:
        self.status = replace(self.status, machine=message.machine)

    def on_runs_listed(self, message: RunsListed) -> None:
        before = {run.id: run.state.state for run in self.runs}
        if message.complete and not self.all_listed:
            self._collector.spare()
        self.all_listed, self.root_notes = message.complete, message.notes
        self.status = Status.of(
            self.status.machine, (run.state.state for run in message.runs), message.paused
        )
        self.runs = message.runs
        if not message.complete and self._reading:
            self._readers[1].poke()
        for run in message.runs:
            if not (run.state.state.live or run.read_only) and run.id in before and before[run.id].live:
                self._tell_end(run)

    def _tell_end(self, run: RunSummary) -> None:
        state = run.state.state
        severity = "information" if state in (State.FINISHED, State.STOPPED) else "error"
        self.tell(run.reason, title=f"{run.name or run.id} {state.value}", severity=severity)
        if self.settings.look.bell:
            self.bell()

    def on_failure(self, message: Failure) -> None:
        self.tell(message.text, title=message.title, severity="error")

    # What screens ask for

    def tell(self, text: str, *, title: str = "", severity: str = "information") -> None:
        """Show a toast. The text may be untrusted: it is cleaned here and never parsed as markup."""
        level = severity if severity in ("warning", "error") else "information"
        self.notify(clean(text), title=clean(title), severity=level, markup=False, timeout=8)

    def on_open_run(self, message: OpenRun) -> None:
        self.selected_run = message.run_id
        self.action_mode("runs")

    async def on_clone_run(self, message: CloneRun) -> None:
        from nli_console.tui.screens.launch import LaunchScreen

        await self.switch_mode("launch")
        if isinstance(self.screen, LaunchScreen):
            self.screen.clone(message.spec)

    def on_runs_due(self, message: RunsDue) -> None:
        self._history.look_at_all()
        self._readers[1].poke()

    # Keys

    def action_mode(self, name: str) -> None:
        if isinstance(self.screen, ConsoleScreen) and any(mode.name == name for mode in MODES):
            self.screen.leave()
            self.switch_mode(name)

    def action_peel(self) -> None:
        screen = self.screen
        if not (isinstance(screen, ConsoleScreen) and screen.peel()):
            screen.set_focus(None)

    def action_theme(self) -> None:
        self.theme = LIGHT.name if self.theme == DARK.name else DARK.name

    def action_repaint(self) -> None:
        self.refresh(repaint=True, layout=True)

    def action_help(self) -> None:
        from nli_console.tui.screens.help import HelpScreen

        if isinstance(self.screen, ConsoleScreen):
            self.push_screen(HelpScreen([*self.screen.explained(), self.screen.key_group, "everywhere"]))

    def action_palette(self) -> None:
        """Every action of this place, with its keys; the chosen one runs as if its key had been pressed."""
        from nli_console.tui.screens.picker import Choosable, Picker

        screen = self.screen
        if not isinstance(screen, ConsoleScreen):
            return
        keys: dict[str, Key] = {}
        for name in (screen.key_group, "everywhere"):
            for key in GROUPS[name].keys:
                if key.bound and key.action not in ("palette", "peel"):
                    keys.setdefault(key.action, key)
        rows = [Choosable(action, key.label, key.help, key_name(key.keys)) for action, key in keys.items()]

        async def act(action: str | None) -> None:
            if action is not None:
                await self.perform(action)

        self.push_screen(Picker("Commands", rows), act)

    async def perform(self, action: str) -> None:
        """Do what a key of the registry does, wherever the focus is."""
        await self.run_action(action, self if action in _APP_ACTIONS else self.screen)

    def action_help_quit(self) -> None:
        self.tell("q leaves the console (ctrl+q while typing). Runs go on without it.")

    def action_leave(self) -> None:
        self.exit(0)


_APP_ACTIONS = {key.action for key in GROUPS["everywhere"].keys}


def run_console(settings: "LoadedSettings", *, select: str | None = None) -> int:
    """Open the console and return its exit code; ``select`` is the id of a run to open in Runs.

    Raises:
        Exception: the interface broke; the terminal is given back before, and no run is touched.
    """
    read_alt_digits()
    forget_stale_size()
    # A thread that reads thousands of runs gives way to a key within a millisecond, not within five.
    sys.setswitchinterval(0.0005)
    app = ConsoleApp(settings, select=select, start=None)
    app.run()
    if app.signals is not None:
        app.signals.cancel()
    if app._exception is not None:
        raise app._exception
    going = app.status.running + app.status.queued
    if app.return_code == 0 and going:
        noun, verb = ("run", "goes") if going == 1 else ("runs", "go")
        print(
            f"{going} {noun} {verb} on. `nli-console` opens the console again; `nli-console list` shows them."
        )
    return app.return_code or 0
