"""One run in a row of the history, and how it is put together from its files."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nli_console.record.accuracy import REPORTED, Accuracy, accuracy_of, headline_split, number, text, whole
from nli_console.record.evidence import Evidence, Final, Result, attempt_numbers, read_final, read_result
from nli_console.record.files import read_json_or_none
from nli_console.record.glance import begin_of, last_record, last_steps
from nli_console.record.labels import Labels
from nli_console.record.layout import (
    CURVE,
    GUARDS,
    METRICS,
    OWNER,
    SPEC_VERSION,
    AttemptLayout,
    RunLayout,
)
from nli_console.record.samples import Guard, guard_of
from nli_console.record.state import RunState, State
from nli_console.record.waiting import Waiting
from nli_console.text import clean_line

__all__ = ["REPORTED", "Accuracy", "RunSummary", "accuracy_of", "headline_split", "summarise"]

_GUARDS_READ = 20


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One run. Every text is clean; unknown is ``None``.

    Times are seconds since the epoch; ``seconds`` sums the attempts, the running one included. ``loss`` is
    the last step's while the run is live, afterwards the mean of its last block of at most 256 steps.
    ``guards`` are the warnings of the latest attempt that are active, or were when it ended.
    ``evaluates`` is what an evaluate-only run scores: the id of a run with its checkpoint, or a folder or hub
    id; ``evaluated_method`` is how that was trained. ``hyperparameters`` are as recorded: whoever shows one
    cleans it. ``newer`` says that a later version of the console wrote it. ``host`` is another host that a
    live run is on, ``waiting`` what its supervisor waits for. ``root`` is the label of the runs folder, where
    several are read, and ``read_only`` says why nothing may be done to the run from here.
    """

    id: str
    path: Path
    state: RunState
    name: str = ""
    method: str = ""
    evaluates: str = ""
    evaluated_method: str = ""
    model: str = ""
    data: str = ""
    preset: str | None = None
    seed: int | None = None
    group: str | None = None
    submitted: float | None = None
    started: float | None = None
    seconds: float | None = None
    attempts: int = 0
    step: int | None = None
    total_steps: int | None = None
    loss: float | None = None
    trainable_parameters: int | None = None
    total_parameters: int | None = None
    peak_memory_bytes: int | None = None
    peak_memory_kind: str = ""
    accuracy: Mapping[str, Accuracy] = field(default_factory=dict)
    selection_accuracy: Accuracy | None = None
    guards: tuple[Guard, ...] = ()
    tags: tuple[str, ...] = ()
    pinned: bool = False
    notes: str = ""
    newer: bool = False
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    fraction: float | None = None
    root: str = ""
    read_only: str = ""
    host: str = ""
    waiting: Waiting | None = None

    @property
    def layout(self) -> RunLayout:
        """Where the run stands."""
        return RunLayout(self.path)

    @property
    def method_title(self) -> str:
        """``lora``, or ``evaluate lora``."""
        return f"{self.method} {self.evaluated_method}".rstrip()

    @property
    def reason(self) -> str:
        """Why the run is in its state, in words; empty when there is nothing to say."""
        return self.state.reason.sentence if self.state.reason is not None else ""

    def to_json(self) -> dict[str, Any]:
        """The run as ``nli-console list --json`` prints it. Keys keep their meaning between versions."""
        reason = self.state.reason
        return {
            "id": self.id,
            "name": self.name,
            "method": self.method,
            "evaluates": self.evaluates or None,
            "model": self.model,
            "data": self.data,
            "preset": self.preset,
            "seed": self.seed,
            "group": self.group,
            "state": self.state.state.value,
            "reason": None if reason is None else reason.to_json(),
            "resumable": self.state.resumable,
            "submitted": self.submitted,
            "started": self.started,
            "seconds": self.seconds,
            "attempts": self.attempts,
            "step": self.step,
            "total_steps": self.total_steps,
            "loss": self.loss,
            "trainable_parameters": self.trainable_parameters,
            "total_parameters": self.total_parameters,
            "peak_memory_bytes": self.peak_memory_bytes,
            "peak_memory_kind": self.peak_memory_kind or None,
            "accuracy": {split: _accuracy_json(value) for split, value in self.accuracy.items()},
            "selection_accuracy": _accuracy_json(self.selection_accuracy),
            "guards": [
                {"id": guard.id, "severity": guard.severity, "message": guard.message, "step": guard.step}
                for guard in self.guards
            ],
            "tags": list(self.tags),
            "pinned": self.pinned,
            "notes": self.notes,
            "fraction": self.fraction,
            "hyperparameters": dict(self.hyperparameters),
            "root": self.root or None,
            "read_only": self.read_only or None,
            "host": self.host or None,
            "queue_place": None if self.waiting is None else self.waiting.place,
            "path": str(self.path),
        }


