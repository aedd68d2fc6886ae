"""One attempt at a run, phase by phase: read, tokenise, load, train, choose, save, evaluate."""

import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase, set_seed
from transformers.utils import logging as transformers_logging

from nli_console.data.sample import Prepared
from nli_console.errors import ConsoleError
from nli_console.methods.base import Method, TrainingHyperparameters
from nli_console.methods.padding import AUTO
from nli_console.record.files import write_json
from nli_console.record.spec import RunSpec
from nli_console.record.state import Reason
from nli_console.worker import checkpoints, products, prompt_record
from nli_console.worker.attempt import Attempt
from nli_console.worker.batches import Batcher
from nli_console.worker.callbacks import RunCallback, TrainingOver
from nli_console.worker.checkpoints import Checkpoint, Sealer
from nli_console.worker.completions import CompletionBatcher
from nli_console.worker.device import Device, MemoryMeter, choose_device
from nli_console.worker.failures import CheckpointInvalid
from nli_console.worker.features import FeatureHead, FeaturePass
from nli_console.worker.models import (
    OWN_ORDER,
    LabelOrder,
    ModelLoader,
    count_parameters,
    is_decoder,
    load_config,
    load_tokenizer,
    usable_positions,
)
from nli_console.worker.prompted import Prompted
from nli_console.worker.reading import read_rows
from nli_console.worker.scorer import Rows, Scorer
from nli_console.worker.selection import Selection
from nli_console.worker.tokenising import make_tokeniser, tokenise
from nli_console.worker.trackers import Trackers
from nli_console.worker.train import NliTrainer, StepCount, make_trainer

_LEAST_TEXT = 8
"""Tokens that a pair takes at the very least, special tokens included."""


