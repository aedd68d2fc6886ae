"""The main job in the console: set up, launch, watch, leave, come back. A real program on a real terminal."""

import json

import pytest

from nli_console.record.spec_io import load_spec
from nli_console.record.state import State
from tests.end_to_end.conftest import World, go, is_in, reached, state_of, until
from tests.end_to_end.escapes import bells
from tests.support.terminal import Terminal

ACCURACY = {
    split: {"value": 0.9, "low": 0.8, "high": 0.95, "n": 30, "correct": 27}
    for split in ("validation_matched", "validation_mismatched")
}


def loss_chart(terminal: Terminal) -> list[str]:
    """The lines of the loss chart, from its title to the steps below it, once it is drawn."""

    def drawn() -> list[str]:
        terminal.pump(0.2)
        lines = [line.rpartition("│")[2].strip() for line in terminal.text.splitlines()]
        begin = [index for index, line in enumerate(lines) if line.startswith("loss")]
        end = [index for index, line in enumerate(lines) if line.endswith("steps") and "└" in line]
        return lines[begin[0] : end[0] + 1] if begin and end else []

    return until(drawn)


def to_field(console: Terminal, number: int) -> None:
    """From the list of methods to a field of the form: 0 is the preset, 4 the seed; in one burst of keys."""
    console.press("tab", *["down"] * number)


@pytest.mark.slow
def test_a_run_is_set_up_launched_watched_left_and_found_again(world: World) -> None:
    world.settings(steps=60, hold_at=[8, 40], step_seconds=0.01, accuracy=ACCURACY)
    with world.terminal() as console:
        console.wait_for("Starts at once")
        to_field(console, 4)
        console.type("7")
        console.wait_for(r"seeds +7 ")
        console.press("f5")
        console.wait_for(r"training .* 8 of 60")
        until(lambda: world.runs)
        few = loss_chart(console)
        go(world.run, 8)
        console.wait_for("40 of 60")
        console.wait_for("1 running")
        seen = loss_chart(console)
        assert seen != few
        console.press("q")
        assert console.wait_exit() == 0
        assert console.restored
        console.wait_for(r"1 run goes on\.")
    assert load_spec(world.run).seed == 7
    assert load_spec(world.run).provenance.launcher == "tui"
    assert state_of(world.run) is State.RUNNING

    with world.terminal() as console:
        console.wait_for("1 running")
        console.press("2")
        console.wait_for("40 of 60")
        assert loss_chart(console) == seen
        assert bells(bytes(console.raw)) == 0
        go(world.run, 40)
        console.wait_for(r"✔|✓")
        console.wait_for("finished")
        console.wait_for(r"90\.0")
        console.wait_for("0 running")
        until(lambda: console.pump(0.2) is not None and bells(bytes(console.raw)) == 1)
        console.press("q")
        assert console.wait_exit() == 0
        assert "goes on" not in console.text


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (60, 20)], ids=str)
def test_narrow_terminals_do_the_whole_job(world: World, size: tuple[int, int]) -> None:
    world.settings(steps=60, hold_at=[5], step_seconds=0.01, says="hello from the worker\n")
    with world.terminal(size=size) as console:
        console.wait_for("trainable")
        console.press("?")
        console.wait_for("esc closes|Everywhere")
        console.press("escape")
        console.wait_gone("esc closes|Everywhere")
        console.press("f5")
        console.wait_for("5 of 60")
        console.press("enter")
        console.wait_for("smoothed|loss")
        console.press("]", "]")
        console.wait_for("hello from the worker")
        console.press("escape")
        console.wait_for("1 run  by")
        console.press("x")
        console.wait_for(r"Stop .*\?")
        console.press("enter")
        until(lambda: console.pump(0.05) is not None and state_of(world.run) is State.STOPPED)
        console.wait_for("stopped")
        console.wait_for("0 running")
        console.press("r")
        until(lambda: console.pump(0.05) is not None and reached(world.run, 5, attempt=2)())
        console.wait_for("1 running")
        console.press("/")
        console.type("nothing has this")
        console.wait_for("0 of 1 run")
        console.press("escape")
        console.wait_for("1 run  by")
        console.press("q")
        assert console.wait_exit() == 0
        assert console.restored
    assert is_in(world.run, State.RUNNING)()


@pytest.mark.slow
def test_a_window_made_too_small_says_so_and_comes_back(world: World) -> None:
    with world.terminal(size=(100, 30)) as console:
        console.wait_for("Starts at once|trainable")
        console.resize(40, 10)
        console.wait_for("60.*20")
        console.resize(100, 30)
        console.wait_for("trainable")
        console.press("q")
        assert console.wait_exit() == 0


@pytest.mark.slow
def test_a_mistake_in_the_form_is_told_and_nothing_typed_is_lost(world: World) -> None:
    with world.terminal() as console:
        console.wait_for("Starts at once")
        to_field(console, 2)
        console.type("./nowhere")
        console.wait_for("there is no file or folder")
        console.press("down")
        console.type("7")
        console.wait_for("at most 1")
        console.press("f5")
        console.wait_for("a zip or")  # what is said about the data field, the first that is wrong
        console.type("\x1b2")  # alt+2
        console.wait_for("No runs yet")
        console.type("\x1b1")
        console.wait_for("./nowhere")
        assert world.runs == []
        console.press("ctrl+q")
        assert console.wait_exit() == 0


@pytest.mark.slow
def test_a_second_console_sees_what_the_first_does(world: World) -> None:
    world.settings(steps=60, hold_at=[20], step_seconds=0.01)
    layout = world.launch()
    until(reached(layout, 20))
    with world.terminal() as one, world.terminal() as other:
        for console in (one, other):
            console.wait_for("1 running")
            console.press("2")
            console.wait_for("20 of 60")
        one.press("n")
        one.wait_for("Name of")
        one.press("end")
        one.type(" renamed")
        one.press("enter")
        other.wait_for("renamed")
        other.press("x")
        other.wait_for(r"Stop .*\?")
        other.press("enter")
        until(lambda: other.pump(0.05) is not None and state_of(layout) is State.STOPPED)
        for console in (one, other):
            console.wait_for("stopped")
            console.press("q")
            assert console.wait_exit() == 0
    assert json.loads(layout.labels.read_text())["name"].endswith("renamed")
