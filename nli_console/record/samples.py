"""What journals say, as frozen values: evaluations, phases, guards, GPU and host. All text is clean."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nli_console.text import clean_line

_TEXT = 400


@dataclass(frozen=True, slots=True)
class EvalPoint:
    """One evaluation: ``accuracy`` with its 95 % interval over ``n`` rows; for selection, or final."""

    attempt: int
    step: int
    split: str
    accuracy: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    correct: int | None = None
    loss: float | None = None
    epoch: float | None = None
    seconds: float | None = None
    purpose: str = ""
    t: float | None = None


@dataclass(frozen=True, slots=True)
class ScorePoint:
    """How a split stood while its rows were scored: ``done`` of ``total``.

    ``accuracy`` with its 95 % interval is over ``n`` of them that are a fair sample, calibrated where the run
    calibrates; then ``raw`` is without. ``invalid`` is the share of answers that name no label.
    """

    attempt: int
    split: str
    done: int
    total: int
    accuracy: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    raw: float | None = None
    calibration: str = ""
    invalid: float | None = None


@dataclass(frozen=True, slots=True)
class Phase:
    """What the worker is at; ``done`` of ``total`` ``unit`` where it counts something."""

    name: str
    done: float | None = None
    total: float | None = None
    unit: str = ""
    detail: str = ""
    t: float | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Guard:
    """A warning that the worker raised (``active``) or took back."""

    id: str
    severity: str
    message: str
    step: int | None
    active: bool


@dataclass(frozen=True, slots=True)
class Start:
    """What an attempt knew when its training began."""

    attempt: int
    resumed_step: int
    total_steps: int | None = None
    steps_per_epoch: float | None = None
    trainable_parameters: int | None = None
    total_parameters: int | None = None
    device: str = ""
    precision: str = ""
    train_rows: int | None = None
    selection_rows: int | None = None
    t: float | None = None
    scored_rows: int | None = None
    """Of all splits together, where a run only scores them."""


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process on a GPU; ``user`` is empty and ``used_bytes`` ``None`` where unknown."""

    pid: int
    user: str = ""
    used_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class GpuSample:
    """One GPU: bytes, utilisation in percent, power in watts, temperature in degrees Celsius."""

    uuid: str
    name: str = ""
    used_bytes: int | None = None
    total_bytes: int | None = None
    utilisation: float | None = None
    power_watts: float | None = None
    temperature: float | None = None
    processes: tuple[GpuProcess, ...] = ()


@dataclass(frozen=True, slots=True)
class SystemSample:
    """One line of ``system.jsonl``; ``gpus`` is ``None`` without a reading, and ``gpu_note`` says why."""

    t: float
    gpus: tuple[GpuSample, ...] | None = None
    gpu_note: str = ""
    worker_rss_bytes: int | None = None
    worker_cpu_percent: float | None = None
    host_memory_used_bytes: int | None = None
    host_memory_total_bytes: int | None = None
    host_cpu_percent: float | None = None
    disk_free_bytes: int | None = None


def eval_point(record: Mapping[str, Any], attempt: int) -> EvalPoint | None:
    """An ``eval`` record; ``None`` when it has no step or no accuracy."""
    step, accuracy = whole(record.get("step")), number(record.get("accuracy"))
    if step is None or accuracy is None:
        return None
    return EvalPoint(
        attempt,
        step,
        text(record.get("split")),
        accuracy,
        number(record.get("low")),
        number(record.get("high")),
        whole(record.get("n")),
        whole(record.get("correct")),
        number(record.get("loss")),
        number(record.get("epoch")),
        number(record.get("seconds")),
        text(record.get("purpose")),
        number(record.get("t")),
    )


def score_point(record: Mapping[str, Any], attempt: int) -> ScorePoint | None:
    """A ``score`` record; ``None`` when it does not say how far it is, or has no accuracy."""
    done, total = whole(record.get("done")), whole(record.get("total"))
    accuracy = number(record.get("accuracy"))
    if done is None or total is None or accuracy is None:
        return None
    return ScorePoint(
        attempt,
        text(record.get("split")),
        done,
        total,
        accuracy,
        number(record.get("low")),
        number(record.get("high")),
        whole(record.get("n")),
        number(record.get("raw")),
        text(record.get("calibration")),
        number(record.get("invalid")),
    )


def phase_of(record: Mapping[str, Any]) -> Phase:
    """A ``phase`` record."""
    return Phase(
        text(record.get("phase")),
        number(record.get("done")),
        number(record.get("total")),
        text(record.get("unit")),
        " · ".join(filter(None, (text(record.get("detail")), text(record.get("remark"))))),
        number(record.get("t")),
        whole(record.get("seq")),
    )


def guard_of(record: Mapping[str, Any]) -> Guard:
    """A ``guard`` record."""
    return Guard(
        text(record.get("id")),
        text(record.get("severity")),
        text(record.get("message")),
        whole(record.get("step")),
        record.get("active") is not False,
    )


def start_of(record: Mapping[str, Any], attempt: int) -> Start:
    """A ``start`` record."""
    return Start(
        attempt,
        whole(record.get("resumed_step")) or 0,
        whole(record.get("total_steps")),
        number(record.get("steps_per_epoch")),
        whole(record.get("trainable_parameters")),
        whole(record.get("total_parameters")),
        text(record.get("device")),
        text(record.get("precision")),
        whole(record.get("train_rows")),
        whole(record.get("selection_rows")),
        number(record.get("t")),
        _sum(record.get("rows")),
    )


def _sum(value: object) -> int | None:
    """Of the whole numbers of a recorded mapping; ``None`` for anything else, and for none."""
    counts = [count for count in value.values() if type(count) is int] if isinstance(value, dict) else []
    return sum(counts) if counts else None


def system_sample(record: Mapping[str, Any]) -> SystemSample | None:
    """A line of ``system.jsonl``; ``None`` when it has no time."""
    t = number(record.get("t"))
    if t is None:
        return None
    gpus = record.get("gpus")
    return SystemSample(
        t,
        tuple(_gpu(gpu) for gpu in gpus if isinstance(gpu, Mapping)) if isinstance(gpus, list) else None,
        text(record.get("gpu_note")),
        whole(record.get("worker_rss_bytes")),
        number(record.get("worker_cpu_percent")),
        whole(record.get("host_memory_used_bytes")),
        whole(record.get("host_memory_total_bytes")),
        number(record.get("host_cpu_percent")),
        whole(record.get("disk_free_bytes")),
    )


def _gpu(gpu: Mapping[str, Any]) -> GpuSample:
    processes = gpu.get("processes")
    return GpuSample(
        text(gpu.get("uuid")),
        text(gpu.get("name")),
        whole(gpu.get("used_bytes")),
        whole(gpu.get("total_bytes")),
        number(gpu.get("utilisation")),
        number(gpu.get("power_watts")),
        number(gpu.get("temperature")),
        tuple(
            GpuProcess(pid, text(process.get("user")), whole(process.get("used_bytes")))
            for process in (processes if isinstance(processes, list) else ())
            if isinstance(process, Mapping) and (pid := whole(process.get("pid"))) is not None
        ),
    )


def text(value: object) -> str:
    """A recorded string, cleaned to one line; empty for anything else."""
    return clean_line(value, limit=_TEXT) if isinstance(value, str) else ""


def whole(value: object) -> int | None:
    """A recorded whole number, ``None`` for anything else."""
    return value if type(value) is int else None


def number(value: object) -> float | None:
    """A recorded number, ``None`` for anything else."""
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
