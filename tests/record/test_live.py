import os
from pathlib import Path

import pytest

from nli_console.record import live
from nli_console.record.curve import Block
from nli_console.record.journal import Journal
from nli_console.record.layout import RunLayout
from nli_console.record.live import LiveRun, LiveUpdate
from tests.support.fake_runs import STEP_SECONDS, grow, make_run, train_record


def drain(run: LiveRun, max_bytes: int = 1 << 22) -> LiveUpdate:
    while (update := run.poll(max_bytes)).more:
        pass
    return update


def steps_of(points: list[Block]) -> list[int]:
    return [step for block in points for step in range(block.first_step, block.last_step + 1)]


def append(layout: RunLayout, attempt: int, *records: dict[str, object]) -> None:
    with Journal(layout.attempt(attempt).metrics) as journal:
        for record in records:
            journal.append({"v": 1, **record})


def test_a_running_run_is_followed_record_by_record(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "running", steps=50, total_steps=100, nan_at=(7,))
    run = LiveRun(layout)
    first = run.poll()
    assert steps_of(first.points) == list(range(1, 51))
    assert (run.step, run.total_steps, run.nan_steps) == (50, 100, 1)
    assert run.phase is not None
    assert run.phase.name == "training"
    assert run.loss == first.points[-1].mean
    assert [point.step for point in run.evals] == [20, 40]
    assert [guard.id for guard in run.guards] == ["nan_loss"]
    assert run.start is not None
    assert run.start.trainable_parameters == 3_805_187
    assert run.system[-1].gpus is not None
    assert run.system[-1].gpus[0].processes[0].user == "tester"
    assert any("some weights" in line for line in run.log)
    grow(layout, 3)
    update = run.poll()
    assert (steps_of(update.points), update.reset, update.changed) == ([51, 52, 53], False, True)
    assert not run.poll().changed


def test_a_small_budget_finds_the_same_in_more_polls(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "finished", steps=200, attempts=2)
    whole, piecewise = LiveRun(layout), LiveRun(layout)
    drain(whole)
    drain(piecewise, 2000)
    assert piecewise.points == whole.points
    assert piecewise.evals == whole.evals
    assert list(piecewise.system) == list(whole.system)


def test_steps_beyond_the_resumed_one_are_not_drawn_twice(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "running", steps=100, attempts=2, total_steps=200)
    assert max(record["step"] for record in _train_records(layout, 1)) == 70
    run = LiveRun(layout)
    drain(run)
    assert steps_of(run.points) == list(range(1, 101))
    assert run.attempt == 2


def _train_records(layout: RunLayout, attempt: int) -> list[dict[str, int]]:
    from nli_console.record.journal import Tail

    return [r for r in Tail(layout.attempt(attempt).metrics).read().records if r["kind"] == "train"]


def test_a_resume_while_watching_redraws_from_the_resumed_step(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "running", steps=60, total_steps=100)
    run = LiveRun(layout)
    drain(run)
    layout.attempt(2).path.mkdir()
    append(layout, 2, {"seq": 0, "t": 1.0, "kind": "phase", "phase": "loading"})
    assert not run.poll().reset
    assert run.step == 60
    assert run.phase is not None
    assert run.phase.name == "loading"
    append(layout, 2, {"seq": 1, "t": 2.0, "kind": "start", "resumed_step": 30, "total_steps": 100})
    update = run.poll()
    assert update.reset
    assert steps_of(update.points) == list(range(1, 31))
    assert [point.step for point in run.evals] == [20]
    assert run.step == 30


def test_time_left_is_unknown_until_a_few_steps_of_this_attempt(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "running", steps=60, total_steps=100)
    run = LiveRun(layout)
    drain(run)
    assert run.eta.training == pytest.approx(40 * STEP_SECONDS)
    layout.attempt(2).path.mkdir()
    append(layout, 2, {"seq": 0, "t": 2.0, "kind": "start", "resumed_step": 60, "total_steps": 100})
    run.poll()
    assert run.throughput is None
    assert run.eta.training is None
    # The first step warms up and is slow; it does not count.
    append(layout, 2, {**train_record(1, 3.0, 61, 100), "seconds": 60.0})
    append(
        layout, 2, *({**train_record(step - 60, 3.0, step, 100), "seconds": 2.0} for step in range(62, 66))
    )
    run.poll()
    assert run.eta.training is None
    append(layout, 2, {**train_record(6, 4.0, 66, 100), "seconds": 2.0})
    run.poll()
    assert run.eta.training == pytest.approx(34 * 2.0)
    assert run.throughput is not None
    assert run.throughput.samples == pytest.approx(16.0)


def test_training_and_evaluation_are_foretold_apart(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "running", steps=50, total_steps=100)
    run = LiveRun(layout)
    drain(run)
    # Five evaluations of 2.5 s in all; two were made.
    assert run.eta.evaluation == pytest.approx(3 * 2.5)
    progress = {"kind": "phase", "phase": "evaluating", "total": 1000, "unit": "rows"}
    append(
        layout,
        1,
        {**progress, "seq": 900, "t": 10.0, "done": 0},
        {**progress, "seq": 901, "t": 12.0, "done": 100},
    )
    run.poll()
    assert run.eta.phase == pytest.approx(18.0)
    grow(layout, 1)
    run.poll()
    assert run.eta.phase is None
    assert run.phase is not None
    assert run.phase.name == "training"


def test_damage_is_counted_and_the_rest_is_shown(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "running", steps=20)
    with layout.attempt(1).metrics.open("ab") as stream:
        stream.write(b"\0" * 4096 + b"\nnot json\n")
    run = LiveRun(layout)
    drain(run)
    assert (run.step, run.bad_lines) == (20, 2)
    grow(layout, 1)
    assert steps_of(run.poll().points) == [21]


def test_replaced_metrics_are_drawn_anew(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "running", steps=20)
    run = LiveRun(layout)
    drain(run)
    other = make_run(tmp_path / "other", "running", steps=5)
    os.rename(other.attempt(1).metrics, layout.attempt(1).metrics)
    update = run.poll()
    assert update.reset
    assert steps_of(update.points) == steps_of(run.points) == [1, 2, 3, 4, 5]


def test_a_linked_or_piped_journal_is_not_read(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "running", steps=20)
    attempt = layout.attempt(1)
    for path in (attempt.metrics, attempt.system, attempt.console_log):
        path.unlink()
    attempt.metrics.symlink_to("/etc/passwd")
    os.mkfifo(attempt.system)
    os.mkfifo(attempt.console_log)
    run = LiveRun(layout)
    assert not run.poll().changed
    assert run.log == []


def test_memory_stays_bounded_and_the_curve_stays_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_POINTS_LIMIT", 1000)
    layout = make_run(tmp_path, "running", steps=2500, total_steps=5000)
    run = LiveRun(layout)
    drain(run, 50_000)
    assert len(run.points) <= 1000
    assert steps_of(run.points) == list(range(1, 2501))
    assert sum(block.n for block in run.points) == 2500


def test_a_queued_run_has_nothing_to_show_yet(tmp_path: Path) -> None:
    run = LiveRun(make_run(tmp_path, "nobody_waits"))
    assert not run.poll().changed
    assert (run.step, run.phase, run.eta.total, run.attempt) == (None, None, None, 0)
