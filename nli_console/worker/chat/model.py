"""The model of a chat: its files, the device, the weights, and adapters beside them."""

import contextlib
import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import GenerationConfig
from transformers.utils import logging as transformers_logging

from nli_console.data.chat import Load
from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.methods.icl import IclHyperparameters
from nli_console.text import clean_line
from nli_console.worker.chat.adapters import Adapter, read_adapter
from nli_console.worker.chat.asking import Asker
from nli_console.worker.device import Device, MemoryMeter, choose_device
from nli_console.worker.models import (
    ModelLoader,
    count_parameters,
    is_decoder,
    load_config,
    load_tokenizer,
    usable_positions,
)

BASE = ""
"""Names the model without any adapter."""


@dataclass
class ChatModel:
    """A language model that is loaded.

    Attributes:
        own_ends: ``eos_token_id`` of the model's own generation settings.
        positions: tokens that it has positions for, prompt and answer together; ``None`` without a limit.
        seconds: that loading the weights took.
        adapters: those that are attached, by their folder.
    """

    request: Load
    device: Device
    asker: Asker
    base: Any
    own_ends: Any
    positions: int | None
    memory: MemoryMeter
    seconds: float
    adapters: dict[str, Adapter] = field(default_factory=dict)
    _peft: Any = None

    @property
    def pad_token_id(self) -> int:
        return int(self.asker.tokenizer.pad_token_id)

    def facts(self) -> dict[str, Any]:
        """What is told once it is loaded. Sizes are in bytes."""
        return {
            "device": self.device.title,
            "precision": self.device.precision,
            "seconds": self.seconds,
            "parameters": count_parameters(self.base)[1],
            "weights_bytes": int(self.base.get_memory_footprint()),
            "peak_memory_bytes": self.memory.peak_bytes(),
            "peak_memory_kind": self.memory.kind,
            "positions": self.positions,
            "chat_template": bool(self.asker.tokenizer.chat_template),
        }

    def attach(self, folder: str) -> Adapter:
        """Load an adapter beside the weights; one that is attached already is not read again.

        Raises:
            ConsoleError: it is no adapter of this model.
        """
        if folder in self.adapters:
            return self.adapters[folder]
        adapter = read_adapter(Path(folder), f"adapter-{len(self.adapters) + 1}", self.request)
        try:
            self._add(adapter)
        except torch.OutOfMemoryError:
            raise
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ConsoleError(
                f"{adapter.folder}: its weights do not fit {self.request.model_name}: "
                f"{clean_line(error, limit=300)}"
            ) from error
        self.adapters[folder] = adapter
        return adapter

    def _add(self, adapter: Adapter) -> None:
        """Put an adapter's layers into the model; whatever goes wrong, the model is as it was."""
        from peft import PeftConfig, get_peft_model

        if self._peft is None:
            config = PeftConfig.from_pretrained(adapter.folder)
            config.inference_mode = True
            peft: Any = get_peft_model(self.base, config, adapter_name=adapter.name)
            try:
                peft.load_adapter(adapter.folder, adapter_name=adapter.name)
            except BaseException:
                self.base = peft.unload()
                raise
            peft.generation_config = GenerationConfig()
            self._peft = peft.eval()
            return
        try:
            self._peft.load_adapter(adapter.folder, adapter_name=adapter.name)
        except BaseException:
            if adapter.name in self._peft.peft_config:
                self._peft.delete_adapter(adapter.name)
            raise
        self._peft.eval()

    @contextlib.contextmanager
    def using(self, folder: str) -> Iterator[Any]:
        """The model that answers with an adapter, attached where it is not yet, or :data:`BASE`."""
        if folder != BASE:
            self._peft_with(self.attach(folder))
            yield self._peft
        elif self._peft is None:
            yield self.base
        else:
            with self._peft.disable_adapter():
                yield self._peft

    def _peft_with(self, adapter: Adapter) -> None:
        self._peft.set_adapter(adapter.name)
        # Choosing an adapter makes its weights trainable.
        self._peft.requires_grad_(False)


def open_files(request: Load, folder: Path) -> tuple[Any, Any]:
    """Configuration and tokenizer: what is wrong with a model is said before it waits for a device.

    Raises:
        ConsoleError: no language model, or files that cannot be used.
    """
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    config = load_config(folder, request.model_name)
    if not is_decoder(config):
        raise ConsoleError(
            f'model "{request.model_name}" is an encoder ({config.model_type}) and writes no text; choose a '
            "language model, such as demo-decoder or an instruction-tuned Llama"
        )
    return config, load_tokenizer(folder, request.model_name)


def load_weights(
    request: Load, folder: Path, config: Any, tokenizer: Any, gpu: str | None = None
) -> ChatModel:
    """Load the model onto the device that this process sees: the GPU of this UUID, or the CPU.

    Raises:
        ConsoleError: the weights cannot be used, or torch sees another device.
        torch.OutOfMemoryError, MemoryError: they do not fit.
    """
    began = time.perf_counter()
    device = choose_device(request.precision)
    _check_device(device, gpu)
    memory = MemoryMeter(device)
    loader = ModelLoader(folder, request.model_name, config, tokenizer.pad_token_id, device.compute_dtype)
    chosen = IclHyperparameters(quantisation=request.quantisation, precision=request.precision)
    model: Any = registry.get("icl").build(loader, chosen)
    if request.quantisation == "none":
        model = model.to(device.torch_device)
    model.eval()
    own_ends = model.generation_config.eos_token_id
    # Models ship sampling settings of their own, which would fill what a request leaves open.
    model.generation_config = GenerationConfig()
    # The libraries' million objects live as long as the process: the collector need not look at them.
    gc.freeze()
    return ChatModel(
        request=request,
        device=device,
        asker=Asker(tokenizer, request.model_name),
        base=model,
        own_ends=own_ends,
        positions=usable_positions(config, tokenizer),
        memory=memory,
        seconds=time.perf_counter() - began,
    )


def _check_device(device: Device, gpu: str | None) -> None:
    """What was taken in the queue and what torch computes on must be one."""
    if gpu is not None and not device.cuda:
        raise ConsoleError(
            "the GPU is free, and torch cannot use it; `nli-console doctor` says why, or hide it with "
            'CUDA_VISIBLE_DEVICES="" to chat on the CPU'
        )
    if device.cuda and (gpu is None or gpu.startswith("GPU-")):
        seen = str(torch.cuda.get_device_properties(device.torch_device).uuid).lower()
        if gpu is None or seen != gpu.removeprefix("GPU-").lower():
            raise ConsoleError(
                f"torch computes on {device.title} ({seen}), which is not the slot that was taken "
                f"({gpu or 'the CPU'}); start the console again"
            )
