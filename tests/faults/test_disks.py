"""Disks that are full, out of inodes, read-only, broken or away for a while."""

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nli_console.record import files, metrics_writer
from nli_console.record.curve import CurveReader
from nli_console.record.evidence import gather
from nli_console.record.journal import Tail
from nli_console.record.layout import AttemptLayout
from nli_console.record.live import LiveRun
from nli_console.record.metrics_writer import MetricsWriter
from nli_console.record.spec_io import submit
from nli_console.record.state import Reason, State, derive
from nli_console.record.store import Store
from nli_console.supervisor.attempt import Attempt
from tests.support.fake_runs import make_run, make_spec

GONE = (errno.EIO, errno.EROFS, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN)
NAMESPACES = (["unshare", "-m"], ["unshare", "-Urm"])
"""As root, and as anybody where the kernel allows it."""


def on_small_disk(case: str, folder: Path, options: str = "size=1m,mode=0700") -> dict[str, Any]:
    """Play ``case`` of ``on_small_disk.py``; skips the test where nobody may mount anything."""
    script = [sys.executable, "-P", "-m", "tests.faults.on_small_disk", case, str(folder), options]
    root = Path(__file__).parents[2]
    problems: list[str] = []
    for namespace in NAMESPACES:
        probe = [*namespace, "mount", "-t", "tmpfs", "probe", str(folder)]
        tried = subprocess.run(probe, capture_output=True, text=True, check=False)
        if tried.returncode:
            problems.append(tried.stderr.strip())
            continue
        environment = {**os.environ, "PYTHONPATH": str(root)}
        played = subprocess.run(
            [*namespace, *script], capture_output=True, text=True, check=False, env=environment
        )
        assert played.returncode == 0, played.stderr
        return json.loads(played.stdout)
    pytest.skip(f"this machine lets nobody mount a small file system: {'; '.join(problems)}")


def test_a_full_disk_while_metrics_are_written(tmp_path: Path) -> None:
    """Fault: the disk is full when a record is written. It is raised; the records before it are read."""
    found = on_small_disk("metrics", tmp_path)
    steps = list(range(1, found["acknowledged"] + 1))
    assert found["error"] == "No space left on device"
    assert found["acknowledged"] > 10
    assert found["read"] == steps
    assert found["full"] == [True, "0 B free"]
    assert found["after"][-1] == found["acknowledged"] + 2, "with space again, records go on"


def test_a_full_disk_while_a_checkpoint_is_saved(tmp_path: Path) -> None:
    """Fault: the disk is full when a checkpoint is saved. It does not count, and the one before does."""
    found = on_small_disk("checkpoint", tmp_path)
    assert found["errors"] == ["No space left on device"]
    assert found["chosen"] == 10
    assert found["invalid"] == [["checkpoint-20", "it has no manifest: saving it was cut short"]]
    assert found["whole_on_a_full_disk"] is None


def test_a_full_disk_when_the_end_is_recorded(tmp_path: Path) -> None:
    """Fault: the disk is full when result.json is due. What was reserved makes room for it."""
    found = on_small_disk("result", tmp_path)
    assert found["refused"] == "No space left on device"
    assert found["first"] is True
    assert (found["result"]["state"], found["result"]["reason"]["code"]) == ("failed", "disk_full")


def test_no_inodes_when_the_end_is_recorded(tmp_path: Path) -> None:
    """Fault: no file can be made any more. The end is recorded, and the words say what lacks."""
    found = on_small_disk("inodes", tmp_path, "nr_inodes=60,mode=0700")
    assert found["room"] == "no inodes are free: too many files"
    assert found["first"] is True
    assert found["result"]["reason"]["detail"] == found["room"]
    assert found["events"] == 2
    assert "No space left on device" in found["refused"]


