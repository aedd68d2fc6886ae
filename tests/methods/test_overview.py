"""The table of methods: counted, complete, and the README's is the current one."""

from pathlib import Path

import pytest

from nli_console.methods import overview as module
from nli_console.methods import presets, registry
from nli_console.methods.base import ParameterCounts
from nli_console.methods.full import Full
from nli_console.methods.overview import cells, markdown, overview
from nli_console.methods.presets import Preset
from scripts import methods_table


def test_every_method_has_a_row_and_every_row_a_preset_to_begin_with(tmp_path: Path) -> None:
    rows = overview(tmp_path)
    assert [row.method.name for row in rows] == list(registry.methods())
    for row in rows:
        assert row.start is not None, row.method.name
        assert row.start.trainable is not None, row.method.name


@pytest.mark.parametrize(
    ("name", "paper", "start"),
    [("full", 355_362_819, 355_362_819), ("lora", 3_805_187, 1_839_107), ("p_tuning", 1_674_755, 1_352_963)],
)
def test_counts_are_those_of_the_reports_recipe_and_of_ours(
    name: str, paper: int, start: int, tmp_path: Path
) -> None:
    (row,) = [row for row in overview(tmp_path) if row.method.name == name]
    assert row.paper is not None
    assert row.start is not None
    assert (row.paper.trainable, row.start.trainable) == (paper, start)


def test_a_decoder_is_counted_on_its_own_model_with_its_own_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Causal(Full):
        name = "causal"
        task = "causal"
        published_accuracy = 0.9

        def count(self, shapes, hyperparameters) -> ParameterCounts:
            assert any(module.name == "lm_head" for module in shapes.modules)
            return super().count(shapes, hyperparameters)

    monkeypatch.setattr(registry, "methods", lambda: {"causal": Causal()})
    preset = Preset(
        name="recommended/causal", method="causal", model="meta-llama/Meta-Llama-3-8B-Instruct",
        hyperparameters={},
    )  # fmt: skip
    monkeypatch.setattr(module.presets, "available", lambda: [preset])
    (row,) = overview(tmp_path)
    assert cells(row) == [(
        "causal", "Meta-Llama-3-8B-Instruct", "8,030,261,248", "–", "88.2 %", "90.0 %", "recommended/causal",
    )]  # fmt: skip
    assert "| `causal` |" in markdown([row])


def test_the_reports_accuracy_of_a_recipe_is_that_of_its_method() -> None:
    told = [preset for preset in presets.available() if preset.report is not None]
    assert {preset.family for preset in told} == {"paper"}
    by_method: dict[str, set[float]] = {}
    for preset in told:
        assert preset.report is not None
        by_method.setdefault(preset.method, set()).add(preset.report.accuracy)
    for method, accuracies in by_method.items():
        assert registry.get(method).report_accuracy in accuracies


def test_every_preset_of_a_method_has_a_line_with_its_own_figure(tmp_path: Path) -> None:
    (row,) = [row for row in overview(tmp_path) if row.method.name == "icl"]
    assert [(line[0], line[4], line[6]) for line in cells(row)] == [
        ("icl", "–", "recommended/icl"),
        ("icl", "48.4 %", "recommended/icl_zero_shot"),
        ("icl", "51.4 %", "paper/icl_one_shot"),
    ]
    told = row.to_json()
    assert told["preset"] == "recommended/icl"
    assert [each["report_accuracy"] for each in told["recipes"]] == [None, 0.4842, 0.5138]


def test_every_recipe_of_the_report_has_its_figures() -> None:
    paper = {preset.name: preset.report for preset in presets.available() if preset.family == "paper"}
    assert all(paper.values())
    told = {
        name: (report.accuracy, report.rows, report.seconds, report.trainable_parameters)
        for name, report in paper.items()
        if report is not None and ("qlora" in name or "icl" in name)
    }
    assert told == {
        "paper/icl_zero_shot": (0.4842, 981, None, 0),
        "paper/icl_one_shot": (0.5138, 981, None, 0),
        "paper/qlora_sft": (0.3612, 490, 7807, 41_943_040),
        "paper/qlora_classifier": (0.3469, 490, 3003, 42_020_912),
    }


def test_the_readme_has_the_current_table() -> None:
    text = methods_table.README.read_text(encoding="utf-8")
    assert methods_table.with_table(text) == text, "run: python scripts/methods_table.py"


def test_a_readme_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="once each"):
        methods_table.with_table("no table here")
