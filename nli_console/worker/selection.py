"""Which checkpoint is the best so far, and when to stop early: a function of the evaluations made."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nli_console.record.files import read_json_or_none, write_json
from nli_console.record.layout import SELECTION


@dataclass(frozen=True)
class Evaluation:
    """Accuracy on the held-out slice after ``step``, with its 95 % interval."""

    step: int
    accuracy: float
    low: float
    high: float
    n: int
    correct: int
    loss: float | None

    def summary(self) -> dict[str, Any]:
        """``{value, low, high, n, correct}``, as ``final.json`` has it."""
        return {
            "value": self.accuracy,
            "low": self.low,
            "high": self.high,
            "n": self.n,
            "correct": self.correct,
        }


def evaluation_steps(total_steps: int, evaluations: int) -> frozenset[int]:
    """``evaluations`` steps evenly over training, the last one among them; fewer when steps are fewer."""
    return frozenset(
        step for i in range(1, evaluations + 1) if (step := round(i * total_steps / evaluations)) >= 1
    )


class Selection:
    """The evaluations of a run, kept beside its checkpoints so that a resumed run decides as it would have.

    Args:
        folder: of the checkpoints.
        resumed_step: evaluations after this step belong to steps that will be made again and are forgotten.
    """

    def __init__(self, folder: Path, resumed_step: int) -> None:
        self._path = folder / SELECTION
        self._evaluations: list[Evaluation] = []
        if resumed_step == 0:
            return
        for entry in (read_json_or_none(self._path) or {}).get("evaluations", []):
            evaluation = _parse(entry)
            if evaluation is not None and evaluation.step <= resumed_step:
                self._evaluations.append(evaluation)

    def add(self, evaluation: Evaluation) -> None:
        """Keep ``evaluation``, on the disk when this returns."""
        self._evaluations.append(evaluation)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_json(self._path, {"v": 1, "evaluations": [asdict(item) for item in self._evaluations]})

    def has(self, step: int) -> bool:
        return any(item.step == step for item in self._evaluations)

    @property
    def best(self) -> Evaluation | None:
        """The one with the highest accuracy, the earliest of equals."""
        return max(self._evaluations, key=lambda item: (item.accuracy, -item.step), default=None)

    @property
    def last(self) -> Evaluation | None:
        return self._evaluations[-1] if self._evaluations else None

    def exhausted(self, patience: int) -> bool:
        """Whether the last ``patience`` evaluations brought no improvement; never when ``patience`` is 0."""
        if not patience or self.best is None:
            return False
        return sum(item.step > self.best.step for item in self._evaluations) >= patience


def _parse(entry: Any) -> Evaluation | None:
    try:
        return Evaluation(**entry)
    except TypeError:
        return None
