"""How fast runs like this one were on this machine: what an estimate of time is made from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from types import MappingProxyType
from typing import Any

from nli_console.record.evidence import read_final
from nli_console.record.files import read_json_or_none
from nli_console.record.glance import begin_of
from nli_console.record.processes import host_name
from nli_console.record.samples import number
from nli_console.record.state import State
from nli_console.record.summary import RunSummary

_ENOUGH = 3


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians over ``runs`` finished runs.

    ``samples_per_second`` is of training, or of scoring where nothing is trained; ``other_seconds`` is what
    else one run took: all the evaluating, or reading and loading.
    """

    samples_per_second: float
    other_seconds: float
    runs: int


def measured_speed(
    history: Iterable[RunSummary],
    *,
    method: str,
    model: str,
    data: str,
    device: str,
    pace: Mapping[str, Any] = MappingProxyType({}),
) -> Speed | None:
    """The speed of the newest finished runs of the same method, model and device on this host.

    Runs on the same data go first, because the length of the pairs decides; with none, others serve.
    ``device`` is ``cpu`` or the name of the GPU. ``pace`` are hyperparameters that must be the same.
    """
    alike = [
        run
        for run in history
        if run.state.state is State.FINISHED and (run.method, run.model) == (method, model)
    ]
    for candidates in ([run for run in alike if run.data == data], alike):
        found: list[tuple[float, float]] = []
        for run in candidates:
            if len(found) < _ENOUGH and (figures := _figures(run, device, pace)) is not None:
                found.append(figures)
        if found:
            return Speed(
                median(speed for speed, _ in found), median(seconds for _, seconds in found), len(found)
            )
    return None


def _figures(run: RunSummary, device: str, pace: Mapping[str, Any]) -> tuple[float, float] | None:
    attempt = run.layout.attempt(run.attempts)
    final = read_final(attempt)
    _, begin = begin_of(attempt.metrics)
    owner = read_json_or_none(attempt.owner) or {}
    if final is None or begin is None or begin.get("device") != device or owner.get("host") != host_name():
        return None
    chosen = (read_json_or_none(run.layout.spec) or {}).get("hyperparameters") if pace else None
    if pace and not (isinstance(chosen, dict) and all(chosen.get(key) == pace[key] for key in pace)):
        return None
    scoring = number(final.fields.get("eval_seconds")) or 0.0
    scored = number(final.fields.get("scored_rows"))
    if scored and scoring > 0:
        return scored / scoring, max((number(final.fields.get("seconds")) or 0.0) - scoring, 0.0)
    speed = number(final.fields.get("train_samples_per_second"))
    return (speed, scoring) if speed and speed > 0 else None
