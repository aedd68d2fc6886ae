"""The degenerate-run guard: notices while a run goes on that it has learnt nothing, or that it breaks.

Each guard raises itself when its condition holds and clears itself when it no longer does; both are recorded.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

from nli_console.data.spec import LABELS
from nli_console.record.state import Reason
from nli_console.text import format_accuracy
from nli_console.worker.recorder import Recorder
from nli_console.worker.stop import StopFlag

GUESSING = math.log(len(LABELS))
"""Cross-entropy in nats of a model that gives every label the same probability: ln 3."""

NEAR_GUESSING = 0.02
CLEAR_OF_GUESSING = 0.03
"""How far from :data:`GUESSING` clears the guard: at the border itself it would flicker."""

ONE_SIDED = 0.9
LESS_ONE_SIDED = 0.85
SETTLING_SHARE = 0.05
"""Share of the steps after the warm-up in which nothing is expected to have been learnt yet."""

FEWEST_ROWS = 30
"""Predictions below which their one-sidedness says nothing."""

FEWEST_FOR_MAJORITY = 500
"""Rows below which an interval is so wide that it says nothing to contain the majority rate."""

INVALID_SHARE = 0.01
FEWEST_ANSWERS = 100

SAME_LOGITS = {"fp32": 1e-3, "bf16": 3e-2, "fp16": 4e-3}
"""Range of logits over all inputs, as a share of the largest, that rounding alone explains."""

_WINDOW_SHARE = 0.05
_WINDOW = (8, 200)
_NORMS = 8
_NORMS_BEFORE = 100
_FEWEST_NORMS_BEFORE = 20
_EXPLODED = 10.0
_CALM = 3.0
_ABSURD_NORM = 1000.0

Severity = Literal["warning", "error"]
_SEVERITY: dict[str, Severity] = {"constant_logits": "error"}

TRAINING, SELECTION = "training", "selection"

_LOOK_AT_POOLING = "look at the pad token, and at which token the head reads"


class Guards:
    """The guards of one attempt: which are active, what they say, and whether one of them stops the run.

    A guard may be raised for several parts (training, a split), and is active while one of them is.

    Attributes:
        stop_on: ids of guards that stop the run, with a checkpoint, as soon as they are raised.
        from_step: step up to which the held-out slice is not judged.
        precision: of the forward pass; decides what counts as the same logit.
    """

    def __init__(self, recorder: Recorder, stop: StopFlag) -> None:
        self._recorder = recorder
        self._stop = stop
        self._said: dict[str, dict[str, str]] = {}
        self.stop_on: frozenset[str] = frozenset()
        self.from_step = 0
        self.precision = "fp32"

    def is_active(self, id: str, part: str = "") -> bool:
        return part in self._said.get(id, ())

    def set(self, id: str, step: int, message: str, *, part: str = "", stop: bool = True) -> None:
        """Raise the guard ``id``, or say anew why it is active; without ``stop`` the run goes on anyway."""
        parts = self._said.setdefault(id, {})
        if parts.get(part) == message:
            return
        parts[part] = message
        self._record(id, "; ".join(parts.values()), step, active=True)
        if stop and id in self.stop_on:
            self._stop.ask(Reason("guard", f"{id}: {message}"))

    def clear(self, id: str, step: int, part: str = "") -> None:
        """Take back what was said of ``part``; does nothing where nothing was."""
        parts = self._said.get(id, {})
        message = parts.pop(part, None)
        if message is not None:
            rest = "; ".join(parts.values())
            self._record(id, rest or message, step, active=bool(rest))

    def judge(self, holds: bool, id: str, step: int, message: str, *, part: str, stop: bool = True) -> None:
        """Raise the guard where its condition holds, else clear it."""
        if holds:
            self.set(id, step, message, part=part, stop=stop)
        else:
            self.clear(id, step, part)

    def _record(self, id: str, message: str, step: int, *, active: bool) -> None:
        self._recorder.guard(id, _SEVERITY.get(id, "warning"), message, step, active)

    # What evaluations show

    def evaluated(
        self,
        split: str,
        step: int,
        *,
        predicted: Sequence[int],
        gold: Sequence[int],
        logit_range: float,
        largest_logit: float,
        final: bool,
    ) -> None:
        """Judge an evaluation of one split.

        Args:
            predicted, gold: how many rows were said to be, and are, each of :data:`LABELS`.
            logit_range: the largest difference that the input makes to a logit.
            largest_logit: in absolute value, what ``logit_range`` is measured against.
            final: the weights are those that are reported, so that nothing is gained by a stop.
        """
        if final:
            # The weights may be other ones than those that were last trained and judged.
            for id in ("one_class", "constant_logits"):
                for part in (TRAINING, SELECTION):
                    self.clear(id, step, part)
        elif step < self.from_step:
            return
        part = split if final else SELECTION
        rows = sum(gold)
        name = "the held-out rows" if split == SELECTION else split
        self.said(predicted, gold, step, name, part=part, stop=not final)
        self.judge(
            rows >= FEWEST_ROWS and same_logits(logit_range, largest_logit, self.precision),
            "constant_logits",
            step,
            f"the logits do not depend on the input: {rows:,} rows of {name} differ by {logit_range:.2g} "
            f"at most; {_LOOK_AT_POOLING}",
            part=part,
            stop=not final,
        )

    def said(
        self,
        predicted: Sequence[int],
        gold: Sequence[int],
        step: int = 0,
        name: str = "",
        *,
        part: str,
        stop: bool = True,
    ) -> None:
        """Judge whether the predictions are all but one label, by how many rows are said to be each."""
        rows = sum(gold)
        top = max(range(len(LABELS)), key=lambda index: predicted[index])
        share = predicted[top] / max(rows, 1)
        border = LESS_ONE_SIDED if self.is_active("one_class", part) else ONE_SIDED
        self.judge(
            rows >= FEWEST_ROWS and share > border and gold[top] <= ONE_SIDED * rows,
            "one_class",
            step,
            f"{100 * share:.0f} % of the predictions on {name or part} are {LABELS[top]} "
            f"({100 * gold[top] / max(rows, 1):.0f} % of the labels are)",
            part=part,
            stop=stop,
        )

    def reported(
        self,
        split: str,
        step: int,
        *,
        value: float,
        low: float,
        high: float,
        n: int,
        majority: tuple[str, float],
    ) -> None:
        """Judge a final accuracy with its interval against the ``majority``: a label and its share."""
        label, share = majority
        self.judge(
            n >= FEWEST_FOR_MAJORITY and low <= share <= high,
            "at_majority",
            step,
            f"{format_accuracy(value, low, high)} on {split} cannot be told from always answering {label}, "
            f"which gets {100 * share:.1f} %",
            part=split,
            stop=False,
        )

    def answered(self, invalid: int, n: int, step: int = 0, *, part: str = "", stop: bool = True) -> None:
        """Judge how many of ``n`` generated answers named no label, all answers so far taken together."""
        self.judge(
            n >= FEWEST_ANSWERS and invalid > INVALID_SHARE * n,
            "invalid_answers",
            step,
            f"{100 * invalid / max(n, 1):.1f} % of the answers name no label and count as wrong; "
            "look at the prompt, and at max_new_tokens",
            part=part,
            stop=stop,
        )


def same_logits(logit_range: float, largest: float, precision: str) -> bool:
    """Whether logits differ by no more than rounding in ``precision`` explains."""
    return logit_range <= SAME_LOGITS[precision] * max(1.0, largest)


@dataclass(frozen=True)
class StepSeen:
    """What a classifier said in one optimiser step.

    Attributes:
        predicted, gold: rows of each label, in the order of the model's outputs.
        logit_range: the largest difference between two rows of one pass; ``None`` where no pass had two.
        largest_logit: in absolute value, the rows' own mean subtracted.
    """

    predicted: Sequence[int]
    gold: Sequence[int]
    logit_range: float | None
    largest_logit: float


class TrainingGuard:
    """Watches the optimiser steps of one attempt.

    Args:
        labels: names in the order of the model's outputs.
        max_grad_norm: what gradients are clipped to; 0 where they are not.
    """

    def __init__(
        self, guards: Guards, total_steps: int, warmup_steps: int, labels: Sequence[str], max_grad_norm: float
    ) -> None:
        self._guards = guards
        self._labels = labels
        self._floor = _EXPLODED * (max_grad_norm or 1.0)
        guards.from_step = warmup_steps + math.ceil(SETTLING_SHARE * total_steps)
        least, most = _WINDOW
        window = min(max(math.ceil(_WINDOW_SHARE * total_steps), least), most)
        self._losses: deque[float] = deque(maxlen=window)
        self._seen: deque[StepSeen] = deque(maxlen=window)
        self._norms: deque[float] = deque(maxlen=_NORMS)
        self._norms_before: deque[float] = deque(maxlen=_NORMS_BEFORE)

    def step(self, step: int, loss: float, grad_norm: float | None, seen: StepSeen | None) -> None:
        """Take in one step. ``seen`` is ``None`` where the loss is not that of a classifier."""
        if grad_norm is not None and math.isfinite(grad_norm):
            self._watch_norm(step, grad_norm)
        if seen is None:
            return
        if math.isfinite(loss):
            self._losses.append(loss)
        self._seen.append(seen)
        if step >= self._guards.from_step and len(self._seen) == self._seen.maxlen:
            self._watch_loss(step)
            self._watch_classes(step)
            self._watch_logits(step)

    def _watch_loss(self, step: int) -> None:
        if not self._losses:
            return
        mean = math.fsum(self._losses) / len(self._losses)
        near = CLEAR_OF_GUESSING if self._guards.is_active("loss_at_chance") else NEAR_GUESSING
        if abs(mean - GUESSING) > near:
            self._guards.clear("loss_at_chance", step)
        elif not self._guards.is_active("loss_at_chance"):
            self._guards.set(
                "loss_at_chance",
                step,
                f"the mean loss of the last {len(self._losses)} steps is {mean:.4f}, that of guessing "
                f"(ln 3 = {GUESSING:.4f}): nothing is learnt yet; look at learning_rate and at the data",
            )

    def _watch_classes(self, step: int) -> None:
        predicted = [sum(counts) for counts in zip(*(seen.predicted for seen in self._seen), strict=True)]
        gold = [sum(counts) for counts in zip(*(seen.gold for seen in self._seen), strict=True)]
        rows = sum(gold)
        top = max(range(len(predicted)), key=lambda index: predicted[index])
        active = self._guards.is_active("one_class", TRAINING)
        share = predicted[top] / max(rows, 1)
        one_sided = share > (LESS_ONE_SIDED if active else ONE_SIDED) and gold[top] <= ONE_SIDED * rows
        if not one_sided:
            self._guards.clear("one_class", step, TRAINING)
        elif not active and rows >= FEWEST_ROWS:
            self._guards.set(
                "one_class",
                step,
                f"{100 * share:.0f} % of the predictions in the last {len(self._seen)} steps are "
                f"{self._labels[top]} ({100 * gold[top] / rows:.0f} % of the labels are)",
                part=TRAINING,
            )

    def _watch_logits(self, step: int) -> None:
        ranges = [seen.logit_range for seen in self._seen if seen.logit_range is not None]
        if len(ranges) < len(self._seen):
            return
        largest = max(seen.largest_logit for seen in self._seen)
        if not same_logits(max(ranges), largest, self._guards.precision):
            self._guards.clear("constant_logits", step, TRAINING)
        elif not self._guards.is_active("constant_logits", TRAINING):
            self._guards.set(
                "constant_logits",
                step,
                f"the logits do not depend on the input: in the last {len(self._seen)} steps rows of one "
                f"batch differ by {max(ranges):.2g} at most; {_LOOK_AT_POOLING}",
                part=TRAINING,
            )

    def _watch_norm(self, step: int, norm: float) -> None:
        if len(self._norms) == _NORMS and not self._guards.is_active("grad_norm"):
            self._norms_before.append(self._norms[0])
        self._norms.append(norm)
        if len(self._norms) < _NORMS:
            return
        now = median(self._norms)
        known = len(self._norms_before) >= _FEWEST_NORMS_BEFORE
        before = median(self._norms_before) if known else None
        if self._guards.is_active("grad_norm"):
            calm = self._floor if before is None else max(_CALM * before, self._floor)
            if now < min(calm, _ABSURD_NORM):
                self._guards.clear("grad_norm", step)
        elif now > _ABSURD_NORM or (before is not None and now > max(_EXPLODED * before, self._floor)):
            was = f", {before:.3g} before" if before is not None else ""
            self._guards.set(
                "grad_norm",
                step,
                f"the gradient norm is {now:.3g} (median of {_NORMS} steps{was}): lower learning_rate, "
                "lengthen warmup, or lower max_grad_norm",
            )
