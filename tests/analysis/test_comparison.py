"""Runs side by side: what differs, what it cost, which rows are tested, and folders that are not whole."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from nli_console.analysis.comparison import compare
from nli_console.errors import ConsoleError
from nli_console.record.findings import Comparison, of_json, to_json
from nli_console.record.labels import update_labels
from nli_console.record.layout import RunLayout
from tests.analysis.conftest import ROWS
from tests.support.fake_predictions import write_data, write_predictions
from tests.support.fake_runs import make_run

Scored = Callable[..., RunLayout]
WORSE = range(60)


def refusals(found: Comparison) -> list[str]:
    return [held.why for held in found.refused]


def test_only_settings_that_differ_stand_side_by_side(scored: Scored) -> None:
    hyperparameters = {"learning_rate": 1e-5, "batch_size": 32, "epochs": 3.0, "evaluations": 5, "r": 8}
    found = compare(
        [scored(name="a"), scored(name="b", seed=7, hyperparameters=hyperparameters, method="lora")]
    )
    settings = {setting.name: setting for setting in found.settings}
    assert settings["learning_rate"].values == ("3e-4", "1e-5")
    assert settings["learning_rate"].title == "learning rate"
    assert settings["seed"].values == ("1", "7")
    assert "batch_size" not in settings
    assert found.same_settings > 5


def test_a_setting_that_only_one_method_has_is_unknown_for_the_other(scored: Scored) -> None:
    found = compare([scored(), scored(method="full", hyperparameters={"learning_rate": 3e-4})])
    settings = {setting.name: setting.values for setting in found.settings}
    assert settings["method"] == ("lora", "full")
    assert settings["r"] == ("8", None)


def test_cost_is_summed_over_the_attempts(scored: Scored) -> None:
    once, twice = compare([scored(steps=40), scored(steps=40, attempts=2)]).runs
    assert once.seconds is not None
    assert twice.seconds is not None
    # Two final evaluations of 24.6 s are in the sum of the two attempts.
    assert twice.seconds == pytest.approx(once.seconds + 24.6)
    assert once.trainable_parameters == 3_805_187
    assert once.peak_memory_bytes == 5_476_083_302


def test_curves_of_resumed_runs_have_every_step_once_and_share_their_axes(scored: Scored) -> None:
    found = compare([scored(steps=60, attempts=3), scored(steps=60)])
    for run in found.runs:
        points = run.losses
        assert sum(point.n for point in points) == 60
        assert [point.step for point in points] == sorted({point.step for point in points})
        assert points[-1].epoch == pytest.approx(3)
        assert points[-1].samples == pytest.approx(3 * 390_702)
        seconds = [point.seconds for point in points if point.seconds is not None]
        assert seconds == sorted(seconds)
        assert [point.step for point in run.evaluations] == [12, 24, 36, 48, 60]
    assert found.runs[0].losses[-1].seconds == pytest.approx(found.runs[1].losses[-1].seconds, rel=0.3)


def test_a_long_curve_is_folded_and_keeps_its_extremes(scored: Scored) -> None:
    run = compare([scored(steps=3000, nan_at=(7,)), scored()]).runs[0]
    assert len(run.losses) <= 400
    assert sum(point.n for point in run.losses) == 3000
    assert sum(point.nan for point in run.losses) == 1
    assert all(point.low <= point.value <= point.high for point in run.losses if point.value is not None)


def test_runs_on_the_same_rows_are_tested_in_pairs(scored: Scored) -> None:
    found = compare([scored(name="good"), scored(WORSE, name="bad")])
    (test,) = found.paired
    assert (test.n, test.only_a, test.only_b) == (120, 60, 0)
    said = test.sentence(found.titles)
    assert said.startswith("good is better than bad by 50.0 points (95 %: ")
    assert said.endswith("p < 0.001, n = 120")


def test_the_order_of_the_rows_does_not_matter(scored: Scored) -> None:
    first, second = scored(WORSE), scored(WORSE)
    write_predictions(second, ROWS[::-1], [119 - place for place in WORSE])
    (test,) = compare([first, second]).paired
    assert (test.both, test.only_a, test.only_b, test.neither) == (60, 0, 0, 60)


def test_of_several_tests_each_is_corrected_for_their_number(scored: Scored) -> None:
    found = compare([scored(name="a"), scored(range(8), name="b"), scored(range(9), name="c")])
    assert len(found.paired) == 3
    first = found.paired[0]
    assert first.adjusted_p == pytest.approx(min(1, 2 * first.p))
    assert "by Holm" in first.sentence(found.titles)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (ROWS[:100], "scored on different rows: 120 against 100"),
        ([replace(row, id=f"other-{row.id}") for row in ROWS], "0 of 120 are shared"),
        ([replace(row, gold="neutral") for row in ROWS], "the gold labels are not"),
        ([replace(row, genre="verse") for row in ROWS], "the genres are not"),
    ],
)
def test_runs_on_different_rows_say_so_and_are_not_tested(scored: Scored, rows, why) -> None:
    first, second = scored(), scored()
    write_predictions(second, rows)
    found = compare([first, second])
    assert found.paired == ()
    assert len(found.refused) == 1
    assert why in found.refused[0].why


def test_row_numbers_of_two_datasets_are_not_the_same_rows(scored: Scored, tmp_path: Path) -> None:
    rows = [replace(row, id=f"validation_matched-{place + 1}") for place, row in enumerate(ROWS)]
    first, second = scored(), scored(data=write_data(tmp_path / "others", ROWS))
    for layout in (first, second):
        write_predictions(layout, rows)
    assert refusals(compare([first, second])) == [
        "scored on different data whose rows have no ids of their own"
    ]


def test_runs_of_one_name_are_told_apart_by_their_ids(scored: Scored) -> None:
    found = compare([scored(name="twin"), scored(name="twin"), scored(name="other")])
    assert found.titles[0] == f"twin ({found.runs[0].id[-4:]})"
    assert found.titles[2] == "other"
    assert len(set(found.titles)) == 3


def test_folders_that_are_not_whole_are_shown_as_such_and_the_rest_is_compared(
    scored: Scored, tmp_path: Path
) -> None:
    half = make_run(tmp_path / "runs", "unreadable", run_id="half")
    no_permission = scored(run_id="locked")
    no_permission.spec.unlink()
    no_permission.spec.mkdir()
    missing = scored(name="missing")
    (missing.predictions / "validation_matched.parquet").unlink()
    torn = scored(name="torn")
    (torn.predictions / "validation_matched.parquet").write_bytes(b"PAR1")
    newer = scored(name="newer", version=99)
    gone = RunLayout(tmp_path / "runs" / "gone")
    first, second = scored(), scored(WORSE)
    layouts = [half, no_permission, missing, torn, newer, gone, first, second]
    found = compare(layouts)
    problems = {run.id: run.problem for run in found.runs if run.problem}
    assert set(problems) == {"half", "locked", "gone"}
    assert "spec.json" in problems["half"]
    assert "there is no such folder" in problems["gone"]
    notes = {run.title: " ".join(run.notes) for run in found.runs}
    assert "no predictions of validation_matched" in notes["missing"]
    assert "newer version" in notes["newer"]
    assert {(test.a, test.b) for test in found.paired} == {(4, 6), (4, 7), (6, 7)}
    assert "cannot be read" in notes["torn"]
    assert refusals(found) == []


def test_hostile_names_come_clean(scored: Scored) -> None:
    layout = scored()
    update_labels(layout, name="\x1b[31mred")
    found = compare([layout, scored()])
    assert "\x1b" not in found.runs[0].title


@pytest.mark.parametrize(("count", "said"), [(1, "1 runs: name 2 to 8"), (9, "9 runs: name 2 to 8")])
def test_two_to_eight_runs_are_compared(tmp_path: Path, count: int, said: str) -> None:
    with pytest.raises(ConsoleError, match=said):
        compare([RunLayout(tmp_path / str(number)) for number in range(count)])


def test_a_run_is_not_compared_with_itself(scored: Scored) -> None:
    layout = scored()
    with pytest.raises(ConsoleError, match="with itself"):
        compare([layout, layout])


def test_what_crosses_the_pipe_comes_back_as_it_was(scored: Scored) -> None:
    found = compare([scored(), scored(WORSE, nan_at=(3,))])
    assert of_json(Comparison, to_json(found)) == found
