"""Consoles that are killed: whoever opens another one sees the same curves."""

import pytest

from nli_console.record.layout import RunLayout
from nli_console.record.live import LiveRun
from nli_console.record.state import State
from tests.end_to_end.conftest import World, go, is_in, reached, state_of, steps_of, until


def curve(run: RunLayout) -> list[object]:
    live = LiveRun(run)
    live.poll()
    return [*live.points, *live.evals]


@pytest.mark.slow
def test_three_runs_go_on_when_the_console_is_killed(world: World) -> None:
    """Fault: kill -9 of the console while three runs train. A new one shows the same curves, and they end."""
    world.settings("[queue]\ncpu_slots = 3\n", steps=60, hold_at=[20], step_seconds=0.01)
    runs = [world.launch() for _ in range(2)]
    with world.terminal() as console:
        console.wait_for("2 running")
        console.press("1")
        console.wait_for("Starts at once")
        console.press("f5")
        console.wait_for("3 running")
        (third,) = (run for run in world.runs if run.id not in {run.id for run in runs})
        runs.append(third)
        for run in runs:
            until(reached(run, 20))
        before = [curve(run) for run in runs]
        console.process.kill()
        assert console.process.wait(60) == -9
    assert [state_of(run) for run in runs] == [State.RUNNING] * 3
    assert [curve(run) for run in runs] == before
    with world.terminal() as another:
        another.wait_for("3 running")
        another.wait_for("20 of 60")
        for run in runs:
            go(run, 20)
        for run in runs:
            until(is_in(run, State.FINISHED))
        another.wait_for("0 running")
        another.press("q")
        assert another.wait_exit() == 0
    assert [steps_of(run) for run in runs] == [list(range(1, 61))] * 3
    assert [after[:20] for after in map(curve, runs)] == [points[:20] for points in before]
