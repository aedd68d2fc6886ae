"""The app: modes, the status line's readings, keys of everywhere, and leaving cleanly. It owns no run."""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from threading import Timer
from typing import Any, ClassVar

from textual.binding import BindingType
from textual.filter import LineFilter
from textual.reactive import reactive

from nli_console.methods.defaults import default_problem
from nli_console.record.state import State
from nli_console.record.store import RunSummary
from nli_console.settings import LoadedSettings
from nli_console.text import clean
from nli_console.tui.alt_digits import read_alt_digits
from nli_console.tui.background import Poller
from nli_console.tui.key_order import KeysInOrder
from nli_console.tui.keys import GROUPS, Key, bindings, key_name
from nli_console.tui.messages import (
    CloneRun,
    Failure,
    MachineRead,
    OpenRun,
    RunsDue,
    RunsListed,
)
from nli_console.tui.modes import MODES
from nli_console.tui.output_filter import OutputFilter
from nli_console.tui.screens.base import ConsoleScreen
from nli_console.tui.screens.help import HelpScreen
from nli_console.tui.screens.picker import Choosable, Picker
from nli_console.tui.sources import MachineReader, RunsReader
from nli_console.tui.status import Status
from nli_console.tui.symbols import Symbols, symbols
from nli_console.tui.theme import DARK, LIGHT

_SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_PATIENCE = 5.0
"""Seconds that leaving on a signal may take before the process ends without further ado."""


