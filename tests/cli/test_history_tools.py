"""list --filter, --sort and --columns; label, again, clean, trash; several roots at once."""

import json
import os
import threading
from pathlib import Path

import pytest

from nli_console.record import roots as roots_module
from nli_console.record.access import read_only_reason
from nli_console.record.compose import Draft, compose, members
from nli_console.record.files import write_json
from nli_console.record.labels import read_labels, update_labels
from nli_console.record.layout import MANIFEST, RunLayout
from nli_console.record.roots import read_roots
from nli_console.record.spec_io import submit
from nli_console.record.store import Store
from nli_console.settings import Root, load_settings
from nli_console.supervisor import actions
from nli_console.supervisor.cleaning import carry_out, propose
from tests.support.fake_runs import make_run


@pytest.fixture
def three(place) -> tuple[RunLayout, RunLayout, RunLayout]:
    """A good run, a poor one, and one that failed."""
    return (
        make_run(place.runs_dir, "finished", steps=10, accuracy=0.9, run_id="20260103-000000-lora-x-0003",
                 name="good"),
        make_run(place.runs_dir, "finished", steps=10, accuracy=0.7, run_id="20260102-000000-full-x-0002",
                 method="full", name="poor", hyperparameters={"learning_rate": 1e-5}),
        make_run(place.runs_dir, "failed", steps=10, run_id="20260101-000000-lora-x-0001", name="broken"),
    )  # fmt: skip


def ids(result) -> list[str]:
    return [run["id"] for run in result.json]


def test_list_filters_sorts_and_shows_chosen_columns(place, three):
    good, poor, broken = (layout.id for layout in three)
    assert ids(place.call("list", "--json", "--filter", "accuracy>85% method:lora")) == [good]
    assert ids(place.call("list", "--json", "--filter", "lr<=1e-4")) == [poor]
    assert ids(place.call("list", "--json", "--filter", "-state:failed", "--sort=-accuracy")) == [poor, good]
    assert ids(place.call("list", "--json", "--sort", "accuracy")) == [good, poor, broken]
    text = place.call("list", "--columns", "name,learning_rate,matched", "--sort", "name").out
    rows = [line.split() for line in text.splitlines()]
    assert rows[0] == ["NAME", "LEARNING", "RATE", "MATCHED"]
    assert rows[1:] == [
        ["poor", "1e-5", "70.0", "%"],
        ["good", "3e-4", "90.0", "%"],
        ["broken", "3e-4", "–"],
    ]


def test_a_filter_that_cannot_be_read_is_shown_with_a_caret(place, three):
    result = place.call("list", "--filter", "pinned metod:lora")
    assert result.code == 2
    problem, filter, caret = result.err.splitlines()
    assert 'did you mean "method"?' in problem
    assert filter[caret.index("^") : caret.rindex("^") + 1] == "metod"
    assert "there is no column" in place.call("list", "--sort", "beauty").err
    assert 'did you mean "accuracy"' in place.call("list", "--columns", "name,accuracyy").err


def test_label_names_tags_and_pins_and_the_pinned_stand_on_top(place, three):
    _, _, broken = three
    result = place.call(
        "label", broken.id, "--name", "kept", "--tag", "paper", "--tag", "old", "--note", "why", "--pin"
    )
    assert result.code == 0
    labels = read_labels(broken)
    assert (labels.name, labels.tags, labels.notes, labels.pinned) == ("kept", ("paper", "old"), "why", True)
    place.call("label", broken.id, "--untag", "old")
    assert read_labels(broken).tags == ("paper",)
    assert 'has no tag "new"' in place.call("label", broken.id, "--untag", "new").err
    first = place.call("list").out.splitlines()[1]
    assert "kept (pinned)" in first
    assert ids(place.call("list", "--json", "--filter", "pinned tag:paper")) == [broken.id]
    place.call("label", broken.id, "--unpin")
    assert "pinned   no" in place.call("label", broken.id).out.replace("pinned  no", "pinned   no")


def test_a_group_is_labelled_deleted_and_restored_by_the_beginning_of_its_id(place):
    runs = [
        make_run(
            place.runs_dir, "finished", steps=5, seed=seed, group="g-20260101-lora-aa", submitted=1e9 + seed
        )
        for seed in (1, 2)
    ]
    place.call("label", "g-2026", "--name", "ours")
    assert [read_labels(run).name for run in runs] == ["ours, seed 1", "ours, seed 2"]
    place.call("delete", "g-2026")
    assert place.call("list", "--json").json == []
    trashed = place.call("trash", "--json").json
    assert {each["name"] for each in trashed} == {"ours, seed 1", "ours, seed 2"}
    assert all(each["bytes"] > 0 for each in trashed)
    result = place.call("restore", "g-2026")
    assert result.code == 0
    assert len(place.call("list", "--json").json) == 2


