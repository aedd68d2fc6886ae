"""Trainer with our settings: exact accumulation, an order of rows that resumes exactly, counted tokens."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from nli_console.methods.base import TrainingHyperparameters
from nli_console.record.layout import RunLayout
from nli_console.worker import trained_state
from nli_console.worker.answers import Answers
from nli_console.worker.batches import RowNumbers
from nli_console.worker.device import Device
from nli_console.worker.sampler import EpochSampler

_OPTIMIZERS = {
    "adamw": "adamw_torch_fused",
    "adamw_8bit": "adamw_8bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
}
_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


IGNORED = -100
"""A label that is none: nothing is learnt there."""


@dataclass
class StepCount:
    """What went into the optimiser step that is being made: examples, tokens without padding, and answers."""

    samples: int = 0
    tokens: int = 0
    answers: Answers = field(default_factory=Answers)


def summed_cross_entropy(
    outputs: Mapping[str, torch.Tensor],
    labels: torch.Tensor,
    num_items_in_batch: torch.Tensor | int | None = None,
) -> torch.Tensor:
    """Cross-entropy summed over the pass and divided by the labels of the whole optimiser step.

    The library's classifiers take the mean of each pass, which makes the sum over ``k`` accumulated passes
    ``k`` times too large. Logits have the shape of the labels, ``(batch,)`` or ``(batch, answer)``, and one
    dimension more; :data:`IGNORED` labels do not count.
    """
    logits = outputs["logits"].float().flatten(0, -2)
    loss = functional.cross_entropy(logits, labels.flatten(), reduction="sum", ignore_index=IGNORED)
    return loss / (labels.ne(IGNORED).sum() if num_items_in_batch is None else num_items_in_batch)


class NliTrainer(Trainer):
    """Trainer over rows by number. It neither evaluates nor decides when to save: the callback does."""

    def __init__(self, *args: Any, sampler: EpochSampler, count: StepCount, **kwargs: Any) -> None:
        self._sampler = sampler
        self._count = count
        super().__init__(*args, **kwargs)
        # The loss is ours: models need not be told how many labels there are.
        self.model_accepts_loss_kwargs = False

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: torch.device) -> torch.Tensor:
        """Labels of one optimiser step; the library leaves out the first of each row of a language model."""
        return torch.stack([batch["labels"].ne(IGNORED).sum() for batch in batch_samples]).sum().to(device)

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochSampler:
        return self._sampler

    def training_step(
        self,
        model: torch.nn.Module,
        inputs: dict[str, Any],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        self._count.samples += len(inputs["labels"])
        self._count.tokens += inputs.pop("tokens")
        return super().training_step(model, inputs, num_items_in_batch)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        if trained_state.is_partial(self.model):
            trained_state.save(self.model, Path(output_dir or str(self.args.output_dir)))  # type: ignore[arg-type]
        else:
            super()._save(output_dir, state_dict)

    def _load_from_checkpoint(
        self, resume_from_checkpoint: str, model: torch.nn.Module | None = None
    ) -> None:
        if trained_state.is_partial(self.model):
            trained_state.load(self.model, Path(resume_from_checkpoint))  # type: ignore[arg-type]
        else:
            super()._load_from_checkpoint(resume_from_checkpoint, model)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        if not math.isfinite(logs.get("loss", 0.0)):
            # The library empties its accumulator by subtracting it from itself, and NaN minus NaN stays NaN.
            self._tr_loss.zero_()
        super().log(logs, start_time)

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Not counted: the estimate walks over every parameter at every pass, and nobody reads it."""
        return 0


def make_trainer(
    model: torch.nn.Module,
    batcher: Callable[[Sequence[int]], dict[str, Any]],
    lengths: Any,
    hyperparameters: TrainingHyperparameters,
    layout: RunLayout,
    seed: int,
    device: Device,
    callback: TrainerCallback,
    count: StepCount,
) -> NliTrainer:
    """The trainer of a run.

    Args:
        batcher: makes the tensors of a batch from row numbers.
        lengths: tokens of each training row, shape ``(rows,)``.
        callback: writes the record and decides when to save and to stop.
        count: filled by the trainer, emptied by the callback.
    """

    def loss(
        outputs: Mapping[str, torch.Tensor],
        labels: torch.Tensor,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        if labels.dim() == 1:  # a classifier: of words, the guards' figures would say nothing
            count.answers.add(outputs["logits"], labels)
        return summed_cross_entropy(outputs, labels, num_items_in_batch)

    sampler = EpochSampler(
        len(lengths),
        hyperparameters.batch_size * hyperparameters.gradient_accumulation_steps,
        seed,
        lengths if hyperparameters.group_by_length else None,
    )
    trainer = NliTrainer(
        model=model,  # type: ignore[arg-type]  # a PreTrainedModel or a PeftModel
        args=training_arguments(hyperparameters, layout, seed, device),
        data_collator=batcher,  # type: ignore[arg-type]  # rows are numbers, not dictionaries
        train_dataset=RowNumbers(len(lengths)),
        compute_loss_func=loss,
        callbacks=[callback],
        sampler=sampler,
        count=count,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def training_arguments(
    hyperparameters: TrainingHyperparameters, layout: RunLayout, seed: int, device: Device
) -> TrainingArguments:
    """Our hyperparameters in the library's words. Saving and evaluating are off: the callback decides."""
    return TrainingArguments(
        output_dir=str(layout.checkpoints),
        per_device_train_batch_size=hyperparameters.batch_size,
        gradient_accumulation_steps=hyperparameters.gradient_accumulation_steps,
        num_train_epochs=hyperparameters.epochs,
        max_steps=hyperparameters.max_steps or -1,
        learning_rate=hyperparameters.learning_rate,
        optim=_OPTIMIZERS[hyperparameters.optimizer],
        weight_decay=hyperparameters.weight_decay,
        adam_beta2=hyperparameters.adam_beta2,
        adam_epsilon=hyperparameters.adam_epsilon,
        max_grad_norm=hyperparameters.max_grad_norm,
        lr_scheduler_type=_SCHEDULES[hyperparameters.schedule],
        warmup_steps=hyperparameters.warmup,
        activation_checkpointing=hyperparameters.gradient_checkpointing,
        activation_checkpointing_kwargs={"use_reentrant": False}
        if hyperparameters.gradient_checkpointing
        else None,
        bf16=device.precision == "bf16",
        fp16=device.precision == "fp16",
        use_cpu=not device.cuda,
        seed=seed,
        logging_strategy="steps",
        logging_steps=1,
        logging_nan_inf_filter=False,
        eval_strategy="no",
        save_strategy="no",
        save_total_limit=None,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        dataloader_num_workers=0,
        dataloader_pin_memory=device.cuda,
        accelerator_config={"non_blocking": device.cuda},
        log_level="error",
    )
