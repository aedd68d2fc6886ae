"""compare, errors and export, through the process that reads for them."""

import csv
import io
from pathlib import Path

import pytest

from nli_console.record.layout import RunLayout
from tests.support.fake_predictions import pairs, write_data, write_predictions
from tests.support.fake_runs import make_run

ROWS = pairs(60)
WRONG = (4, 7, 9, 30)


@pytest.fixture
def two(place) -> tuple[RunLayout, RunLayout]:
    """Two finished runs on the same rows."""
    data = write_data(place.folder / "scored", ROWS)
    made = []
    for name, wrong, seed in (("first try", WRONG, 1), ("second try", range(20), 2)):
        layout = make_run(place.runs_dir, "finished", steps=20, name=name, seed=seed, data=data)
        write_predictions(layout, ROWS, wrong)
        made.append(layout)
    return made[0], made[1]


def test_compare_shows_figures_tests_in_words_and_what_differs(place, two):
    first, second = two
    said = place.call("compare", first.id, "second try")
    assert said.code == 0
    assert said.err == ""
    assert "86.4 ± 0.7 % (n = 9,815)" in said.out
    assert "first try is better than second try by 26.7 points (95 %: " in said.out
    assert said.out.rstrip().endswith("settings are the same.")
    seed = next(line for line in said.out.splitlines() if line.startswith("seed"))
    assert seed.split() == ["seed", "1", "2"]
    document = place.call("compare", first.id, second.id, "--json").json
    assert [run["id"] for run in document["runs"]] == [first.id, second.id]
    assert document["paired"][0]["n"] == 60
    assert document["paired"][0]["text"] in said.out


def test_errors_shows_rows_slices_and_disagreement(place, two):
    first, second = two
    said = place.call("errors", first.id, "--genre", "fiction", "--limit", "1")
    assert said.code == 0
    assert "first try on validation_matched: 93.3 (78.7–98.2) % of 30 rows" in said.out
    assert "2 of 30 rows are wrong" in said.out
    assert "1 more; --limit 2 shows all" in said.out
    assert f"hypothesis   {ROWS[30].hypothesis}" in said.out
    slices = place.call("errors", first.id, "--against", second.id, "--slices").out
    votes = next(line for line in slices.splitlines() if line.startswith("votes") and " 5-0 " in line)
    assert votes.split()[2] == "20"
    document = place.call("errors", first.id, "--against", second.id, "--show", "lost", "--json").json
    assert [row["row"] - 1 for row in document["rows"]] == [30]
    assert document["rows"][0]["other_predicted"] == ROWS[30].gold
    assert document["query"]["which"] == "lost"


def test_export_writes_a_file_and_replaces_none_unasked(place, two):
    ids = [layout.id for layout in two]
    target = place.folder / "table.csv"
    assert place.call("export", *ids, "--format", "csv", "--output", str(target)).code == 0
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    assert [row["seed"] for row in rows] == ["1", "2"]
    target.write_text("mine")
    refused = place.call("export", *ids, "--output", str(target))
    assert refused.code == 2
    assert "--overwrite replaces it" in refused.err
    assert target.read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("compare", "first try"), "1 run: expected 2 to 8 to compare"),
        (("compare", "first try", "nowhere"), 'no run "nowhere"'),
        (("errors", "first try", "--limit", "-1"), "--limit -1: must be 0 or more"),
        (("errors", "first try", "--gold", "maybe"), "gold maybe: expected one of entailment"),
        (("export", "first try", "second try", "--format", "word"), "markdown"),
    ],
)
def test_what_cannot_be_meant_is_said_on_stderr_alone(place, two, words, said):
    result = place.call(*words)
    assert result.code == 2
    assert said in result.err
    assert result.out == ""


def test_a_group_stands_for_its_runs_and_one_run_is_asked_for_by_errors(place):
    for seed in (1, 2):
        make_run(place.runs_dir, "finished", steps=5, seed=seed, group="g-1", name=f"lora, seed {seed}")
    said = place.call("compare", "g-1").out
    assert "lora, seed 1" in said
    assert "no predictions of validation_matched" in said
    refused = place.call("errors", "g-1")
    assert "is a group; name one of its runs" in refused.err


def test_nothing_is_written_into_the_runs(place, two):
    before = {path: path.stat().st_mtime_ns for path in Path(place.runs_dir).rglob("*")}
    place.call("compare", two[0].id, two[1].id)
    assert {path: path.stat().st_mtime_ns for path in Path(place.runs_dir).rglob("*")} == before
