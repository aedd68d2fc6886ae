"""The figures of an attempt as they come in, and ``final.json``."""

from dataclasses import asdict, dataclass, field
from typing import Any

from nli_console.record.state import Reason


@dataclass
class Figures:
    """What was measured in this attempt; ``None`` is what was not (yet).

    Seconds, ``train_samples``, ``scored_rows`` (where nothing is trained) and ``peak_memory_bytes`` are of
    this attempt alone; ``step``, ``epoch`` and ``best_step`` of the run. Accuracies are
    ``{value, low, high, n, correct}``.
    """

    step: int = 0
    epoch: float = 0.0
    best_step: int | None = None
    accuracy: dict[str, dict[str, Any]] = field(default_factory=dict)
    selection_accuracy: dict[str, Any] | None = None
    trainable_parameters: int | None = None
    total_parameters: int | None = None
    peak_memory_bytes: int | None = None
    peak_memory_kind: str | None = None
    feature_seconds: float | None = None
    train_seconds: float = 0.0
    eval_seconds: float = 0.0
    train_samples: int = 0
    scored_rows: int = 0
    product: str | None = None

    def final(
        self, *, completed: bool, stopped: bool, reason: Reason | None, seconds: float
    ) -> dict[str, Any]:
        """The content of ``final.json``."""
        return {
            "v": 1,
            "completed": completed,
            "stopped": stopped,
            "reason": None if reason is None else asdict(reason),
            "step": self.step,
            "epoch": self.epoch,
            "best_step": self.best_step,
            "accuracy": self.accuracy,
            "selection_accuracy": self.selection_accuracy,
            "trainable_parameters": self.trainable_parameters,
            "total_parameters": self.total_parameters,
            "peak_memory_bytes": self.peak_memory_bytes,
            "peak_memory_kind": self.peak_memory_kind,
            "feature_seconds": self.feature_seconds,
            "train_seconds": self.train_seconds,
            "eval_seconds": self.eval_seconds,
            "scored_rows": self.scored_rows or None,
            "seconds": seconds,
            "train_samples_per_second": self.train_samples / self.train_seconds
            if self.train_seconds
            else None,
            "product": self.product,
        }
