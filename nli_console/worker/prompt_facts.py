"""What a sample of rendered prompts says, for the checks before a launch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nli_console.data.inventory import Pair
from nli_console.data.prompts import PromptRenderer, Prompts, PromptTemplate
from nli_console.data.spec import Example
from nli_console.methods.shapes import Task
from nli_console.worker.models import load_tokenizer
from nli_console.worker.prompted import wording_digest

_SAMPLE = 200


class PromptProbe:
    """Renders pairs as a run would.

    Args:
        folder: of the model's files.
        template: as a spec holds it.
        pad_token: as the user wants it.

    Raises:
        ConsoleError: the tokenizer or the template cannot be used.
    """

    def __init__(self, folder: Path, name: str, template: Mapping[str, Any], pad_token: str) -> None:
        self._tokenizer = load_tokenizer(folder, name, pad_token)
        self._renderer = PromptRenderer(PromptTemplate.model_validate(template), self._tokenizer, name)

    def lengths(self, pairs: list[Pair]) -> list[int]:
        """Tokens of each prompt with its longest answer and what ends the turn, nothing cut."""
        prompts = self._render(pairs)
        closing = len(self._renderer.closing)
        return [
            len(ids) + max(map(len, answers)) + closing
            for ids, answers in zip(prompts.input_ids, prompts.answers, strict=True)
        ]

    def facts(self, pairs: list[Pair], task: Task) -> dict[str, Any]:
        """The fields of :class:`~nli_console.methods.checks.PromptFacts`; a classifier has no answers."""
        prompts = self._render(pairs[:_SAMPLE])
        pad, words = self._tokenizer.pad_token_id, self._renderer.template.words
        answered = task != "classifier"
        after = self._renderer.closing if answered else ()
        known: dict[str, Any] = {
            "sampled": len(prompts),
            "pad_token": str(self._tokenizer.pad_token),
            "with_pad_token": sum(pad in (*ids, *after) for ids in prompts.input_ids),
            "leading_bos": max(map(self._renderer.leading_bos, prompts.input_ids), default=None),
            "evaluation_hash": wording_digest(self._renderer),
        }
        if answered and prompts.answers:
            header, lead = self._renderer.header, self._renderer.template.lead
            text = self._renderer.text(_example(pairs[0]))
            known |= {
                "header": header,
                "ends_with_header": text.endswith(header + lead) if header else None,
                "label_tokens": dict(zip(words, prompts.answers[0], strict=True)),
            }
        return known

    def _render(self, pairs: list[Pair]) -> Prompts:
        return self._renderer.render([_example(pair) for pair in pairs])


def _example(pair: Pair) -> Example:
    return Example("", pair[0], pair[1], 0)
