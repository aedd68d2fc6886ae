"""Follows one run: everything a live view draws, read incrementally from its attempts. Starts no process."""

from collections import deque
from dataclasses import dataclass, field
from itertools import chain

from nli_console.record.curve import BLOCK_RECORDS, Block, CurveReader, merge, up_to_step
from nli_console.record.evidence import attempt_numbers
from nli_console.record.files import read_json_or_none
from nli_console.record.journal import READ_LIMIT, Tail
from nli_console.record.layout import AttemptLayout, RunLayout
from nli_console.record.log_tail import LogTail
from nli_console.record.pace import Pace, Throughput, evaluation_seconds
from nli_console.record.samples import (
    EvalPoint,
    Guard,
    Phase,
    ScorePoint,
    Start,
    SystemSample,
    eval_point,
    guard_of,
    number,
    phase_of,
    score_point,
    start_of,
    system_sample,
    whole,
)

SYSTEM_SAMPLES = 1800
_SYSTEM_BYTES = 2 * 1024 * 1024
_POINTS_LIMIT = 16_384


@dataclass(frozen=True, slots=True)
class Eta:
    """Seconds that are left, each ``None`` while unknown.

    ``training``: steps to come at the recent speed of this attempt. ``evaluation``: evaluations to come on
    the held-out slice. ``phase``: the phase under way, such as the final evaluation, by its own progress.
    """

    training: float | None = None
    evaluation: float | None = None
    phase: float | None = None

    @property
    def total(self) -> float | None:
        """Time to the end of training with its evaluations; after the last step, of the phase under way."""
        if self.training is None or self.evaluation is None:
            return None
        if self.training == 0 and self.evaluation == 0:
            return self.phase
        return self.training + self.evaluation + (self.phase or 0.0)


@dataclass(frozen=True, slots=True)
class LiveUpdate:
    """What one poll found. With ``reset``, ``points`` and ``evals`` are all there are, and replace what was.

    ``more`` says that the poll stopped at its budget: another one finds more at once.
    """

    points: list[Block] = field(default_factory=list)
    evals: list[EvalPoint] = field(default_factory=list)
    system: list[SystemSample] = field(default_factory=list)
    log: bool = False
    reset: bool = False
    changed: bool = False
    more: bool = False


class _Attempt:
    """One attempt as far as it was read."""

    def __init__(self, layout: AttemptLayout) -> None:
        self.layout = layout
        self.curve = CurveReader(layout)
        self.system = Tail(layout.system)
        self.system.skip(_SYSTEM_BYTES)
        self.points: list[Block] = []
        self.evals: list[EvalPoint] = []
        self.scores: list[ScorePoint] = []
        self.guards: dict[str, Guard] = {}
        self.pace = Pace()
        self.phase: Phase | None = None
        self.start: Start | None = None
        self.last: dict[str, object] = {}
        self.over = False

    @property
    def stepped_since_phase(self) -> bool:
        """Whether a train record came after the last phase record."""
        if self.phase is None or self.phase.seq is None:
            return False
        seq = whole(self.last.get("seq"))
        return seq is not None and seq > self.phase.seq

    @property
    def phase_seconds(self) -> float | None:
        """Seconds that the phase under way still takes."""
        return None if self.stepped_since_phase else self.pace.phase_seconds()


