"""Run folders as supervisor and worker leave them, written without starting either."""

import math
import os
import random
import time
from pathlib import Path
from typing import Any, Literal

from nli_console.data.spec import DataSpec
from nli_console.record.curve import CurveWriter
from nli_console.record.files import ensure_private_dir, write_json
from nli_console.record.glance import end_of
from nli_console.record.journal import Journal
from nli_console.record.layout import AttemptLayout, RunLayout
from nli_console.record.processes import ProcessIdentity, boot_id, host_name, own_identity
from nli_console.record.spec import Provenance, RunSpec
from nli_console.record.spec_io import new_id, submit

FakeState = Literal[
    "finished", "failed", "stopped", "lost", "submitted", "queued", "nobody_waits", "starting", "running",
    "stalled", "stopping", "orphaned", "unreachable", "unreadable",
]  # fmt: skip

DEAD = ProcessIdentity(2**22 - 7, 1)
"""A process that cannot be alive: the start time is that of the first tick after boot."""

GIB = 1024**3
PARAMETERS = {"trainable_parameters": 3_805_187, "total_parameters": 359_167_878}
GPU = "GPU-5f1c0a3e-8d2b-4c77-9a10-3b6f2e4d9c01"
STEP_SECONDS = 0.35
BATCH = 32
ENDED = ("finished", "failed", "stopped", "lost")


def make_spec(
    *,
    method: str = "lora",
    model: str = "FacebookAI/roberta-large",
    name: str = "",
    seed: int = 1,
    submitted: float | None = None,
    run_id: str | None = None,
    **more: Any,
) -> RunSpec:
    """A spec of a run on MultiNLI; ``more`` replaces any other field of :class:`RunSpec`."""
    moment = time.time() if submitted is None else submitted
    model_name = model.rpartition("/")[2]
    fields: dict[str, Any] = {
        "id": run_id or new_id(method, model_name, moment),
        "name": name or f"{method} on {model_name}",
        "method": method,
        "hyperparameters": {
            "learning_rate": 3e-4,
            "batch_size": BATCH,
            "epochs": 3.0,
            "evaluations": 5,
            "r": 8,
        },
        "changed": {"learning_rate": 3e-4},
        "preset": "recommended",
        "model": model,
        "model_name": model_name,
        "data": DataSpec(name="multinli", source="/data/multinli_1.0", format="multinli"),
        "seed": seed,
        "submitted": moment,
        "cache_dir": "/tmp/nli-console-cache",
        "provenance": Provenance(
            command=["nli-console", "run", method, "--model", model_name], host=host_name()
        ),
    }
    return RunSpec.model_validate({**fields, **more})


def make_run(
    root: Path,
    state: FakeState = "finished",
    *,
    steps: int = 500,
    total_steps: int | None = None,
    accuracy: float = 0.864,
    attempts: int = 1,
    nan_at: tuple[int, ...] = (),
    reason: tuple[str, str] | None = None,
    process: ProcessIdentity | None = None,
    log: bytes | None = None,
    age: float = 60.0,
    **spec: Any,
) -> RunLayout:
    """Write one run into ``root`` and return its layout.

    An ended run ended ``age`` seconds before now. ``steps`` is how far the last attempt got, ``total_steps``
    where it was going (``steps`` for a finished run). Of several ``attempts`` the earlier ones were stopped
    on the way. Live states name ``process`` (by default the caller, which is alive) as supervisor and
    worker. ``nan_at`` are steps with a NaN loss. ``spec`` goes to :func:`make_spec`.
    """
    total = total_steps or (steps if state == "finished" else max(2 * steps, 1))
    took = steps * STEP_SECONDS
    begun = time.time() - took - (0.0 if state in ("running", "stopping") else age)
    ensure_private_dir(root)
    layout = submit(root, make_spec(**{"submitted": begun - 2, **spec}))
    if state == "unreadable":
        layout.spec.write_text('{"version": 1, "id": "', encoding="utf-8")
        return layout
    if state in ("submitted", "nobody_waits"):
        _backdate(layout.spec, 0.0 if state == "submitted" else 3600.0)
        return layout
    alive = process or own_identity()
    resumed = 0
    for number in range(1, attempts):
        half = steps * number // attempts
        earlier = _attempt(layout, number)
        _owner(earlier, "stopped", DEAD, begun)
        # The stopped attempt went on for a few steps behind its last checkpoint.
        _metrics(earlier, resumed, half + min(20, steps - half), total, begun, nan_at)
        _final(earlier, "stopped", half, accuracy, (half - resumed) * STEP_SECONDS, ("user", ""))
        _result(earlier, "stopped", ("user", ""), begun + half * STEP_SECONDS)
        resumed = half
    attempt = _attempt(layout, attempts)
    _owner(attempt, state, alive, begun + resumed * STEP_SECONDS)
    _events(attempt, state, begun)
    attempt.console_log.write_bytes(_LOG if log is None else log)
    if state == "queued":
        return layout
    _system(attempt, begun, took)
    if state == "starting":
        _journal(
            attempt.metrics, [_phase(0, time.time(), "tokenising", done=12_000, total=392_702, unit="rows")]
        )
        return layout
    _metrics(attempt, resumed, steps, total, begun, nan_at, final=accuracy if state == "finished" else None)
    if state in ENDED:
        why = reason or _REASONS.get(state)
        if state != "lost":
            _final(attempt, state, steps, accuracy, (steps - resumed) * STEP_SECONDS, why)
        _result(attempt, state, why, begun + took)
    elif state == "stopping":
        write_json(layout.stop_request, {"v": 1, "t": time.time(), "by": "test", "kind": "stop"})
    elif state == "stalled":
        _backdate(attempt.metrics, 600.0)
        _backdate(attempt.events, 600.0)
    elif state == "unreachable":
        _backdate(attempt.owner, 3600.0)
    return layout