@dataclass(frozen=True, slots=True)
class _Attempt:
    """What one attempt adds: its start, how long it took, its ``final.json`` and ``start`` record."""

    started: float | None
    seconds: float
    final: Mapping[str, Any]
    begin: Mapping[str, Any]


def summarise(
    layout: RunLayout,
    labels: Labels,
    evidence: Evidence,
    state: RunState,
    now: float,
) -> RunSummary:
    """Put a summary together from the evidence and the labels of a run."""
    spec: Mapping[str, Any] = evidence.spec or {}
    version = spec.get("version")
    data, source = spec.get("data"), spec.get("evaluates")
    evaluated: Mapping[str, Any] = source if isinstance(source, dict) else {}
    if not evidence.has_spec:
        name = labels.name or layout.id
        kept: dict[str, Any] = {"tags": labels.tags, "pinned": labels.pinned, "notes": labels.notes}
        return RunSummary(layout.id, layout.path, state, name, **kept)
    places = [layout.attempt(number) for number in _numbers(layout, evidence)]
    attempts = [_attempt(place, evidence, state, now) for place in places]
    last = attempts[-1] if attempts else _Attempt(None, 0.0, {}, {})
    seen = evidence.glance
    if state.state.live and seen is not None and seen.step is not None:
        step, loss = seen.step, seen.loss
    else:
        step, loss = _progress(places, attempts)
    step = step if step is not None else whole(last.final.get("step"))
    recorded = [attempt.final for attempt in attempts if attempt.final]
    begin = last.begin or _begun_before(places, evidence.final)
    peaks = [whole(attempt.final.get("peak_memory_bytes")) for attempt in attempts]
    return RunSummary(
        id=layout.id,
        path=layout.path,
        state=state,
        name=labels.name or text(spec.get("name")) or layout.id,
        method=text(spec.get("method")),
        evaluates=_evaluates(evaluated),
        evaluated_method=text(evaluated.get("method")),
        model=text(spec.get("model_name")) or text(spec.get("model")),
        data=text(data.get("name")) if isinstance(data, Mapping) else "",
        preset=text(spec.get("preset")) or None,
        seed=whole(spec.get("seed")),
        group=text(spec.get("group")) or None,
        submitted=number(spec.get("submitted")),
        started=attempts[0].started if attempts else None,
        seconds=sum(attempt.seconds for attempt in attempts) if attempts else None,
        attempts=evidence.attempt,
        step=step,
        total_steps=whole(begin.get("total_steps")) if begin else _planned(evidence.final),
        loss=loss,
        trainable_parameters=_newest([*recorded, begin], "trainable_parameters"),
        total_parameters=_newest([*recorded, begin], "total_parameters"),
        peak_memory_bytes=max((peak for peak in peaks if peak is not None), default=None),
        peak_memory_kind=next(
            (kind for each in reversed(recorded) if (kind := text(each.get("peak_memory_kind")))), ""
        ),
        accuracy=_accuracies(last.final),
        selection_accuracy=accuracy_of(last.final.get("selection_accuracy")),
        guards=_guards(places[-1]) if places else (),
        tags=labels.tags,
        pinned=labels.pinned,
        notes=labels.notes,
        newer=isinstance(version, int) and version > SPEC_VERSION,
        hyperparameters=given if isinstance(given := spec.get("hyperparameters"), dict) else {},
        fraction=number(data.get("fraction")) if isinstance(data, Mapping) else None,
        host="" if evidence.own_host or not state.state.live else evidence.host,
        waiting=evidence.waiting if state.state is State.QUEUED else None,
    )


def _evaluates(recorded: Mapping[str, Any]) -> str:
    """As :attr:`nli_console.record.spec.Evaluated.title`, of whatever the file holds."""
    step = whole(recorded.get("step"))
    name = text(recorded.get("name"))
    return name if step is None else f"{name}, checkpoint-{step}"


def _numbers(layout: RunLayout, evidence: Evidence) -> list[int]:
    return [evidence.attempt] if evidence.attempt == 1 else attempt_numbers(layout)


