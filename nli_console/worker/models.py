"""Base models: their configuration, tokenizer and a classification head with three labels known by name."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    MODEL_FOR_CAUSAL_LM_MAPPING,
    MODEL_FOR_MASKED_LM_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from nli_console.data.spec import LABELS
from nli_console.errors import ConsoleError
from nli_console.methods.checks.facts import OFFSET_POSITIONS, TokenizerFacts
from nli_console.methods.padding import AUTO, choose_pad
from nli_console.methods.shapes import ModelShapes, Task
from nli_console.text import clean_line

_AUTO: Any = {
    "classifier": AutoModelForSequenceClassification,
    "causal": AutoModelForCausalLM,
    "masked": AutoModelForMaskedLM,
}

_NO_LIMIT = 10**6
"""Tokenizers without a limit report a huge number."""


@dataclass(frozen=True)
class LabelOrder:
    """Which output of a model means which of our labels.

    Attributes:
        to_model: for each of :data:`LABELS`, the index of the model's output.
        known: whether the model's own configuration named the labels; then its head is kept.
        note: a sentence for the user when a head that was there is not used, else ``None``.
    """

    to_model: tuple[int, ...]
    known: bool
    note: str | None = None

    @property
    def names(self) -> list[str]:
        """Our label names in the order of the model's outputs."""
        return [LABELS[self.to_model.index(i)] for i in range(len(LABELS))]


OWN_ORDER = tuple(range(len(LABELS)))


def label_order(id2label: Mapping[Any, str]) -> LabelOrder:
    """Read the label order of a configuration by name, never by position.

    ``roberta-large-mnli`` has 0 = CONTRADICTION. Names such as LABEL_0 say nothing, so a new head in our own
    order is made; so it is for heads with other labels than ours.
    """
    names = [str(id2label[key]).strip().lower() for key in sorted(id2label)]
    if sorted(names) == sorted(LABELS):
        return LabelOrder(tuple(names.index(label) for label in LABELS), known=True)
    shown = clean_line(", ".join(names), limit=80)
    if len(names) == 2 and all(name.startswith("label_") for name in names):
        # The library's default for a configuration that names no labels: most likely there is no head at all.
        return LabelOrder(OWN_ORDER, known=False)
    if all(name.startswith("label_") for name in names):
        return LabelOrder(
            OWN_ORDER, False, f"its labels ({shown}) do not say what they mean: a new head is trained"
        )
    return LabelOrder(OWN_ORDER, False, f"its head has other labels ({shown}): a new head is trained")


def evaluated_order(id2label: Mapping[Any, str], given: Sequence[str], name: str) -> LabelOrder:
    """As :func:`label_order`, where the head is to be used as it is.

    Args:
        given: our labels in the order of the outputs, by the user; empty takes the names.

    Raises:
        ConsoleError: there are not three labels, or their names do not say which is which.
    """
    shown = clean_line(", ".join(str(id2label[key]) for key in sorted(id2label)), limit=80)
    if len(id2label) != len(LABELS):
        raise ConsoleError(
            f'model "{name}" has {len(id2label)} labels ({shown}); expected three: {", ".join(LABELS)}'
        )
    if given:
        return LabelOrder(tuple(given.index(label) for label in LABELS), known=True)
    order = label_order(id2label)
    if not order.known:
        raise ConsoleError(
            f'model "{name}": its labels ({shown}) do not say which is which; name them in the order of '
            f"its model card, such as --label-order {','.join(LABELS)}"
        )
    return order


def load_config(folder: Path, name: str) -> PreTrainedConfig:
    """The configuration of a model folder; code that comes with a model is never run.

    Raises:
        ConsoleError: an unknown architecture, or one that needs its own code.
    """
    try:
        return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable(name, "config.json", error) from error


