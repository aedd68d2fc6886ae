"""What the engine knows of models and data, kept from one question to the next."""

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nli_console.data.inventory import (
    Inventory,
    Pair,
    fingerprint,
    take_evaluation_inventory,
    take_inventory,
)
from nli_console.data.sample import sampled_rows
from nli_console.data.spec import DataSpec, Example
from nli_console.errors import ConsoleError
from nli_console.methods import shapes
from nli_console.text import clean_line

Count = Callable[[list[Pair]], list[int]]

_Lengths = tuple[list[int] | None, list[int] | None, dict[str, Any] | None]
"""Tokens of the sampled and of the longest rows, and facts of the prompts where there are any."""

_KEPT = 4
"""Datasets and tokenizers that are kept; the oldest goes first."""


class Facts:
    """Answers questions; what was read once is not read again while its files stay as they are."""

    def __init__(self) -> None:
        self._inventories: dict[Any, Inventory] = {}
        self._chosen: dict[Any, frozenset[int] | None] = {}
        self._tokenizers: dict[Any, Any] = {}
        self._lengths: dict[Any, _Lengths] = {}
        self._probes: dict[Any, Any] = {}
        self._shapeless: set[str] = set()

    def answer(self, question: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Answers that replace one another: about the rows, then with their lengths, then the shapes."""
        known: dict[str, Any] = {"data": None, "prompts": None, "notes": []}
        yield from self._about_data(question, known)
        yield from self._about_shapes(question, known)

    def _about_data(self, question: dict[str, Any], known: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if question["data"] is None:
            return
        spec = DataSpec.model_validate(question["data"])
        try:
            trains = question.get("trains", True)
            # The reported rows are the same for every seed, unless it chooses some of them.
            seed = question["seed"] if spec.evaluation_rows else 0
            key = (
                trains, spec.model_copy(update={"fraction": 1.0}).model_dump_json(), fingerprint(spec), seed,
            )  # fmt: skip
            inventory = self._inventories.get(key)
            if inventory is None:
                taken = take_inventory(spec, seed) if trains else take_evaluation_inventory(spec)
                inventory = _keep(self._inventories, key, taken)
        except (ConsoleError, OSError) as error:
            known["notes"].append(clean_line(error, limit=300))
            yield known
            return
        part = (*key, spec.fraction, question["seed"])
        if part not in self._chosen:
            _keep(self._chosen, part, inventory.chosen(spec.fraction, question["seed"]))
        chosen = self._chosen[part]
        if trains:
            known["data"] = {
                "train_rows": len(inventory.ids) if chosen is None else len(chosen),
                "selection_rows": inventory.selection_rows,
                "evaluation": inventory.evaluation,
                "labels": inventory.label_counts(chosen),
                "repeated": inventory.repeats(chosen),
            }
        else:
            evaluation = {
                name: sampled_rows(rows, spec.fraction) for name, rows in inventory.evaluation.items()
            }
            known["data"] = {"evaluation": evaluation}
        yield known
        found = self._row_lengths(question, inventory, key, known)
        if found is not None:
            sampled, longest, known["prompts"] = found
            if sampled is not None and longest is not None:
                kept = [
                    length
                    for (number, _), length in zip(inventory.longest, longest, strict=True)
                    if chosen is None or not trains or number in chosen
                ]
                known["data"] |= {"lengths": sampled, "longest": max([*kept, *sampled], default=None)}
            yield known

    def _row_lengths(
        self, question: dict[str, Any], inventory: Inventory, key: Any, known: dict[str, Any]
    ) -> "_Lengths | None":
        model, template = question["model"], question.get("template")
        config = shapes.find_config(model)
        if config is None:
            return None
        folder = config.parent
        files = tuple(
            (name, (folder / name).stat().st_mtime_ns)
            for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
            if (folder / name).is_file()
        )
        shots = question.get("shots", 0)
        asked = () if template is None else (json.dumps(template), question["pad_token"], question["task"])
        rows = (*key, str(folder), files, asked)
        whole = (*rows, shots, question["seed"] if shots else None)
        if whole in self._lengths:
            return self._lengths[whole]
        longest = [pair for _, pair in inventory.longest]
        try:
            if template is None:
                count = self._tokenizer(folder, files, model)
                result = (count(inventory.sampled), count(longest), None)
            else:
                result = self._prompts(question, inventory, rows, folder, longest)
        except ConsoleError as error:
            known["notes"].append(clean_line(error, limit=300))
            return None
        return _keep(self._lengths, whole, result)

    def _prompts(
        self, question: dict[str, Any], inventory: Inventory, rows: Any, folder: Path, longest: list[Pair]
    ) -> "_Lengths":
        """Of the rows as prompts; another number of demonstrations does not render all of them anew."""
        from nli_console.worker.prompt_facts import PromptProbe

        if rows not in self._probes:
            name, template = Path(question["model"]).name, question["template"]
            probe = PromptProbe(folder, name, template, question["pad_token"])
            _keep(self._probes, rows, (probe, probe.lengths(inventory.sampled), probe.lengths(longest)))
        probe, *alone = self._probes[rows]
        shots: list[Example] = []
        # Too few rows for them is what a check says, by the counts of all rows.
        with contextlib.suppress(ConsoleError):
            shots = inventory.demonstrations(question.get("shots", 0), question["seed"])
        added = probe.shot_tokens(shots)
        sampled, ends = (None if each is None else [length + added for length in each] for each in alone)
        return sampled, ends, probe.facts(inventory.sampled, question["task"], shots)

    def _tokenizer(self, folder: Path, files: Any, model: str) -> "Count":
        key = (folder, files)
        return self._tokenizers.get(key) or _keep(self._tokenizers, key, _counter(folder, Path(model).name))

    def _about_shapes(self, question: dict[str, Any], known: dict[str, Any]) -> Iterator[dict[str, Any]]:
        model, cache_dir, task = question["model"], Path(question["cache_dir"]), question["task"]
        missing = shapes.find_config(model) is not None and shapes.load(model, cache_dir, task) is None
        if not missing:
            return
        if model not in self._shapeless:
            from nli_console.worker.shapes import main as compute

            words = io.StringIO()
            with contextlib.redirect_stderr(words):
                code = compute([model, str(cache_dir), task])
            if code == 0:
                yield known
                return
            self._shapeless.add(model)
            known["notes"].append(f"parameters not counted: {clean_line(words.getvalue(), limit=200)}")
        else:
            known["notes"].append("parameters not counted: the architecture could not be built")
        yield known


def _counter(folder: Path, name: str) -> Count:
    """Counts the tokens of pairs, special tokens included, nothing cut.

    Raises:
        ConsoleError: the tokenizer cannot be loaded.
    """
    if (folder / "tokenizer.json").is_file():
        # Without transformers, whose import of torch takes longer than everything else here.
        from tokenizers import Tokenizer

        try:
            fast = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:
            raise ConsoleError(f'model "{name}": tokenizer.json cannot be read: {error}') from None
        fast.no_truncation()
        fast.no_padding()
        fast.encode_special_tokens = True
        return lambda pairs: [len(encoding) for encoding in fast.encode_batch_fast(_encodable(pairs))]
    from nli_console.worker.models import load_tokenizer

    slow = load_tokenizer(folder, name)

    def count(pairs: list[Pair]) -> list[int]:
        texts = _encodable(pairs)
        batch = slow(
            [premise for premise, _ in texts],
            [hypothesis for _, hypothesis in texts],
            truncation=False,
            split_special_tokens=True,
            verbose=False,
        )
        return [len(ids) for ids in batch["input_ids"]]

    return count


def _encodable(pairs: list[Pair]) -> list[Pair]:
    """Lone surrogates, which no tokenizer takes, become U+FFFD."""

    def whole(text: str) -> str:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    return [(whole(premise), whole(hypothesis)) for premise, hypothesis in pairs]


def _keep(cache: dict[Any, Any], key: Any, value: Any) -> Any:
    cache[key] = value
    while len(cache) > _KEPT:
        del cache[next(iter(cache))]
    return value
