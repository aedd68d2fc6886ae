"""One attempt at a run that trains nothing: read, render prompts, load, score, report."""

import hashlib
import json
import math
import time
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy
from transformers import PreTrainedTokenizerBase, set_seed
from transformers.utils import logging as transformers_logging

from nli_console.data.prompts import (
    AnswerReader,
    PromptRenderer,
    Prompts,
    PromptTemplate,
    choose,
    invalid_rate,
)
from nli_console.data.sample import Prepared
from nli_console.data.spec import LABELS, Example
from nli_console.errors import ConsoleError
from nli_console.methods.base import Method
from nli_console.methods.icl import IclHyperparameters
from nli_console.methods.padding import AUTO
from nli_console.methods.prompting import ScoringHyperparameters
from nli_console.record.spec import RunSpec
from nli_console.worker.attempt import Attempt
from nli_console.worker.calibration import CONTENT_FREE, calibrated, normalised
from nli_console.worker.device import Device, MemoryMeter, choose_device
from nli_console.worker.evaluate import Scores
from nli_console.worker.generation import Generator, Sampling, ending_tokens
from nli_console.worker.likelihood import LabelScorer, Plan, batches_at_random
from nli_console.worker.masked import MaskedScorer
from nli_console.worker.metrics import NO_ANSWER, share
from nli_console.worker.models import (
    ModelLoader,
    count_parameters,
    load_config,
    load_tokenizer,
    usable_positions,
)
from nli_console.worker.prompted import Prompted, PromptTokeniser
from nli_console.worker.reading import read_rows
from nli_console.worker.report import report
from nli_console.worker.so_far import SoFar
from nli_console.worker.split_scores import score_split

_GIB = 1024**3


class _Batches(Protocol):
    """Scores prompts batch by batch, the same batches whatever is done."""

    def batches(
        self, prompts: Prompts, done: Container[int] = (), plan: Plan | None = None
    ) -> Iterator[tuple[list[int], Any]]: ...


