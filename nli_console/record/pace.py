"""How fast an attempt goes and when it will be done, from its own recent records."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nli_console.record.samples import EvalPoint, Phase, number

WINDOW = 50
"""Train records that speed and remaining time are computed from."""

ENOUGH = 5
"""Train records that a speed needs; the first of an attempt never counts, because it warms up."""


@dataclass(frozen=True, slots=True)
class Throughput:
    """Per second of training, without evaluations and checkpoints."""

    steps: float
    samples: float | None
    tokens: float | None


class Pace:
    """Speed of one attempt; an earlier one may have run on other hardware, so each has its own."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=WINDOW)
        self._samples: deque[float | None] = deque(maxlen=WINDOW)
        self._tokens: deque[float | None] = deque(maxlen=WINDOW)
        self._warm = False
        self._phase_start: Phase | None = None
        self._phase: Phase | None = None

    def train(self, record: Mapping[str, Any]) -> None:
        """Take in one train record."""
        seconds = number(record.get("seconds"))
        if not self._warm:
            self._warm = True
            return
        if seconds is not None and seconds > 0:
            self._seconds.append(seconds)
            self._samples.append(number(record.get("samples")))
            self._tokens.append(number(record.get("tokens")))

    def phase(self, phase: Phase) -> None:
        """Take in one phase record."""
        if self._phase is None or self._phase.name != phase.name or self._is_behind(phase):
            self._phase_start = phase
        self._phase = phase

    def throughput(self) -> Throughput | None:
        """Recent speed; ``None`` until :data:`ENOUGH` steps were seen."""
        if len(self._seconds) < ENOUGH:
            return None
        total = sum(self._seconds)
        return Throughput(len(self._seconds) / total, _rate(self._samples, total), _rate(self._tokens, total))

    def training_seconds(self, step: int, total_steps: int) -> float | None:
        """Seconds of training that are left; ``None`` while the speed is unknown."""
        left = max(total_steps - step, 0)
        if not left:
            return 0.0
        speed = self.throughput()
        return None if speed is None else left / speed.steps

    def phase_seconds(self) -> float | None:
        """Seconds that the phase under way still takes, by its own progress; ``None`` when it shows none."""
        match self._phase_start, self._phase:
            case Phase(t=float(began), done=float(first)), Phase(
                t=float(t), done=float(done), total=float(total)
            ):
                passed, advanced = t - began, done - first
                return max(total - done, 0.0) * passed / advanced if passed > 0 and advanced > 0 else None
        return None

    def _is_behind(self, phase: Phase) -> bool:
        """Whether a phase of the same name began anew, such as the evaluation of the next split."""
        before = self._phase.done if self._phase is not None else None
        return before is not None and phase.done is not None and phase.done < before


def evaluation_seconds(
    points: list[EvalPoint], evaluations: int | None, step: int, total_steps: int | None
) -> float | None:
    """Seconds of the selection evaluations that are still to come during training.

    ``evaluations`` is how many a whole run has. ``None`` when one is to come and none was seen yet.
    """
    if evaluations is None or total_steps is None:
        return None
    to_come = evaluations - evaluations * min(step, total_steps) // max(total_steps, 1)
    if to_come <= 0:
        return 0.0
    recent = [
        point.seconds for point in points if point.purpose == "selection" and point.seconds is not None
    ][-3:]
    return to_come * sum(recent) / len(recent) if recent else None


def _rate(values: deque[float | None], seconds: float) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / seconds if len(known) == len(values) else None
