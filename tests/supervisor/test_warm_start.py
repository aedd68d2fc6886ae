"""A supervisor that waits with its worker: a run takes both over, and what nobody takes is gone."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nli_console.record.files import read_json
from nli_console.record.layout import ENVIRONMENT_TAG, TAG_ROOM, RunLayout
from nli_console.record.processes import tagged_processes
from nli_console.supervisor import warm_start
from nli_console.supervisor.launch import launch
from nli_console.supervisor.standby import WARM_VARIABLE
from nli_console.supervisor.warm_start import WarmKeeper, WarmStart
from tests.supervisor.conftest import (
    FAKE_WORKER,
    Desk,
    result_of,
    steps_of,
    supervisor_of,
    training,
    until,
    worker_of,
)

WAITS = f"""
import sys
import nli_console.worker.warm as warm
warm._LIGHT = warm._ALL = ("json",)
warm._touched_a_gpu = lambda: False
def run(run_dir, attempt, stop):
    import os
    os.execv(sys.executable, [sys.executable, "-S", {str(FAKE_WORKER)!r}, str(run_dir), str(attempt)])
sys.modules["nli_console.worker.run"] = type(sys)("run")
sys.modules["nli_console.worker.run"].run = run
sys.exit(warm.main())
"""
"""The real wait and hand-over without the libraries; the run is the fake worker's."""


@pytest.fixture
def warm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., WarmStart]]:
    script = tmp_path / "waits.py"
    script.write_text(WAITS)
    monkeypatch.setenv(WARM_VARIABLE, f"{sys.executable} {script}")
    made: list[WarmStart] = []

    def make(extra: dict[str, str]) -> WarmStart:
        made.append(WarmStart(extra))
        until(lambda: made[-1].ready)
        return made[-1]

    yield make
    for each in made:
        each.close()


def plan_of(layout: RunLayout) -> dict[str, str]:
    spec = read_json(layout.spec)
    assert spec is not None
    return spec["environment"]


def test_a_launch_takes_over_what_waits_and_the_run_is_like_any_other(
    desk: Desk, warm: Callable[..., WarmStart]
) -> None:
    run = desk.submit(steps=3, hold_at=[2])
    held = warm(plan_of(run))
    assert (held.memory_bytes or 0) > 1024**2
    waiting = held._process.pid
    launch(run, "session", held)
    attempt = run.attempt(1)
    supervisor = supervisor_of(attempt)
    assert supervisor is not None
    assert supervisor.pid == waiting
    until(training(attempt, 2))
    worker = worker_of(attempt)
    assert worker is not None
    # By its tag it is found, should the supervisor be gone; and its group is its own.
    assert worker.pid in tagged_processes(run.path)
    assert os.getpgid(worker.pid) == worker.pid
    held.close()  # as when the console ends: nothing of the run depends on it
    (run.path / "go-2").touch()
    until(lambda: result_of(attempt))
    assert (result_of(attempt) or {})["state"] == "finished"
    assert steps_of(attempt) == [1, 2, 3]
    # What the worker says stands in its log, and the supervisor has nothing to say.
    assert attempt.console_log.read_text().split()[-1] == "3"
    assert (run.path / "supervisor.log").read_text() == ""
    until(lambda: held.ended)


def test_a_worker_with_other_variables_is_not_used(desk: Desk, warm: Callable[..., WarmStart]) -> None:
    run = desk.submit(steps=2)
    held = warm({"FAKE_WORKER": json.dumps({"steps": 1})})
    launch(run, "session", held)
    until(lambda: result_of(run.attempt(1)))
    assert steps_of(run.attempt(1)) == [1, 2]
    until(lambda: held.ended)


def test_what_nobody_takes_ends_with_its_console(warm: Callable[..., WarmStart]) -> None:
    held = warm({})
    children = Path(f"/proc/{held._process.pid}/task/{held._process.pid}/children").read_text().split()
    assert len(children) == 1
    held.close()
    until(lambda: held.ended)
    until(lambda: not Path(f"/proc/{children[0]}").exists())


def test_one_is_kept_while_something_is_edited_and_given_up_for_want_of_memory(
    warm: Callable[..., WarmStart], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm_start, "_LOOK", 0.01)
    told: list[int | None] = []
    keeper = WarmKeeper(True, {}, lambda: told.append(keeper.memory_bytes))
    try:
        keeper.touch()
        until(lambda: told and told[-1])
        monkeypatch.setattr(warm_start, "_LEAST_FREE", 2**60)
        until(lambda: told[-1] is None)
        assert keeper.take() is None
    finally:
        keeper.close()


def test_the_setting_turns_it_off(warm: Callable[..., WarmStart]) -> None:
    keeper = WarmKeeper(False, {}, lambda: None)
    keeper.touch()
    assert keeper.take() is None
    assert not keeper._watched


def test_the_tag_is_where_others_read_it() -> None:
    """A variable that is set after the start does not show in /proc: the place for it is written over."""
    code = (
        "import nli_console.worker.warm as warm, sys; place = warm._TagPlace(); place.write('/runs/a run');"
        "print(open('/proc/self/environ', 'rb').read())"
    )
    environment = {**os.environ, ENVIRONMENT_TAG: "-" * TAG_ROOM}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert f"\\x00{ENVIRONMENT_TAG}=/runs/a run\\x00" in done.stdout or (
        f"b'{ENVIRONMENT_TAG}=/runs/a run\\x00" in done.stdout
    ), done.stderr
