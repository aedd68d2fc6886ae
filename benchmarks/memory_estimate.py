"""The memory estimate against measured peaks, on the CPU: `python benchmarks/memory_estimate.py`.

torch has no counter of peak memory on the CPU, so the profiler's memory events are added up: every allocation
and release while two optimiser steps are made. What stood before (weights) is counted from the tensors.
Models are random: their size decides the memory, not what they have learnt.
"""

import argparse
import sys
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    DebertaV2Config,
    LlamaConfig,
    PreTrainedConfig,
    RobertaConfig,
)
from transformers.utils import logging

from nli_console.data.demo import demo_model_path
from nli_console.methods import registry
from nli_console.methods.estimate import MemoryEstimate, peak_memory
from nli_console.methods.shapes import ModelShapes

WIDTH = 96


@dataclass(frozen=True)
class Model:
    name: str
    config: PreTrainedConfig


@dataclass
class RandomLoader:
    """Stands in for the worker's loader: the architecture with random weights."""

    config: PreTrainedConfig
    model_name: str = "random"

    def classifier(self, **options: Any) -> torch.nn.Module:
        torch.manual_seed(0)
        return AutoModelForSequenceClassification.from_config(self.config, **options)


def models() -> list[Model]:
    demo = AutoConfig.from_pretrained(demo_model_path("encoder"), num_labels=3)
    sizes: dict[str, Any] = {
        "hidden_size": 256,
        "num_hidden_layers": 6,
        "num_attention_heads": 4,
        "vocab_size": 8000,
        "num_labels": 3,
    }
    return [
        Model("demo-encoder", demo),
        Model(
            "RoBERTa, hidden 256, 6 layers", RobertaConfig(**sizes, intermediate_size=1024, pad_token_id=1)
        ),
        Model(
            "Llama, hidden 256, 6 layers",
            LlamaConfig(**sizes, intermediate_size=688, num_key_value_heads=2, pad_token_id=0),
        ),
        Model(
            "DeBERTa-v3, hidden 256, 6 layers",
            DebertaV2Config(
                **sizes,
                intermediate_size=1024,
                relative_attention=True,
                position_buckets=64,
                pos_att_type=["p2c", "c2p"],
                position_biased_input=False,
                share_att_key=True,
                norm_rel_ebd="layer_norm",
                type_vocab_size=0,
                pad_token_id=0,
            ),
        ),
    ]


def measure(model: torch.nn.Module, rows: int, width: int, vocabulary: int) -> int:
    """Peak bytes of two optimiser steps, weights included."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    standing = {tensor.data_ptr(): tensor.nbytes for tensor in (*model.parameters(), *model.buffers())}
    model.train()
    ids = torch.randint(5, vocabulary, (rows, width))
    mask = torch.ones_like(ids)
    # A short row, as in any real batch: with a mask of ones alone attention takes another path.
    mask[0, width // 2 :] = 0
    labels = torch.randint(0, 3, (rows,))
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace:
        for _ in range(2):
            logits = model(input_ids=ids, attention_mask=mask)["logits"]
            loss = torch.nn.functional.cross_entropy(logits.float(), labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            optimiser.zero_grad()
    return sum(standing.values()) + peak_of(trace)


def peak_of(trace: Any) -> int:
    """The most bytes that were allocated at once while ``trace`` was taken."""
    events = [event for event in trace.profiler.kineto_results.events() if event.name() == "[memory]"]
    current = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        current += event.nbytes()
        peak = max(peak, current)
    return peak


def compare(model: Model, method_name: str, rows: int, **more: Any) -> tuple[int, MemoryEstimate]:
    """Measured peak, and the estimate of the same."""
    method = registry.get(method_name)
    hyperparameters = method.Hyperparameters(batch_size=rows, precision="fp32", max_length=WIDTH, **more)
    loader = RandomLoader(model.config)
    shapes = ModelShapes.of(loader.classifier(), model.name)
    plan = method.plan(shapes, hyperparameters)
    if plan is None:
        raise SystemExit(f"{method_name} has no training plan")
    estimate = peak_memory(shapes, plan, hyperparameters, WIDTH, compute="cpu", config=model.config.to_dict())
    if estimate is None:
        raise SystemExit(f"{model.name}: its layers are not of a known kind")
    measured = measure(method.build(loader, hyperparameters), rows, WIDTH, model.config.vocab_size)
    return measured, estimate


def main() -> int:
    """Print a line per model, method and batch; 1 when an estimate is more than ``--most`` off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=float, default=0.25, help="largest relative error (default: 0.25)")
    parser.add_argument("--parts", action="store_true", help="also print the parts of each estimate")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    print(f"fp32 on the CPU, {WIDTH} tokens wide; MiB")
    print(f"{'model':34}{'method':8}{'batch':>6}{'measured':>10}{'estimate':>10}{'ratio':>8}")
    worst = 0.0
    for model in models():
        for method in ("full", "lora"):
            for rows in (8, 32):
                measured, estimate = compare(model, method, rows)
                ratio = estimate.peak / measured
                worst = max(worst, abs(ratio - 1))
                sizes = f"{measured / 2**20:10.1f}{estimate.peak / 2**20:10.1f}"
                print(f"{model.name:34}{method:8}{rows:6}{sizes}{ratio:8.2f}", flush=True)
                if arguments.parts:
                    print("   ", {name: round(size / 2**20, 1) for name, size in estimate.parts.items()})
    print(f"largest error {100 * worst:.0f} %")
    return 0 if worst <= arguments.most else 1


if __name__ == "__main__":
    sys.exit(main())
