import json
import os
import shutil
import time
from pathlib import Path
from typing import get_args

import pytest

from nli_console.record.files import read_json, write_json
from nli_console.record.journal import Journal
from nli_console.record.labels import update_labels
from nli_console.record.layout import RunLayout
from nli_console.record.state import State
from nli_console.record.store import RunSummary, Store
from tests.support.fake_runs import FakeState, grow, make_run


def only(store: Store) -> RunSummary:
    (run,) = store.runs
    return run


def only_summary(root: Path) -> RunSummary:
    """The only run in ``root``, as a console that has just been opened sees it."""
    store = Store(root)
    store.refresh()
    return only(store)


def settle(root: Path) -> None:
    """Make every folder old enough for its time to be trusted."""
    moment = time.time() - 60
    for layout in (RunLayout(path) for path in root.iterdir()):
        for folder in (layout.attempts, layout.path):
            os.utime(folder, (moment, moment))


def test_a_finished_run_says_everything_a_reader_of_the_history_wants(tmp_path: Path) -> None:
    make_run(tmp_path, "finished", steps=300, accuracy=0.9, run_id="one", name="first", seed=3)
    store = Store(tmp_path)
    change = store.refresh()
    run = only(store)
    assert change.added == (run,)
    assert (run.id, run.name, run.method, run.model, run.data, run.seed) == (
        "one", "first", "lora", "roberta-large", "multinli", 3,
    )  # fmt: skip
    assert run.accuracy["validation_matched"].value == 0.9
    assert run.accuracy["validation_matched"].n == 9815
    assert (run.trainable_parameters, run.total_parameters) == (3_805_187, 359_167_878)
    assert run.peak_memory_bytes == 5_476_083_302
    assert run.seconds == pytest.approx(300 * 0.35 + 24.6)
    assert (run.step, run.total_steps) == (300, 300)
    as_json = json.loads(json.dumps(run.to_json(), allow_nan=False))
    assert as_json["state"] == "finished"
    assert as_json["accuracy"]["validation_matched"]["low"] < 0.9


def test_seconds_sum_the_attempts(tmp_path: Path) -> None:
    make_run(tmp_path, "finished", steps=300, attempts=3)
    store = Store(tmp_path)
    store.refresh()
    run = only(store)
    assert run.attempts == 3
    assert run.seconds == pytest.approx(300 * 0.35 + 3 * 24.6)


def test_what_a_killed_worker_had_reached_is_known_before_and_after_its_end_is_recorded(
    tmp_path: Path,
) -> None:
    layout = make_run(tmp_path, "lost", steps=40, total_steps=90)
    attempt = layout.attempt(1)
    whole = only_summary(tmp_path)
    # It had no time to write the last block of its curve, and the last line is torn.
    attempt.curve.write_bytes(b"")
    with attempt.metrics.open("ab") as stream:
        stream.write(b'{"v": 1, "kind": "train", "step": 41, "lo')
    recorded = only_summary(tmp_path)
    attempt.result.unlink()
    derived = only_summary(tmp_path)
    for run in (recorded, derived):
        assert (run.state.state, run.step, run.total_steps) == (State.LOST, 40, 90)
        assert run.loss == pytest.approx(whole.loss)
        assert run.trainable_parameters == whole.trainable_parameters


@pytest.mark.parametrize("begun", [False, True], ids=["before its start", "before its first step"])
def test_an_attempt_that_failed_early_hides_nothing_that_the_one_before_it_reached(
    tmp_path: Path, begun: bool
) -> None:
    layout = make_run(tmp_path, "stopped", steps=40, total_steps=90)
    second = layout.attempt(2)
    second.path.mkdir()
    if begun:
        with Journal(second.metrics) as journal:
            journal.append(
                {"v": 1, "seq": 0, "t": 1.0, "kind": "start", "resumed_step": 30, "total_steps": 90}
            )
    reason = {"code": "exception", "detail": "the model has moved"}
    write_json(second.final, {"v": 1, "completed": False, "stopped": False, "reason": reason, "step": 0})
    write_json(second.result, {"v": 1, "state": "failed", "reason": reason})
    run = only_summary(tmp_path)
    assert (run.state.state, run.step, run.total_steps) == (State.FAILED, 30 if begun else 40, 90)
    assert (run.trainable_parameters, run.total_parameters) == (3_805_187, 359_167_878)


@pytest.mark.parametrize("state", get_args(FakeState))
def test_every_kind_of_run_is_listed_with_a_reason_where_there_is_one(
    tmp_path: Path, state: FakeState
) -> None:
    make_run(tmp_path, state, steps=20)
    store = Store(tmp_path)
    store.refresh()
    run = only(store)
    json.dumps(run.to_json(), allow_nan=False)
    if state not in ("finished", "submitted"):
        assert run.reason


