"""The console in a real pseudo-terminal: what it leaves behind, however it ends."""

import os
import signal
import sys
from pathlib import Path

import pytest

from nli_console.record.processes import own_identity
from tests.support.fake_runs import make_run
from tests.support.terminal import Terminal

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from pathlib import Path
from nli_console.settings import LoadedSettings, Settings
from nli_console.tui.app import run_console
folder = Path(sys.argv[1])
tables = {"defaults": {"model": "roberta-large", "data": "nyu-mll/multi_nli"}}
settings = Settings(runs_dir=folder / "runs", cache_dir=folder / "cache", **tables)
sys.exit(run_console(LoadedSettings(settings, None, None)))
"""


@pytest.fixture
def terminal(tmp_path):
    with Terminal([sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=ROOT) as running:
        running.wait_for("Before you launch")
        running.wait_for("recommended/lora")
        yield running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_gives_the_terminal_back(terminal, number):
    terminal.signal(number)
    assert terminal.wait_exit() == 128 + number
    assert terminal.restored


@pytest.mark.parametrize("keys", [("q",), ("tab", "down", "ctrl+q")])
def test_quitting_gives_the_terminal_back(terminal, keys):
    terminal.press(*keys)
    assert terminal.wait_exit() == 0
    assert terminal.restored


def test_quitting_says_that_runs_go_on(terminal, tmp_path):
    make_run(tmp_path / "runs", "running", process=own_identity())
    terminal.wait_for("1 running")
    terminal.press("q")
    terminal.wait_exit()
    assert "1 run goes on." in terminal.text


def test_an_exported_size_does_not_stand_in_for_the_terminals_own(tmp_path):
    stale = {"COLUMNS": "80", "LINES": "24"}
    with Terminal([sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=ROOT, env=stale) as running:
        running.wait_for("Before you launch")
        running.resize(60, 20)
        running.wait_gone("Before you launch")
        running.wait_for("f5 launch")


def test_a_hang_up_ends_the_console(terminal):
    terminal.hang_up()
    assert terminal.process.wait(timeout=30) is not None


def test_what_is_drawn_holds_no_escape_of_what_was_typed(terminal):
    terminal.press("tab", "down", "end")
    terminal.type("\x1b[200~x\x1b]0;evil\x07\x9b31m\u202ey\x1b[201~")
    terminal.pump(2)
    raw = bytes(terminal.raw)
    assert b"\x1b]0;evil" not in raw
    assert "\u202e".encode() not in raw
    assert os.fsencode("\x9b31m".encode()) not in raw
