"""The memory estimate against measured peaks: `python benchmarks/memory_estimate.py`.

Two optimiser steps are made; weights are counted from the tensors that hold them, and what the steps take
beside them is measured (see `peaks.py`). Models are random but for the demo's: their size decides the memory,
not what they have learnt. A method's own code builds what is trained, 4-bit weights included.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    DebertaV2Config,
    LlamaConfig,
    PreTrainedConfig,
    RobertaConfig,
)
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peaks import peak_growth, standing
from nli_console.data.demo import demo_model_path
from nli_console.methods import registry
from nli_console.methods.base import TrainingHyperparameters
from nli_console.methods.estimate import MemoryEstimate, peak_memory
from nli_console.worker.device import Device, choose_device
from nli_console.worker.models import ModelLoader, is_decoder
from nli_console.worker.train import summed_cross_entropy

WIDTH = 96
SMALL: dict[str, Any] = {
    "hidden_size": 256,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "vocab_size": 8000,
    "num_labels": 3,
}
LARGER: dict[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 8,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "intermediate_size": 3584,
    "vocab_size": 32_000,
    "num_labels": 3,
    "pad_token_id": 0,
}
Case = tuple[str, int, dict[str, Any]]
"""Method, batch size, and what else differs from its defaults."""


@dataclass(frozen=True)
class Model:
    name: str
    config: PreTrainedConfig
    cases: tuple[Case, ...] = ()


def models() -> list[Model]:
    plain: tuple[Case, ...] = tuple((method, rows, {}) for method in ("full", "lora") for rows in (8, 32))
    half: Case = ("full", 32, {"precision": "bf16"})
    checkpointed: Case = ("full", 32, {"gradient_checkpointing": True})
    quantised: tuple[Case, ...] = tuple(
        (method, rows, {}) for method in ("qlora_sft", "qlora_classifier") for rows in (8, 32)
    )
    variants: tuple[Case, ...] = (
        ("qlora_sft", 32, {"gradient_checkpointing": True}),
        ("qlora_sft", 32, {"double_quantisation": False}),
        ("qlora_sft", 32, {"precision": "bf16"}),
        ("qlora_classifier", 32, {"gradient_checkpointing": True, "precision": "bf16"}),
    )
    demo = AutoConfig.from_pretrained(demo_model_path("encoder"), num_labels=3)
    roberta = RobertaConfig(**SMALL, intermediate_size=1024, pad_token_id=1)
    llama = LlamaConfig(**SMALL, intermediate_size=688, num_key_value_heads=2, pad_token_id=0)
    relative: dict[str, Any] = {
        "position_buckets": 64,
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
    }
    deberta = DebertaV2Config(
        **SMALL,
        **relative,
        intermediate_size=1024,
        relative_attention=True,
        pos_att_type=["p2c", "c2p"],
        position_biased_input=False,
        type_vocab_size=0,
        pad_token_id=0,
    )
    decoder = AutoConfig.from_pretrained(demo_model_path("decoder"))
    return [
        Model("demo-encoder", demo, plain),
        Model("RoBERTa, hidden 256, 6 layers", roberta, (*plain, half, checkpointed)),
        Model("Llama, hidden 256, 6 layers", llama, (*plain, *quantised)),
        Model("DeBERTa-v3, hidden 256, 6 layers", deberta, plain),
        Model("demo-decoder", decoder, quantised),
        Model("Llama, hidden 1024, 8 layers", LlamaConfig(**LARGER), (*quantised, *variants)),
    ]


def measure(
    model: Any, hyperparameters: TrainingHyperparameters, vocabulary: int, device: Device, scored: int
) -> int:
    """Peak bytes of two optimiser steps, weights included; ``scored`` as a plan's ``scored_positions``."""
    where = device.torch_device
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=1e-5, fused=True)
    if hyperparameters.gradient_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    model.train()
    rows = hyperparameters.batch_size
    batch = {"input_ids": torch.randint(5, vocabulary, (rows, WIDTH), device=where)}
    batch["attention_mask"] = torch.ones_like(batch["input_ids"])
    # A short row, as in any real batch: with a mask of ones alone attention takes another path.
    batch["attention_mask"][0, WIDTH // 2 :] = 0
    labels = torch.randint(0, 3, (rows,), device=where)
    if scored:
        batch["logits_to_keep"] = torch.arange(WIDTH - scored, WIDTH, device=where).expand(rows, scored)
        labels = labels[:, None].expand(rows, scored)

    def steps() -> None:
        for _ in range(2):
            with device.autocast():
                loss = summed_cross_entropy(model(**batch), labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
            optimiser.zero_grad()

    held = standing([*model.parameters(), *model.buffers(), *_scales(model)])
    return held + peak_growth(steps, where)


def _scales(model: torch.nn.Module) -> Iterator[torch.Tensor]:
    """What 4-bit weights need beside themselves; it is no parameter and no buffer."""
    for parameter in model.parameters():
        state = getattr(parameter, "quant_state", None)
        for each in (state, getattr(state, "state2", None)):
            if each is not None:
                yield from (held for held in vars(each).values() if isinstance(held, torch.Tensor))


def compare(model: Model, case: Case, device: Device) -> tuple[int, MemoryEstimate]:
    """Measured peak, and the estimate of the same."""
    name, rows, more = case
    method = registry.get(name)
    values = {"batch_size": rows, "precision": device.precision, "max_length": WIDTH, **more}
    hyperparameters: Any = method.Hyperparameters(**values)
    device = Device(device.torch_device, hyperparameters.precision)
    with tempfile.TemporaryDirectory(prefix="nli-console-memory-") as folder:
        _save(model.config, folder)
        loader = ModelLoader(Path(folder), model.name, model.config, 0, device.compute_dtype)
        shapes = loader.shapes(method.task)
        plan = method.plan(shapes, hyperparameters)
        if plan is None:
            raise SystemExit(f"{name} has no training plan")
        built = method.build(loader, hyperparameters).to(device.torch_device)
    estimate = peak_memory(
        shapes,
        plan,
        hyperparameters,
        WIDTH,
        compute="gpu" if device.cuda else "cpu",
        config=model.config.to_dict(),
    )
    if estimate is None:
        raise SystemExit(f"{model.name}: its layers are not of a known kind")
    measured = measure(built, hyperparameters, model.config.vocab_size, device, plan.scored_positions)
    return measured, estimate


def _save(config: PreTrainedConfig, folder: str) -> None:
    """The architecture with random weights."""
    torch.manual_seed(0)
    kind: Any = AutoModelForCausalLM if is_decoder(config) else AutoModelForSequenceClassification
    kind.from_config(config).save_pretrained(folder)


def main() -> int:
    """Print a line per model, method and batch; 1 when an estimate is more than ``--most`` off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=float, default=0.25, help="largest relative error (default: 0.25)")
    parser.add_argument("--parts", action="store_true", help="also print the parts of each estimate")
    parser.add_argument("--only", nargs="+", help="only these methods")
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    device = choose_device("fp32")
    print(f"{device.title}, fp32 where nothing else is said, {WIDTH} tokens wide; MiB")
    print(f"{'model':34}{'method':18}{'batch':>6}{'measured':>10}{'estimate':>10}{'ratio':>7}")
    worst = 0.0
    for model in models():
        for case in model.cases:
            name, rows, more = case
            if arguments.only and name not in arguments.only:
                continue
            measured, estimate = compare(model, case, device)
            ratio = estimate.peak / measured
            worst = max(worst, abs(ratio - 1))
            sizes = f"{measured / 2**20:10.1f}{estimate.peak / 2**20:10.1f}"
            remark = ", ".join(f"{key} {value}" for key, value in more.items())
            print(f"{model.name:34}{name:18}{rows:6}{sizes}{ratio:7.2f}  {remark}", flush=True)
            if arguments.parts:
                print("   ", {part: round(size / 2**20, 1) for part, size in estimate.parts.items()})
    print(f"largest error {100 * worst:.0f} %")
    return 0 if worst <= arguments.most else 1


if __name__ == "__main__":
    sys.exit(main())
