"""A comparison as Markdown, LaTeX, CSV and JSON: whole, escaped, with intervals and n."""

import csv
import io
import json
from collections.abc import Callable

import pytest

from nli_console.analysis.comparison import compare
from nli_console.analysis.export import FORMATS, latex_text
from nli_console.record.findings import Comparison
from nli_console.record.layout import RunLayout

HOSTILE = r"100% of_it & \input{x} | `a` <b>"


@pytest.fixture
def found(scored: Callable[..., RunLayout]) -> Comparison:
    return compare([scored(name=HOSTILE), scored(range(60), name="=1+1", seed=4)])


def test_markdown_has_figures_tests_and_settings_and_no_markup_of_others(found: Comparison) -> None:
    text = FORMATS["markdown"](found)
    assert "86.4 (85.7–87.1), n = 9,815" in text
    assert "is better than =1+1 by 50.0 points" in text
    assert "| seed | 1 | 4 |" in text
    tables = [line for line in text.splitlines() if line.startswith("|")]
    bars = {line.replace(r"\|", "").count("|") for line in tables[:4]}
    assert len(bars) == 1
    assert r"\<b\>" in text
    assert "<b>" not in text.replace(r"\<b\>", "")


def test_latex_is_booktabs_with_as_many_cells_as_columns_and_escaped(found: Comparison) -> None:
    text = FORMATS["latex"](found)
    for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\usepackage{booktabs}"):
        assert rule in text
    assert r"100\% of\_it \& \textbackslash{}input\{x\} \textbar{} `a` \textless{}b\textgreater{}" in text
    lines = text.splitlines()
    columns = next(line for line in lines if r"\begin{tabular}" in line).rpartition("{")[2].rstrip("}")
    rows = [line for line in lines if line.endswith(r"\\")]
    assert len(rows) == 3
    assert {line.replace(r"\&", "").count("&") for line in rows} == {len(columns) - 1}
    assert "86.4 (85.7--87.1), n = 9,815" in text
    assert all(line.startswith("%") for line in lines[lines.index(r"\end{table}") + 1 :])


def test_latex_leaves_no_special_character() -> None:
    assert latex_text("a_b ~ ^ # $ {x} \\") == (
        r"a\_b \textasciitilde{} \textasciicircum{} \# \$ \{x\} \textbackslash{}"
    )


def test_csv_has_raw_values_a_line_per_run_and_no_formula(found: Comparison) -> None:
    rows = list(csv.DictReader(io.StringIO(FORMATS["csv"](found))))
    assert [row["name"] for row in rows] == [HOSTILE, "'=1+1"]
    assert float(rows[0]["validation_matched accuracy"]) == 0.864
    assert rows[0]["validation_matched n"] == "9815"
    assert [row["seed"] for row in rows] == ["1", "4"]
    assert rows[0]["peak_memory_bytes"] == "5476083302"


def test_json_has_everything_and_the_sentences(found: Comparison) -> None:
    document = json.loads(FORMATS["json"](found))
    assert document["paired"][0]["text"] == found.paired[0].sentence(found.titles)
    assert document["runs"][0]["accuracy"]["validation_matched"]["n"] == 9815
    assert document["runs"][1]["losses"][-1]["step"] == 20
