"""One attempt at an evaluate-only run: read, tokenise, load weights that exist already, score, report."""

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy
from transformers import set_seed
from transformers.utils import logging as transformers_logging

from nli_console.data.prompts import AnswerReader
from nli_console.data.spec import LABELS
from nli_console.methods.evaluation import EvaluationHyperparameters
from nli_console.record.spec import Evaluated, RunSpec
from nli_console.worker import prompt_record
from nli_console.worker.attempt import Attempt
from nli_console.worker.device import Device, MemoryMeter, choose_device
from nli_console.worker.evaluate import LogitScorer, scores_of
from nli_console.worker.likelihood import LabelScorer, batches_by_length
from nli_console.worker.models import (
    LabelOrder,
    count_parameters,
    load_config,
    load_tokenizer,
    usable_positions,
)
from nli_console.worker.prompted import Prompted
from nli_console.worker.reading import read_rows
from nli_console.worker.report import report
from nli_console.worker.scorer import Rows
from nli_console.worker.so_far import SoFar
from nli_console.worker.split_scores import Batches, by_chance, score_split
from nli_console.worker.tokenising import make_tokeniser, tokenise
from nli_console.worker.weights import Weights


class EvaluationJob:
    """Scores every reported split with weights that exist already; :meth:`run` is the whole of it.

    Args:
        folder: of the base model's files, or the whole model's.
    """

    def __init__(
        self,
        attempt: Attempt,
        spec: RunSpec,
        evaluated: Evaluated,
        hyperparameters: EvaluationHyperparameters,
        folder: Path,
    ) -> None:
        self._attempt = attempt
        self._spec = spec
        self._evaluated = evaluated
        self._hyperparameters = hyperparameters
        self._folder = folder

    def run(self) -> None:
        """Do everything.

        Raises:
            Stopped: a stop was asked for; what was scored is on the disk.
            Exception: the attempt failed; :func:`nli_console.worker.failures.reason_of` has the words.
        """
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        attempt, chosen, spec = self._attempt, self._hyperparameters, self._spec
        device = choose_device(chosen.precision)
        attempt.guards.precision = device.precision
        weights = Weights(self._evaluated, chosen, self._folder, spec.model_name)
        prepared = read_rows(attempt, spec)
        config = load_config(self._folder, spec.model_name)
        tokenizer = load_tokenizer(self._folder, spec.model_name, chosen.pad_token)
        longest = weights.longest(chosen.max_length, usable_positions(config, tokenizer))
        tokeniser, prompt = make_tokeniser(spec, tokenizer, self._folder, longest)
        if prompt is not None:
            prompt_record.require_same(weights.prompt_folder, prompt, self._evaluated.title)
        splits = tokenise(attempt, tokeniser, prepared.evaluation)
        attempt.stop.check()

        attempt.recorder.phase("loading", detail=f"loading {self._evaluated.title}")
        memory = MemoryMeter(device)
        set_seed(spec.seed)
        pad = int(tokenizer.pad_token_id)  # type: ignore[arg-type]  # load_tokenizer sees to it
        model, labels = weights.load(config, pad, device)
        figures = attempt.figures
        figures.trainable_parameters, figures.total_parameters = count_parameters(model)
        figures.peak_memory_kind = memory.kind
        attempt.recorder.start(
            attempt=attempt.number,
            resumed_step=0,
            total_steps=0,
            trainable_parameters=figures.trainable_parameters,
            total_parameters=figures.total_parameters,
            device=device.title,
            precision=device.precision,
            labels=labels.names,
            max_length=longest,
            truncated={name: rows.tokens.truncated for name, rows in splits.items()},
            dropped=prepared.dropped,
            digests=prepared.digests,
            weights=weights.identity,
            **({} if prompt is None else {"prompt": prompt["digest"]}),
        )
        try:
            for name, rows in splits.items():
                self._score(name, rows, model, labels, pad, device, self._key(rows, weights, labels))
        finally:
            figures.peak_memory_bytes = memory.peak_bytes()

    def _batches(
        self, model: Any, rows: Rows, labels: LabelOrder, pad: int, device: Device
    ) -> tuple[Batches, list[list[int]]]:
        """What scores, and the batches: those of a run's own evaluation, but by chance behind the first."""
        size, seed = self._hyperparameters.batch_size, self._spec.seed
        if self._evaluated.task == "causal":
            assert isinstance(rows.tokens, Prompted)
            prompts, words = rows.tokens.prompts(), LabelScorer(model, device, pad, size)
            plan = by_chance(batches_by_length(prompts, size), seed)
            return lambda done: words.batches(prompts, done, plan), plan
        batcher = rows.batcher(labels, pad, device)
        logits = LogitScorer(model, rows.tokens, batcher, labels, device, size)
        plan = by_chance(logits.plan(), seed)
        return lambda done: logits.batches(done, plan), plan

    def _score(
        self, name: str, rows: Rows, model: Any, labels: LabelOrder, pad: int, device: Device, key: str
    ) -> None:
        """Score what is not in the journal yet, and report the split."""
        started = time.perf_counter()
        gold = numpy.array([row.label for row in rows.examples], dtype=numpy.int64)
        batches, plan = self._batches(model, rows, labels, pad, device)
        so_far = SoFar(gold, AnswerReader(LABELS), plan[0], "none", None)
        values = score_split(self._attempt, name, so_far, key, batches)
        scores = scores_of(numpy.array(values, dtype=numpy.float32), rows.examples)
        report(self._attempt, name, rows.examples, scores, seconds=time.perf_counter() - started)

    def _key(self, rows: Rows, weights: Weights, labels: LabelOrder) -> str:
        """Of everything that decides a row's score."""
        matter = [weights.identity, labels.to_model, self._hyperparameters.model_dump(mode="json")]
        digest = hashlib.sha256(json.dumps(matter).encode())
        for array in (rows.tokens.input_ids, rows.tokens.offsets):
            digest.update(numpy.ascontiguousarray(array).data)
        return digest.hexdigest()
