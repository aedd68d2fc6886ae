"""run --seeds and --repeat, and what the other commands do with the group."""

import pytest

from nli_console.record.spec_io import load_spec, run_folders
from tests.support.fake_runs import make_run

GROUP = "g-20260101-000000-lora-x-0001"


def make_group(place, *states, name="mine", group=GROUP, accuracies=(0.84, 0.86, 0.88)):
    """One run per state, with the seeds 1, 2, 3 …, oldest first."""
    return [
        make_run(
            place.runs_dir, state, steps=20, name=f"{name}, seed {seed}", seed=seed, group=group,
            submitted=1.7e9 + seed, accuracy=accuracy,
        )
        for seed, (state, accuracy) in enumerate(zip(states, accuracies, strict=False), 1)
    ]  # fmt: skip


@pytest.mark.slow
def test_seeds_start_a_group_that_is_followed_to_its_end(place):
    result = place.call("run", "lora", "--seeds", "3,1", "--name", "two", "--fraction", "0.5")
    assert result.code == 0, result.err
    specs = sorted((load_spec(layout) for layout in place.runs), key=lambda spec: spec.submitted)
    assert [(spec.seed, spec.name) for spec in specs] == [(3, "two, seed 3"), (1, "two, seed 1")]
    assert specs[0].group == specs[1].group
    assert specs[0].data == specs[1].data
    assert "2 of 2 finished" in result.out
    assert f"nli-console show {specs[0].group}" in result.out
    shown = place.call("show", "two", "--json").json
    assert shown["group"] == specs[0].group
    assert shown["states"] == {"finished": 2}


@pytest.mark.slow
def test_repeat_counts_on_from_the_seed_and_prints_the_group_as_json(place):
    result = place.call("run", "lora", "--repeat", "2", "--seed", "7", "--json")
    assert result.code == 0, result.err
    assert result.json["seeds"] == [7, 8]
    assert result.json["runs"] == 2
    assert [member["state"] for member in result.json["members"]] == ["finished", "finished"]


@pytest.mark.slow
def test_a_group_that_fails_ends_with_1(place):
    place.write_settings(steps=5, end="fail", message="the loss exploded")
    result = place.call("run", "full", "--seeds", "1,2")
    assert result.code == 1
    assert "0 of 2 finished, 2 failed" in result.out


@pytest.mark.slow
def test_a_detached_group_is_stopped_and_resumed_as_one(place):
    place.write_settings(steps=100_000, step_seconds=0.01)
    result = place.call("run", "lora", "--seeds", "1,2", "--detach")
    assert result.code == 0
    group = load_spec(place.runs[0]).group
    assert f"{group} is launched with 2 runs. Watch it: nli-console watch {group}" in result.out
    stopped = place.call("stop", group)
    assert stopped.code == 0
    assert all(layout.id in stopped.out for layout in place.runs)
    assert place.call("watch", group).code == 3
    resumed = place.call("resume", group)
    assert resumed.code == 0, resumed.err
    assert all(layout.id in resumed.out for layout in place.runs)
    assert place.call("stop", group, "--kill").code == 0
    assert place.call("watch", group).code != 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "1,x"], '--seeds 1,x: "x" is no seed'),
        (["--seeds", "1,1"], "--seeds 1,1: 1 stands there twice"),
        (["--seeds", "1,2", "--seed", "3"], "--seeds and --seed contradict each other"),
        (["--seeds", "1,2", "--repeat", "3"], "--seeds and --repeat contradict each other"),
        (["--repeat", "0"], "--repeat 0: must be a whole number from 1 to 100"),
        (["--repeat", "many"], "--repeat many: must be a whole number from 1 to 100"),
    ],
)
def test_seeds_that_cannot_be_used_are_told_and_nothing_starts(place, arguments, message):
    result = place.call("run", "lora", *arguments)
    assert result.code == 2
    assert message in result.err
    assert place.runs == []


def test_a_dry_run_of_a_group_shows_its_first_run(place):
    result = place.call("run", "lora", "--seeds", "5,6", "--dry-run", "--json")
    assert result.code == 0, result.err
    assert result.json["seed"] == 5
    assert "2 runs, with the seeds 5, 6; the first of them:" in result.err
    assert place.runs == []


def test_list_shows_a_group_in_one_line_and_its_runs_when_asked(place):
    layouts = make_group(place, "finished", "finished", "running")
    lone = make_run(place.runs_dir, "finished", steps=20, name="alone")
    text = place.call("list").out
    (line,) = [line for line in text.splitlines() if GROUP in line]
    assert "mine" in line
    assert "2 of 3 finished, 1 running" in line
    assert "85.0 ± 1.4 % (2 runs)" in line
    assert "sample standard deviation" in text
    assert lone.id in text
    assert not any(layout.id in text for layout in layouts)
    lines = place.call("list", "--members").out.splitlines()
    first = next(number for number, line in enumerate(lines) if GROUP in line)
    for layout, line in zip(layouts, lines[first + 1 :], strict=False):
        assert line.startswith(f"└ {layout.id}")
    assert "sample standard deviation" not in place.call("list", "--state", "failed").out