class ConsoleApp(KeysInOrder):
    """The console. Screens read ``settings`` and ``symbols``, and watch ``status`` and ``runs``.

    ``all_listed`` says that ``runs`` are all there are. ``selected_run`` is the run that Runs shows as
    selected: whoever sets it (a launch, a command-line argument) is obeyed as soon as the run is listed.
    """

    CSS_PATH = "console.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = bindings("everywhere")

    status: reactive[Status] = reactive(Status(), repaint=False)
    runs: reactive[tuple[RunSummary, ...]] = reactive((), repaint=False)
    all_listed: reactive[bool] = reactive(False, repaint=False)
    selected_run: reactive[str | None] = reactive(None, repaint=False)

    def __init__(self, settings: LoadedSettings, *, select: str | None = None) -> None:
        super().__init__()
        self.settings = settings
        self.symbols: Symbols = symbols(settings.values.interface.symbols)
        self._output_filter = OutputFilter(ascii_only=self.symbols.ascii)
        self.animation_level = "none"
        self.set_class(self.symbols.ascii, "-ascii")
        for theme in (DARK, LIGHT):
            self.register_theme(theme)
        self.theme = LIGHT.name if settings.values.interface.theme == "light" else DARK.name
        self.set_reactive(ConsoleApp.selected_run, select)
        for mode in MODES:
            self.add_mode(mode.name, mode.factory())
        self._opened = False
        self._former_handlers: dict[signal.Signals, Any] = {}
        self._watchdog: Timer | None = None
        interface = settings.values.interface
        self._machine = MachineReader(settings.values.telemetry.interval, settings.runs_dir)
        self._readers = (
            Poller(self._machine.read, self, settings.values.telemetry.interval, title="readings"),
            Poller(RunsReader(settings.runs_dir).read, self, interface.refresh, title="runs"),
        )

    def on_mount(self) -> None:
        self._catch_signals()
        # Whatever the shell printed while the console was suspended is painted over.
        self.app_resume_signal.subscribe(self, lambda _: self.action_repaint())
        # The first screen is laid out and drawn once, when all of it is there.
        self._begin_batch()
        self.switch_mode("runs" if self.selected_run else "launch")

    def on_screen_opened(self) -> None:
        """A mode was shown for the first time."""
        if self._opened:
            return
        self._opened = True
        self._end_batch()
        self.screen.call_after_refresh(self._begin_reading)

    def _begin_reading(self) -> None:
        """The first frame stands: what competes with it for the processor may begin."""
        for reader in self._readers:
            reader.start()
        # Where Launch stands beside its checks, they say so already.
        if self.settings.notice and (self.current_mode != "launch" or self.screen.has_class("-narrow")):
            self.tell(self.settings.notice)
        problem = default_problem(self.settings)
        if problem is not None:
            self.tell(problem, title="settings", severity="warning")

    def on_unmount(self) -> None:
        for reader in self._readers:
            reader.stop()
        self._machine.close()
        for number, handler in self._former_handlers.items():
            signal.signal(number, handler)

    def _catch_signals(self) -> None:
        """Leave through Textual's own exit, which gives the terminal back as it was."""
        loop = asyncio.get_running_loop()

        def leave(number: int, frame: object) -> None:
            # A terminal that has hung up can leave the event loop stuck in a write for good.
            self._watchdog = Timer(_PATIENCE, os._exit, (128 + number,))
            self._watchdog.daemon = True
            self._watchdog.start()
            loop.call_soon_threadsafe(self.exit, None, 128 + number)

        for number in _SIGNALS:
            with suppress(ValueError):  # not in the main thread
                self._former_handlers[number] = signal.signal(number, leave)

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), self._output_filter]

    def _fatal_error(self) -> None:
        """Close without the traceback that Textual would print; :func:`run_console` raises the error."""
        self._close_messages_no_wait()

    # What background threads report

    def on_machine_read(self, message: MachineRead) -> None:
        self.status = Status(message.machine, self.status.running, self.status.queued)

    def on_runs_listed(self, message: RunsListed) -> None:
        before = {run.id: run.state.state for run in self.runs}
        if not self.all_listed:
            self._go_to_what_runs(message.runs)
        self.all_listed = message.complete
        self.runs = message.runs
        if not message.complete:
            self._readers[1].poke()
        self.status = Status.of(self.status.machine, (run.state.state for run in message.runs))
        for run in message.runs:
            if not run.state.state.live and run.id in before and before[run.id].live:
                self._tell_end(run)

    def _go_to_what_runs(self, runs: Sequence[RunSummary]) -> None:
        """Who opens the console while a run is going wants to see it, unless a key has said otherwise."""
        live = next((run for run in runs if run.state.state.live), None)
        if live is not None and not self.used and self.current_mode == "launch":
            self.on_open_run(OpenRun(live.id))

    def _tell_end(self, run: RunSummary) -> None:
        state = run.state.state
        severity = "information" if state in (State.FINISHED, State.STOPPED) else "error"
        self.tell(run.reason, title=f"{run.name or run.id} {state.value}", severity=severity)
        if self.settings.values.interface.bell:
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
        if isinstance(self.screen, ConsoleScreen):
            self.push_screen(HelpScreen([*self.screen.explained(), self.screen.key_group, "everywhere"]))

    def action_palette(self) -> None:
        """Every action of this place, with its keys; the chosen one runs as if its key had been pressed."""
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


def _forget_stale_size() -> None:
    """Textual believes an exported COLUMNS and LINES before the terminal, and then no resize reaches it."""
    with suppress(OSError, ValueError):
        if all(os.get_terminal_size(sys.stdout.fileno())):
            for name in ("COLUMNS", "LINES"):
                os.environ.pop(name, None)


def run_console(settings: LoadedSettings, *, select: str | None = None) -> int:
    """Open the console and return its exit code; ``select`` is the id of a run to open in Runs.

    Raises:
        Exception: the interface broke; the terminal is given back before, and no run is touched.
    """
    read_alt_digits()
    _forget_stale_size()
    app = ConsoleApp(settings, select=select)
    app.run()
    if app._watchdog is not None:
        app._watchdog.cancel()
    if app._exception is not None:
        raise app._exception
    going = app.status.running + app.status.queued
    if app.return_code == 0 and going:
        noun, verb = ("run", "goes") if going == 1 else ("runs", "go")
        print(
            f"{going} {noun} {verb} on. `nli-console` opens the console again; `nli-console list` shows them."
        )
    return app.return_code or 0
