"""list, show, watch of ended runs, delete, restore and trash."""

import pytest

from nli_console.cli import listing
from tests.support.fake_reports import write_guards, write_report
from tests.support.fake_runs import make_run


def test_an_empty_history_names_the_next_step(place):
    assert "start one: nli-console demo" in place.call("list").out
    assert place.call("list", "--json").json == []


def test_a_history_that_is_a_file_is_no_empty_history(place):
    place.runs_dir.parent.mkdir(parents=True, exist_ok=True)
    place.runs_dir.write_text("")
    result = place.call("list")
    assert result.code == 2
    assert "not a folder" in result.err


def test_list_shows_newest_first_and_filters(place):
    old = make_run(place.runs_dir, "failed", steps=40, run_id="20260101-000000-full-x-0001", method="full")
    new = make_run(
        place.runs_dir, "finished", steps=40, run_id="20260102-000000-lora-x-0002", name="the best"
    )
    text = place.call("list").out
    assert text.index(new.id) < text.index(old.id)
    assert "the best" in text
    assert "86.4 ± 0.7 %" in text
    assert "3,805,187" in text
    assert [run["id"] for run in place.call("list", "--json", "--state", "failed").json] == [old.id]
    assert [run["id"] for run in place.call("list", "--json", "--method", "lora").json] == [new.id]
    assert [run["id"] for run in place.call("list", "--json", "--limit", "1").json] == [new.id]
    assert "no run fits" in place.call("list", "--state", "running").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--limit", "-1"), "--limit -1: must be 0 (all) or more"),
        (("--method", "lorra"), 'did you mean "lora"'),
    ],
)
def test_list_refuses_what_cannot_be_meant(place, words, said):
    make_run(place.runs_dir, "finished", steps=40)
    result = place.call("list", *words)
    assert result.code == 2
    assert said in result.err


def test_a_run_in_json_has_the_promised_keys(place):
    layout = make_run(place.runs_dir, "finished", steps=40)
    shown = place.call("show", layout.id, "--json").json
    listed = place.call("list", "--json").json[0]
    for run in (shown, listed):
        assert run["id"] == layout.id
        assert run["state"] == "finished"
        assert run["reason"] is None
        assert run["accuracy"]["validation_matched"].keys() == {"value", "low", "high", "n"}
        wanted = {"name", "method", "model", "started", "seconds", "trainable_parameters", "total_parameters"}
        assert wanted | {"peak_memory_bytes"} <= run.keys()
    assert shown["spec"]["method"] == "lora"


def test_show_says_why_and_how_to_go_on(place):
    layout = make_run(place.runs_dir, "failed", steps=40, reason=("cuda_oom", "2.00 GiB asked"))
    text = place.call("show", layout.id[:-2]).out
    assert "2.00 GiB asked" in text
    assert "learning_rate" in text
    assert str(layout.path) in text


def test_a_hostile_name_is_cleaned(place):
    layout = make_run(place.runs_dir, "finished", steps=10, name="\x1b[2J\u202ered[/]")
    for arguments in (["list"], ["show", layout.id], ["list", "--json"]):
        out = place.call(*arguments).out
        assert "\x1b" not in out
        assert "\u202e" not in out


@pytest.mark.parametrize(
    ("state", "code", "said"),
    [
        ("finished", 0, "validation_matched: 86.4 ± 0.7 % (n = 9,815)"),
        ("failed", 1, "end of the log:"),
        ("stopped", 3, "go on with: nli-console resume"),
        ("lost", 4, "lost"),
        ("nobody_waits", 4, "resume"),
    ],
)
def test_watching_an_ended_run_gives_its_exit_code(place, state, code, said):
    layout = make_run(place.runs_dir, state, steps=40)
    result = place.call("watch", layout.id)
    assert result.code == code
    assert said in result.out


def test_delete_is_undone_by_restore(place):
    layout = make_run(place.runs_dir, "finished", steps=10)
    assert "nli-console restore" in place.call("delete", layout.id).out
    assert not layout.path.exists()
    (line,) = [line for line in place.call("trash").out.splitlines() if layout.id in line]
    assert "lora on roberta-large  lora" in line
    assert "KiB" in line
    assert place.call("restore", layout.id[:15]).code == 0
    assert place.call("list", "--json").json[0]["id"] == layout.id
    assert "trash is empty" in place.call("trash").out


def test_the_trash_is_emptied_for_good(place):
    layout = make_run(place.runs_dir, "finished", steps=10)
    place.call("delete", layout.id)
    assert place.call("trash", "--empty").out.strip() == "removed 1 run for good"
    assert place.call("restore", layout.id).code == 2


def test_a_live_run_is_not_deleted(place):
    layout = make_run(place.runs_dir, "running", steps=10)
    result = place.call("delete", layout.id)
    assert result.code == 2
    assert "stop" in result.err
    assert layout.path.exists()


def test_an_ambiguous_beginning_lists_the_candidates(place):
    first = make_run(place.runs_dir, "finished", steps=10, run_id="20260101-a")
    second = make_run(place.runs_dir, "finished", steps=10, run_id="20260101-b")
    result = place.call("show", "20260101")
    assert result.code == 2
    assert first.id in result.err
    assert second.id in result.err


def test_show_draws_the_report_of_a_split(place):
    layout = make_run(place.runs_dir, "finished", steps=10)
    write_report(layout)
    text = place.call("show", layout.id).out
    assert "always entailment gets 35.4 %" in text
    rows = [line.split() for line in text.splitlines()]
    assert ["fiction", "85.1", "±", "1.6", "%", "1,973"] in rows
    assert ["5-0", "94.8", "±", "0.6", "%", "5,800"] in rows
    assert ["entailment", "89.3", "%", "86.2", "%", "87.7", "%", "3,479", "3,000", "400", "79"] in rows
    shown = place.call("show", layout.id, "--json").json
    assert shown["evaluation"]["validation_matched"]["confusion"][0] == [3000, 400, 79]


def test_warnings_of_the_worker_stand_in_list_show_and_json(place):
    layout = make_run(place.runs_dir, "finished", steps=10)
    write_guards(layout, ("constant_logits", "error", "the logits do not depend on the input"))
    assert "finished (1 warning)" in place.call("list").out
    assert "[constant_logits] the logits do not depend on the input" in place.call("show", layout.id).out
    assert "[constant_logits] the logits do not depend on the input" in place.call("watch", layout.id).out
    (guard,) = place.call("list", "--json").json[0]["guards"]
    assert (guard["id"], guard["severity"], guard["step"]) == ("constant_logits", "error", 12)


def test_a_narrow_terminal_shows_the_beginning_of_ids_that_is_enough(place, monkeypatch):
    first = make_run(place.runs_dir, "finished", steps=40, run_id="20260102-000000-lora-a-0001", name="one")
    make_run(place.runs_dir, "finished", steps=40, run_id="20260102-000000-lora-b-0002", name="two")
    monkeypatch.setattr(listing, "terminal_width", lambda: 60)
    lines = place.call("list").out.splitlines()
    assert any(line.startswith("20260102-000000-lora-a  one") for line in lines)
    assert max(map(len, lines)) <= 60
    assert place.call("show", "20260102-000000-lora-a", "--json").json["id"] == first.id
