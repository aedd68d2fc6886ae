"""Real trainings of a tiny model that are killed in a save, or lose their disk for a while."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from nli_console.record.journal import Tail
from nli_console.settings import Checkpoints
from nli_console.worker import checkpoints
from nli_console.worker.recorder import Recorder
from tests.worker.conftest import Run
from tests.worker.test_resume import outcome


@pytest.mark.slow
@pytest.mark.parametrize(("where", "killed_at", "resumed"), [("library", 20, 10), ("rotation", 30, 30)])
def test_a_kill_in_a_save_and_a_resume_reach_the_uninterrupted_accuracy(
    submitted: Callable[..., Run], where: str, killed_at: int, resumed: int
) -> None:
    """Fault: kill -9 while a checkpoint is saved. Resumed, it ends bit for bit like an undisturbed one."""
    whole, run = submitted(), submitted(checkpoints=Checkpoints(keep=1))
    assert whole.attempt()["completed"]
    run.layout.attempt(1).path.mkdir(parents=True)
    argv = [
        sys.executable,
        "-P",
        "-m",
        "tests.faults.training.killed_worker",
        str(run.layout.path),
        "1",
        str(killed_at),
        where,
    ]
    killed = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    assert run.records("train")[-1]["step"] == killed_at
    assert not run.layout.attempt(1).final.exists()
    assert run.attempt(2)["completed"]
    assert run.records("start", 2)[0]["resumed_step"] == resumed
    assert outcome(run, 2) == outcome(whole, 1)
    left = checkpoints.listed(run.layout)
    assert all((checkpoint.path / checkpoints.MANIFEST).is_file() for checkpoint in left)


@pytest.mark.slow
@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE], ids=errno.errorcode.get)
def test_training_goes_on_while_its_records_cannot_be_written(
    submitted: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    number: int,
) -> None:
    """Fault: EIO or ESTALE on the record for some steps. The training completes, and no record is missing."""
    write, train = os.write, Recorder.train
    away = False

    def failing(descriptor: int, data: bytes) -> int:
        if away and data.startswith(b'{"v":1,"seq"'):
            raise OSError(number, os.strerror(number))
        return write(descriptor, data)

    def watched(self: Recorder, fields: dict[str, Any]) -> None:
        nonlocal away
        away = 3 <= fields["step"] < 8
        train(self, fields)

    monkeypatch.setattr(os, "write", failing)
    monkeypatch.setattr(Recorder, "train", watched)
    run = submitted()
    assert run.attempt()["completed"]
    records = Tail(run.layout.attempt(1).metrics).read().records
    assert [record["seq"] for record in records] == list(range(len(records)))
    total = run.records("start")[0]["total_steps"]
    assert [record["step"] for record in run.records("train")] == list(range(1, total + 1))
    said = capfd.readouterr().err
    assert f"the record cannot be written ({os.strerror(number)}); the work goes on" in said
    assert "the records that waited have been written" in said
