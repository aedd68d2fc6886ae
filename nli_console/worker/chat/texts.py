"""What needs a tokenizer or the data alone: rendering a prompt with its checks, choosing demonstrations."""

import dataclasses
from pathlib import Path
from typing import Any

from nli_console.data.chat import Demonstrate, Question, Render, TextRequest
from nli_console.data.inventory import fingerprint
from nli_console.data.prompts import choose
from nli_console.data.sample import prepare
from nli_console.data.spec import Example
from nli_console.errors import ConsoleError
from nli_console.methods import registry, shapes
from nli_console.methods.checks import CheckContext, ModelFacts, PromptFacts, run_checks
from nli_console.methods.icl import IclHyperparameters
from nli_console.methods.padding import AUTO
from nli_console.worker.chat.asking import Asker
from nli_console.worker.models import load_config, load_tokenizer, usable_positions
from nli_console.worker.prompt_facts import PromptProbe

_KEPT = 4
_NO_LIMIT = 131_072
"""Tokens of the longest prompt that a run may have."""


class Texts:
    """Does text requests; what was read once is kept while its files stay as they are."""

    def __init__(self) -> None:
        self._askers: dict[Any, tuple[Asker, int | None]] = {}
        self._probes: dict[Any, PromptProbe] = {}
        self._train: dict[Any, list[Example]] = {}

    def do(self, request: TextRequest) -> dict[str, Any]:
        """Do a request and return what its last event says.

        Raises:
            ConsoleError: it cannot be done.
        """
        return self._render(request) if isinstance(request, Render) else self._demonstrate(request)

    def _render(self, request: Render) -> dict[str, Any]:
        folder = _folder(request)
        asker, positions = self._asker(folder, request.model_name)
        asked, pieces = asker.ask(request.prompt), asker.pieces(request.prompt)
        return {
            "pieces": [[piece.text, piece.special] for piece in pieces],
            "only_text": asker.only_text(pieces),
            "tokens": len(asked.input_ids),
            "positions": positions,
            "findings": self._findings(folder, asker, positions, request),
        }

    def _findings(
        self, folder: Path, asker: Asker, positions: int | None, request: Render
    ) -> list[dict[str, Any]]:
        """What the checks before a launch say about the prompt."""
        question = request.prompt
        if not isinstance(question, Question):
            return []
        template = question.template
        key = (folder, _changed(folder), template.name, template.digest)
        if key not in self._probes:
            matter = template.model_dump(mode="json")
            probe = PromptProbe(folder, request.model_name, matter, AUTO, asker.tokenizer)
            _keep(self._probes, key, probe)
        pair = (question.premise, question.hypothesis)
        facts = self._probes[key].facts([pair], "causal", question.shots)
        context = CheckContext(
            registry.get("icl"),
            IclHyperparameters(shots=len(question.shots), max_length=min(positions or _NO_LIMIT, _NO_LIMIT)),
            model=ModelFacts(request.model_name, positions=positions),
            prompts=PromptFacts(**{**facts, "max_new_tokens": request.max_new_tokens}),
        )
        return [finding.to_json() for finding in run_checks(context)]

    def _demonstrate(self, request: Demonstrate) -> dict[str, Any]:
        spec = request.data
        try:
            key = (spec.model_dump_json(), fingerprint(spec), request.seed)
        except OSError as error:
            raise ConsoleError(f"{spec.name} cannot be read: {error.strerror or error}") from error
        if key not in self._train:
            _keep(self._train, key, prepare(spec, request.seed).train.examples)
        chosen = choose(self._train[key], request.shots, request.seed)
        return {"examples": [dataclasses.asdict(example) for example in chosen]}

    def _asker(self, folder: Path, name: str) -> tuple[Asker, int | None]:
        key = (folder, _changed(folder))
        if key not in self._askers:
            tokenizer = load_tokenizer(folder, name)
            _keep(self._askers, key, (Asker(tokenizer, name), _positions(folder, name, tokenizer)))
        return self._askers[key]


def _folder(request: Render) -> Path:
    config = shapes.find_config(request.model)
    if config is None:
        raise ConsoleError(
            f'model "{request.model_name}" is not on this machine; its prompts can be shown once it is '
            "loaded, which downloads it"
        )
    return config.parent


def _positions(folder: Path, name: str, tokenizer: Any) -> int | None:
    return usable_positions(load_config(folder, name), tokenizer)


def _changed(folder: Path) -> tuple[Any, ...]:
    """Differs when the tokenizer's files do."""
    names = ("tokenizer.json", "tokenizer.model", "tokenizer_config.json", "chat_template.jinja")
    return tuple((name, (folder / name).stat().st_mtime_ns) for name in names if (folder / name).is_file())


def _keep(cache: dict[Any, Any], key: Any, value: Any) -> None:
    cache[key] = value
    while len(cache) > _KEPT:
        del cache[next(iter(cache))]
