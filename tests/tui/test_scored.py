"""The live view of a run that only scores rows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from nli_console.methods.estimate import MemoryEstimate
from nli_console.record.journal import Journal
from nli_console.record.live import LiveRun
from nli_console.record.samples import EvalPoint, ScorePoint, Start
from nli_console.record.state import RunState, State
from nli_console.record.summary import Accuracy, RunSummary, accuracy_of
from nli_console.tui.preflight import Answer, Question
from nli_console.tui.run_view import RunView
from nli_console.tui.symbols import symbols
from nli_console.tui.widgets.checks_panel import numbers
from nli_console.tui.widgets.live_text import compact_readings, header, readings
from nli_console.tui.widgets.scored import asking, score_marks, score_reading
from tests.support.fake_runs import make_run, make_spec

SYMBOLS = symbols("braille")
POINTS = (
    ScorePoint(1, "validation_matched", 50, 100, 0.5, 0.4, 0.6, 40, 0.45, "batch"),
    ScorePoint(1, "validation_matched", 100, 100, 0.52, 0.45, 0.6, 100, 0.47, "batch"),
    ScorePoint(1, "validation_mismatched", 30, 80, 0.4, 0.3, 0.5, 20, 0.35, "batch"),
)
SPEC = make_spec(method="icl", hyperparameters={"shots": 4, "scorer": "likelihood", "calibration": "batch"})
VIEW = RunView("icl-1", spec=SPEC, scores=POINTS, start=Start(1, 0, 0, scored_rows=180))
RUN = RunSummary("icl-1", Path("/nowhere"), RunState(State.RUNNING), "four shots", "icl")
REPORTED = Accuracy(0.554, 0.523, 0.585, 984, Accuracy(0.517, 0.486, 0.548, 984), "batch")


def words(lines: Any) -> str:
    return "\n".join("".join(text for text, _ in line) for line in lines)


def test_the_chart_is_over_rows_one_split_behind_the_other() -> None:
    assert [(mark.step, mark.value) for mark in score_marks(VIEW)] == [(50, 0.5), (100, 0.52), (130, 0.4)]
    old = [EvalPoint(1, 0, split, 0.5, n=100) for split in ("validation_matched", "validation_mismatched")]
    assert [mark.step for mark in score_marks(replace(VIEW, scores=(), evaluations=old))] == [100, 200]


def test_the_reading_is_the_newest_on_the_way_and_the_reported_one_at_the_end() -> None:
    assert score_reading(RUN, VIEW, SYMBOLS) == "40.0 ± 10.0 % mismatched so far, of 20 rows, raw 35.0 %"
    done = replace(RUN, accuracy={"validation_matched": REPORTED})
    assert score_reading(done, VIEW, SYMBOLS) == "55.4 ± 3.1 % matched, raw 51.7 %"
    assert score_reading(RUN, replace(VIEW, scores=()), SYMBOLS) == ""
    invalid = replace(POINTS[0], raw=None, calibration="", invalid=0.025)
    assert score_reading(RUN, replace(VIEW, scores=(invalid,)), SYMBOLS).endswith("rows, 2.5 % invalid")


def test_how_it_asks_stands_in_the_header_and_nothing_of_training() -> None:
    assert asking(VIEW) == ["4 shots", "label likelihoods", "batch calibration"]
    finished = replace(RUN, state=RunState(State.FINISHED), accuracy={"validation_matched": REPORTED})
    text = words(header(finished, VIEW, 100, SYMBOLS, 6))
    assert "icl" in text
    assert "4 shots · label likelihoods · batch calibration" in text
    assert "matched 55.4 ± 3.1 %  raw 51.7 %" in text
    assert "learning rate" not in words(readings(VIEW, 80, SYMBOLS, live=True))
    assert "lr" not in words(compact_readings(VIEW, 80, SYMBOLS))
    trains = replace(VIEW, start=Start(1, 0, 100))
    assert asking(trains) == []
    assert "learning rate" in words(readings(trains, 80, SYMBOLS, live=True))


def test_what_calibration_and_invalid_answers_say_in_full() -> None:
    assert REPORTED.remark == "batch-calibrated, raw 51.7 ± 3.1 %"
    assert accuracy_of(REPORTED.to_json()) == REPORTED
    written = Accuracy(0.48, invalid=0.1)
    assert (written.remark, written.brief) == ("10.0 % of the answers invalid", "10.0 % invalid")
    assert accuracy_of(written.to_json()) == written
    assert Accuracy(0.9).to_json().keys() == {"value", "low", "high", "n"}
    nested = accuracy_of({"value": 0.5, "raw": {"value": 0.4, "raw": {"value": 0.3}}})
    assert nested is not None
    assert nested.raw == Accuracy(0.4)


def test_records_of_scored_rows_are_followed_over_attempts(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "running", steps=1, method="icl")
    with Journal(layout.attempt(1).metrics) as journal:
        journal.append({"v": 1, "seq": 90, "t": 1.0, "kind": "start", "rows": {"a": 60, "b": 40}})
        journal.append({"v": 1, "kind": "score", "split": "a", "done": 30, "total": 60, "accuracy": 0.5})
        journal.append({"v": 1, "kind": "score", "split": "a", "done": "many", "total": 60})
    run = LiveRun(layout)
    run.poll()
    assert [(point.split, point.done, point.accuracy) for point in run.scores] == [("a", 30, 0.5)]
    assert run.start is not None
    assert run.start.scored_rows == 100


def test_before_a_launch_rows_stand_in_the_place_of_steps_and_memory_has_its_parts() -> None:
    memory = MemoryEstimate(2**30, 0, 0, 2**29, 0, 2**31, 32, 96, cache=2**29)
    answer = Answer(Question("icl", "m", "d", 1.0, None), 0, 10, scored_rows=1970, memory=memory)
    shown = {label: value.plain.strip() for label, value in numbers(answer)}
    assert shown["to score"] == "1,970 rows"
    assert "steps" not in shown
    assert shown["memory"] == "~ 2.0 GiB"
    assert (shown["weights"], shown["cache"], shown["activations"]) == ("1.0 GiB", "512.0 MiB", "512.0 MiB")
    assert "gradients" not in shown