def test_again_takes_the_next_seed_that_was_not_used(place):
    settings = load_settings(place.folder / "settings.toml")
    draft = Draft("lora", "tiny", "pairs", {"lora_r": 4}, preset="recommended/lora", seed=1, name="mine")
    first, second = members(compose(draft, settings), (1, 2))
    for spec in (first, second):
        submit(place.runs_dir, spec)
    result = place.call("again", first.id, "--dry-run", "--json")
    assert "seed 3" in result.err
    spec = result.json
    assert (spec["seed"], spec["name"], spec["group"]) == (3, "mine, seed 3", first.group)
    assert spec["hyperparameters"] == json.loads(json.dumps(first.hyperparameters))
    assert len(place.runs) == 2
    evaluated = {"kind": "run", "name": first.id, "weights": "/w", "method": "lora"}
    scored = make_run(place.runs_dir, "finished", steps=5, method="evaluate", evaluates=evaluated)
    assert "draws nothing by its seed" in place.call("again", scored.id).err


def checkpoint(layout: RunLayout, step: int, *, whole: bool = True) -> Path:
    folder = layout.checkpoints / f"checkpoint-{step}"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"x" * 50_000)
    if whole:
        write_json(folder / MANIFEST, {"v": 1, "files": {}})
    return folder


def test_clean_drops_what_nobody_needs_and_nothing_that_is_pinned_or_live(place, three):
    good, poor, _ = three
    final = json.loads(good.attempt(1).final.read_text())
    write_json(good.attempt(1).final, {**final, "best_step": 20})
    spare, best, torn = checkpoint(good, 10), checkpoint(good, 20), checkpoint(good, 30, whole=False)
    pinned = checkpoint(poor, 10), checkpoint(poor, 20)
    update_labels(poor, pinned=True)
    empty = make_run(
        place.runs_dir, "failed", steps=0, run_id="20260104-000000-lora-x-0004", name="nothing came"
    )
    stopped = make_run(place.runs_dir, "stopped", steps=10, run_id="20260105-000000-lora-x-0005")
    kept = [checkpoint(stopped, step) for step in (10, 20, 30)]
    live = make_run(place.runs_dir, "running", steps=10, run_id="20260106-000000-lora-x-0006")
    going = checkpoint(live, 10)
    gone = make_run(place.runs_dir, "finished", steps=5, run_id="20260107-000000-lora-x-0007")
    actions.delete(gone)

    result = place.call("clean")
    assert "nothing was dropped" in result.out
    assert "nothing came" in result.out
    assert spare.exists()
    listed = place.call("clean", "--json").json
    assert listed["bytes"] > 150_000
    assert {item["kind"] for item in listed["items"]} == {"checkpoints", "failed", "trash"}
    assert place.call("clean", "--only", "checkpoints", "--yes").code == 0
    assert [spare.exists(), best.exists(), torn.exists()] == [False, True, False]
    assert [path.exists() for path in (*pinned, going)] == [True] * 3
    assert [path.exists() for path in kept] == [False, True, True]
    assert empty.path.exists()
    place.call("clean", "--yes")
    assert not empty.path.exists()
    assert "there is nothing" not in place.call("clean", "--dry-run").out
    assert len(place.runs) == 5


def test_clean_keeps_a_checkpoint_that_a_waiting_evaluation_scores(place, three):
    good, _, _ = three
    spare = checkpoint(good, 20)
    checkpoint(good, 10)
    evaluated = {"kind": "run", "name": good.id, "weights": str(spare), "step": 20, "method": "lora"}
    make_run(place.runs_dir, "queued", method="evaluate", evaluates=evaluated)
    settings = load_settings(place.folder / "settings.toml")
    assert not [item for item in propose(settings) if item.kind == "checkpoints"]


def test_what_was_pinned_after_the_proposal_stays(place, three):
    good, _, _ = three
    spare = checkpoint(good, 20)
    checkpoint(good, 10)
    settings = load_settings(place.folder / "settings.toml")
    items = [item for item in propose(settings) if item.kind == "checkpoints"]
    update_labels(good, pinned=True)
    freed, problems = carry_out(items, settings)
    assert freed == 0
    assert "pinned in the meantime" in problems[0]
    assert spare.exists()


def test_dropping_tells_of_each_thing_and_stops_between_two(place, three):
    for run in three[:2]:
        checkpoint(run, 10), checkpoint(run, 20)
    settings = load_settings(place.folder / "settings.toml")
    measured: list[tuple[int, int]] = []
    items = propose(settings, lambda done, total, name: measured.append((done, total)))
    assert measured == [(0, 3), (1, 3), (2, 3)]
    items = [item for item in items if item.kind == "checkpoints"]
    told: list[tuple[int, int, str]] = []
    freed, problems = carry_out(items, settings, lambda *how_far: told.append(how_far), lambda: bool(told))
    assert told == [(0, 2, items[0].name)]
    assert freed > 0
    assert [[path.exists() for path in item.paths] for item in items] == [[False], [True]]
    assert "stopped: 1 thing" in problems[0]


