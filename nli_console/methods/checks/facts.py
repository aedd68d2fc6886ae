"""What a check may look at. A field that is ``None`` is not known, and checks that need it stay silent."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nli_console.methods.base import Method, TrainingPlan
from nli_console.methods.estimate import MemoryEstimate
from nli_console.methods.shapes import ModelShapes

OFFSET_POSITIONS = frozenset(
    {
        "roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "longformer", "mpnet",
        "roberta-prelayernorm", "esm", "data2vec-text",
    }
)  # fmt: skip
"""Model types that number positions from ``pad_token_id + 1``, so that the first embeddings are never "
"used."""

_ADDED_TOKENS = re.compile(r'"added_tokens"\s*:\s*(?=\[)')

_NO_LIMIT = 10**6
"""Tokenizers without a limit of their own record a huge number."""


@dataclass(frozen=True)
class ModelFacts:
    """What ``config.json`` says.

    Attributes:
        name: as messages call the model.
        positions: tokens that it has positions for; ``None`` when nothing limits it.
        labels: names of its outputs in their order, lower case; empty where it names none.
        classifier: whether the saved weights include a classification head.
        pad_token_id: of the model, not of its tokenizer.
    """

    name: str
    model_type: str = ""
    positions: int | None = None
    labels: tuple[str, ...] = ()
    classifier: bool = False
    pad_token_id: int | None = None

    @classmethod
    def from_config(cls, config: Mapping[str, Any], name: str) -> "ModelFacts":
        """Read the raw content of a ``config.json``; what is not of the expected type is not known."""
        labels = config.get("id2label")
        names: tuple[str, ...] = ()
        if isinstance(labels, Mapping) and all(str(key).isdigit() for key in labels):
            names = tuple(
                str(labels[key]).strip().lower() for key in sorted(labels, key=lambda key: int(key))
            )
        architectures = config.get("architectures")
        return cls(
            name=name,
            model_type=str(config.get("model_type") or ""),
            positions=usable_positions(config),
            labels=names,
            classifier=isinstance(architectures, list)
            and any("ForSequenceClassification" in str(entry) for entry in architectures),
            pad_token_id=_whole(config.get("pad_token_id")),
        )


def usable_positions(config: Mapping[str, Any]) -> int | None:
    """Positions of the model, less those that its architecture never uses; ``None`` when it has no limit."""
    positions = _whole(config.get("max_position_embeddings"))
    if positions is None or positions <= 0:
        return None
    if config.get("model_type") not in OFFSET_POSITIONS:
        return positions
    # The configuration classes of these models default to pad_token_id 1.
    return positions - (_whole(config.get("pad_token_id", 1)) or 0) - 1


@dataclass(frozen=True)
class TokenizerFacts:
    """What the tokenizer's own files say, read without a library.

    Attributes:
        limit: the longest input that it declares, in tokens, or ``None``.
        chat_template: the Jinja text of its chat template; empty without one.
        special_tokens: every token that text cannot turn into, by its id.
    """

    pad_token: str | None = None
    bos_token: str | None = None
    eos_token: str | None = None
    unk_token: str | None = None
    limit: int | None = None
    chat_template: str = ""
    special_tokens: tuple[str, ...] = ()


def read_tokenizer(folder: Path) -> TokenizerFacts | None:
    """The facts of a model folder; ``None`` when ``tokenizer_config.json`` is not there or not readable."""
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(config, dict):
        return None
    limit = config.get("model_max_length")
    return TokenizerFacts(
        pad_token=_token(config.get("pad_token")),
        bos_token=_token(config.get("bos_token")),
        eos_token=_token(config.get("eos_token")),
        unk_token=_token(config.get("unk_token")),
        limit=int(limit) if isinstance(limit, (int, float)) and 0 < limit < _NO_LIMIT else None,
        chat_template=_template(folder, config.get("chat_template")),
        special_tokens=_special_tokens(folder, config),
    )


@dataclass(frozen=True)
class DataFacts:
    """What the rows say that a run would read.

    Attributes:
        train_rows: rows that would be trained on.
        selection_rows: rows held out for model selection.
        evaluation: rows of each reported split.
        labels: training rows of each label.
        lengths: tokens of a fair sample of the training pairs, before any truncation.
        longest: tokens of the longest training pair, before any truncation.
        repeated: for each reported split, its rows whose premise and hypothesis also stand in train.
    """

    train_rows: int | None = None
    selection_rows: int | None = None
    evaluation: Mapping[str, int] | None = None
    labels: Mapping[str, int] | None = None
    lengths: tuple[int, ...] | None = None
    longest: int | None = None
    repeated: Mapping[str, int] | None = None