class Disk:
    """The calls of ``os`` that fail while ``error`` is set."""

    def __init__(self, patch: pytest.MonkeyPatch, *names: str) -> None:
        self.error = 0
        self.calls = 0
        for name in names:
            patch.setattr(os, name, self._failing(getattr(os, name)))

    def _failing(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if self.error:
                self.calls += 1
                raise OSError(self.error, os.strerror(self.error))
            return real(*arguments, **named)

        return call


def attempt_in(folder: Path) -> AttemptLayout:
    attempt = AttemptLayout(folder / "0001")
    attempt.path.mkdir()
    return attempt


def steps_in(attempt: AttemptLayout) -> list[int]:
    return [block.last_step for block in CurveReader(attempt).read().points]


@pytest.mark.parametrize("number", GONE, ids=errno.errorcode.get)
@pytest.mark.parametrize("call", ["write", "open"])
def test_records_wait_for_a_disk_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    """Fault: a record cannot be written (EIO, EROFS, ESTALE). The work goes on, and no record is lost."""
    attempt, told = attempt_in(tmp_path), []
    writer = MetricsWriter(attempt, told.append)
    disk = Disk(monkeypatch, "write", "open") if call == "open" else Disk(monkeypatch, "write")
    writer.write("train", {"step": 1, "loss": 1.0})
    disk.error = number
    for step in range(2, 600):
        writer.write("train", {"step": step, "loss": 1.0})
    writer.sync()
    assert [error and error.errno for error in told] == [number]
    disk.error = 0
    assert steps_in(attempt) == [1]
    writer.write("train", {"step": 600, "loss": 1.0})
    writer.close()
    assert steps_in(attempt) == list(range(1, 601))
    assert [record["seq"] for record in Tail(attempt.metrics).read().records] == list(range(600))
    assert told[1:] == [None]


def test_a_disk_that_stays_away_ends_the_work_after_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: the disk does not come back. After the patience the error is raised, and names itself."""
    writer = MetricsWriter(attempt_in(tmp_path))
    disk = Disk(monkeypatch, "write")
    disk.error = errno.EIO
    writer.write("train", {"step": 1})
    monkeypatch.setattr(metrics_writer, "PATIENCE", 0.0)
    with pytest.raises(OSError, match="Input/output error"):
        writer.write("train", {"step": 2})


def test_records_that_wait_do_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: the disk is away and steps are very short. Only so many records wait."""
    writer = MetricsWriter(attempt_in(tmp_path))
    disk = Disk(monkeypatch, "write")
    monkeypatch.setattr(metrics_writer, "WAITING_LIMIT", 50)
    disk.error = errno.ESTALE
    for step in range(50):
        writer.write("train", {"step": step})
    with pytest.raises(OSError, match=r"[Ss]tale"):
        writer.write("train", {"step": 51})


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=errno.errorcode.get)
def test_want_of_space_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Fault: disk or quota full, where nothing can be mounted: the calls themselves report it."""
    attempt = attempt_in(tmp_path)
    writer = MetricsWriter(attempt)
    disk = Disk(monkeypatch, "write")
    writer.write("train", {"step": 1, "loss": 1.0})
    disk.error = number
    with pytest.raises(OSError) as caught:
        writer.write("train", {"step": 2, "loss": 1.0})
    assert caught.value.errno == number
    disk.error = 0
    writer.close()
    assert steps_in(attempt) == [1, 2], "the reserve is given back before the files are closed"


def test_the_supervisor_waits_for_the_disk_to_record_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: the server is away when the run ends. Its end and the events behind it are not lost."""
    run = submit(tmp_path / "runs", make_spec(run_id="a-run"))
    attempt = Attempt.claim(run)
    attempt.event("starting")
    disk = Disk(monkeypatch, "link", "write")
    disk.error = errno.ESTALE
    attempt.event("stopping")
    monkeypatch.setattr(files.time, "sleep", lambda seconds: setattr(disk, "error", 0))
    assert attempt.finish(State.FAILED, Reason("nan", "at step 3"))
    assert disk.calls >= 2
    attempt.event("ended")
    events = [record["event"] for record in Tail(attempt.layout.events).read().records]
    assert events == ["starting", "ended"]
    assert derive(gather(run)).reason == Reason("nan", "at step 3")


@pytest.mark.parametrize("number", GONE, ids=errno.errorcode.get)
def test_readers_live_through_a_disk_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Fault: nothing can be read for a while. No reader raises, no run disappears from the history."""
    layout = make_run(tmp_path, "running", steps=5)
    make_run(tmp_path, "finished", steps=5)
    store, live = Store(tmp_path), LiveRun(layout)
    store.refresh()
    live.poll()
    known = {run.id for run in store.runs}
    disk = Disk(monkeypatch, "read", "pread", "scandir", "listdir")
    disk.error = number
    change = store.refresh()
    update = live.poll()
    assert change.removed == ()
    assert {run.id for run in store.runs} == known
    assert (update.points, update.reset) == ([], False)
    assert live.step == 5
    disk.error = 0
    store.refresh()
    assert {str(run.state.state) for run in store.runs} == {"running", "finished"}
