"""What needs the model: loading it, letting it answer, scoring labels, attaching adapters. One at a time."""

import dataclasses
import time
from typing import Any

import numpy
import torch

from nli_console.data.chat import (
    Attach,
    Check,
    Generate,
    Load,
    ModelRequest,
    Score,
    refuse_too_long,
)
from nli_console.data.prompts import PromptTemplate
from nli_console.data.spec import LABELS, Example
from nli_console.errors import ConsoleError
from nli_console.worker.chat import scores
from nli_console.worker.chat.answer import answer
from nli_console.worker.chat.channel import Tell
from nli_console.worker.chat.model import ChatModel, load_weights, open_files
from nli_console.worker.chat.place import Place, take_place
from nli_console.worker.download import model_folder
from nli_console.worker.generation import ending_tokens
from nli_console.worker.likelihood import LabelScorer
from nli_console.worker.prompted import wording_digest
from nli_console.worker.stop import StopFlag

_REFERENCES = 32


class NotLoadedError(ConsoleError):
    """A request that needs a model came before one was loaded, or after it had gone."""


class Desk:
    """Does model requests.

    Attributes:
        model: what is loaded.
        committed: whether a device was taken: from then on the process is good for this one model.
        deaf: whether loading is at a point where it cannot be left.
    """

    def __init__(self) -> None:
        self.model: ChatModel | None = None
        self.committed = False
        self.deaf = False
        self._place: Place | None = None
        self._references: dict[str, numpy.ndarray] = {}

    def do(self, request: ModelRequest, tell: Tell, flag: StopFlag) -> dict[str, Any]:
        """Do a request and return what its last event says.

        Raises:
            Stopped: a stop was asked for.
            ConsoleError: it cannot be done.
        """
        match request:
            case Load():
                return self._load(request, tell, flag)
            case Generate():
                return self._generate(request, tell, flag)
            case Score():
                return self._score(request)
            case Attach():
                adapter = self._loaded().attach(request.adapter)
                return {"adapter": request.adapter, "template": adapter.template}
            case Check():
                return self._check(request, tell, flag)

    def renew(self) -> None:
        """Keep the slot's file young."""
        if self._place is not None:
            self._place.lease.renew()

    def recover(self) -> None:
        """Give back what a request that failed has left on the device."""
        if self.model is not None and self.model.device.cuda:
            torch.cuda.empty_cache()

    def _loaded(self) -> ChatModel:
        if self.model is None:
            raise NotLoadedError("no model is loaded; load one first")
        return self.model

    def _load(self, request: Load, tell: Tell, flag: StopFlag) -> dict[str, Any]:
        if self.committed:
            raise ConsoleError("this process has had its model; unload it first, then load another")

        def downloading(done: int, total: int | None) -> None:
            tell("loading", step="downloading", done=done, total=total, unit="bytes")

        tell("loading", step="looking for the files")
        folder = model_folder(request.model, downloading, flag)
        flag.check()
        config, tokenizer = open_files(request, folder)
        self._place = take_place(request, tell, flag)
        self.committed = self.deaf = True
        tell("loading", step="loading the weights", slot=self._place.lease.slot)
        self.model = load_weights(request, folder, config, tokenizer, self._place.gpu)
        self.deaf = False
        return {**self.model.facts(), "slot": self._place.lease.slot}

    def _generate(self, request: Generate, tell: Tell, flag: StopFlag) -> dict[str, Any]:
        started = time.perf_counter()
        model = self._loaded()
        asked = model.asker.ask(request.prompt)
        refuse_too_long(len(asked.input_ids), model.positions)
        with model.using(request.adapter) as answering:
            written = answer(
                answering,
                model.asker.tokenizer,
                asked.input_ids,
                ending_tokens(model.own_ends, model.asker.tokenizer, asked.closing[-1:]),
                request.sampling,
                model.positions,
                tell=tell,
                flag=flag,
                started=started,
            )
        label = asked.reader.read(written.text)
        template = getattr(request.prompt, "template", None)
        return {
            **dataclasses.asdict(written),
            "label": None if label is None else LABELS[label],
            "prompt_tokens": len(asked.input_ids),
            "peak_memory_bytes": model.memory.peak_bytes(),
            "notes": self._notes(model, request.adapter, template),
        }

    def _score(self, request: Score) -> dict[str, Any]:
        model, question = self._loaded(), request.prompt
        asked = model.asker.ask(question)
        assert asked.prompts is not None
        refuse_too_long(len(asked.input_ids) + max(map(len, asked.prompts.answers[0])) - 1, model.positions)
        with model.using(request.adapter) as answering:
            scorer = LabelScorer(answering, model.device, model.pad_token_id, 1)
            found = scores.likelihoods(scorer, asked.prompts)
            empty = self._reference(model, scorer, question.template, question.shots, request.adapter)
        raw, fair = scores.probabilities(found, empty)
        return {
            "log_likelihoods": found[0].tolist(),
            "raw": raw[0].tolist(),
            "calibrated": fair[0].tolist(),
            "notes": self._notes(model, request.adapter, question.template),
        }

    def _check(self, request: Check, tell: Tell, flag: StopFlag) -> dict[str, Any]:
        model = self._loaded()
        renderer = model.asker.renderer(request.template)
        rows = scores.chosen_rows(request)
        flag.check()
        prompts = renderer.render(rows, request.shots)
        longest = max(
            len(ids) + max(map(len, answers)) - 1
            for ids, answers in zip(prompts.input_ids, prompts.answers, strict=True)
        )
        refuse_too_long(longest, model.positions, f"the longest of {len(rows)} prompts")
        running = scores.RunningCheck(rows, request.batch_size)
        with model.using(request.adapter) as answering:
            scorer = LabelScorer(answering, model.device, model.pad_token_id, request.batch_size)
            empty = self._reference(model, scorer, request.template, request.shots, request.adapter)
            for known in running.run(scorer, prompts, empty):
                tell("checked", **known)
                flag.check()
        notes = self._notes(model, request.adapter, request.template)
        return {**running.summary(), "rows": running.results, "notes": notes}

    def _reference(
        self,
        model: ChatModel,
        scorer: LabelScorer,
        template: PromptTemplate,
        shots: tuple[Example, ...],
        adapter: str,
    ) -> numpy.ndarray:
        """What the labels get after pairs that say nothing; computed once for a way to ask."""
        key = repr((template.digest, shots, adapter))
        if key not in self._references:
            self._references[key] = scores.reference(scorer, model.asker.renderer(template), shots)
            while len(self._references) > _REFERENCES:
                del self._references[next(iter(self._references))]
        return self._references[key]

    def _notes(self, model: ChatModel, adapter: str, template: PromptTemplate | None) -> list[str]:
        if not adapter or template is None:
            return []
        note = model.adapters[adapter].note(wording_digest(model.asker.renderer(template)))
        return [note] if note else []
