import os
import time
from pathlib import Path
from typing import get_args

import pytest

from nli_console.record.evidence import gather
from nli_console.record.files import read_json, write_json
from nli_console.record.layout import RunLayout
from nli_console.record.processes import ProcessIdentity, own_identity
from nli_console.record.state import State, derive
from tests.support.fake_runs import FakeState, make_run

SHOWN = {"submitted": "queued", "nobody_waits": "queued"}


@pytest.mark.parametrize("state", get_args(FakeState))
def test_each_kind_of_run_folder_has_its_state(tmp_path: Path, state: FakeState) -> None:
    derived = derive(gather(make_run(tmp_path / "runs", state, steps=40)))
    assert derived.state.value == SHOWN.get(state, state)


def change_owner(layout: RunLayout, **fields: object) -> None:
    path = layout.attempt(1).owner
    write_json(path, {**(read_json(path) or {}), **fields})


def test_another_boot_is_a_reboot_although_the_pid_lives(tmp_path: Path) -> None:
    layout = make_run(tmp_path / "runs", "running", steps=5)
    change_owner(layout, boot_id="00000000-0000-0000-0000-000000000000")
    state = derive(gather(layout))
    assert state.state is State.LOST
    assert state.reason is not None
    assert state.reason.code == "reboot"


def test_a_reused_pid_is_lost(tmp_path: Path) -> None:
    own = own_identity()
    reused = ProcessIdentity(own.pid, own.start_ticks - 1)
    assert derive(gather(make_run(tmp_path / "runs", "running", process=reused))).state is State.LOST


def test_completed_without_a_result_is_finished_and_a_deleted_final_is_not(tmp_path: Path) -> None:
    layout = make_run(tmp_path / "runs", "finished", steps=5)
    layout.attempt(1).result.unlink()
    assert derive(gather(layout)).state is State.FINISHED
    layout.attempt(1).final.unlink()
    assert derive(gather(layout)).state is State.LOST


def test_exit_code_zero_without_final_is_not_finished(tmp_path: Path) -> None:
    layout = make_run(tmp_path / "runs", "finished", steps=5)
    layout.attempt(1).final.unlink()
    assert derive(gather(layout)).state is State.FAILED


@pytest.mark.parametrize("content", [b"", b"{", b'{"state": "glorious"}', b"\0" * 64])
def test_a_damaged_result_still_ends_the_run(tmp_path: Path, content: bytes) -> None:
    layout = make_run(tmp_path / "runs", "running", steps=5)
    layout.attempt(1).result.write_bytes(content)
    state = derive(gather(layout))
    assert (state.state, state.resumable) == (State.LOST, True)


def test_a_stop_request_counts_only_for_the_attempt_it_is_for(tmp_path: Path) -> None:
    layout = make_run(tmp_path / "runs", "running", steps=5)
    write_json(layout.stop_request, {"v": 1, "t": time.time() - 86400, "by": "x", "kind": "stop"})
    assert derive(gather(layout)).state is State.RUNNING
    write_json(layout.stop_request, {"v": 1, "t": time.time() + 1, "by": "x", "kind": "kill"})
    evidence = gather(layout)
    assert derive(evidence).state is State.STOPPING
    assert evidence.stop_kind == "kill"


@pytest.mark.parametrize("name", ["spec.json", "attempts/0001/metrics.jsonl", "attempts/0001/owner.json"])
def test_a_fifo_in_the_place_of_a_file_does_not_hang(tmp_path: Path, name: str) -> None:
    layout = make_run(tmp_path / "runs", "running", steps=5)
    (layout.path / name).unlink()
    os.mkfifo(layout.path / name)
    assert derive(gather(layout)).state in (State.UNREADABLE, State.RUNNING, State.STARTING)


def test_a_linked_spec_is_not_read(tmp_path: Path) -> None:
    layout = make_run(tmp_path / "runs", "finished", steps=5)
    layout.spec.rename(tmp_path / "elsewhere.json")
    layout.spec.symlink_to(tmp_path / "elsewhere.json")
    state = derive(gather(layout))
    assert state.state is State.UNREADABLE
    assert "spec.json" in (state.reason.detail if state.reason else "")


def test_what_a_queued_run_waits_for_is_said(tmp_path: Path) -> None:
    state = derive(gather(make_run(tmp_path / "runs", "queued")))
    assert state.reason is not None
    assert state.reason.sentence == "waits for: GPU 0, held by somebody, 61.2 GiB"


def test_control_characters_in_a_reason_do_not_pass(tmp_path: Path) -> None:
    layout = make_run(tmp_path / "runs", "failed", reason=("exception", "\x1b]0;title\x07\u202eevil"))
    state = derive(gather(layout))
    assert state.reason is not None
    assert not set(state.reason.detail) & set("\x1b\x07\u202e")


def test_a_run_that_waited_for_hours_is_not_stalled_when_its_worker_starts(tmp_path: Path) -> None:
    layout = make_run(tmp_path / "runs", "starting")
    attempt = layout.attempt(1)
    attempt.metrics.unlink()
    change_owner(layout, started=time.time() - 7200)
    assert derive(gather(layout)).state is State.STARTING
    for path in (attempt.events, attempt.console_log):
        os.utime(path, (time.time() - 3600,) * 2)
    assert derive(gather(layout)).state is State.STALLED
