"""reproduce: what it starts, what it leaves alone, and the table beside the report's figures."""

from pathlib import Path

import pytest

from nli_console.methods import presets
from nli_console.record import reproduction
from nli_console.record.spec_io import load_spec
from nli_console.record.state import RunState, State
from nli_console.record.summary import RunSummary
from tests.support.fake_runs import make_spec

REACHED = {"validation_matched": {"value": 0.9, "low": 0.88, "high": 0.92, "n": 984, "correct": 886}}


def started(place):
    return sorted((load_spec(layout).preset, load_spec(layout).seed) for layout in place.runs)


def lines(text):
    return {line.split()[0]: line for line in text.splitlines() if line.startswith(("demo/", "paper/"))}


@pytest.mark.parametrize("family", presets.FAMILIES)
def test_the_table_has_every_preset_of_the_family_before_anything_ran(place, family):
    result = place.call("reproduce", family, "--report", "--json")
    assert result.code == 0
    names = [each["preset"] for each in result.json["recipes"]]
    assert names == [preset.name for preset in presets.available() if preset.family == family]
    assert not result.json["complete"]
    assert place.runs == []


def test_the_reports_figures_stand_beside_with_the_interval_of_its_rows(place):
    text = place.call("reproduce", "paper", "--report").out
    line = lines(text)["paper/lora"]
    assert "not run" in line
    for shown in ("84.0 ± 2.3 %", "3,821,571", "47 min 55 s"):
        assert shown in line
    assert "nli-console reproduce paper" in text
    full = place.call("reproduce", "recommended", "--report", "--only", "full", "--json").json["recipes"][0]
    assert full["report"]["accuracy"] == 0.8818
    assert full["report"]["rows"] == 981
    assert full["report"]["trainable_parameters"] == 355_362_819


def test_each_prompt_of_the_report_is_a_line_of_its_own(place):
    found = place.call("reproduce", "paper", "--report", "--only", "icl", "--json").json["recipes"]
    assert [(each["preset"], each["report"]["accuracy"]) for each in found] == [
        ("paper/icl_zero_shot", 0.4842), ("paper/icl_one_shot", 0.5138),
    ]  # fmt: skip
    one = place.call("reproduce", "paper", "--report", "--only", "icl_one_shot", "--json").json["recipes"]
    assert [each["preset"] for each in one] == ["paper/icl_one_shot"]
    demo = place.call("reproduce", "demo", "--report", "--only", "demo/icl", "--json").json["recipes"]
    assert [(each["preset"], each["report"]["accuracy"]) for each in demo] == [("demo/icl", 0.5138)]


def test_a_run_of_the_former_name_counts():
    preset = presets.load("paper/icl_zero_shot")
    spec = make_spec(method="icl", preset="paper/icl")
    run = RunSummary(spec.id, Path("runs"), RunState(State.FINISHED), preset="paper/icl", seed=1)
    assert preset.name != run.preset
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reproduction, "load_spec", lambda _: spec)
        assert reproduction.recipe(preset, spec, (1,), [run]).missing == ()
        other = presets.load("paper/icl_one_shot")
        assert reproduction.recipe(other, spec, (1,), [run]).missing == (1,)


@pytest.mark.slow
def test_every_preset_runs_once_and_a_second_call_starts_nothing(place):
    place.write_settings(steps=4, accuracy=REACHED)
    first = place.call("reproduce", "demo")
    assert first.code == 0, first.err
    demo = [preset.name for preset in presets.available() if preset.family == "demo"]
    assert started(place) == sorted((name, 1) for name in demo)
    assert all("finished" in line and "90.0 ± 2.0 %" in line for line in lines(first.out).values())
    second = place.call("reproduce", "demo", "--json")
    assert second.code == 0
    assert second.json["complete"]
    assert len(place.runs) == len(demo)
    run = second.json["recipes"][0]
    assert run["missing"] == []
    assert run["accuracy"]["validation_matched"]["runs"] == 1
    assert "not run" not in place.call("reproduce", "demo", "--report").out