def test_several_roots_are_one_history_and_another_users_runs_are_only_read(place, tmp_path, monkeypatch):
    theirs = tmp_path / "bob" / "runs"
    foreign = make_run(theirs, "finished", steps=5, run_id="20260101-000000-lora-b-00bb", name="of bob")
    own = make_run(place.runs_dir, "finished", steps=5, run_id="20260102-000000-lora-a-00aa")
    settings = place.folder / "settings.toml"
    settings.write_text(
        settings.read_text() + f'[runs.roots]\nbob = "{theirs}"\ngone = "{tmp_path / "gone"}"\n'
    )
    real = os.stat

    def stat(path, *args, **options):
        status = real(path, *args, **options)
        if str(path).startswith(str(theirs)):
            return os.stat_result((*status[:4], 54_321, *status[5:10]))
        return status

    listed = place.call("list")
    assert [line.split()[0] for line in listed.out.splitlines()[1:3]] == [own.id, foreign.id]
    assert "ROOT" in listed.out
    assert "root gone" in listed.err
    assert "No such file" in listed.err
    assert ids(place.call("list", "--json", "--filter", "root:bob")) == [foreign.id]
    assert "of bob" in place.call("show", foreign.id).out
    monkeypatch.setattr("nli_console.record.access.os.stat", stat)
    for words in (("delete", foreign.id), ("label", foreign.id, "--pin")):
        result = place.call(*words)
        assert result.code == 2
        assert "belongs to user 54321: it can be looked at, compared and cloned" in result.err
    assert ids(place.call("list", "--json", "--filter", "is:foreign")) == [foreign.id]
    assert foreign.spec.exists()


def test_more_runs_folders_on_the_command_line_take_the_place_of_the_settings(place, tmp_path):
    first, second = tmp_path / "one" / "runs", tmp_path / "two" / "runs"
    make_run(first, "finished", steps=5, run_id="20260101-a")
    make_run(second, "finished", steps=5, run_id="20260102-b")
    place_of = {run["id"]: run["root"] for run in place.call(
        "list", "--json", "--runs-dir", str(first), f"--runs-dir={second}").json}  # fmt: skip
    assert place_of == {"20260102-b": "two/runs", "20260101-a": "runs"}


def test_a_root_that_hangs_keeps_nobody_from_the_others(tmp_path, monkeypatch):
    make_run(tmp_path / "runs", "finished", steps=5, run_id="20260101-a")
    hung, refresh = threading.Event(), Store.refresh

    def hang(store, *args, **options):
        if store.roots[0].name == "mounted":
            hung.wait(60)
        return refresh(store, *args, **options)

    monkeypatch.setattr(Store, "refresh", hang)
    roots = [Root("own", tmp_path / "runs"), Root("server", tmp_path / "mounted")]
    runs, notes = read_roots(roots, patience=0.2)
    hung.set()
    assert [run.id for run in runs] == ["20260101-a"]
    assert notes == ["root server does not answer"]


def test_what_cannot_be_read_is_shown_for_what_it_is(place):
    make_run(place.runs_dir, "finished", steps=5, run_id="20260101-whole", name="twice")
    make_run(place.runs_dir, "finished", steps=5, run_id="20260102-whole", name="twice")
    newer = make_run(place.runs_dir, "finished", steps=5, run_id="20260103-newer")
    spec = json.loads(newer.spec.read_text())
    newer.spec.write_text(json.dumps({**spec, "version": 99, "something": {"new": True}}))
    (place.runs_dir / "20260104-half").mkdir()
    broken = make_run(place.runs_dir, "unreadable", run_id="20260105-broken")
    out = place.call("list").out
    assert "finished (newer version)" in out
    assert out.count("unreadable") == 2
    assert "a newer one wrote it" in place.call("show", newer.id).out
    assert "the submission was interrupted" in place.call("show", "20260104").out
    assert "not valid JSON" in place.call("show", broken.id).out
    both = place.call("show", "twice")
    assert both.code == 2
    assert "20260101-whole" in both.err
    assert "20260102-whole" in both.err


def test_an_evaluation_says_what_its_accuracy_is_of(place):
    evaluated = {"kind": "run", "name": "20260101-a", "weights": "/w", "method": "lora"}
    make_run(place.runs_dir, "finished", steps=5, method="evaluate", evaluates=evaluated)
    assert "86.4 ± 0.7 % on multinli validation_matched" in place.call("list").out


def test_a_folder_of_ones_own_may_be_changed_and_one_that_is_gone_is_nobodys(tmp_path):
    assert read_only_reason(tmp_path) == ""
    assert read_only_reason(tmp_path / "gone") == ""
    assert roots_module.problem_of(Root("x", tmp_path)) == ""
