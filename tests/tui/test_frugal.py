"""Only what changed goes to the terminal, and what is on the terminal is what the console drew."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pyte
import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual.widgets._toast import Toast

from nli_console.tui.app import ConsoleApp
from nli_console.tui.frugal import cells_of, changed_runs, render
from tests.support.fake_runs import make_run
from tests.support.terminal import Terminal
from tests.tui.test_launch_screen import until
from tests.tui.test_terminal import PROGRAM

CONSOLE = Console(color_system="truecolor")
MARK = b"\x1b[4711n"
"""What the console under test writes for ``f12``, behind all that the keys before it made it draw."""
MARKING = f"""
from textual.binding import Binding
from nli_console.tui import app

class Marking(app.ConsoleApp):
    __module__ = app.__name__  # where Textual looks for the style sheet
    BINDINGS = [Binding("f12", "mark", priority=True)]

    def action_mark(self):
        self.call_after_refresh(lambda: self._driver.write({MARK.decode()!r}))

app.ConsoleApp = Marking
"""


def cells(text: str, style: str = ""):
    return cells_of([Segment(text, Style.parse(style) if style else None)], CONSOLE)


def test_equal_lines_have_no_changed_run():
    assert changed_runs(cells("same", "red"), cells("same", "red"), 0, 0, 4) == []


def test_far_changes_are_sent_apart_and_near_ones_together():
    old = cells("a" * 60)
    new = cells("b" + "a" * 3 + "b" + "a" * 50 + "b" + "a" * 4)
    assert changed_runs(old, new, 0, 0, 60) == [(0, 5), (55, 56)]


def test_a_changed_colour_is_a_change():
    assert changed_runs(cells("abc", "red"), cells("abc", "blue"), 0, 0, 3) == [(0, 3)]


def test_a_wide_character_is_never_cut_in_two():
    old, new = cells("a日b"), cells("a本b")
    assert changed_runs(old, new, 0, 0, 4) == [(1, 3)]
    assert changed_runs(cells("abcd"), cells("a日d"), 0, 2, 4) == [(1, 3)]


def test_a_combining_mark_stays_with_its_letter():
    assert [text for text, _ in cells("e\u0301x")] == ["e\u0301", "x"]


def test_colours_are_named_once_and_reset_at_the_end():
    red = Style.parse("red")
    line = cells_of([Segment("ab", red), Segment("cd", red), Segment("e")], CONSOLE)
    assert render(line) == "\x1b[0;31mabcd\x1b[0me"


@pytest.fixture
def terminal(tmp_path):
    make_run(tmp_path / "runs", "finished", name="first run", age=4000)
    make_run(tmp_path / "runs", "failed", name="日本語の名前 and more", age=8000)
    root = Path(__file__).parents[2]
    with Terminal([sys.executable, "-c", MARKING + PROGRAM, str(tmp_path)], cwd=root) as running:
        running.wait_for("2 runs")
        running.press("1")
        running.wait_for("Starts at once")
        settle(running)
        yield running


def settle(terminal: Terminal, quiet: float = 0.2) -> int:
    """Read until all keys are seen to and nothing comes for ``quiet`` s; return how many bytes came."""
    before = len(terminal.raw)
    terminal.press("f12")
    terminal.read_to(MARK)
    read_until_quiet(terminal, quiet)
    return len(terminal.raw) - before


def read_until_quiet(terminal: Terminal, seconds: float) -> None:
    while terminal.pump(seconds):
        continue


def picture(terminal: Terminal) -> list[list[tuple[str, str, str, bool]]]:
    """Every cell below the status line, with its colours."""
    screen = terminal.screen
    return [
        [
            (cell.data, cell.fg, cell.bg, cell.bold)
            for cell in map(screen.buffer[y].__getitem__, range(screen.columns))
        ]
        for y in range(1, screen.lines)
    ]


def test_a_key_in_a_field_costs_little(terminal):
    for key in ("tab", "down", "down", "down", "down"):
        terminal.press(key)
        assert settle(terminal) < 2048, f"going to the next field with {key}"
    settle(terminal)
    for key in ("2", "7", "backspace", "3"):
        terminal.press(key)
        assert settle(terminal) < 2048, f"typing {key} into the seed"


def test_what_is_shown_is_what_was_drawn(terminal):
    """The terminal looks the same as after drawing everything again, whatever was pressed before."""
    for keys in (
        ("tab", "down", "down", "x", "tab", "9", "9"),
        ("f3", "tab", "tab", "x"),
        ("f8",),
        ("escape", "down", "2"),
        ("down", "up", "/", "r", "u", "n"),
        ("escape", "enter", "]", "]"),
        ("?", "escape"),
        ("escape", "f8", "1"),
    ):
        for key in keys:
            terminal.press(key)
            terminal.pump(0.15)
        # What the checks find out is drawn a quarter of a second behind the last key.
        settle(terminal, 0.4)
        before = picture(terminal)
        terminal.press("ctrl+l")
        settle(terminal)
        assert picture(terminal) == before, f"after {keys}"


def test_coming_back_from_the_shell_paints_everything(terminal):
    terminal.press("tab")
    settle(terminal)
    before = picture(terminal)
    os.kill(terminal.process.pid, signal.SIGTSTP)
    read_until_quiet(terminal, 0.7)
    terminal.screen.reset()
    os.kill(terminal.process.pid, signal.SIGCONT)
    terminal.wait_for("Before you launch")
    settle(terminal)
    assert picture(terminal) == before


@pytest.fixture
def drawn(monkeypatch):
    """What a terminal shows of everything that a console under test draws; pyte reads it."""
    terminal = pyte.Screen(120, 40)
    stream = pyte.Stream(terminal)

    def display(self, screen, renderable):
        if renderable is not None and not self._batch_count:
            stream.feed(renderable.render_segments(CONSOLE))

    monkeypatch.setattr(ConsoleApp, "_display", display)
    return terminal


async def test_nothing_of_a_toast_is_left_when_it_ends_while_something_asks_for_places(console, drawn):
    """Whoever asks where a widget is makes Textual arrange all of them anew, before anything is repainted."""
    app = console()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.pause()
        app.tell("over the button\n" * 6, title="a toast")
        await until(pilot, lambda: app.screen.query(Toast) and app.screen.query_one(Toast).region)
        await until(pilot, lambda: "over the button" in "\n".join(drawn.display))
        app.screen.query_one("#fields").scroll_to(y=3, animate=False)
        await until(pilot, lambda: "roberta-large" not in "\n".join(drawn.display))
        toast = app.screen.query_one(Toast)
        toast._expire()
        while toast.is_attached:
            await asyncio.sleep(0)
        assert app.screen.query_one("#fields").region
        await pilot.pause(0.2)
        before = list(drawn.display)
        app.action_repaint()
        await pilot.pause(0.2)
        assert list(drawn.display) == before
        assert "over the button" not in "\n".join(before)
