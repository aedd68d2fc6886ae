"""What is kept of an evaluation: its record, its predictions, its figures, and what the guards make of it."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy

from nli_console.data.spec import LABELS, Example
from nli_console.record.files import ensure_private_dir, write_json
from nli_console.worker.attempt import Attempt
from nli_console.worker.evaluate import Scores, measure, write_predictions
from nli_console.worker.metrics import NO_ANSWER
from nli_console.worker.selection import Evaluation

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def report(
    attempt: Attempt,
    split: str,
    examples: Sequence[Example],
    scores: Scores,
    *,
    seconds: float,
    further: Mapping[str, Any] = _NOTHING,
) -> dict[str, Any]:
    """Report a split for good, with the weights that the run is known by.

    Writes ``predictions/<split>.parquet``, ``evaluation/<split>.json``, an ``eval`` record and the accuracy
    for ``final.json``, and lets the guards judge it.

    Args:
        seconds: that scoring took.
        further: keys that the ``eval`` record and the accuracy have besides, such as ``raw``.

    Returns:
        What ``evaluation/<split>.json`` holds; the same scores give the same bytes.

    Raises:
        OSError: the disk is full.
    """
    figures, layout = attempt.figures, attempt.layout
    step = figures.best_step or figures.step
    write_predictions(layout.predictions / f"{split}.parquet", examples, scores)
    measured = {"v": 1, "split": split, "step": step, "labels": list(LABELS), **measure(scores, examples)}
    ensure_private_dir(layout.evaluation)
    write_json(layout.evaluation / f"{split}.json", measured)
    evaluation = _record(attempt, split, measured, step, figures.epoch, seconds, "final", further)
    figures.accuracy[split] = {**evaluation.summary(), **further}
    _judge(attempt, split, scores, step, final=True)
    attempt.guards.reported(
        split,
        step,
        value=measured["accuracy"],
        low=measured["low"],
        high=measured["high"],
        n=measured["n"],
        majority=(measured["majority"]["label"], measured["majority"]["share"]),
    )
    return measured


def report_selection(
    attempt: Attempt,
    examples: Sequence[Example],
    scores: Scores,
    *,
    step: int,
    epoch: float,
    seconds: float,
) -> Evaluation:
    """Report an evaluation of the held-out slice on the way: its record, its predictions, the guards."""
    path = attempt.layout.predictions / "selection" / f"step-{step}.parquet"
    write_predictions(path, examples, scores)
    measured = measure(scores, examples)
    evaluation = _record(attempt, "selection", measured, step, epoch, seconds, "selection")
    _judge(attempt, "selection", scores, step, final=False)
    return evaluation


def _record(
    attempt: Attempt,
    split: str,
    measured: dict[str, Any],
    step: int,
    epoch: float,
    seconds: float,
    purpose: str,
    further: Mapping[str, Any] = _NOTHING,
) -> Evaluation:
    attempt.figures.eval_seconds += seconds
    found = {name: measured[name] for name in ("accuracy", "low", "high", "n", "correct", "loss")}
    attempt.recorder.evaluation(
        step=step, epoch=epoch, split=split, **found, **further, seconds=seconds, purpose=purpose
    )
    return Evaluation(step=step, **found)


def _judge(attempt: Attempt, split: str, scores: Scores, step: int, *, final: bool) -> None:
    logs = scores.log_probabilities
    predicted = scores.predicted
    answered = predicted[predicted != NO_ANSWER]
    if scores.answers is not None:
        invalid = len(predicted) - len(answered)
        attempt.guards.answered(invalid, len(predicted), step, part=split, stop=not final)
    attempt.guards.evaluated(
        split,
        step,
        predicted=numpy.bincount(answered, minlength=len(LABELS)).tolist(),
        gold=numpy.bincount(scores.gold, minlength=len(LABELS)).tolist(),
        logit_range=float(numpy.ptp(logs, axis=0).max()) if len(logs) else 0.0,
        largest_logit=float(numpy.abs(logs).max()) if len(logs) else 0.0,
        final=final,
    )
