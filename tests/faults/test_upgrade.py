"""Run folders of the version before and of a version to come."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from nli_console.errors import ConsoleError
from nli_console.record.evidence import gather
from nli_console.record.files import read_json, write_json
from nli_console.record.journal import Tail
from nli_console.record.labels import read_labels, update_labels
from nli_console.record.layout import RunLayout
from nli_console.record.live import LiveRun
from nli_console.record.spec import SPEC_VERSION
from nli_console.record.spec_io import load_spec
from nli_console.record.state import State, derive
from nli_console.record.store import Store
from nli_console.supervisor import actions
from nli_console.supervisor.job import read_job
from nli_console.supervisor.reap import reap
from tests.supervisor.conftest import Desk, result_of, training, until
from tests.support.fake_runs import make_run

OLD = Path(__file__).parent / "old_run"
"""A stopped run as the first version wrote it: no group, template, trackers or calibration were known."""


@pytest.fixture
def old(desk: Desk) -> RunLayout:
    desk.runs_dir.mkdir(mode=0o700)
    shutil.copytree(OLD, desk.runs_dir / "20261120-101500-lora-demo-encoder-0a1b")
    return RunLayout(desk.runs_dir / "20261120-101500-lora-demo-encoder-0a1b")


def test_a_run_of_the_version_before_is_read(old: RunLayout) -> None:
    """Fault: the console was updated. Runs of before are in the history, with all their figures."""
    store = Store(old.path.parent)
    store.refresh()
    (run,) = store.runs
    assert (run.name, run.method, run.state.state, run.state.resumable) == (
        "old",
        "lora",
        State.STOPPED,
        True,
    )
    assert (run.step, run.total_steps, run.trainable_parameters, run.seconds) == (8, 20, 5123, 4.0)
    assert not run.newer
    live = LiveRun(old)
    live.poll()
    assert [block.last_step for block in live.points] == list(range(1, 9))
    assert [point.accuracy for point in live.evals] == [0.5]
    spec = load_spec(old)
    assert (spec.template, spec.group, spec.evaluates, spec.report_to) == (None, None, None, [])
    assert read_job(old).name == "old"


def test_a_run_of_the_version_before_is_resumed(old: RunLayout, desk: Desk) -> None:
    """Fault: the console was updated while a run was stopped. It goes on."""
    actions.resume(old)
    until(training(old.attempt(2)))
    result = until(lambda: result_of(old.attempt(2)))
    assert result["state"] == "finished"
    assert derive(gather(old)).state is State.FINISHED


def newer(layout: RunLayout) -> RunLayout:
    """Make a run what a version to come may write: higher versions, new fields, kinds and words."""
    spec = read_json(layout.spec) or {}
    write_json(layout.spec, {**spec, "version": SPEC_VERSION + 1, "wish": {"x": 1}, "method": "telepathy"})
    labels = read_json(layout.labels) or {}
    write_json(layout.labels, {**labels, "v": 2, "colour": "green"})
    owner = read_json(layout.attempt(1).owner) or {}
    write_json(layout.attempt(1).owner, {**owner, "v": 2, "supervisor": {"pid": 1, "start_ticks": 1, "x": 2}})
    with layout.attempt(1).metrics.open("a") as stream:
        for record in ({"v": 2, "kind": "dream", "step": "many"}, {"v": 2, "kind": "eval", "split": 3}):
            stream.write(json.dumps(record) + "\n")
    return layout


def test_a_run_of_a_version_to_come_is_shown_and_not_touched(tmp_path: Path) -> None:
    """Fault: the console was put back to an older version. What it knows of newer runs is shown."""
    layout = newer(make_run(tmp_path, "running", steps=5))
    before = contents(layout)
    store = Store(tmp_path)
    store.refresh()
    (run,) = store.runs
    assert run.newer
    assert run.step == 5
    live = LiveRun(layout)
    live.poll()
    assert [block.last_step for block in live.points] == [1, 2, 3, 4, 5]
    assert live.bad_lines == 0
    assert len(Tail(layout.attempt(1).metrics).read().records) > 6
    assert reap(layout) is None
    assert contents(layout) == before


def test_a_run_of_a_version_to_come_is_not_resumed(tmp_path: Path) -> None:
    """Fault: the same; a resume would do something else than was asked for."""
    layout = newer(make_run(tmp_path, "stopped", steps=5))
    with pytest.raises(ConsoleError, match=r"newer nli-console \(record version 2, known here is 1\)"):
        actions.resume(layout)


def test_a_label_of_a_version_to_come_is_kept(tmp_path: Path) -> None:
    """Fault: the same; renaming a run must not lose what this version does not know."""
    layout = newer(make_run(tmp_path, steps=5))
    update_labels(layout, name="renamed")
    assert read_labels(layout).name == "renamed"
    assert {"colour": "green", "v": 2}.items() <= (read_json(layout.labels) or {}).items()


def contents(layout: RunLayout) -> dict[str, Any]:
    files = (path for path in layout.path.rglob("*") if path.is_file())
    return {str(path.relative_to(layout.path)): path.read_bytes() for path in files}