def test_a_live_run_shows_its_step_and_a_settled_one_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = make_run(tmp_path, "running", steps=40, run_id="live")
    make_run(tmp_path, "finished", steps=40, run_id="done")
    settle(tmp_path)
    store = Store(tmp_path)
    store.refresh()
    grow(live, 5)
    opened: list[str] = []
    real = os.open

    def counted(path: object, *arguments: int, **options: int) -> int:
        opened.append(str(path))
        return real(path, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("nli_console.record.files.os.open", counted)
    change = store.refresh()
    assert [(run.id, run.step) for run in change.changed] == [("live", 45)]
    assert not any("/done/" in path for path in opened)


def test_labels_and_new_attempts_of_a_settled_run_are_noticed(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "stopped", steps=20)
    settle(tmp_path)
    store = Store(tmp_path)
    store.refresh()
    assert not store.refresh()
    update_labels(layout, name="renamed", pinned=True)
    (changed,) = store.refresh().changed
    assert (changed.name, changed.pinned) == ("renamed", True)
    layout.attempt(2).path.mkdir()
    assert store.refresh().changed[0].state.state is State.STARTING


def test_a_run_that_ends_and_one_that_goes_are_noticed(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "running", steps=20)
    store = Store(tmp_path)
    store.refresh()
    write_json(layout.attempt(1).result, {"v": 1, "state": "failed", "reason": {"code": "nan", "detail": ""}})
    assert store.refresh().changed[0].reason == "the loss became NaN"
    shutil.rmtree(layout.path)
    assert store.refresh().removed == (layout.id,)
    assert store.runs == []


def test_half_written_folders_are_shown_links_and_the_trash_are_not(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    make_run(runs, "finished", steps=5, run_id="good")
    (runs / "empty").mkdir()
    (runs / "README.md").write_text("")
    (runs / ".trash").mkdir()
    make_run(tmp_path / "other", "finished", steps=5, run_id="theirs")
    (runs / "linked").symlink_to(tmp_path / "other" / "theirs")
    shutil.copytree(runs / "good", runs / ".trash" / "gone")
    store = Store([runs])
    store.refresh()
    assert [(run.id, run.state.state.value) for run in store.runs] == [
        ("good", "finished"),
        ("empty", "unreadable"),
    ]
    assert "spec.json" in store.runs[1].reason


def test_a_newer_record_is_marked_and_strange_values_are_unknown(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "finished", steps=5)
    spec = read_json(layout.spec) or {}
    write_json(layout.spec, {**spec, "version": 2, "seed": "x", "name": "\x1b[2Jname", "data": 7})
    final = read_json(layout.attempt(1).final) or {}
    write_json(layout.attempt(1).final, {**final, "accuracy": {"a": {"value": 7}, "b": 3}, "seconds": "long"})
    layout.labels.unlink()
    store = Store(tmp_path)
    store.refresh()
    run = only(store)
    assert run.newer
    assert (run.seed, run.data, dict(run.accuracy)) == (None, "", {})
    assert "\x1b" not in run.name


def test_of_two_roots_the_first_wins_and_missing_ones_are_empty(tmp_path: Path) -> None:
    make_run(tmp_path / "a", "finished", steps=5, run_id="same", name="first")
    make_run(tmp_path / "b", "finished", steps=5, run_id="same", name="second")
    store = Store([tmp_path / "missing", tmp_path / "a", tmp_path / "b"])
    store.refresh()
    assert only(store).name == "first"


def test_the_size_of_an_ended_run_is_remembered(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "finished", steps=5)
    settle(tmp_path)
    store = Store(tmp_path)
    store.refresh()
    size = store.size_on_disk(only(store))
    assert size > 0
    layout.checkpoints.mkdir()
    (layout.checkpoints / "model").write_bytes(b"x" * 100_000)
    store.refresh()
    assert store.size_on_disk(only(store)) >= size + 100_000


def test_a_thousand_settled_runs_are_looked_at_without_opening_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = make_run(tmp_path / "template", "finished", steps=3, run_id="template").path
    runs = tmp_path / "runs"
    for number in range(1000):
        shutil.copytree(template, runs / f"run-{number:04d}")
    settle(runs)
    store = Store(runs)
    store.refresh()
    assert len(store.runs) == 1000
    assert {run.state.state for run in store.runs} == {State.FINISHED}

    def refused(path: object, *_: object, **__: object) -> int:
        raise AssertionError(f"opened {path}")

    monkeypatch.setattr("nli_console.record.files.os.open", refused)
    assert not store.refresh()


def test_waiting_in_the_queue_is_not_counted_as_time_taken(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "running", steps=100)
    owner = layout.attempt(1).owner
    write_json(owner, {**(read_json(owner) or {}), "started": time.time() - 7200})
    store = Store(tmp_path)
    store.refresh()
    assert 30 < (only(store).seconds or 0) < 120


@pytest.mark.parametrize("attempts", [1, 2], ids=["the latest", "an earlier one"])
def test_a_loss_that_is_found_late_does_not_count_the_time_in_between(tmp_path: Path, attempts: int) -> None:
    layout = make_run(tmp_path, "lost", steps=100, age=0.0)
    result = layout.attempt(1).result
    moment = time.time()
    for path in (layout.attempt(1).metrics, layout.attempt(1).owner):
        os.utime(path, (moment, moment))
    write_json(result, {**(read_json(result) or {}), "t": moment + 7200})
    if attempts == 2:
        layout.attempt(2).path.mkdir()
    assert only_summary(tmp_path).seconds == pytest.approx(35, abs=5)


def test_the_newest_runs_can_be_had_first(tmp_path):
    for number in range(5):
        make_run(tmp_path, "finished", steps=5, run_id=f"run-{number}")
    store = Store(tmp_path)
    assert [run.id for run in store.refresh(newest=2).added] == ["run-4", "run-3"]
    rest = store.refresh()
    assert [run.id for run in rest.added] == ["run-2", "run-1", "run-0"]
    assert not rest.changed
    assert not rest.removed
