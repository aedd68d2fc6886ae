"""What a sample of rendered prompts says, for the checks before a launch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nli_console.data.inventory import Pair
from nli_console.data.prompts import PromptRenderer, Prompts, PromptTemplate
from nli_console.data.spec import Example
from nli_console.methods.shapes import Task
from nli_console.worker.models import load_tokenizer
from nli_console.worker.prompted import wording_digest

_SAMPLE = 200
_LEAST_SAMPLE = 8
_EMPTY = Example("", "", "", 0)


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
        self._template = PromptTemplate.model_validate(template)
        self._masked = self._template.format == "masked"
        self._renderer: PromptRenderer | None = None
        if not self._masked or self._tokenizer.mask_token is not None:
            self._renderer = PromptRenderer(self._template, self._tokenizer, name)
        self._words = () if self._renderer is None else self._renderer.word_tokens(_example(("a", "b")))

    @property
    def renders(self) -> bool:
        """Whether there are prompts at all: a mask is there to be filled, by words of one token each."""
        return self._renderer is not None and not (
            self._masked and {len(word) for word in self._words} != {1}
        )

    def lengths(self, pairs: list[Pair]) -> list[int] | None:
        """Tokens of each prompt with its longest answer and what ends the turn, nothing cut."""
        if not self.renders:
            return None
        prompts = self._render(pairs)
        return [
            len(ids) + self._behind(answers)
            for ids, answers in zip(prompts.input_ids, prompts.answers, strict=True)
        ]

    def shot_tokens(self, shots: Sequence[Example]) -> int:
        """Tokens that demonstrations add to every prompt."""
        if not shots or not self.renders:
            return 0
        alone, after = (len(self._render([("a", "b")], before).input_ids[0]) for before in ((), shots))
        return after - alone

    def facts(self, pairs: list[Pair], task: Task, shots: Sequence[Example] = ()) -> dict[str, Any]:
        """The fields of :class:`~nli_console.methods.checks.PromptFacts`; a classifier has no answers."""
        renderer = self._renderer
        words = dict(zip(self._template.words, self._words, strict=False))
        has_mask = self._tokenizer.mask_token is not None if self._masked else None
        if renderer is None or not self.renders:
            return {"sampled": 0, "mask_token": has_mask, "label_tokens": words}
        # Long prompts are alike: what they share outweighs what differs.
        prompts = self._render(pairs[: max(_SAMPLE // (len(shots) + 1), _LEAST_SAMPLE)], shots)
        pad = self._tokenizer.pad_token_id
        answered = task != "classifier"
        after = renderer.closing if answered else ()
        empty = renderer.render([_EMPTY], shots)
        known: dict[str, Any] = {
            "sampled": len(prompts),
            "pad_token": str(self._tokenizer.pad_token),
            "with_pad_token": sum(pad in (*ids, *after) for ids in prompts.input_ids),
            "leading_bos": max(map(renderer.leading_bos, prompts.input_ids), default=None),
            "evaluation_hash": wording_digest(renderer),
            "mask_token": has_mask,
            "demonstrations": len(shots),
            "fixed_tokens": len(empty.input_ids[0]) + self._behind(empty.answers[0]),
            "shared_tokens": prompts.shared,
        }
        if answered and prompts.answers:
            header, lead = renderer.header, renderer.template.lead
            text = renderer.text(_example(pairs[0]), shots)
            known |= {
                "header": header,
                "ends_with_header": text.endswith(header + lead) if header else None,
                "label_tokens": dict(zip(self._template.words, prompts.answers[0], strict=True)),
            }
        return known

    def _behind(self, answers: Sequence[Sequence[int]]) -> int:
        """Tokens that a run keeps free behind a prompt."""
        closing = 0 if self._renderer is None else len(self._renderer.closing)
        return max(map(len, answers)) + closing

    def _render(self, pairs: list[Pair], shots: Sequence[Example] = ()) -> Prompts:
        assert self._renderer is not None
        return self._renderer.render([_example(pair) for pair in pairs], shots)


def _example(pair: Pair) -> Example:
    return Example("", pair[0], pair[1], 0)
