"""The callback that writes the record of a training, and decides when it saves, evaluates and stops."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from nli_console.data.spec import LABELS
from nli_console.worker.attempt import Attempt
from nli_console.worker.checkpoints import Sealer, checkpoint_at, remove
from nli_console.worker.failures import NanTraining
from nli_console.worker.guards import TrainingGuard
from nli_console.worker.selection import Evaluation, Selection, evaluation_steps
from nli_console.worker.train import StepCount

NAN_PATIENCE = 20
"""Steps in a row with a NaN loss after which training is given up."""

_NAN_ADVICE = "lower learning_rate, lengthen warmup, or set precision to fp32"

_SAVE_EVERY = 30 * 60.0
"""Seconds between two checkpoints at most: what a crash can cost."""

_MEMORY_EVERY = 16
"""Steps between two readings of the allocator, which walks over all its statistics."""


class TrainingOver(Exception):
    """Raised before the first step of a resumed training that has nothing left to do."""


class RunCallback(TrainerCallback):
    """Record, checkpoints, evaluations on the held-out slice, early stopping, and the stop after a step.

    A checkpoint is saved before the evaluation of its step, so a stop during the evaluation loses nothing:
    the resumed run makes that evaluation first. Evaluating draws no random numbers.

    Args:
        evaluate: scores the held-out slice after a step; ``None`` when there is none. May raise ``Stopped``.
        start_fields: what the ``start`` record says beside the steps.
    """

    def __init__(
        self,
        attempt: Attempt,
        selection: Selection,
        sealer: Sealer,
        count: StepCount,
        *,
        evaluations: int,
        patience: int,
        evaluate: Callable[[int, float], Evaluation] | None,
        start_fields: dict[str, Any],
    ) -> None:
        self._layout = attempt.layout
        self._recorder = attempt.recorder
        self._figures = attempt.figures
        self._stop = attempt.stop
        self._guards = attempt.guards
        self._training_guard: TrainingGuard | None = None
        self._selection = selection
        self._sealer = sealer
        self._count = count
        self._evaluations = evaluations if evaluate else 0
        self._patience = patience
        self._evaluate = evaluate
        self._start_fields = start_fields
        self._evaluation_steps: frozenset[int] = frozenset()
        self._save_steps: frozenset[int] = frozenset()
        self._nan_steps = 0
        self._nan_in_a_row = 0
        self._mark = 0.0
        self._saved = 0.0
        self._cuda = torch.cuda.is_available()
        self.total_steps = 0

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.total_steps = state.max_steps
        self._evaluation_steps = evaluation_steps(state.max_steps, self._evaluations)
        self._save_steps = evaluation_steps(state.max_steps, max(1, self._evaluations))
        self._figures.step, self._figures.epoch = state.global_step, state.epoch or 0.0
        self._recorder.start(
            resumed_step=state.global_step,
            total_steps=state.max_steps,
            steps_per_epoch=-(-len(kwargs["train_dataloader"]) // args.gradient_accumulation_steps),
            **self._start_fields,
        )
        self._training_guard = TrainingGuard(
            self._guards,
            state.max_steps,
            args.get_warmup_steps(state.max_steps),
            self._start_fields.get("labels", LABELS),
            args.max_grad_norm,
        )
        if state.global_step in self._evaluation_steps and not self._selection.has(state.global_step):
            self._run_evaluation(state)
        if state.global_step >= state.max_steps or self._selection.exhausted(self._patience):
            raise TrainingOver
        self._recorder.phase("training", state.global_step, state.max_steps, "steps")
        self._saved = self._mark = time.perf_counter()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        # The library would keep every step's figures and write them into every checkpoint.
        state.log_history.clear()
        if logs is None or "loss" not in logs:
            return
        now = time.perf_counter()
        seconds, self._mark = now - self._mark, now
        figures, count = self._figures, self._count
        figures.step, figures.epoch = state.global_step, state.epoch or 0.0
        figures.train_seconds += seconds
        figures.train_samples += count.samples
        record: dict[str, Any] = {
            "step": state.global_step,
            "epoch": state.epoch,
            "loss": logs["loss"],
            "learning_rate": logs["learning_rate"],
            "grad_norm": logs.get("grad_norm"),
            "samples": count.samples,
            "tokens": count.tokens,
            "seconds": seconds,
        }
        if self._cuda and state.global_step % _MEMORY_EVERY == 1:
            record["memory_bytes"] = torch.cuda.max_memory_allocated()
        self._recorder.train(record)
        count.samples = count.tokens = 0
        assert self._training_guard is not None
        self._training_guard.step(
            state.global_step, logs["loss"], logs.get("grad_norm"), count.answers.take()
        )
        if not math.isfinite(logs["loss"]) or not math.isfinite(logs.get("grad_norm") or 0.0):
            self._on_nan(state.global_step, logs["loss"], kwargs["model"])
        elif self._nan_in_a_row:
            self._nan_in_a_row = 0
            self._guards.clear("nan_steps", state.global_step)
        if self._stop.requested and not control.should_save:
            # A signal that came while the step was recorded: it need not wait for another step.
            self._stop_if_asked(control)
            self._make_room(state.global_step)

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        step = state.global_step
        if step in self._save_steps or time.perf_counter() - self._saved > _SAVE_EVERY:
            control.should_save = True
        self._stop_if_asked(control)
        if control.should_save:
            self._make_room(step)

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._sealer.seal(checkpoint_at(self._layout, state.global_step))
        self._recorder.sync()
        if self._stop.requested:
            control.should_training_stop = True
        elif state.global_step in self._evaluation_steps:
            self._run_evaluation(state)
            if self._stop.requested or self._selection.exhausted(self._patience):
                control.should_training_stop = True
            elif state.global_step < state.max_steps:
                self._recorder.phase("training", state.global_step, state.max_steps, "steps")
        self._saved = self._mark = time.perf_counter()

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        control.should_evaluate = control.should_save = False

    def _stop_if_asked(self, control: TrainerControl) -> None:
        if self._stop.requested:
            control.should_save = control.should_training_stop = True

    def _make_room(self, step: int) -> None:
        """A checkpoint of this step from an earlier attempt was not resumed from, so it is of no use."""
        self._sealer.wait()
        remove(checkpoint_at(self._layout, step).path)

    def _run_evaluation(self, state: TrainerState) -> None:
        assert self._evaluate is not None
        self._selection.add(self._evaluate(state.global_step, state.epoch or 0.0))
        best = self._selection.best
        self._figures.best_step = best.step if best else None

    def _on_nan(self, step: int, loss: float, model: torch.nn.Module) -> None:
        if not _weights_are_finite(model):
            raise NanTraining(f"the weights became NaN at step {step}: {_NAN_ADVICE}")
        # A scaled fp16 gradient may overflow now and then; that step is skipped and nothing is lost.
        if math.isfinite(loss):
            return
        self._nan_steps += 1
        self._nan_in_a_row += 1
        self._guards.set("nan_steps", step, self._nan_message())
        if self._nan_in_a_row >= NAN_PATIENCE:
            raise NanTraining(
                f"the loss was NaN in {NAN_PATIENCE} steps in a row up to step {step}: {_NAN_ADVICE}"
            )

    def _nan_message(self) -> str:
        return f"the loss was NaN or infinite in {self._nan_steps} step{'s' if self._nan_steps > 1 else ''}"


def _weights_are_finite(model: torch.nn.Module) -> bool:
    return all(
        bool(torch.isfinite(parameter).all()) for parameter in model.parameters() if parameter.requires_grad
    )
