"""What the live view shows of one run at one moment: made on a background thread, drawn on the event loop."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nli_console.record.evaluation import SplitReport
from nli_console.record.samples import EvalPoint, Guard, Phase, ScorePoint, Start, SystemSample
from nli_console.tui.widgets.buckets import Buckets

if TYPE_CHECKING:
    from nli_console.record.spec import RunSpec


@dataclass(frozen=True)
class RunView:
    """One run. Every text in it is clean, except the spec's, which is cleaned where it is shown.

    ``eta`` in seconds, or ``eta_at_least`` while the evaluations to come are unknown; ``size`` in bytes on
    disk; unknown is ``None``.
    """

    id: str
    spec: "RunSpec | None" = None
    loss: Buckets = field(default_factory=Buckets)
    learning_rate: Buckets = field(default_factory=Buckets)
    evaluations: Sequence[EvalPoint] = ()
    scores: Sequence[ScorePoint] = ()
    reports: Sequence[SplitReport] = ()
    guards: Sequence[Guard] = ()
    phase: Phase | None = None
    start: Start | None = None
    step: int | None = None
    eta: float | None = None
    eta_at_least: float | None = None
    samples_per_second: float | None = None
    samples: Sequence[SystemSample] = ()
    log: Sequence[str] = ()
    size: int | None = None

    @property
    def total_steps(self) -> int | None:
        return self.start.total_steps if self.start else None

    @property
    def scores_only(self) -> bool:
        """Whether the run trains nothing, so that it has rows in place of steps."""
        return self.total_steps == 0
