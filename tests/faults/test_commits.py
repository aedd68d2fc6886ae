"""Whole files are whole or not there: a kill at every call of a submission, a claim, an end, a label."""

import json
from pathlib import Path

import pytest

from nli_console.record.evidence import attempt_numbers, gather
from nli_console.record.labels import read_labels, update_labels
from nli_console.record.layout import RunLayout
from nli_console.record.spec_io import load_spec, submit
from nli_console.record.state import Reason, State, derive
from nli_console.supervisor.attempt import Attempt, write_result
from nli_console.supervisor.reap import reap
from tests.faults.syscalls import every_moment, killed_at
from tests.support.fake_runs import make_run, make_spec


def test_a_killed_submission_is_a_run_or_names_what_is_missing(tmp_path: Path) -> None:
    """Fault: the console is killed while it submits. Either the run is there, or its row says what lacks."""
    spec = make_spec(run_id="a-run")
    for moment in every_moment():
        root = tmp_path / str(moment)
        root.mkdir(mode=0o700)
        killed = killed_at(moment, lambda root=root: submit(root, spec))
        layout = RunLayout(root / "a-run")
        state = derive(gather(layout))
        if layout.spec.exists():
            assert load_spec(layout) == spec
            assert state.state is State.QUEUED
        else:
            assert (state.state, state.reason and state.reason.code) == (State.UNREADABLE, "unreadable")
        if not killed:
            return
        assert not [path for path in root.iterdir() if path.name != "a-run"]


def test_a_killed_claim_leaves_the_run_to_the_next_supervisor(tmp_path: Path) -> None:
    """Fault: the supervisor is killed while it signs. Nobody has the attempt, or a dead one who is reaped."""
    for moment in every_moment():
        layout = submit(tmp_path / str(moment), make_spec(run_id="a-run"))
        killed = killed_at(moment, lambda layout=layout: Attempt.claim(layout))
        assert attempt_numbers(layout) in ([], [1])
        if attempt_numbers(layout):
            assert json.loads(layout.attempt(1).owner.read_bytes())["supervisor"]["pid"] > 0
            reap(layout, end_waiting=True)
        number = Attempt.claim(layout).owner.attempt
        assert attempt_numbers(layout) == list(range(1, number + 1))
        if not killed:
            return


def test_a_killed_writer_of_an_end_leaves_none_or_a_whole_one(tmp_path: Path) -> None:
    """Fault: whoever writes result.json is killed. The next one writes it, once."""
    layout = make_run(tmp_path / "runs", "orphaned", steps=1)
    attempt = layout.attempt(1)
    for moment in every_moment():
        killed = killed_at(moment, lambda: write_result(attempt, State.FAILED, Reason("signal"), by="first"))
        was_there = attempt.result.exists()
        assert write_result(attempt, State.LOST, None, by="second") is not was_there
        assert json.loads(attempt.result.read_bytes())["by"] == ("first" if was_there else "second")
        attempt.result.unlink()
        if not killed:
            return


def test_a_killed_change_of_a_label_keeps_the_old_one_or_has_the_new(tmp_path: Path) -> None:
    """Fault: the console is killed while it renames a run."""
    layout = make_run(tmp_path / "runs", name="before", steps=1)
    for moment in every_moment():
        killed = killed_at(moment, lambda: update_labels(layout, name="after"))
        assert read_labels(layout).name in ("before", "after")
        update_labels(layout, name="before")
        if not killed:
            return


@pytest.mark.parametrize("name", ["owner.json", "final.json", "result.json", "spec.json", "labels.json"])
def test_a_file_cut_at_any_byte_is_told_from_a_whole_one(tmp_path: Path, name: str) -> None:
    """Fault: a file system that lost the end of a file that was whole. No half value is ever believed."""
    layout = make_run(tmp_path / "runs", steps=2, name="mine")
    path = next(layout.path.rglob(name))
    content = path.read_bytes()
    for end in range(0, len(content.rstrip()), 3):
        path.write_bytes(content[:end])
        state = derive(gather(layout))
        assert state.state in (State.FINISHED, State.LOST, State.UNREADABLE, State.FAILED)
        assert (state.state is State.UNREADABLE) == (name == "spec.json")
        assert read_labels(layout).name == (None if name == "labels.json" else "mine")
