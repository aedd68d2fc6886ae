"""Failures in words: bad models, errors of libraries, signals, wrong calls. Clear reasons, and no secret."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nli_console.errors import ConsoleError
from nli_console.worker import checkpoints
from nli_console.worker.failures import reason_of, scrub
from nli_console.worker.stop import StopFlag
from tests.worker import tiny
from tests.worker.conftest import Run


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


def _set(folder: Path, **fields: Any) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