@pytest.mark.slow
def test_seeds_that_are_missing_join_the_group(place):
    place.write_settings(steps=4, accuracy=REACHED)
    assert place.call("reproduce", "demo", "--only", "lora", "--seeds", "1,2").code == 0
    result = place.call("reproduce", "demo", "--only", "demo/lora", "--seeds", "1,2,3", "--json")
    assert result.code == 0, result.err
    assert started(place) == [("demo/lora", seed) for seed in (1, 2, 3)]
    specs = [load_spec(layout) for layout in place.runs]
    assert len({spec.group for spec in specs}) == 1
    assert {spec.name for spec in specs} == {f"demo/lora, seed {seed}" for seed in (1, 2, 3)}
    (recipe,) = result.json["recipes"]
    assert recipe["accuracy"]["validation_matched"]["runs"] == 3
    text = place.call("reproduce", "demo", "--report", "--only", "lora", "--seeds", "1,2,3").out
    assert "90.0 ± 0.0 % (3 runs)" in text
    assert "sample standard deviation" in text
    assert place.call("show", "demo/lora", "--json").json["seeds"] == [1, 2, 3]


@pytest.mark.slow
def test_force_starts_anew_and_another_recipe_does_not_count(place):
    assert place.call("run", "full", "--preset", "demo/full", "--learning-rate", "1e-4").code == 0
    assert "not run" in place.call("reproduce", "demo", "--only", "full", "--report").out
    assert place.call("reproduce", "demo", "--only", "full").code == 0
    assert len(place.runs) == 2
    assert place.call("reproduce", "demo", "--only", "full", "--force").code == 0
    assert len(place.runs) == 3


@pytest.mark.slow
def test_what_failed_ends_with_1_and_is_started_again_by_the_next_call(place):
    place.write_settings(steps=5, end="fail", message="the loss exploded")
    result = place.call("reproduce", "demo", "--only", "head")
    assert result.code == 1
    assert "failed" in lines(result.out)["demo/head"]
    place.write_settings(steps=4)
    again = place.call("reproduce", "demo", "--only", "head")
    assert again.code == 0, again.err
    assert "finished" in lines(again.out)["demo/head"]
    assert len(place.runs) == 2


@pytest.mark.slow
def test_detached_runs_are_queued_once_and_a_second_call_follows_them(place):
    place.write_settings(steps=50, step_seconds=0.02)
    result = place.call("reproduce", "demo", "--only", "lora,head", "--detach")
    assert result.code == 0, result.err
    assert "2 runs are queued" in result.out
    followed = place.call("reproduce", "demo", "--only", "lora,head")
    assert followed.code == 0, followed.err
    assert started(place) == [("demo/head", 1), ("demo/lora", 1)]
    assert all("finished" in line for line in lines(followed.out).values())


@pytest.mark.slow
def test_a_preset_that_cannot_be_launched_is_told_and_the_others_run(place, monkeypatch):
    from nli_console.cli import reproduce
    from nli_console.errors import ConsoleError

    def refuse(each, context, checked=reproduce._checked):
        if each.preset.name == "demo/full":
            raise ConsoleError("no room for it")
        return checked(each, context)

    monkeypatch.setattr(reproduce, "_checked", refuse)
    result = place.call("reproduce", "demo", "--only", "full,head")
    assert result.code == 1
    assert "demo/full cannot be launched: no room for it" in result.err
    assert "finished" in lines(result.out)["demo/head"]
    alone = place.call("reproduce", "demo", "--only", "full")
    assert alone.code == 2
    assert "no room for it" in alone.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo", "--only", "lroa"], 'did you mean "lora"'),
        (["demo", "--seeds", "1,1"], "1 stands there twice"),
        (["demo", "--report", "--force"], "--report starts nothing; leave out --force"),
        (["demo", "--report", "--detach"], "--report starts nothing; leave out --detach"),
        (["everything"], "everything"),
    ],
)
def test_what_cannot_be_meant_is_told_and_nothing_starts(place, arguments, message):
    result = place.call("reproduce", *arguments)
    assert result.code == 2
    assert message in result.err
    assert place.runs == []
