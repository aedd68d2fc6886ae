"""Faults: damaged checkpoints, pickles, full disks, bad models. Clear reasons, nothing run, nothing lost."""

import errno
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nli_console.errors import ConsoleError
from nli_console.worker import callbacks, checkpoints
from nli_console.worker.failures import reason_of, scrub
from nli_console.worker.stop import StopFlag
from tests.worker import tiny
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


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda folder: (folder / "config.json").unlink(), "config.json is missing"),
        (lambda folder: (folder / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text('{"model_type": "nonsense"}'), "does not know"),
        (
            lambda folder: (folder / "model.safetensors").rename(folder / "pytorch_model.bin"),
            "only safetensors",
        ),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
        (
            lambda folder: (folder / "model.safetensors").write_bytes(b"broken"),
            "its weights cannot be loaded",
        ),
        (lambda folder: (folder / "tokenizer.json").write_text("{"), "its tokenizer cannot be loaded"),
        (
            lambda folder: _set(folder, auto_map={"AutoConfig": "x.Y"}, model_type="own"),
            "needs code of its own",
        ),
    ],
)
def test_a_folder_that_is_no_model(
    submitted: Callable[..., Run], tmp_path: Path, prepare: Callable[[Path], Any], words: str
) -> None:
    folder = tiny.roberta(tmp_path / "model")
    prepare(folder)
    final = submitted(model=folder).attempt()
    assert final["reason"]["code"] == "exception"
    assert final["reason"]["detail"].startswith('model "')
    assert words in final["reason"]["detail"]


def test_a_model_without_its_encoder_is_refused(submitted: Callable[..., Run], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = tiny.roberta(tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if "layer.1." not in name}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    assert "its weights lack" in submitted(model=folder).attempt()["reason"]["detail"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk_full"),
        (
            RuntimeError("[enforce fail at inline_container.cc:664] PytorchStreamWriter failed writing file"),
            "disk_full",
        ),
        (MemoryError(), "host_oom"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"),
            "host_oom",
        ),
        (torch.OutOfMemoryError("CUDA out of memory."), "cuda_oom"),
        (ConsoleError("the model is missing"), "exception"),
        (ValueError("odd"), "exception"),
    ],
)
def test_errors_in_words(error: Exception, code: str) -> None:
    assert reason_of(error).code == code


def test_a_full_disk_is_found_behind_another_error() -> None:
    error = RuntimeError("could not serialise")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert reason_of(error).code == "disk_full"


def test_an_unforeseen_error_gives_its_type_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    token = "hf_" + "a" * 34
    detail = reason_of(ValueError(f"bad {token} and 0123456789abcdef \x1b[2J")).detail
    assert detail.startswith("ValueError: bad [secret] and [secret]")
    assert "\x1b" not in detail
    assert scrub("https://me:pass@example.org/x") == "https://[secret]@example.org/x"


@pytest.mark.parametrize("number", [signal.SIGUSR2, signal.SIGTERM])
def test_signals_only_set_a_flag(number: signal.Signals) -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGUSR2, signal.SIGTERM, signal.SIGINT)}
    try:
        stop = StopFlag()
        stop.install()
        assert not stop.requested
        os.kill(os.getpid(), number)
        assert stop.requested
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@pytest.mark.slow
def test_the_real_process_stops_at_a_signal_and_resumes(submitted: Callable[..., Run]) -> None:
    run = submitted(epochs=200.0, evaluations=0)
    place = run.layout.attempt(1)
    place.path.mkdir(parents=True)
    argv = [sys.executable, "-m", "nli_console.worker", "run", str(run.layout.path), "1"]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and not (
            place.metrics.exists() and '"train"' in place.metrics.read_text()
        ):
            try:
                process.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        process.send_signal(signal.SIGUSR2)
        assert process.wait(60) == 0
    final = json.loads(place.final.read_text())
    assert (final["stopped"], final["completed"]) == (True, False)
    assert run.checkpoints() == [f"checkpoint-{final['step']}"]
    assert (
        checkpoints.problem_of(run.layout.checkpoints / f"checkpoint-{final['step']}", resumable=True) is None
    )


def test_a_wrong_call_gets_the_usage() -> None:
    from nli_console.worker.__main__ import main

    assert main(["run", "/nowhere", "1"]) == 2
    assert main([]) == 2


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    path.write_bytes(data)


def _set(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
