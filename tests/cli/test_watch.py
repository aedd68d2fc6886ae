"""Ctrl-C while a run is followed: detach, stop, or just look away. Real processes, real signals."""

import os
import signal
import subprocess
import sys

import pytest

from nli_console.record.evidence import gather
from nli_console.record.state import State, derive
from tests.support.terminal import Terminal


class Followed:
    """``nli-console …`` with its output read line by line."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "nli_console", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self.process.stdout is not None
        self.output = self.process.stdout

    def until(self, words: str) -> str:
        for line in self.output:
            if words in line:
                return line
        raise AssertionError(f"ended without saying {words!r}")

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str]:
        rest = self.output.read()
        return self.process.wait(timeout=60), rest


def state_of(layout):
    return derive(gather(layout)).state


@pytest.fixture
def endless(place):
    place.write_settings(steps=1_000_000, step_seconds=0.01)
    return place


@pytest.mark.slow
def test_ctrl_c_detaches_and_says_how_to_come_back(endless):
    followed = Followed("run", "lora")
    followed.until("training")
    followed.interrupt()
    followed.until("detached")
    assert "nli-console watch" in followed.until("watch it")
    assert "nli-console stop" in followed.until("stop it")
    code, rest = followed.end()
    assert (code, rest) == (0, "")
    (layout,) = endless.runs
    assert state_of(layout) is State.RUNNING
    endless.call("stop", layout.id)


def test_a_second_ctrl_c_stops_the_run(endless):
    followed = Followed("run", "lora")
    followed.until("training")
    followed.interrupt()
    followed.until("stop it")
    followed.interrupt()
    code, rest = followed.end()
    assert code == 3
    assert "stopped" in rest
    assert "nli-console resume" in rest
    (layout,) = endless.runs
    assert state_of(layout) is State.STOPPED


@pytest.mark.slow
def test_a_second_ctrl_c_stops_every_run_of_a_group(endless):
    followed = Followed("run", "lora", "--seeds", "1,2")
    followed.until("1 of 2: training")
    followed.interrupt()
    assert "nli-console stop g-" in followed.until("stop it")
    followed.interrupt()
    code, rest = followed.end()
    assert code == 3
    assert "0 of 2 finished, 2 stopped" in rest
    assert [state_of(layout) for layout in endless.runs] == [State.STOPPED, State.STOPPED]


@pytest.mark.slow
def test_ctrl_c_in_reproduce_names_the_command_that_comes_back_and_a_second_one_stops_all(endless):
    chosen = ("reproduce", "demo", "--only", "lora,head", "--seeds", "1")
    followed = Followed(*chosen)
    followed.until("1 of 2: training")
    followed.interrupt()
    assert followed.until("watch it").split("watch it: ")[1].strip() == f"nli-console {' '.join(chosen)}"
    code, rest = followed.end()
    assert (code, rest) == (0, "")
    back = Followed(*chosen)
    back.until("1 of 2: training")
    back.interrupt()
    back.until("watch it")
    back.interrupt()
    code, rest = back.end()
    assert code == 3
    assert f"What is missing is started by: nli-console {' '.join(chosen)}" in rest
    assert [state_of(layout) for layout in endless.runs] == [State.STOPPED, State.STOPPED]


def test_in_a_terminal_progress_is_one_line_and_no_escape_is_sent(endless):
    with Terminal([sys.executable, "-m", "nli_console", "run", "lora"], cwd=endless.folder) as terminal:
        terminal.wait_for(r"training  step [\d,]+ .*loss")
        terminal.press("ctrl+c")
        terminal.wait_for("stop it:")
        terminal.press("ctrl+c")
        terminal.wait_for("go on with: nli-console resume")
        assert terminal.process.wait(timeout=30) == 3
        assert terminal.text.count("training") <= 1
        assert b"\x1b" not in terminal.raw


def test_ctrl_c_while_watching_leaves_the_run_alone(endless):
    endless.call("run", "lora", "--detach")
    (layout,) = endless.runs
    followed = Followed("watch", layout.id)
    followed.until("training")
    followed.interrupt()
    code, rest = followed.end()
    assert code == 130
    assert "goes on" in rest
    assert state_of(layout) is State.RUNNING
    endless.call("stop", layout.id, "--kill")
