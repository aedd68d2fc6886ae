"""Damaged checkpoints, pickles, full disks and memory that runs out, in real trainings of a tiny model."""

import errno
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nli_console.worker import callbacks, checkpoints
from tests.worker.conftest import Run
from tests.worker.test_resume import outcome


class Evil:
    """A pickle that leaves a trace when it is loaded."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.trace),))


def stopped_at(run: Run, stop_when: Callable[..., Any], step: int) -> Path:
    run.attempt(1, stop_when(lambda kind, fields: kind == "train" and fields["step"] == step))
    return run.layout.checkpoints / f"checkpoint-{step}"


def invalid(run: Run, attempt: int = 2) -> list[str]:
    return [
        guard["message"] for guard in run.records("guard", attempt) if guard["id"] == "checkpoint_invalid"
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: _flip(folder / "model.safetensors"), "model.safetensors does not match its checksum"),
        (lambda folder: (folder / "trainer_state.json").unlink(), "trainer_state.json is missing"),
        (lambda folder: (folder / "optimizer.pt").write_bytes(b""), "optimizer.pt has another size"),
        (lambda folder: (folder / "MANIFEST.json").unlink(), "saving it was cut short"),
        (
            lambda folder: (folder / "training_args.bin").write_bytes(b"x"),
            "training_args.bin is not in its manifest",
        ),
        (lambda folder: folder.chmod(0o770), "can be written to by others"),
    ],
    ids=["flipped byte", "missing file", "empty file", "no manifest", "added file", "group writable"],
)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    submitted: Callable[..., Run], stop_when: Callable[..., Any], damage: Callable[[Path], Any], words: str
) -> None:
    run = submitted(batch_size=10, epochs=1.0, evaluations=3)
    damage(stopped_at(run, stop_when, 5))
    assert run.attempt(2)["completed"]
    (message,) = invalid(run)
    assert message.startswith("checkpoint-5 is not used: ")
    assert words in message
    assert run.records("start", 2)[0]["resumed_step"] == 3


@pytest.mark.slow
def test_falling_back_reaches_the_same_end(
    submitted: Callable[..., Run], stop_when: Callable[..., Any]
) -> None:
    whole, cut = submitted(), submitted()
    whole.attempt()
    _flip(stopped_at(cut, stop_when, 25) / "optimizer.pt")
    assert cut.attempt(2)["completed"]
    assert outcome(cut, 2) == outcome(whole, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_pickle_in_a_checkpoint_is_not_run(
    submitted: Callable[..., Run], stop_when: Callable[..., Any], tmp_path: Path, name: str
) -> None:
    run = submitted()
    folder = stopped_at(run, stop_when, 25)
    torch.save({"state": Evil(tmp_path / "trace")}, folder / name)
    checkpoints.seal(folder)
    final = run.attempt(2)
    assert not (tmp_path / "trace").exists()
    assert final["reason"]["code"] == "checkpoint_invalid"
    assert "checkpoint-25" in final["reason"]["detail"]


@pytest.mark.slow
def test_pickled_arguments_are_never_read(
    submitted: Callable[..., Run], stop_when: Callable[..., Any], tmp_path: Path
) -> None:
    run = submitted()
    folder = stopped_at(run, stop_when, 25)
    (folder / "training_args.bin").write_bytes(pickle.dumps(Evil(tmp_path / "trace")))
    assert run.attempt(2)["completed"]
    assert not (tmp_path / "trace").exists()


@pytest.mark.slow
def test_a_full_disk_while_saving_is_named_and_leaves_the_checkpoint_before(
    submitted: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    seal = checkpoints.seal

    def full(folder: Path) -> None:
        if folder.name == "checkpoint-20":
            raise OSError(errno.ENOSPC, "No space left on device")
        seal(folder)

    monkeypatch.setattr(checkpoints, "seal", full)
    run = submitted()
    final = run.attempt()
    assert (final["completed"], final["reason"]["code"]) == (False, "disk_full")
    assert run.checkpoints() == ["checkpoint-10"]
    monkeypatch.setattr(checkpoints, "seal", seal)
    assert run.attempt(2)["completed"]
    assert run.records("start", 2)[0]["resumed_step"] == 10


@pytest.mark.slow
def test_running_out_of_gpu_memory_is_named(
    submitted: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(callbacks.RunCallback, "on_step_end", out_of_memory)
    final = submitted().attempt()
    assert final["reason"]["code"] == "cuda_oom"
    assert "batch_size" in final["reason"]["detail"]


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)
