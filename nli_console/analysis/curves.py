"""Curves of a run over all its attempts, from the blocks of ``curve.jsonl`` wherever the metrics are long."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from nli_console.record.curve import Block, CurveReader, merge, up_to_step
from nli_console.record.evidence import attempt_numbers
from nli_console.record.findings import CurvePoint
from nli_console.record.layout import AttemptLayout, RunLayout
from nli_console.record.samples import EvalPoint, Start, eval_point, start_of

POINTS = 400
"""Points of a curve at most."""
SELECTION = "selection"


@dataclass
class _Attempt:
    layout: AttemptLayout
    blocks: list[Block] = field(default_factory=list)
    evaluations: list[EvalPoint] = field(default_factory=list)
    start: Start | None = None


@dataclass(frozen=True, slots=True)
class Curves:
    """``losses`` of training, folded to at most :data:`POINTS`, and ``evaluations`` on the held-out rows."""

    losses: tuple[CurvePoint, ...]
    evaluations: tuple[CurvePoint, ...]


def read_curves(layout: RunLayout, points: int = POINTS, tell: Callable[[], None] = lambda: None) -> Curves:
    """What holds of a run's curves: steps that a later attempt took again are left out.

    Args:
        tell: called between two readings of a file.
    """
    attempts = [_read(layout.attempt(number), tell) for number in attempt_numbers(layout)]
    for place, attempt in enumerate(attempts):
        if attempt.start is None:
            continue
        resumed = attempt.start.resumed_step
        for earlier in attempts[:place]:
            if earlier.blocks and earlier.blocks[-1].last_step > resumed:
                earlier.blocks = up_to_step(earlier.blocks, resumed, earlier.layout.metrics)
            earlier.evaluations = [held for held in earlier.evaluations if held.step <= resumed]
    losses: list[CurvePoint] = []
    evaluations: list[CurvePoint] = []
    passed = 0.0
    most = max(points // max(len(attempts), 1), 2)
    for attempt in attempts:
        axis = _Axis(attempt, passed)
        losses += [axis.loss(block) for block in _folded(attempt.blocks, most)]
        evaluations += [axis.accuracy(held) for held in attempt.evaluations]
        passed = axis.end
    return Curves(tuple(losses), tuple(evaluations))


def _read(layout: AttemptLayout, tell: Callable[[], None]) -> _Attempt:
    attempt, reader = _Attempt(layout), CurveReader(layout)
    while True:
        batch = reader.read()
        attempt.blocks += batch.points
        for record in batch.others:
            if record.get("kind") == "start":
                attempt.start = start_of(record, layout.number)
            elif record.get("kind") == "eval" and record.get("purpose") == SELECTION:
                found = eval_point(record, layout.number)
                if found is not None:
                    attempt.evaluations.append(found)
        tell()
        if not batch.more:
            return attempt


def _folded(blocks: Sequence[Block], most: int) -> list[Block]:
    width = -(-len(blocks) // most) if blocks else 1
    return [merge(list(blocks[first : first + width])) for first in range(0, len(blocks), width)]


class _Axis:
    """Where the points of one attempt stand; ``end`` is the seconds at its last."""

    def __init__(self, attempt: _Attempt, passed: float) -> None:
        start = attempt.start
        self._begun = None if start is None else start.t
        self._passed = passed
        self._per_epoch = None if start is None else start.steps_per_epoch
        self._rows = None if start is None else start.train_rows
        times = [block.t for block in attempt.blocks[-1:] if block.t is not None]
        self.end = passed + max((t - self._begun for t in times if self._begun is not None), default=0.0)

    def loss(self, block: Block) -> CurvePoint:
        place = self._place(block.last_step, block.t)
        return CurvePoint(block.last_step, *place, block.mean, block.min, block.max, block.n, block.nan)

    def accuracy(self, held: EvalPoint) -> CurvePoint:
        return CurvePoint(
            held.step, *self._place(held.step, held.t), held.accuracy, held.low, held.high, held.n or 0
        )

    def _place(self, step: int, t: float | None) -> tuple[float | None, float | None, float | None]:
        """Epoch, samples and seconds."""
        epoch = step / self._per_epoch if self._per_epoch else None
        samples = None if epoch is None or self._rows is None else epoch * self._rows
        seconds = None if t is None or self._begun is None else max(self._passed + t - self._begun, 0.0)
        return epoch, samples, seconds
