"""Answers to pairs as they come, by whatever a run left or asks: the same as in the run's own evaluation."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy
from transformers import set_seed
from transformers.utils import logging as transformers_logging

from nli_console.data.answer_file import Answer
from nli_console.data.prompts import AnswerReader, PromptRenderer, choose
from nli_console.data.sample import prepare
from nli_console.data.spec import LABELS, Example
from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.methods.evaluation import EvaluationHyperparameters
from nli_console.methods.icl import IclHyperparameters
from nli_console.methods.padding import AUTO
from nli_console.methods.prompting import ScoringHyperparameters
from nli_console.record.answering import Answerer
from nli_console.record.summary import headline_split
from nli_console.worker import prompt_record, score_journal
from nli_console.worker.batches import Batcher
from nli_console.worker.calibration import CONTENT_FREE, calibrated, normalised
from nli_console.worker.chat.channel import Tell
from nli_console.worker.device import Device, choose_device
from nli_console.worker.evaluate import LogitScorer, scores_of
from nli_console.worker.generation import Generator, Sampling, ending_tokens
from nli_console.worker.likelihood import LabelScorer
from nli_console.worker.masked import MaskedScorer
from nli_console.worker.models import ModelLoader, load_config, load_tokenizer, usable_positions
from nli_console.worker.prompted import PromptTokeniser
from nli_console.worker.stop import StopFlag
from nli_console.worker.tokenise import Tokeniser
from nli_console.worker.weights import Weights

_NOWHERE = Path()
"""Pairs that come once are not kept in the cache of tokenised data."""

Ask = Callable[[Sequence[Example]], list[Answer]]
"""From pairs, whose labels say nothing, to their answers in the same order."""


class Answering:
    """A model that was chosen and is not loaded yet; :meth:`load` gives what answers.

    Args:
        folder: of the model's files, or the base model's.

    Attributes:
        identity: changes whenever the answers do, but for rounding.
        batch_size: rows in one forward pass.
        written: whether the model writes its answers instead of being asked for likelihoods.
    """

    def __init__(self, answerer: Answerer, folder: Path) -> None:
        transformers_logging.set_verbosity_error()
        transformers_logging.disable_progress_bar()
        self._answerer = answerer
        self._folder = folder
        self._chosen = self._hyperparameters()
        self.batch_size = self._chosen.batch_size
        self.written = isinstance(self._chosen, IclHyperparameters) and self._chosen.scorer == "generation"
        self.identity = self._identify()

    def load(self, tell: Tell, flag: StopFlag) -> Ask:
        """Load the model, on the device that this process sees.

        Raises:
            ConsoleError: it cannot be loaded, or is asked in another way than it was trained.
            Stopped: a stop was asked for.
        """
        set_seed(self._answerer.seed)
        if isinstance(self._chosen, EvaluationHyperparameters):
            return self._weights(self._chosen, flag)
        return self._as_it_is(self._chosen, tell, flag)

    # -- weights ---------------------------------------------------------------------------------------------

    def _weights(self, chosen: EvaluationHyperparameters, flag: StopFlag) -> Ask:
        answerer, evaluated = self._answerer, self._answerer.evaluates
        assert evaluated is not None
        device = choose_device(chosen.precision)
        weights = Weights(evaluated, chosen, self._folder, answerer.model_name)
        config = load_config(self._folder, answerer.model_name)
        tokenizer = load_tokenizer(self._folder, answerer.model_name, chosen.pad_token)
        longest = weights.longest(chosen.max_length, usable_positions(config, tokenizer))
        pad = int(tokenizer.pad_token_id)  # type: ignore[arg-type]  # load_tokenizer sees to it
        tokeniser: Tokeniser | PromptTokeniser
        if answerer.template is None:
            tokeniser = Tokeniser(tokenizer, self._folder, longest, _NOWHERE, 0)
        else:
            renderer = PromptRenderer(answerer.template, tokenizer, answerer.model_name)
            tokeniser = PromptTokeniser(renderer, tokenizer, self._folder, longest, _NOWHERE, 0)
            prompt = prompt_record.describe(renderer, tokeniser.digest)
            prompt_record.require_same(weights.prompt_folder, prompt, evaluated.title)
        with flag.at_once():
            model, labels = weights.load(config, pad, device)
        if evaluated.task == "causal":
            assert isinstance(tokeniser, PromptTokeniser)
            words = LabelScorer(model, device, pad, chosen.batch_size)
            return lambda rows: _likeliest(
                normalised(_likelihoods(words.batches(tokeniser.fresh(rows).prompts()), len(rows), flag))
            )

        def ask(rows: Sequence[Example]) -> list[Answer]:
            tokens = tokeniser.fresh(rows)
            batcher = Batcher(tokens, rows, labels, pad, device)
            scorer = LogitScorer(model, tokens, batcher, labels, device, chosen.batch_size)
            return _likeliest(
                scores_of(_likelihoods(scorer.batches(), len(rows), flag), rows).log_probabilities
            )

        return ask

    # -- a model as it is ------------------------------------------------------------------------------------

    def _as_it_is(self, chosen: ScoringHyperparameters, tell: Tell, flag: StopFlag) -> Ask:
        answerer = self._answerer
        assert answerer.method is not None
        method = registry.get(answerer.method)
        if answerer.template is None:
            raise ConsoleError(f"{answerer.title}: its spec.json holds no prompt template")
        device = choose_device(chosen.precision)
        shots = self._demonstrations(chosen.shots, tell, flag)
        config = load_config(self._folder, answerer.model_name)
        pad_token = chosen.pad_token if isinstance(chosen, IclHyperparameters) else AUTO
        tokenizer = load_tokenizer(self._folder, answerer.model_name, pad_token)
        longest = min(chosen.max_length, usable_positions(config, tokenizer) or chosen.max_length)
        room = longest - (
            chosen.max_new_tokens if isinstance(chosen, IclHyperparameters) and self.written else 0
        )
        renderer = PromptRenderer(answerer.template, tokenizer, answerer.model_name)
        tokeniser = PromptTokeniser(renderer, tokenizer, self._folder, room, _NOWHERE, 0)
        special: Any = tokenizer
        pad = int(special.pad_token_id)
        loader = ModelLoader(self._folder, answerer.model_name, config, pad, device.compute_dtype)
        with flag.at_once():
            model: Any = method.build(loader, chosen)
            if getattr(chosen, "quantisation", "none") == "none":
                model = model.to(device.torch_device)
        if self.written:
            assert isinstance(chosen, IclHyperparameters)
            return self._writer(chosen, model, device, tokenizer, tokeniser, shots, flag)
        scorer = (
            MaskedScorer(model, device, special.mask_token_id, pad, chosen.batch_size)
            if method.task == "masked"
            else LabelScorer(model, device, pad, chosen.batch_size)
        )

        def score(rows: Sequence[Example]) -> numpy.ndarray:
            return _likelihoods(scorer.batches(tokeniser.fresh(rows, shots).prompts()), len(rows), flag)

        if chosen.calibration == "none":
            return lambda rows: _likeliest(normalised(score(rows)))
        known = self._measured() if chosen.calibration == "batch" else score(CONTENT_FREE)
        return lambda rows: _likeliest(calibrated(score(rows), known))

    def _writer(
        self,
        chosen: IclHyperparameters,
        model: Any,
        device: Device,
        tokenizer: Any,
        tokeniser: PromptTokeniser,
        shots: Sequence[Example],
        flag: StopFlag,
    ) -> Ask:
        assert self._answerer.template is not None
        reader = AnswerReader(self._answerer.template.words)
        ends = ending_tokens(model.generation_config.eos_token_id, tokenizer, tokeniser.closing[-1:])
        sampling = Sampling(chosen.max_new_tokens, chosen.temperature, chosen.top_p, chosen.top_k)
        writer = Generator(model, device, tokenizer, ends, chosen.batch_size, sampling, self._answerer.seed)

        def ask(rows: Sequence[Example]) -> list[Answer]:
            texts = [""] * len(rows)
            for places, written in writer.batches(tokeniser.fresh(rows, shots).prompts()):
                for place, text in zip(places, written, strict=True):
                    texts[place] = text
                flag.check()
            labels = [reader.read(text) for text in texts]
            return [
                Answer(None if label is None else LABELS[label], text=text)
                for label, text in zip(labels, texts, strict=True)
            ]

        return ask

    def _demonstrations(self, count: int, tell: Tell, flag: StopFlag) -> list[Example]:
        if not count or self._answerer.data is None:
            return []

        def progress(done: int, total: int, unit: str) -> None:
            tell("phase", phase="reading the demonstrations", done=done, total=total, unit=unit)
            flag.check()

        rows = prepare(self._answerer.data, self._answerer.seed, progress=progress).train.examples
        return choose(rows, count, self._answerer.seed)

    def _measured(self) -> numpy.ndarray:
        """The likelihoods of a split that the run has scored: what its own calibration divided by."""
        folder = Path(self._answerer.scored or "")
        names = [path.stem for path in folder.glob("*.jsonl")]
        split = headline_split(dict.fromkeys(names)) if names else None
        found = {} if split is None else score_journal.last_scores(folder / f"{split}.jsonl")
        if not found:
            raise ConsoleError(
                f"{self._answerer.title} calibrates by what the labels get on average over a split, and has "
                "scored none (scored/ is empty or gone); run it again, or one with --calibration contextual"
            )
        return numpy.array([found[row] for row in sorted(found)], dtype=numpy.float32)

    # ------------------------------------------------------------------------------------------------------

    def _hyperparameters(self) -> EvaluationHyperparameters | ScoringHyperparameters:
        answerer = self._answerer
        if answerer.evaluates is not None:
            return EvaluationHyperparameters.model_validate(answerer.hyperparameters)
        assert answerer.method is not None
        chosen = registry.get(answerer.method).Hyperparameters.model_validate(answerer.hyperparameters)
        assert isinstance(chosen, ScoringHyperparameters)
        return chosen

    def _identify(self) -> str:
        """Of the weights, the prompts and the hyperparameters; a batch's size changes but the rounding."""
        answerer, evaluated = self._answerer, self._answerer.evaluates
        values = {name: value for name, value in answerer.hyperparameters.items() if name != "batch_size"}
        weights = self._folder.name if evaluated is None else evaluated.digest or self._folder.name
        template = None if answerer.template is None else answerer.template.digest
        data = None if answerer.data is None else answerer.data.source
        matter = [weights, answerer.model_name, answerer.method, values, template, answerer.seed, data]
        return hashlib.sha256(json.dumps(matter, sort_keys=True).encode()).hexdigest()


def _likelihoods(batches: Any, rows: int, flag: StopFlag) -> numpy.ndarray:
    """What a scorer yields, in order, float32, shape ``(rows, 3)``."""
    found = numpy.zeros((rows, len(LABELS)), dtype=numpy.float32)
    for places, values in batches:
        found[places] = values
        flag.check()
    if not numpy.isfinite(found).all():
        raise ConsoleError(
            "the model gives NaN or infinite scores; its weights are damaged, or the arithmetic overflows"
        )
    return found


def _likeliest(log_probabilities: numpy.ndarray) -> list[Answer]:
    """Probabilities with seven significant digits, which is what float32 holds."""
    shares = numpy.exp(log_probabilities.astype(numpy.float64)).tolist()
    return [
        Answer(LABELS[int(numpy.argmax(logs))], tuple(float(f"{share:.7g}") for share in row))
        for logs, row in zip(log_probabilities, shares, strict=True)
    ]