class Job:
    """Runs one attempt; :meth:`run` is the whole of it.

    Args:
        folder: of the base model's files.
    """

    def __init__(
        self,
        attempt: Attempt,
        spec: RunSpec,
        method: Method,
        hyperparameters: TrainingHyperparameters,
        folder: Path,
    ) -> None:
        self._attempt = attempt
        self._layout = attempt.layout
        self._recorder = attempt.recorder
        self._figures = attempt.figures
        self._stop = attempt.stop
        self._spec = spec
        self._method = method
        self._hyperparameters = hyperparameters
        self._folder = folder

    def run(self) -> Reason | None:
        """Do everything; return why training ended early, or ``None``.

        Raises:
            Stopped: a stop was asked for; everything needed to go on is on the disk.
            Exception: the attempt failed; :func:`nli_console.worker.failures.reason_of` has the words.
        """
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        device = choose_device(self._hyperparameters.precision)
        self._attempt.guards.precision = device.precision
        prepared = self._read()
        config = load_config(self._folder, self._spec.model_name)
        if self._method.family == "decoder" and not is_decoder(config):
            raise ConsoleError(
                f'model "{self._spec.model_name}" is an encoder ({config.model_type}), and '
                f"{self._method.name} is for decoders; use lora, or a model such as "
                "meta-llama/Meta-Llama-3-8B-Instruct"
            )
        pad_token = getattr(self._hyperparameters, "pad_token", AUTO)
        tokenizer = load_tokenizer(self._folder, self._spec.model_name, pad_token)
        max_length = self._longest(usable_positions(config, tokenizer))
        self._require_template()
        tokeniser, prompt = make_tokeniser(self._spec, tokenizer, self._folder, max_length)
        trained_on = {"train": prepared.train, "selection": prepared.selection}
        evaluation = tokenise(self._attempt, tokeniser, {**trained_on, **prepared.evaluation})
        train, selection_rows = evaluation.pop("train"), evaluation.pop("selection")
        self._stop.check()

        self._recorder.phase("loading", detail=f"loading {self._spec.model_name}")
        memory = MemoryMeter(device)
        set_seed(self._spec.seed)
        pad = int(tokenizer.pad_token_id)  # type: ignore[arg-type]  # load_tokenizer sees to it
        loader = ModelLoader(self._folder, self._spec.model_name, config, pad, device.compute_dtype)
        if self._method.quantises:
            self._recorder.phase("quantising", detail=f"loading {self._spec.model_name} in 4 bits")
        with self._stop.at_once():
            model = self._method.build(loader, self._hyperparameters)
        for note in loader.notes:
            self._recorder.guard("new_head", "info", f"{self._spec.model_name}: {note}", 0, active=False)
        figures = self._figures
        figures.trainable_parameters, figures.total_parameters = count_parameters(model)
        figures.peak_memory_kind = memory.kind
        self._stop.check()
        trained = model
        words = self._method.task == "causal"
        labels = LabelOrder(OWN_ORDER, known=True) if words else loader.labels
        if self._method.on_features:
            train, selection_rows, evaluation = self._featurise(
                model, train, selection_rows, evaluation, labels, pad, device
            )
            trained = FeatureHead(model)

        resumed = self._resume_point()
        if prompt is not None:
            self._settle_prompt(prompt, resumed)
        selection = Selection(self._layout.checkpoints, resumed.step if resumed else 0)
        figures.step = resumed.step if resumed else 0
        batch_size = 2 * self._hyperparameters.batch_size
        scorer = Scorer(self._attempt, trained, labels, pad, device, batch_size, words=words)
        sealer = Sealer(self._layout, self._spec.checkpoints.keep, lambda: self._best_step(selection))
        count = StepCount()
        callback = RunCallback(
            self._attempt,
            selection,
            sealer,
            count,
            evaluations=self._hyperparameters.evaluations,
            patience=self._hyperparameters.early_stopping_patience,
            evaluate=scorer.selector(selection_rows) if selection_rows.examples else None,
            start_fields={
                "attempt": self._attempt.number,
                "trainable_parameters": figures.trainable_parameters,
                "total_parameters": figures.total_parameters,
                "device": device.title,
                "precision": device.precision,
                "train_rows": len(train.examples),
                "selection_rows": len(selection_rows.examples),
                "labels": labels.names,
                "max_length": max_length,
                "truncated": {
                    name: rows.tokens.truncated
                    for name, rows in {"train": train, "selection": selection_rows, **evaluation}.items()
                },
                "dropped": prepared.dropped,
                "digests": prepared.digests,
                **({} if prompt is None else {"prompt": prompt["digest"]}),
            },
        )
        trainer = make_trainer(
            trained,
            CompletionBatcher(train.tokens, train.examples, pad, device)
            if words and isinstance(train.tokens, Prompted)
            else train.batcher(labels, pad, device),
            train.lengths,
            self._hyperparameters,
            self._layout,
            self._spec.seed,
            device,
            callback,
            count,
        )
        trackers = Trackers(self._spec.report_to, self._attempt.guards, self._spec.id, self._layout.path)
        trainer.add_callback(trackers)
        self._recorder.on_evaluation = trackers.evaluated
        try:
            self._train(trainer, resumed, sealer)
            self._stop.check()
            early = self._early(callback.total_steps)
            self._choose(trainer, selection)
            self._save(model, tokenizer, prompt)
            for name, rows in evaluation.items():
                scorer.report(name, rows)
        finally:
            figures.peak_memory_bytes = memory.peak_bytes()
            trackers.close()
        return early

    def clean_up(self) -> None:
        """Keep what the settings say of a finished run's checkpoints; after final.json is written."""
        shutil.rmtree(self._layout.features, ignore_errors=True)
        keep = self._spec.checkpoints
        for checkpoint in checkpoints.listed(self._layout):
            if keep.keep_after_finish == "none" or (
                keep.keep_after_finish == "best" and checkpoint.step != self._figures.best_step
            ):
                checkpoints.remove(checkpoint.path)
            elif keep.drop_optimizer:
                checkpoints.drop_resume_files(checkpoint.path)

    def _read(self) -> Prepared:
        return read_rows(self._attempt, self._spec)

    def _require_template(self) -> None:
        if self._spec.template is None and hasattr(self._hyperparameters, "template"):
            raise ConsoleError(
                f"{self._layout.id}: spec.json holds no prompt template, which "
                f"{self._method.name} needs; start the run again"
            )

    def _settle_prompt(self, prompt: dict[str, Any], resumed: Checkpoint | None) -> None:
        """Record the prompts of a new training; one that goes on must go on with the same."""
        if resumed:
            prompt_record.require_same(self._layout.path, prompt, self._layout.id)
        else:
            write_json(self._layout.prompt, prompt)

    def _longest(self, positions: int | None) -> int:
        """Tokens after which a pair is cut: what the user wants, or what trained tokens leave room for."""
        wanted, taken = self._hyperparameters.max_length, self._hyperparameters.virtual_tokens
        if positions is None:
            return wanted
        if positions - taken < _LEAST_TEXT:
            raise ConsoleError(
                f"--num-virtual-tokens {taken} of the {positions} positions of {self._spec.model_name} leave "
                f"{max(positions - taken, 0)} for a pair; expected {_LEAST_TEXT} or more"
            )
        return min(wanted, positions - taken)

    def _featurise(
        self,
        model: Any,
        train: Rows,
        selection: Rows,
        evaluation: dict[str, Rows],
        labels: LabelOrder,
        pad: int,
        device: Device,
    ) -> tuple[Rows, Rows, dict[str, Rows]]:
        splits = {"train": train, "selection": selection, **evaluation}
        total, before = sum(len(rows.examples) for rows in splits.values()), 0
        self._recorder.phase("features", 0, total, "rows")
        encoder = FeaturePass(model, self._layout.features, device)
        found: dict[str, Rows] = {}
        for name, rows in splits.items():

            def progress(done: int, _: int, before: int = before) -> None:
                self._recorder.phase("features", before + done, total, "rows")
                self._stop.check()

            batcher = Batcher(rows.tokens, rows.examples, labels, pad, device)
            found[name] = replace(rows, features=encoder.split(name, rows.tokens.lengths, batcher, progress))
            before += len(rows.examples)
            self._figures.feature_seconds = encoder.seconds
        return found.pop("train"), found.pop("selection"), found

    def _resume_point(self) -> Checkpoint | None:
        found = checkpoints.verified(
            self._layout, lambda name: self._recorder.phase("loading", detail=f"verifying {name}")
        )
        step = found.checkpoint.step if found.checkpoint else 0
        instead = found.checkpoint.path.name if found.checkpoint else "the beginning"
        for name, problem in found.invalid:
            self._recorder.guard(
                "checkpoint_invalid",
                "warning",
                f"{name} is not used: {problem}; going on from {instead}",
                step,
                active=False,
            )
        return found.checkpoint

    def _train(self, trainer: NliTrainer, resumed: Checkpoint | None, sealer: Sealer) -> None:
        if resumed:
            self._recorder.phase("loading", detail=f"loading {resumed.path.name}")
        try:
            trainer.train(resume_from_checkpoint=str(resumed.path) if resumed else None)
        except TrainingOver:
            pass
        except pickle.UnpicklingError as error:
            name = resumed.path.name if resumed else "a checkpoint"
            raise CheckpointInvalid(f"{name}: a file holds more than tensors and was not loaded") from error
        finally:
            sealer.wait()

    def _early(self, total_steps: int) -> Reason | None:
        if self._figures.step >= total_steps:
            return None
        patience = self._hyperparameters.early_stopping_patience
        return Reason("early_stopping", f"no better accuracy on the held-out slice in {patience} evaluations")

    def _best_step(self, selection: Selection) -> int | None:
        best = selection.best
        return best.step if best and self._hyperparameters.select_best else None

    def _choose(self, trainer: NliTrainer, selection: Selection) -> None:
        """Put the weights of the best checkpoint into the model, or leave the last ones there."""
        figures = self._figures
        chosen = selection.best if self._hyperparameters.select_best else selection.last
        if chosen is not None and chosen.step != figures.step and self._hyperparameters.select_best:
            checkpoint = checkpoints.checkpoint_at(self._layout, chosen.step)
            self._recorder.phase("loading", detail=f"loading {checkpoint.path.name}, the best")
            problem = checkpoints.problem_of(checkpoint.path)
            if problem:
                message = f"{checkpoint.path.name}, the best, is not used: {problem}; the last weights are"
                self._recorder.guard("checkpoint_invalid", "warning", message, figures.step, active=False)
                chosen = selection.last
            else:
                trainer._load_from_checkpoint(str(checkpoint.path))
        figures.best_step = chosen.step if chosen and self._hyperparameters.select_best else figures.step
        figures.selection_accuracy = chosen.summary() if chosen else None

    def _save(self, model: Any, tokenizer: PreTrainedTokenizerBase, prompt: dict[str, Any] | None) -> None:
        self._recorder.phase("saving")
        target = self._layout.adapter if self._method.product == "adapter" else self._layout.model
        products.save(target, model, tokenizer, self._spec.model, prompt)
        self._figures.product = target.name