@dataclass(frozen=True)
class PromptFacts:
    """What a sample of rendered prompts says; encoders have none.

    Attributes:
        sampled: how many prompts were rendered.
        pad_token: the token that would fill short rows.
        with_pad_token: sampled prompts in which that token stands.
        leading_bos: beginning-of-text tokens that the prompts start with.
        header: text that opens the assistant's turn in the model's chat template; empty without one.
        ends_with_header: whether the scored prompts end with it.
        training_hash: digest of the template that is trained on; ``None`` where nothing is trained.
        evaluation_hash: digest of the template that is scored.
        label_tokens: token ids of each label word, in the context in which it is scored.
        max_new_tokens: tokens that may be generated; ``None`` where nothing is generated.
        first_token_only: whether labels are told apart by their first token alone.
        mask_token: whether the tokenizer has a mask token; ``None`` where the template fills in none.
        demonstrations: solved pairs that stand before each question.
        fixed_tokens: tokens of a prompt without any pair of its own, its answer and demonstrations included.
        shared_tokens: leading tokens that all prompts have in common.
    """

    sampled: int
    pad_token: str | None = None
    with_pad_token: int | None = None
    leading_bos: int | None = None
    header: str = ""
    ends_with_header: bool | None = None
    training_hash: str | None = None
    evaluation_hash: str | None = None
    label_tokens: Mapping[str, tuple[int, ...]] | None = None
    max_new_tokens: int | None = None
    first_token_only: bool = False
    mask_token: bool | None = None
    demonstrations: int = 0
    fixed_tokens: int | None = None
    shared_tokens: int | None = None


@dataclass(frozen=True)
class MachineFacts:
    """Free space, in bytes. ``device`` names what the run would compute on."""

    free_disk_bytes: int | None = None
    free_device_bytes: int | None = None
    device: str = ""


@dataclass(frozen=True)
class CheckContext:
    """One recipe, and everything that is known about it before it is launched.

    Attributes:
        labels: our label names in our order.
        template_format: of the prompt template; ``None`` where the method uses none.
        plan: which modules train, get an update or are quantised; ``None`` where the method does not say.
        checkpoint_bytes: size of one checkpoint with its optimiser state.
        checkpoints: how many stand on the disk at the same time, at most.
        scores_own_training: whether an evaluation reports on the rows that its weights were trained on.
    """

    method: Method
    hyperparameters: Any
    labels: tuple[str, ...] = ("entailment", "neutral", "contradiction")
    template_format: str | None = None
    shapes: ModelShapes | None = None
    plan: TrainingPlan | None = None
    model: ModelFacts | None = None
    tokenizer: TokenizerFacts | None = None
    data: DataFacts | None = None
    prompts: PromptFacts | None = None
    machine: MachineFacts = field(default_factory=MachineFacts)
    memory: MemoryEstimate | None = None
    checkpoint_bytes: int | None = None
    checkpoints: int = 0
    scores_own_training: bool = False

    def value(self, name: str) -> Any:
        """A hyperparameter, or ``None`` where the method has none of that name."""
        return getattr(self.hyperparameters, name, None)

    @property
    def model_name(self) -> str:
        if self.model is not None:
            return self.model.name
        return "the model" if self.shapes is None else self.shapes.name

    @property
    def generates(self) -> bool:
        """Whether the model writes its answer, instead of label words being compared."""
        return self.value("scorer") == "generation"

    @property
    def text_positions(self) -> int | None:
        """Tokens left for a pair: the model's and tokenizer's limit, less the virtual tokens."""
        limits = [
            limit
            for limit in (
                None if self.model is None else self.model.positions,
                None if self.tokenizer is None else self.tokenizer.limit,
            )
            if limit is not None
        ]
        return min(limits) - (self.value("num_virtual_tokens") or 0) if limits else None

    @property
    def longest_input(self) -> int | None:
        """Tokens after which a pair is cut; ``None`` where the method has no such limit.

        What is to be generated takes its room out of it.
        """
        length = self.value("max_length")
        positions = self.text_positions
        if length is None:
            return None
        if positions is not None:
            length = min(length, positions)
        return max(length - (self.value("max_new_tokens") if self.generates else 0), 0)


def _token(value: Any) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("content")
    return value if isinstance(value, str) and value else None


def _special_tokens(folder: Path, config: Mapping[str, Any]) -> tuple[str, ...]:
    """From ``tokenizer_config.json`` where it lists them, else from the beginning of ``tokenizer.json``."""
    listed = config.get("added_tokens_decoder")
    if isinstance(listed, Mapping):
        entries = [listed[key] for key in sorted(listed, key=lambda key: (len(key), key))]
    else:
        entries = _added_tokens(folder / "tokenizer.json")
    return tuple(
        entry["content"]
        for entry in entries
        if isinstance(entry, Mapping) and entry.get("special") and isinstance(entry.get("content"), str)
    )


def _added_tokens(path: Path) -> list[Any]:
    try:
        text = path.read_text(encoding="utf-8")
        start = _ADDED_TOKENS.search(text)
        # The vocabulary behind it is long and not looked at.
        found = json.JSONDecoder().raw_decode(text, start.end())[0] if start else []
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) else []


def _template(folder: Path, value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(str(entry.get("template", "")) for entry in value if isinstance(entry, Mapping))
    try:
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


def _whole(value: Any) -> int | None:
    return value if type(value) is int else None