def load_tokenizer(folder: Path, name: str, pad_token: str = AUTO) -> PreTrainedTokenizerBase:
    """The tokenizer of a model folder, with a pad token that never occurs in text, or the one that is wanted.

    Raises:
        ConsoleError: there is none, it cannot be loaded, or it has no such token.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    # Tokenizer files are parsed in Rust, whose errors are plain exceptions.
    except Exception as error:
        raise _unusable(name, "its tokenizer", error) from error
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise ConsoleError(
            f'model "{name}": its tokenizer has no vocabulary; the folder needs tokenizer.json or its like'
        )
    chosen = choose_pad(tokenizer_facts(tokenizer), pad_token, name)
    if chosen is None:
        raise ConsoleError(
            f'model "{name}": its tokenizer has no pad token, and no unknown or end token to pad with'
        )
    if chosen != tokenizer.pad_token:
        tokenizer.pad_token = chosen
    return tokenizer


def tokenizer_facts(tokenizer: PreTrainedTokenizerBase) -> TokenizerFacts:
    """What the checks read from a tokenizer's files, of one that is loaded."""
    template = tokenizer.chat_template
    special = [str(token) for token in tokenizer.added_tokens_decoder.values() if token.special]
    return TokenizerFacts(
        pad_token=_text(tokenizer.pad_token),
        bos_token=_text(tokenizer.bos_token),
        eos_token=_text(tokenizer.eos_token),
        unk_token=_text(tokenizer.unk_token),
        limit=int(tokenizer.model_max_length) if tokenizer.model_max_length < _NO_LIMIT else None,
        chat_template=template if isinstance(template, str) else "".join((template or {}).values()),
        special_tokens=tuple(dict.fromkeys([*special, *tokenizer.all_special_tokens])),
    )


def _text(token: Any) -> str | None:
    return None if token is None else str(token)