def grow(layout: RunLayout, count: int) -> None:
    """Append ``count`` train records to the latest attempt, as a worker that goes on would."""
    attempt = layout.attempt(max(int(path.name) for path in layout.attempts.iterdir()))
    records = end_of(attempt.metrics)[0]
    last = next((record["step"] for record in reversed(records) if record["kind"] == "train"), 0)
    seq, now = records[-1]["seq"] + 1, time.time()
    with Journal(attempt.metrics) as journal:
        for index in range(count):
            journal.append(train_record(seq + index, now, last + 1 + index, last + count + 1000))


def train_record(seq: int, t: float, step: int, total: int, *, nan: bool = False) -> dict[str, Any]:
    """A plausible train record: the loss falls from 1.10 and jitters, the same for the same step."""
    noise = random.Random(step).uniform(-0.08, 0.08)
    loss = 0.35 + 0.75 * math.exp(-4 * step / max(total, 1)) + noise
    record: dict[str, Any] = {
        "v": 1, "seq": seq, "t": t, "kind": "train", "step": step, "epoch": 3 * step / max(total, 1),
        "loss": None if nan else loss, "learning_rate": 3e-4 * max(1 - step / max(total, 1), 0.0),
        "grad_norm": 1.0 + noise, "samples": BATCH, "tokens": 40 * BATCH, "seconds": STEP_SECONDS,
        "memory_bytes": 5 * GIB,
    }  # fmt: skip
    if nan:
        record["nan"] = ["loss"]
    return record


def _attempt(layout: RunLayout, number: int) -> AttemptLayout:
    attempt = layout.attempt(number)
    ensure_private_dir(attempt.path)
    return attempt


def _owner(attempt: AttemptLayout, state: str, alive: ProcessIdentity, started: float) -> None:
    supervised = state in ("queued", "starting", "running", "stalled", "stopping", "unreachable")
    working = supervised or state == "orphaned"
    write_json(
        attempt.owner,
        {
            "v": 1,
            "attempt": attempt.number,
            "host": "elsewhere.example" if state == "unreachable" else host_name(),
            "boot_id": boot_id(),
            "supervisor": (alive if supervised else DEAD).to_json(),
            "worker": None if state == "queued" else (alive if working else DEAD).to_json(),
            "gpu": [GPU],
            "queued": state == "queued",
            "started": started,
        },
    )


def _events(attempt: AttemptLayout, state: str, t: float) -> None:
    events: list[dict[str, Any]] = [{"event": "waiting", "for": "GPU 0", "holder": "somebody, 61.2 GiB"}]
    if state != "queued":
        events += [{"event": "lease", "gpu": GPU}, {"event": "starting", "pid": 4242}]
    if state in ENDED:
        events += [{"event": "worker_exit", "code": 0, "signal": None}, {"event": "ended", "state": state}]
    _journal(attempt.events, [{"v": 1, "t": t, **event} for event in events])


def _phase(seq: int, t: float, phase: str, **more: Any) -> dict[str, Any]:
    return {"v": 1, "seq": seq, "t": t, "kind": "phase", "phase": phase, **more}