class LiveRun:
    """One run, from its first attempt on. Call :meth:`poll` from one thread at a time.

    Records of an earlier attempt beyond the step that a later one resumed at are superseded: they stay in the
    files and are neither drawn nor counted here.
    """

    def __init__(self, layout: RunLayout) -> None:
        self.layout = layout
        self.system: deque[SystemSample] = deque(maxlen=SYSTEM_SAMPLES)
        self._attempts: list[_Attempt] = []
        self._log: LogTail | None = None
        self._evaluations: int | None = None

    def poll(self, max_bytes: int = READ_LIMIT) -> LiveUpdate:
        """Read what is new, at most about ``max_bytes`` of each file."""
        self._find_attempts()
        points: list[Block] = []
        evals: list[EvalPoint] = []
        system: list[SystemSample] = []
        reset = more = changed = False
        for attempt in self._attempts:
            if attempt.over:
                continue
            batch = attempt.curve.read(max_bytes)
            if batch.reset:
                self._restart(attempt)
                reset = True
            superseding = self._take(attempt, batch.others, evals)
            for record in batch.train:
                attempt.pace.train(record)
            if batch.train:
                attempt.last = batch.train[-1]
            attempt.points.extend(batch.points)
            points.extend(batch.points)
            reset = reset or superseding
            changed = changed or reset or bool(batch.points or batch.others)
            _fold(attempt)
            more = self._take_system(attempt, system, max_bytes) or batch.more or more
            if batch.more:
                # A later attempt is read only when it is known what it supersedes.
                break
            attempt.over = attempt is not self._attempts[-1]
        self.system.extend(system)
        log = self._log is not None and self._log.read()
        if reset:
            points, evals = self.points, self.evals
        return LiveUpdate(points, evals, system, log, reset, changed or log or bool(system), more)

    @property
    def points(self) -> list[Block]:
        """The loss curve that holds, in step order: single steps, and blocks where there are very many."""
        return list(chain.from_iterable(attempt.points for attempt in self._attempts))

    @property
    def evals(self) -> list[EvalPoint]:
        """The evaluations that hold, in the order they were made."""
        return list(chain.from_iterable(attempt.evals for attempt in self._attempts))

    @property
    def attempt(self) -> int:
        """Number of the latest attempt, 0 before the first."""
        return self._attempts[-1].layout.number if self._attempts else 0

    @property
    def phase(self) -> Phase | None:
        """What the latest attempt is at: ``training`` again after a step, also when no record says so."""
        if not self._attempts:
            return None
        attempt = self._attempts[-1]
        if attempt.stepped_since_phase:
            return Phase("training")
        return attempt.phase

    @property
    def start(self) -> Start | None:
        """The ``start`` record of the latest attempt that got so far."""
        return next((attempt.start for attempt in reversed(self._attempts) if attempt.start), None)

    @property
    def scores(self) -> list[ScorePoint]:
        """How the rows stood while they were scored; a resumed attempt goes on where the one before was."""
        return [point for attempt in self._attempts for point in attempt.scores]

    @property
    def step(self) -> int | None:
        """The last optimiser step that holds."""
        for attempt in reversed(self._attempts):
            if attempt.points:
                return attempt.points[-1].last_step
            if attempt.start is not None and attempt.start.resumed_step:
                return attempt.start.resumed_step
        return None

    @property
    def total_steps(self) -> int | None:
        """Optimiser steps of the whole run."""
        return self.start.total_steps if self.start else None

    @property
    def epoch(self) -> float | None:
        """Passes over the training rows, at :attr:`step`."""
        recorded = self._latest("epoch")
        if recorded is not None:
            return recorded
        step, start = self.step, self.start
        return step / start.steps_per_epoch if step and start and start.steps_per_epoch else None

    @property
    def loss(self) -> float | None:
        """Loss of the last step; ``None`` for NaN as well, which :attr:`nan_steps` counts."""
        last = self._last_point()
        return last.mean if last else None

    @property
    def learning_rate(self) -> float | None:
        """Learning rate of the last step."""
        last = self._last_point()
        return last.learning_rate if last else None

    @property
    def grad_norm(self) -> float | None:
        """Gradient norm of the last step of this attempt."""
        return self._latest("grad_norm")

    @property
    def memory_bytes(self) -> int | None:
        """Allocator memory that the worker reported at the last step of this attempt."""
        return whole(self._attempts[-1].last.get("memory_bytes")) if self._attempts else None

    @property
    def nan_steps(self) -> int:
        """Steps whose loss was NaN or infinite."""
        return sum(block.nan for attempt in self._attempts for block in attempt.points)

    @property
    def throughput(self) -> Throughput | None:
        """Recent speed of the latest attempt."""
        return self._attempts[-1].pace.throughput() if self._attempts else None

    @property
    def eta(self) -> Eta:
        """What is left, from the recent records of the latest attempt alone."""
        if not self._attempts:
            return Eta()
        attempt, step, total = self._attempts[-1], self.step, self.total_steps
        if attempt.start is None or total is None:
            return Eta(phase=attempt.phase_seconds)
        done = step or 0
        return Eta(
            attempt.pace.training_seconds(done, total),
            evaluation_seconds(attempt.evals, self._evaluations, done, total),
            attempt.phase_seconds,
        )

    @property
    def guards(self) -> list[Guard]:
        """Warnings of the latest attempt that are active."""
        return (
            [guard for guard in self._attempts[-1].guards.values() if guard.active] if self._attempts else []
        )

    @property
    def log(self) -> list[str]:
        """The end of the latest attempt's log, cleaned and without secrets; the unfinished line last."""
        if self._log is None:
            return []
        return [*self._log.lines, self._log.current] if self._log.current else list(self._log.lines)

    @property
    def bad_lines(self) -> int:
        """Lines that could not be read, torn ends of earlier attempts included."""
        return sum(
            attempt.curve.bad_lines + attempt.system.bad_lines + (attempt.over and attempt.curve.pending > 0)
            for attempt in self._attempts
        )

    def _find_attempts(self) -> None:
        known = {attempt.layout.number for attempt in self._attempts}
        for found in attempt_numbers(self.layout):
            if found not in known:
                self._attempts.append(_Attempt(self.layout.attempt(found)))
                self._log = LogTail(self._attempts[-1].layout.console_log)
        if self._evaluations is None:
            hyperparameters = (read_json_or_none(self.layout.spec) or {}).get("hyperparameters")
            if isinstance(hyperparameters, dict):
                self._evaluations = whole(hyperparameters.get("evaluations")) or 0

    def _restart(self, attempt: _Attempt) -> None:
        """Forget an attempt whose metrics were replaced."""
        fresh = _Attempt(attempt.layout)
        attempt.points, attempt.evals, attempt.guards = fresh.points, fresh.evals, fresh.guards
        attempt.scores = fresh.scores
        attempt.pace, attempt.last, attempt.start, attempt.phase = fresh.pace, fresh.last, None, None

    def _take(self, attempt: _Attempt, records: list[dict[str, object]], evals: list[EvalPoint]) -> bool:
        """Take in records of every kind but train; say whether earlier points were superseded."""
        superseding = False
        for record in records:
            match record.get("kind"):
                case "phase":
                    attempt.phase = phase_of(record)
                    attempt.pace.phase(attempt.phase)
                case "start":
                    attempt.start = start_of(record, attempt.layout.number)
                    superseding = self._supersede(attempt) or superseding
                case "eval":
                    found = eval_point(record, attempt.layout.number)
                    if found is not None:
                        attempt.evals.append(found)
                        evals.append(found)
                case "score":
                    point = score_point(record, attempt.layout.number)
                    if point is not None:
                        attempt.scores.append(point)
                case "guard":
                    guard = guard_of(record)
                    attempt.guards[guard.id] = guard
                case _:
                    continue
        return superseding

    def _supersede(self, attempt: _Attempt) -> bool:
        """Drop what earlier attempts did beyond the step at which this one resumed."""
        assert attempt.start is not None
        resumed, dropped = attempt.start.resumed_step, False
        for earlier in self._attempts:
            if earlier is attempt:
                return dropped
            if earlier.points and earlier.points[-1].last_step > resumed:
                earlier.points = up_to_step(earlier.points, resumed, earlier.layout.metrics)
                dropped = True
            held = [point for point in earlier.evals if point.step <= resumed]
            dropped = dropped or len(held) < len(earlier.evals)
            earlier.evals = held
        return dropped

    def _take_system(self, attempt: _Attempt, found: list[SystemSample], max_bytes: int) -> bool:
        batch = attempt.system.read(max_bytes)
        samples = (system_sample(record) for record in batch.records)
        found.extend(sample for sample in samples if sample is not None)
        return batch.more

    def _latest(self, key: str) -> float | None:
        return number(self._attempts[-1].last.get(key)) if self._attempts else None

    def _last_point(self) -> Block | None:
        return next((attempt.points[-1] for attempt in reversed(self._attempts) if attempt.points), None)


def _fold(attempt: _Attempt) -> None:
    """Keep memory bounded: the older half of very many single steps becomes blocks."""
    points = attempt.points
    if len(points) <= _POINTS_LIMIT:
        return
    first = next((index for index, block in enumerate(points) if block.n == 1), len(points))
    end = first + (len(points) - first) // 2 // BLOCK_RECORDS * BLOCK_RECORDS
    groups = range(first, end, BLOCK_RECORDS)
    points[first:end] = [merge(points[start : start + BLOCK_RECORDS]) for start in groups]