def usable_positions(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """The longest input in tokens that the model has positions for; ``None`` when nothing limits it."""
    limits: list[int] = []
    positions = getattr(config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions > 0:
        offset = (config.pad_token_id or 0) + 1 if config.model_type in OFFSET_POSITIONS else 0
        limits.append(positions - offset)
    if tokenizer.model_max_length < _NO_LIMIT:
        limits.append(int(tokenizer.model_max_length))
    return min(limits) if limits else None


class ModelLoader:
    """Loads the base model of one run; handed to :meth:`Method.build`.

    Args:
        pad_token_id: fills short rows of a decoder, and of any model whose configuration names none.
        compute_dtype: of the forward pass.

    Attributes:
        labels: the order of the outputs of every classifier that this loads.
        notes: sentences for the user, filled by :meth:`classifier`.
    """

    def __init__(
        self,
        folder: Path,
        model_name: str,
        config: PreTrainedConfig,
        pad_token_id: int | None,
        compute_dtype: torch.dtype = torch.float32,
    ) -> None:
        self._folder = folder
        self._name = model_name
        self._pad_token_id = pad_token_id
        self._compute_dtype = compute_dtype
        self.labels = label_order(config.id2label or {})
        self.notes: list[str] = []

    @property
    def model_name(self) -> str:
        """The model as the user named it, for messages."""
        return self._name

    @property
    def compute_dtype(self) -> torch.dtype:
        return self._compute_dtype

    def shapes(self, task: Task) -> ModelShapes:
        """The modules of what :meth:`classifier` or :meth:`causal` loads, nothing quantised.

        Raises:
            ConsoleError: the architecture has no such head.
        """
        config = self._read_config(task)
        config.quantization_config = None
        try:
            with torch.device("meta"):
                return ModelShapes.of(_AUTO[task].from_config(config), self._name)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise _unusable(self._name, "its architecture", error, task) from error

    def classifier(self, **options: Any) -> PreTrainedModel:
        """``AutoModelForSequenceClassification`` with our labels by name; ``options`` go to its loader.

        A head whose configuration names our three labels is kept in its own order; any other is made new.

        Raises:
            ConsoleError: the architecture has no sequence classifier, or the weights do not fit it.
        """
        ignore = not self.labels.known
        model, info = self._load("classifier", ignore_mismatched_sizes=ignore, **options)
        self._check_body(model, info)
        if not self.labels.known:
            self._renew_head(model, {str(key) for key in info["missing_keys"]})
        return model

    def trained_classifier(self, **options: Any) -> PreTrainedModel:
        """As :meth:`classifier`, of weights that bring the whole of their head.

        Raises:
            ConsoleError: as :meth:`classifier`; a part of the head is missing.
        """
        model, info = self._load("classifier", **options)
        self._check_body(model, info)
        prefix = f"{model.base_model_prefix}."
        missing = sorted(str(key) for key in info["missing_keys"] if not key.startswith(prefix))
        if missing:
            raise ConsoleError(
                f'model "{self._name}": its weights have no classification head '
                f"({clean_line(missing[0], limit=80)} is missing); train one first, with nli-console run"
            )
        return model

    def causal(self, **options: Any) -> PreTrainedModel:
        """``AutoModelForCausalLM``; ``options`` go to its loader.

        Raises:
            ConsoleError: the architecture is no language model, or the weights lack a part of it.
        """
        return self._with_own_head("causal", **options)

    def masked(self, **options: Any) -> PreTrainedModel:
        """``AutoModelForMaskedLM``; ``options`` go to its loader.

        Raises:
            ConsoleError: the architecture fills in no masks, or the weights lack a part of it.
        """
        return self._with_own_head("masked", **options)

    def _with_own_head(self, task: Task, **options: Any) -> PreTrainedModel:
        model, info = self._load(task, **options)
        self._check_body(model, info)
        head = {str(key) for key in info["missing_keys"]} - _tied(model)
        if head:
            made = "write text" if task == "causal" else "fill in masks"
            raise ConsoleError(
                f'model "{self._name}": its weights have no language-model head '
                f"({clean_line(min(head), limit=80)} is missing); use a model that was made to {made}"
            )
        return model

    def _read_config(self, task: Task) -> PreTrainedConfig:
        config = AutoConfig.from_pretrained(self._folder, local_files_only=True, trust_remote_code=False)
        if task == "classifier":
            if not self.labels.known:
                config.id2label = dict(enumerate(LABELS))
                config.label2id = {label: i for i, label in enumerate(LABELS)}
            config.problem_type = "single_label_classification"
        if config.pad_token_id is None or is_decoder(config):
            # A classifier over a decoder reads the last token that is not this one.
            config.pad_token_id = self._pad_token_id
        return config

    def _load(self, task: Task, **options: Any) -> tuple[PreTrainedModel, Mapping[str, Any]]:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return _AUTO[task].from_pretrained(
                    self._folder,
                    config=self._read_config(task),
                    local_files_only=True,
                    trust_remote_code=False,
                    use_safetensors=True,
                    output_loading_info=True,
                    **options,
                )
        except torch.OutOfMemoryError:
            raise
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            if "memory" in str(error):
                raise
            raise _unusable(self._name, "its weights", error, task) from error

    def _check_body(self, model: PreTrainedModel, info: Mapping[str, Any]) -> None:
        prefix = f"{model.base_model_prefix}."
        missing = sorted(
            key for key in info["missing_keys"] if key.startswith(prefix) and ".pooler." not in key
        )
        if missing:
            raise ConsoleError(
                f'model "{self._name}": its weights lack {len(missing)} of its tensors, '
                f"such as {clean_line(missing[0], limit=80)}; "
                "the download is incomplete, or config.json belongs to another model"
            )

    def _renew_head(self, model: PreTrainedModel, missing: set[str]) -> None:
        """Make the head new where the checkpoint brought one for other labels."""
        std = getattr(model.config, "initializer_range", 0.02)
        for child_name, child in model.named_children():
            if child_name == model.base_model_prefix:
                continue
            for name, module in child.named_modules(prefix=child_name):
                if not isinstance(module, torch.nn.Linear) or f"{name}.weight" in missing:
                    continue
                torch.nn.init.normal_(module.weight, std=std)
                if module.bias is not None:
                    torch.nn.init.zeros_(module.bias)
                if self.labels.note and self.labels.note not in self.notes:
                    self.notes.append(self.labels.note)


def count_parameters(model: torch.nn.Module) -> tuple[int, int]:
    """``(trainable, total)``: base and added parameters, the head counted once, 4-bit weights unpacked.

    PEFT keeps the untrained original beside each module that it trains in full; that copy is not counted.
    """
    trainable = total = 0
    for name, parameter in model.named_parameters():
        if ".original_module." in name:
            continue
        # Two 4-bit weights share a byte.
        packed = getattr(parameter, "quant_state", None)
        total += parameter.numel() if packed is None else packed.shape.numel()
        trainable += parameter.numel() if parameter.requires_grad else 0
    return trainable, total


def is_decoder(config: PreTrainedConfig) -> bool:
    """Whether the architecture reads from left to right and writes text."""
    return type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and type(config) not in MODEL_FOR_MASKED_LM_MAPPING


def _tied(model: PreTrainedModel) -> set[str]:
    """Parameters that are another one's under a second name."""
    return set(model.all_tied_weights_keys)


def _unusable(name: str, part: str, error: Exception, task: Task = "classifier") -> ConsoleError:
    text = str(error)
    if "trust_remote_code" in text or "auto_map" in text:
        return ConsoleError(
            f'model "{name}": needs code of its own, which is never run; use a model that transformers knows'
        )
    if "Unrecognized configuration class" in text:
        kind = {
            "classifier": "has no sequence classifier",
            "causal": "is no language model",
            "masked": "fills in no masks",
        }[task]
        return ConsoleError(f'model "{name}": its architecture {kind} in this version of transformers')
    if "does not recognize this architecture" in text or "Unrecognized model" in text:
        return ConsoleError(
            f'model "{name}": config.json names an architecture that this transformers does not know'
        )
    return ConsoleError(f'model "{name}": {part} cannot be loaded: {clean_line(error, limit=400)}')
