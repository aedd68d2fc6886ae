"""What the benchmarks of language models share: decoders, rows with their prompts, and timing in turns."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, PreTrainedTokenizerBase

from nli_console.data.demo import demo_model_path
from nli_console.data.prompts import PromptRenderer, catalogue, choose
from nli_console.data.resolve import resolve_dataset
from nli_console.data.sample import Prepared, prepare
from nli_console.data.spec import Example
from nli_console.settings import load_settings
from nli_console.worker.device import Device

SPLIT = "validation_matched"
ALL_ROWS = 984
SEED = 1
_RANDOM: dict[str, dict[str, Any]] = {
    "llama-512": {
        "hidden_size": 512,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "intermediate_size": 1408,
        "vocab_size": 32_000,
    },
    "llama-3-8b": {
        "hidden_size": 4096,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "intermediate_size": 14_336,
        "vocab_size": 128_256,
    },
}
MODELS = ("demo-decoder", *_RANDOM)
"""The embedded decoder, and shapes that get random weights: those cost the same and know nothing."""


@dataclass(frozen=True)
class Decoder:
    """A language model on its device, with the demo's tokenizer."""

    name: str
    model: Any
    tokenizer: PreTrainedTokenizerBase
    device: Device

    @property
    def pad(self) -> int:
        """A token that fills short rows."""
        special: Any = self.tokenizer
        return special.pad_token_id

    @property
    def title(self) -> str:
        millions = sum(parameter.numel() for parameter in self.model.parameters()) / 1e6
        knows = "" if self.name == "demo-decoder" else ", random weights"
        where = self.device.title if self.device.cuda else f"CPU, {torch.get_num_threads()} threads"
        return f"{self.name}: {millions:,.1f} M parameters{knows}, {self.device.precision}, {where}"


def decoder(name: str, device: Device) -> Decoder:
    """One of :data:`MODELS`, in the precision of ``device``."""
    folder = demo_model_path("decoder")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if name == "demo-decoder":
        model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=device.compute_dtype)
    else:
        torch.manual_seed(0)
        shape: dict[str, Any] = _RANDOM[name]
        config = LlamaConfig(
            **shape,
            max_position_embeddings=8192,
            **{key: getattr(tokenizer, key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")},
        )
        with device.torch_device:
            model = AutoModelForCausalLM.from_config(config, dtype=device.compute_dtype)
    return Decoder(name, model.to(device.torch_device).eval(), tokenizer, device)


def rows_for(name: str, wanted: int | None, few: int) -> int:
    """How many rows to answer: all of the demo's with its own decoder, ``few`` with a larger one."""
    return wanted or (ALL_ROWS if name == "demo-decoder" else few)


def demo_rows() -> Prepared:
    """The rows of the embedded demo as a run reads them."""
    return prepare(resolve_dataset("demo", load_settings()), SEED)


def demo_prompts(used: Decoder, rows: Prepared, shots: int) -> tuple[PromptRenderer, list[Example]]:
    """What renders the demo's prompt, and the solved pairs that go before it."""
    renderer = PromptRenderer(catalogue.load("demo"), used.tokenizer, used.name)
    return renderer, choose(rows.train.examples, shots, SEED)


def in_turns(sides: Sequence[Callable[[], Any]], rounds: int, device: Device) -> list[tuple[float, Any]]:
    """Median seconds of each side, and what it returned last; the sides take turns."""
    seconds: list[list[float]] = [[] for _ in sides]
    results: list[Any] = [None] * len(sides)
    for _ in range(rounds):
        for place, side in enumerate(sides):
            started = time.perf_counter()
            results[place] = side()
            if device.cuda:
                torch.cuda.synchronize()
            seconds[place].append(time.perf_counter() - started)
    return [(statistics.median(taken), found) for taken, found in zip(seconds, results, strict=True)]