def _metrics(
    attempt: AttemptLayout,
    resumed: int,
    steps: int,
    total: int,
    begun: float,
    nan_at: tuple[int, ...],
    final: float | None = None,
) -> None:
    curve, every = CurveWriter(attempt.curve), max(total // 5, 1)
    start = {
        "kind": "start", "attempt": attempt.number, "resumed_step": resumed, "total_steps": total,
        "steps_per_epoch": max(total // 3, 1), **PARAMETERS,
        "device": "NVIDIA H200", "precision": "bf16", "train_rows": 390_702, "selection_rows": 2000,
        "labels": ["entailment", "neutral", "contradiction"],
    }  # fmt: skip
    with Journal(attempt.metrics) as journal:
        seq = 0

        def write(record: dict[str, Any]) -> None:
            nonlocal seq
            whole = {**record, "v": 1, "seq": seq, "t": begun + (seq + resumed) * STEP_SECONDS}
            curve.add(whole, *journal.append(whole))
            seq += 1

        write({"kind": "phase", "phase": "tokenising", "done": 392_702, "total": 392_702, "unit": "rows"})
        write({"kind": "phase", "phase": "loading"})
        write(start)
        write({"kind": "phase", "phase": "training"})
        for step in range(resumed + 1, steps + 1):
            write(train_record(0, 0.0, step, total, nan=step in nan_at))
            if step in nan_at:
                write({"kind": "guard", "id": "nan_loss", "severity": "warning", "step": step, "active": True,
                       "message": f"the loss is NaN at step {step}; lower the learning rate"})  # fmt: skip
            if step % every == 0:
                value = 0.33 + 0.5 * (1 - math.exp(-4 * step / max(total, 1)))
                write(_eval(step, total, "selection", value, 2000, "selection"))
        if final is not None:
            write({"kind": "phase", "phase": "evaluating", "done": 9815, "total": 9815, "unit": "rows"})
            write(_eval(steps, total, "validation_matched", final, 9815, "final"))
            write(_eval(steps, total, "validation_mismatched", final - 0.004, 9832, "final"))
    curve.close()


def _eval(step: int, total: int, split: str, value: float, n: int, purpose: str) -> dict[str, Any]:
    return {
        "kind": "eval", "step": step, "epoch": 3 * step / max(total, 1), "split": split,
        **_accuracy(value, n), "accuracy": value, "loss": 1 - value, "seconds": n / 800, "purpose": purpose,
    }  # fmt: skip


def _accuracy(value: float, n: int) -> dict[str, Any]:
    half = 1.96 * math.sqrt(max(value * (1 - value), 0.0) / n)
    return {"value": value, "low": value - half, "high": value + half, "n": n, "correct": round(value * n)}


def _system(attempt: AttemptLayout, begun: float, took: float) -> None:
    samples: list[dict[str, Any]] = []
    for index in range(min(int(took / 2) + 1, 600)):
        gpu = {
            "uuid": GPU, "name": "NVIDIA H200", "used_bytes": 5 * GIB + index * 1024**2,
            "total_bytes": 140 * GIB,
            "utilisation": 90 + index % 10, "power_watts": 540.0, "temperature": 61,
            "processes": [{"pid": 4242, "user": "tester", "used_bytes": 5 * GIB}],
        }  # fmt: skip
        samples.append({
            "v": 1, "t": begun + 2 * index, "gpus": [gpu], "gpu_note": "", "worker_rss_bytes": 2 * GIB,
            "worker_cpu_percent": 98.0, "host_memory_used_bytes": 60 * GIB,
            "host_memory_total_bytes": 1024 * GIB,
            "host_cpu_percent": 12.0, "disk_free_bytes": 900 * GIB,
        })  # fmt: skip
    _journal(attempt.system, samples)


def _final(
    attempt: AttemptLayout,
    state: str,
    step: int,
    accuracy: float,
    seconds: float,
    reason: tuple[str, str] | None,
) -> None:
    finished = state == "finished"
    splits = {"validation_matched": (accuracy, 9815), "validation_mismatched": (accuracy - 0.004, 9832)}
    write_json(
        attempt.final,
        {
            "v": 1, "completed": finished, "stopped": state == "stopped", "reason": _reason(reason),
            "step": step, "epoch": 3.0, "best_step": step if finished else None,
            "accuracy": {split: _accuracy(*value) for split, value in splits.items()} if finished else {},
            "selection_accuracy": _accuracy(accuracy, 2000) if finished else None,
            **PARAMETERS, "peak_memory_bytes": 5_476_083_302,
            "train_seconds": seconds, "eval_seconds": 24.6, "seconds": seconds + 24.6,
            "train_samples_per_second": BATCH / STEP_SECONDS, "product": "adapter" if finished else None,
        },
    )  # fmt: skip


def _result(attempt: AttemptLayout, state: str, reason: tuple[str, str] | None, t: float) -> None:
    code = None if state == "lost" else int(state == "failed")
    by = "reaper" if state == "lost" else "supervisor"
    write_json(
        attempt.result,
        {
            "v": 1,
            "state": state,
            "reason": _reason(reason),
            "exit_code": code,
            "signal": None,
            "t": t,
            "by": by,
        },
    )


def _reason(reason: tuple[str, str] | None) -> dict[str, str] | None:
    return None if reason is None else {"code": reason[0], "detail": reason[1]}


def _journal(path: Path, records: list[dict[str, Any]]) -> None:
    with Journal(path) as journal:
        for record in records:
            journal.append(record)


def _backdate(path: Path, seconds: float) -> None:
    moment = time.time() - seconds
    os.utime(path, (moment, moment))


_REASONS = {
    "failed": (
        "cuda_oom",
        "CUDA out of memory: 2.00 GiB asked, 1.12 GiB free; lower batch_size or max_length",
    ),
    "stopped": ("user", "stopped by tester"),
    "lost": ("supervisor_died", "its supervisor ended without a word"),
}
_LOG = (
    b"tokenising 392702 rows\n\rloading: 50%\rloading: 100%\n"
    b"\x1b[33mwarning\x1b[0m: some weights of RobertaForSequenceClassification are new\ntraining\n"
)