class ScoringJob:
    """Scores every evaluation split with a model as it is; :meth:`run` is the whole of it.

    Args:
        folder: of the model's files.
    """

    def __init__(
        self,
        attempt: Attempt,
        spec: RunSpec,
        method: Method,
        hyperparameters: ScoringHyperparameters,
        folder: Path,
    ) -> None:
        self._attempt = attempt
        self._spec = spec
        self._method = method
        self._hyperparameters = hyperparameters
        self._folder = folder
        if spec.template is None:
            raise ConsoleError(f"--template {hyperparameters.template}: the run's record holds no template")
        self._template: PromptTemplate = spec.template
        self._masked = method.task == "masked"
        if self._masked != (spec.template.format == "masked"):
            wanted = "a masked one, such as yes-maybe-no" if self._masked else "one for language models"
            raise ConsoleError(
                f'--template {spec.template.name}: its format is "{spec.template.format}", and {method.name} '
                f"needs {wanted}"
            )

    def run(self) -> None:
        """Do everything.

        Raises:
            Stopped: a stop was asked for; what was scored is on the disk.
            Exception: the attempt failed; :func:`nli_console.worker.failures.reason_of` has the words.
        """
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        chosen = self._hyperparameters
        device = choose_device(chosen.precision)
        prepared = read_rows(self._attempt, self._spec)
        shots = choose(prepared.train.examples, chosen.shots, self._spec.seed)
        config = load_config(self._folder, self._spec.model_name)
        wanted_pad = chosen.pad_token if isinstance(chosen, IclHyperparameters) else AUTO
        tokenizer = load_tokenizer(self._folder, self._spec.model_name, wanted_pad)
        longest = min(chosen.max_length, usable_positions(config, tokenizer) or chosen.max_length)
        splits, empty = self._render(prepared, tokenizer, longest, shots)
        self._attempt.stop.check()

        self._attempt.recorder.phase("loading", detail=f"loading {self._spec.model_name}")
        memory = MemoryMeter(device)
        set_seed(self._spec.seed)
        pad = int(tokenizer.pad_token_id)  # type: ignore[arg-type]  # load_tokenizer sees to it
        loader = ModelLoader(self._folder, self._spec.model_name, config, pad, device.compute_dtype)
        with self._attempt.stop.at_once():
            model: Any = self._method.build(loader, chosen)
            if getattr(chosen, "quantisation", "none") == "none":
                model = model.to(device.torch_device)
        figures = self._attempt.figures
        figures.trainable_parameters, figures.total_parameters = count_parameters(model)
        figures.peak_memory_kind = memory.kind
        self._start(prepared, splits, shots, device, longest)
        scorer = self._scorer(model, device, tokenizer, splits)
        try:
            reference = None if empty is None else _likelihoods(scorer, empty.prompts())
            for name, rows in splits.items():
                self._score(name, prepared.evaluation[name].examples, rows, scorer, reference)
        finally:
            figures.peak_memory_bytes = memory.peak_bytes()

    def _render(
        self, prepared: Prepared, tokenizer: PreTrainedTokenizerBase, longest: int, shots: list[Example]
    ) -> tuple[dict[str, Prompted], Prompted | None]:
        """The prompts of every split, and those without content where calibration asks for them."""
        renderer = PromptRenderer(self._template, tokenizer, self._spec.model_name)
        limit = int(self._spec.cache.tokenised_limit_gib * _GIB)
        room = longest - (self._new_tokens or 0)
        if room < 1:
            raise ConsoleError(
                f"--max-new-tokens {self._new_tokens}: of {longest} tokens that fit, "
                "none is left for a prompt"
            )
        tokeniser = PromptTokeniser(
            renderer, tokenizer, self._folder, room, Path(self._spec.cache_dir), limit
        )
        total = sum(len(split.examples) for split in prepared.evaluation.values())
        before, found = 0, dict[str, Prompted]()
        for name, split in prepared.evaluation.items():

            def progress(done: int, _: int, before: int = before) -> None:
                self._attempt.recorder.phase("tokenising", before + done, total, "rows")
                self._attempt.stop.check()

            found[name] = tokeniser.split(split.examples, progress, shots)
            before += len(split.examples)
            self._check_new_tokens(found[name])
        if self._hyperparameters.calibration != "contextual":
            return found, None
        return found, tokeniser.split(CONTENT_FREE, lambda *_: None, shots)

    @property
    def _new_tokens(self) -> int | None:
        chosen = self._hyperparameters
        if isinstance(chosen, IclHyperparameters) and chosen.scorer == "generation":
            return chosen.max_new_tokens
        return None

    def _check_new_tokens(self, prompted: Prompted) -> None:
        if self._new_tokens is None or not len(prompted):
            return
        needed, label = max((len(prompted.answer(0, label)), label) for label in range(len(LABELS)))
        if self._new_tokens < needed:
            word = self._template.words[label].strip()
            raise ConsoleError(
                f'--max-new-tokens {self._new_tokens} is too short: "{word}" is '
                f"{needed} tokens; expected {needed} or more"
            )

    def _start(
        self,
        prepared: Prepared,
        splits: dict[str, Prompted],
        shots: list[Example],
        device: Device,
        longest: int,
    ) -> None:
        figures = self._attempt.figures
        self._attempt.recorder.start(
            attempt=self._attempt.number,
            resumed_step=0,
            total_steps=0,
            trainable_parameters=figures.trainable_parameters,
            total_parameters=figures.total_parameters,
            device=device.title,
            precision=device.precision,
            labels=list(LABELS),
            max_length=longest,
            truncated={name: rows.truncated for name, rows in splits.items()},
            dropped=prepared.dropped,
            digests=prepared.digests,
            template_digest=self._template.digest,
            prompt_digests={name: rows.digest for name, rows in splits.items()},
            rows={name: len(rows) for name, rows in splits.items()},
            demonstrations=[{"id": shot.id, "label": LABELS[shot.label]} for shot in shots],
        )

    def _scorer(
        self, model: Any, device: Device, tokenizer: PreTrainedTokenizerBase, splits: dict[str, Prompted]
    ) -> _Batches:
        chosen = self._hyperparameters
        # One token each; the library's types also allow for lists and texts.
        special: Any = tokenizer
        pad: int = special.pad_token_id
        if self._masked:
            return MaskedScorer(model, device, special.mask_token_id, pad, chosen.batch_size)
        if self._new_tokens is None or not isinstance(chosen, IclHyperparameters):
            return LabelScorer(model, device, pad, chosen.batch_size)
        own = model.generation_config.eos_token_id
        ends = ending_tokens(
            own, tokenizer, (token for rows in splits.values() for token in rows.closing[-1:])
        )
        sampling = Sampling(chosen.max_new_tokens, chosen.temperature, chosen.top_p, chosen.top_k)
        return Generator(model, device, tokenizer, ends, chosen.batch_size, sampling, self._spec.seed)

    def _score(
        self,
        name: str,
        examples: list[Example],
        rows: Prompted,
        scorer: _Batches,
        reference: numpy.ndarray | None,
    ) -> None:
        """Score what is not in the journal yet, and report the split."""
        started = time.perf_counter()
        prompts = rows.prompts()
        gold = numpy.array([row.label for row in examples], dtype=numpy.int64)
        plan = batches_at_random(prompts, self._hyperparameters.batch_size, self._spec.seed)
        so_far = SoFar(
            gold,
            AnswerReader(self._template.words),
            plan[0],
            self._hyperparameters.calibration,
            reference,
        )
        values = score_split(
            self._attempt,
            name,
            so_far,
            self._key(prompts),
            lambda done: scorer.batches(prompts, done, plan),
            written=self._new_tokens is not None,
        )
        self._report(name, examples, gold, values, so_far.reader, reference, time.perf_counter() - started)

    def _report(
        self,
        name: str,
        examples: list[Example],
        gold: numpy.ndarray,
        values: list[Any],
        reader: AnswerReader,
        reference: numpy.ndarray | None,
        seconds: float,
    ) -> None:
        extra: dict[str, Any] = {}
        if self._new_tokens is not None:
            answers = [reader.read(text) for text in values]
            told = numpy.array([NO_ANSWER if answer is None else answer for answer in answers])
            nothing = numpy.full((len(values), len(LABELS)), numpy.nan, dtype=numpy.float32)
            scores = Scores(nothing, gold, math.nan, told)
            extra["invalid"] = invalid_rate(answers)
        else:
            likelihoods = numpy.array(values, dtype=numpy.float32)
            raw = _scores(normalised(likelihoods), gold)
            scores, kind = raw, self._hyperparameters.calibration
            if kind != "none":
                scores = _scores(
                    calibrated(likelihoods, likelihoods if reference is None else reference), gold
                )
                extra |= {"calibration": kind, "raw": _summary(share(raw.predicted == raw.gold))}
        report(self._attempt, name, examples, scores, seconds=seconds, further=extra)

    def _key(self, prompts: Prompts) -> str:
        """Of everything that decides a row's score."""
        matter = [
            prompts.input_ids,
            prompts.answers,
            self._hyperparameters.model_dump(mode="json"),
            self._spec.seed,
        ]
        return hashlib.sha256(json.dumps(matter).encode()).hexdigest()


def _likelihoods(scorer: _Batches, prompts: Prompts) -> numpy.ndarray:
    scores = numpy.zeros((len(prompts), len(LABELS)), dtype=numpy.float32)
    for rows, values in scorer.batches(prompts):
        scores[rows] = values
    return scores


def _scores(log_probabilities: numpy.ndarray, gold: numpy.ndarray) -> Scores:
    loss = float(-log_probabilities[numpy.arange(len(gold)), gold].mean()) if len(gold) else math.nan
    return Scores(log_probabilities.astype(numpy.float32), gold, loss)


def _summary(measured: dict[str, Any]) -> dict[str, Any]:
    """As ``final.json`` has it."""
    return {"value": measured["accuracy"]} | {key: measured[key] for key in ("low", "high", "n", "correct")}
