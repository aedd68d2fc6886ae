"""Weights that exist already, loaded to be scored: a whole classifier, an adapter, or a run's checkpoint."""

from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import safe_open
from transformers import PreTrainedConfig

from nli_console.errors import ConsoleError
from nli_console.methods import qlora, registry
from nli_console.methods.evaluation import EvaluationHyperparameters
from nli_console.methods.p_tuning import POOL_KEY, read_chosen_token
from nli_console.record.files import read_json_or_none
from nli_console.record.layout import PROMPT
from nli_console.record.sources import ADAPTER
from nli_console.record.spec import Evaluated
from nli_console.text import clean_line
from nli_console.worker import trained_state
from nli_console.worker.device import Device
from nli_console.worker.models import (
    OWN_ORDER,
    LabelOrder,
    ModelLoader,
    evaluated_order,
    is_decoder,
    load_config,
)

_ADAPTER_WEIGHTS = "adapter_model.safetensors"
_LEAST_TEXT = 8
"""Tokens that a pair takes at the very least, special tokens included."""


class Weights:
    """The weights of one evaluation.

    Args:
        folder: of the base model's files, or the whole model's, which has the tokenizer.
        name: of that model, for messages.
    """

    def __init__(
        self, evaluated: Evaluated, chosen: EvaluationHyperparameters, folder: Path, name: str
    ) -> None:
        self._evaluated = evaluated
        self._chosen = chosen
        self._base = folder
        self._name = name
        local = Path(evaluated.weights)
        self.folder = local if local.is_absolute() else folder
        self._is_adapter = (self.folder / ADAPTER).is_file()
        self._is_part = (self.folder / trained_state.FILE_NAME).is_file()
        self._adapter = (read_json_or_none(self.folder / ADAPTER) or {}) if self._is_adapter else {}

    @property
    def identity(self) -> str:
        """Changes whenever the weights do: their digest, or a hub model's commit."""
        return self._evaluated.digest or self.folder.name

    @property
    def virtual_tokens(self) -> int:
        """Positions that trained tokens take from the text."""
        told = {**self._evaluated.hyperparameters, **self._adapter}.get("num_virtual_tokens")
        return told if type(told) is int else 0

    def longest(self, wanted: int, positions: int | None) -> int:
        """Tokens after which a row is cut: what is wanted, or what the model has positions for.

        Raises:
            ConsoleError: trained tokens leave no room for a pair.
        """
        if positions is None:
            return wanted
        if positions - self.virtual_tokens < _LEAST_TEXT:
            raise ConsoleError(
                f"{self._evaluated.title}: its {self.virtual_tokens} virtual tokens leave no room for a pair "
                f"in the {positions} positions of {self._name}"
            )
        return min(wanted, positions - self.virtual_tokens)

    @property
    def prompt_folder(self) -> Path:
        """Where the prompts are recorded that the weights were trained on, if they are."""
        run = self.folder.parent.parent
        return (
            run if not (self.folder / PROMPT).is_file() and self._evaluated.step is not None else self.folder
        )

    def load(self, config: PreTrainedConfig, pad_token_id: int, device: Device) -> tuple[Any, LabelOrder]:
        """The model, everything frozen, and what its outputs mean. Not quantised, it is on ``device``.

        Args:
            config: of the base model.

        Raises:
            ConsoleError: the weights do not fit, or their labels are not known.
        """
        loader = ModelLoader(self._base, self._name, config, pad_token_id, device.compute_dtype)
        if self._is_part:
            model, labels = self._rebuilt(loader), loader.labels
        elif self._is_adapter:
            model, labels = self._adapted(loader, is_decoder(config))
        else:
            model, labels = self._whole(pad_token_id, device)
        model.requires_grad_(False)
        quantised = self._is_adapter and self._chosen.quantisation != "none"
        return model if quantised else model.to(device.torch_device), labels

    def _whole(self, pad_token_id: int, device: Device) -> tuple[Any, LabelOrder]:
        config = load_config(self.folder, self._name)
        loader = ModelLoader(self.folder, self._name, config, pad_token_id, device.compute_dtype)
        if self._evaluated.task == "causal":
            return loader.causal(dtype=device.compute_dtype), LabelOrder(OWN_ORDER, known=True)
        loader.labels = evaluated_order(config.id2label or {}, self._chosen.label_order, self._name)
        # As in training: weights in fp32, arithmetic in what the device is good at.
        wide = torch.float32 if not is_decoder(config) else device.compute_dtype
        return loader.trained_classifier(dtype=wide), loader.labels

    def _rebuilt(self, loader: ModelLoader) -> Any:
        """Of a checkpoint that holds what was trained and nothing else."""
        if self._evaluated.method is None:
            raise ConsoleError(
                f"{self._evaluated.title}: holds only a part of a model; name its run, with --checkpoint"
            )
        method = registry.get(self._evaluated.method)
        hyperparameters = method.Hyperparameters.model_validate(self._evaluated.hyperparameters)
        model = method.build(loader, hyperparameters)
        trained_state.load(model, self.folder)
        return model

    def _adapted(self, loader: ModelLoader, decoder: bool) -> tuple[Any, LabelOrder]:
        if not (self.folder / _ADAPTER_WEIGHTS).is_file():
            raise ConsoleError(
                f"{self._evaluated.title}: {_ADAPTER_WEIGHTS} is missing; only safetensors are loaded"
            )
        words = self._evaluated.task == "causal"
        labels = LabelOrder(OWN_ORDER, known=True) if words else self._adapter_order(loader)
        base: Any = self._load_base(loader, words, decoder)
        if not words:
            self._require_head(loader)
            if decoder:
                qlora.widen_head(base, loader.shapes("classifier"))
            saved = read_json_or_none(self.folder / "config.json") or {}
            if POOL_KEY in saved:
                setattr(base.config, POOL_KEY, saved[POOL_KEY])
                read_chosen_token(base, self.virtual_tokens)
        try:
            return PeftModel.from_pretrained(base, str(self.folder)), labels
        except (ValueError, KeyError, RuntimeError, TypeError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise ConsoleError(
                f"{self._evaluated.title}: the adapter does not fit {self._name}: "
                f"{clean_line(error, limit=300)}"
            ) from error

    def _load_base(self, loader: ModelLoader, words: bool, decoder: bool) -> Any:
        if self._chosen.quantisation != "none":
            double = bool(self._evaluated.hyperparameters.get("double_quantisation", True))
            return qlora.load_quantised(loader, "causal" if words else "classifier", double=double)
        if words:
            return loader.causal(dtype=loader.compute_dtype)
        return loader.classifier(dtype=loader.compute_dtype if decoder else torch.float32)

    def _adapter_order(self, loader: ModelLoader) -> LabelOrder:
        """By the adapter's own ``config.json``; a run's checkpoint has the order of its base model."""
        saved = read_json_or_none(self.folder / "config.json") or {}
        names = saved.get("id2label")
        if isinstance(names, dict):
            return evaluated_order(
                {int(key): str(name) for key, name in names.items() if str(key).isdigit()},
                self._chosen.label_order,
                self._evaluated.title,
            )
        if self._evaluated.kind == "run" or (loader.labels.known and not self._chosen.label_order):
            return loader.labels
        unnamed = {index: f"LABEL_{index}" for index in OWN_ORDER}
        return evaluated_order(unnamed, self._chosen.label_order, self._evaluated.title)

    def _require_head(self, loader: ModelLoader) -> None:
        """A head that neither base model nor adapter brings would be a random one."""
        if loader.labels.known:
            return
        heads = loader.shapes("classifier").head
        with safe_open(str(self.folder / _ADAPTER_WEIGHTS), framework="pt") as file:
            brought = any(part in heads for key in file.keys() for part in key.split("."))  # noqa: SIM118
        if not brought:
            raise ConsoleError(
                f"{self._evaluated.title}: the adapter has no classification head ({', '.join(heads)}), and "
                f"{self._name} has none for these labels; train it with modules_to_save"
            )