def _attempt(layout: AttemptLayout, evidence: Evidence, state: RunState, now: float) -> _Attempt:
    latest = layout.number == evidence.attempt
    owner = (evidence.owner if latest else None) or read_json_or_none(layout.at(OWNER)) or {}
    final: Final | None = evidence.final if latest else read_final(layout)
    started = number(owner.get("started"))
    fields = final.fields if final is not None else {}
    seconds = number(fields.get("seconds"))
    began, begin = None, None
    if seconds is None or (latest and not (final is not None and final.completed)):
        began, begin = begin_of(layout.at(METRICS))
    if seconds is None:
        # From the worker's first record on, so that waiting in the queue does not count.
        end = _end(layout, evidence, state, now) if latest else _written_end(layout)
        seconds = max(end - began, 0.0) if end is not None and began is not None else 0.0
    return _Attempt(started, seconds, fields, begin or {})


def _end(layout: AttemptLayout, evidence: Evidence, state: RunState, now: float) -> float | None:
    """When the latest attempt ended: now, while it is live."""
    if evidence.result is not None and evidence.result.t is not None:
        return _ended(layout, evidence.result)
    if state.state.live and state.state is not State.UNREACHABLE:
        return now
    return _last_written(layout)


def _written_end(layout: AttemptLayout) -> float | None:
    result = read_result(layout)
    return _ended(layout, result) if result is not None else _last_written(layout)


def _ended(layout: AttemptLayout, result: Result) -> float | None:
    """When an attempt ended by its result; a lost one may have been found long after it was heard of last."""
    written = _last_written(layout) if result.t is None or result.state is State.LOST else None
    return min((t for t in (result.t, written) if t is not None), default=None)


def _last_written(layout: AttemptLayout) -> float | None:
    times: list[float] = []
    for name in (METRICS, OWNER):
        try:
            times.append(os.lstat(layout.at(name)).st_mtime)
        except OSError:
            continue
    return max(times, default=None)


def _progress(
    places: Sequence[AttemptLayout], attempts: Sequence[_Attempt]
) -> tuple[int | None, float | None]:
    """Last step and loss of a run that is over: of its newest attempt that made a step."""
    for place, attempt in zip(reversed(places), reversed(attempts), strict=True):
        last = last_record(place.at(CURVE)) or {}
        step, loss = whole(last.get("last_step")), number(last.get("mean"))
        if not attempt.final:
            # A worker that was killed had no time to write the last block of its curve.
            written, mean = last_steps(place.at(METRICS))
            if written is not None and written > (step or 0):
                step, loss = written, mean
        if step is not None:
            return step, loss
        if resumed := whole(attempt.begin.get("resumed_step")):
            return resumed, None
    return None, None


def _begun_before(places: Sequence[AttemptLayout], final: Final | None) -> Mapping[str, Any]:
    """What an earlier attempt knew, where the latest has not got so far and perhaps never will."""
    if final is not None and final.completed:
        return {}
    return next((begin for place in reversed(places[:-1]) if (begin := begin_of(place.at(METRICS))[1])), {})


def _planned(final: Final | None) -> int | None:
    """The steps that a completed run was to take: those it took, unless it stopped early."""
    if final is None or not final.completed or final.reason is not None:
        return None
    return whole(final.fields.get("step"))


def _accuracies(final: Mapping[str, Any]) -> dict[str, Accuracy]:
    recorded = final.get("accuracy")
    if not isinstance(recorded, dict):
        return {}
    return {
        clean_line(split, limit=80): accuracy
        for split, value in recorded.items()
        if (accuracy := accuracy_of(value)) is not None
    }


def _guards(attempt: AttemptLayout) -> tuple[Guard, ...]:
    recorded = (read_json_or_none(attempt.at(GUARDS)) or {}).get("active")
    if not isinstance(recorded, list):
        return ()
    return tuple(guard_of(guard) for guard in recorded[:_GUARDS_READ] if isinstance(guard, dict))


def _accuracy_json(value: Accuracy | None) -> dict[str, Any] | None:
    return None if value is None else value.to_json()


def _newest(sources: Sequence[Mapping[str, Any]], key: str) -> int | None:
    """The number that the last of ``sources`` to know it gives."""
    return next(
        (value for source in reversed(sources) if (value := whole(source.get(key))) is not None), None
    )
