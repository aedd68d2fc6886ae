"""Reading the reports of a run: every figure, and nothing that is damaged or hostile."""

import json
from pathlib import Path

import pytest

from nli_console.record.evaluation import read_reports
from nli_console.record.layout import RunLayout
from tests.support.fake_reports import CONFUSION, write_report


@pytest.fixture
def layout(tmp_path: Path) -> RunLayout:
    return RunLayout(tmp_path / "run")


def test_the_validation_sets_come_first(layout: RunLayout) -> None:
    for split in ("anli_r1", "validation_mismatched", "validation_matched"):
        write_report(layout, split=split)
    splits = [report.split for report in read_reports(layout)]
    assert splits == ["validation_matched", "validation_mismatched", "anli_r1"]


def test_every_figure_is_read_and_given_out_again(layout: RunLayout) -> None:
    write_report(layout, invalid=7)
    (report,) = read_reports(layout)
    assert (report.accuracy.value, report.accuracy.n) == (8513 / 9815, 9815)
    assert report.majority == ("entailment", 3479 / 9815)
    assert report.per_class["neutral"].predicted == 3240
    assert report.genres["telephone"].n == 1966
    shown = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert shown["confusion"] == CONFUSION
    assert shown["majority"]["label"] == "entailment"
    assert shown["agreement"]["3-2"]["value"] == pytest.approx(2 / 3)
    assert (shown["invalid"], shown["calibration_error"]) == (7, 0.031)


def test_a_run_without_reports_has_none(layout: RunLayout) -> None:
    assert read_reports(layout) == ()


@pytest.mark.parametrize("content", ["{", "[]", '{"accuracy": "high"}', '{"accuracy": 7}'])
def test_a_damaged_report_is_left_out(layout: RunLayout, content: str) -> None:
    write_report(layout)
    (layout.evaluation / "other.json").write_text(content)
    assert [report.split for report in read_reports(layout)] == ["validation_matched"]


@pytest.mark.parametrize("confusion", [[[1, 2], [3, 4]], [[1, 2, 3]] * 2, "no", [[1, 2, -3]] * 3, None])
def test_a_table_that_is_not_square_is_not_shown(layout: RunLayout, confusion: object) -> None:
    write_report(layout, confusion=confusion)
    assert read_reports(layout)[0].confusion == ()


def test_names_are_clean(layout: RunLayout) -> None:
    genres = {"\x1b[2Jfiction": {"accuracy": 0.5}, "slate": "no figures"}
    write_report(layout, genres=genres, majority={"label": "\u202eentailment", "share": 0.4})
    (report,) = read_reports(layout)
    (genre,) = report.genres
    assert "\x1b" not in genre
    assert report.majority is not None
    assert "\u202e" not in report.majority[0]
