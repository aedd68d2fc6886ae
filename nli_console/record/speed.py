"""How fast runs like this one were on this machine: what an estimate of time is made from."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from nli_console.record.evidence import read_final
from nli_console.record.files import read_json_or_none
from nli_console.record.glance import begin_of
from nli_console.record.processes import host_name
from nli_console.record.state import State
from nli_console.record.summary import RunSummary

_ENOUGH = 3


@dataclass(frozen=True, slots=True)
class Speed:
    """Medians over ``runs`` finished runs; ``evaluation_seconds`` is all the evaluating of one run."""

    samples_per_second: float
    evaluation_seconds: float
    runs: int


def measured_speed(
    history: Iterable[RunSummary], *, method: str, model: str, data: str, device: str
) -> Speed | None:
    """The speed of the newest finished runs of the same method, model and device on this host.

    Runs on the same data go first, because the length of the pairs decides; with none, others serve.
    ``device`` is ``cpu`` or the name of the GPU.
    """
    alike = [
        run
        for run in history
        if run.state.state is State.FINISHED and (run.method, run.model) == (method, model)
    ]
    for candidates in ([run for run in alike if run.data == data], alike):
        found: list[tuple[float, float]] = []
        for run in candidates:
            if len(found) < _ENOUGH and (figures := _figures(run, device)) is not None:
                found.append(figures)
        if found:
            return Speed(
                median(speed for speed, _ in found), median(seconds for _, seconds in found), len(found)
            )
    return None


def _figures(run: RunSummary, device: str) -> tuple[float, float] | None:
    attempt = run.layout.attempt(run.attempts)
    final = read_final(attempt)
    _, begin = begin_of(attempt.metrics)
    owner = read_json_or_none(attempt.owner) or {}
    if final is None or begin is None or begin.get("device") != device or owner.get("host") != host_name():
        return None
    speed, seconds = final.fields.get("train_samples_per_second"), final.fields.get("eval_seconds")
    if not isinstance(speed, int | float) or not speed > 0:
        return None
    return float(speed), float(seconds) if isinstance(seconds, int | float) else 0.0