def test_list_in_json_keeps_one_object_per_run(place):
    make_group(place, "finished", "finished")
    make_run(place.runs_dir, "finished", steps=20)
    runs = place.call("list", "--json").json
    assert len(runs) == 3
    assert sorted(run["group"] or "" for run in runs) == ["", GROUP, GROUP]


def test_filters_look_at_runs_and_the_line_sums_up_the_whole_group(place):
    failed = make_group(place, "finished", "failed", "finished")[1]
    text = place.call("list", "--state", "failed", "--members").out
    assert "2 of 3 finished, 1 failed" in text
    assert text.count("seed ") == 1
    assert failed.id in text
    assert [run["id"] for run in place.call("list", "--state", "failed", "--json").json] == [failed.id]


def test_a_limit_counts_a_group_as_one_line(place):
    make_group(place, "finished", "finished", "finished")
    make_run(place.runs_dir, "finished", steps=20, name="the other", run_id="19990101-000000-x")
    assert "the other" not in place.call("list", "--limit", "1").out
    assert "the other" in place.call("list", "--limit", "2").out


def test_show_tells_the_spread_per_split_and_every_run(place):
    layouts = make_group(place, "finished", "finished", "finished")
    text = place.call("show", GROUP).out
    assert "86.0 ± 2.0 % (3 runs)" in text
    assert "85.6 ± 2.0 % (3 runs)" in text
    assert ["seeds", "1,", "2,", "3"] in [line.split() for line in text.splitlines()]
    assert all(layout.id in text for layout in layouts)
    member = place.call("show", layouts[0].id).out
    assert ["group", GROUP] in [line.split() for line in member.splitlines()]


def test_a_group_in_json_has_the_promised_keys(place):
    make_group(place, "finished", "failed")
    shown = place.call("show", GROUP, "--json").json
    assert shown.keys() == {
        "group", "name", "method", "model", "data", "preset", "seeds", "runs", "states", "started", "seconds",
        "trainable_parameters", "peak_memory_bytes", "accuracy", "members",
    }  # fmt: skip
    assert shown["accuracy"]["validation_matched"] == {
        "mean": 0.84, "standard_deviation": None, "runs": 1, "values": [0.84],
    }  # fmt: skip
    assert [member["group"] for member in shown["members"]] == [GROUP, GROUP]


def test_deleting_a_group_moves_every_run_and_restore_brings_all_back(place):
    layouts = make_group(place, "finished", "failed", "finished")
    result = place.call("delete", "mine")
    assert result.code == 0
    assert f"nli-console restore {GROUP}" in result.out
    assert place.runs == []
    assert place.call("restore", GROUP).code == 0
    assert {layout.id for layout in run_folders(place.runs_dir)} == {layout.id for layout in layouts}


def test_deleting_one_run_leaves_the_others_a_group(place):
    layouts = make_group(place, "finished", "finished", "finished")
    place.call("delete", layouts[0].id)
    assert "2 of 2 finished" in place.call("list").out


def test_a_group_with_a_run_that_goes_on_is_not_deleted(place):
    layouts = make_group(place, "finished", "running")
    result = place.call("delete", GROUP)
    assert result.code == 2
    assert (
        f"1 of its 2 runs are still going, so it cannot be deleted; `nli-console stop {GROUP}`" in result.err
    )
    assert all(layout.path.exists() for layout in layouts)


def test_stop_asks_only_the_runs_that_are_going(place):
    ended, going = make_group(place, "finished", "running")
    result = place.call("stop", GROUP)
    assert result.code == 0
    assert not ended.stop_request.exists()
    assert going.stop_request.exists()


def test_nothing_to_stop_or_to_resume_is_told(place):
    make_group(place, "finished", "finished")
    stop, resume = place.call("stop", GROUP), place.call("resume", GROUP)
    assert (stop.code, resume.code) == (2, 2)
    assert f"{GROUP}: none of its 2 runs is going; there is nothing to stop" in stop.err
    assert f"{GROUP}: none of its 2 runs was stopped, failed or lost" in resume.err


def test_watching_an_ended_group_gives_the_worst_exit_code_and_the_spread(place):
    make_group(place, "finished", "finished", "failed")
    result = place.call("watch", GROUP)
    assert result.code == 1
    assert "2 of 3 finished, 1 failed" in result.out
    assert "validation_matched: 85.0 ± 1.4 % (2 runs)" in result.out
