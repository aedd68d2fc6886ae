"""The memory estimate of runs that train nothing against measured peaks, on the CPU.

`python -m benchmarks.scoring_memory`: the profiler's memory events are added up while the worker's own
scorers score two batches. Models are random: their size decides the memory, not what they have learnt.
"""

import argparse
import gc
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM
from transformers.utils import logging

from benchmarks.memory_estimate import Model, models, peak_of
from nli_console.data.demo import demo_model_path
from nli_console.data.prompts import Prompts
from nli_console.methods import registry
from nli_console.methods.estimate import MemoryEstimate
from nli_console.methods.scoring_estimate import Asked, scoring_memory
from nli_console.methods.shapes import ModelShapes
from nli_console.worker.device import Device, choose_device
from nli_console.worker.generation import Generator, Sampling
from nli_console.worker.likelihood import LabelScorer
from nli_console.worker.masked import MaskedScorer

MASK = 4


@dataclass(frozen=True)
class Case:
    """Prompts of one width and how they are scored."""

    title: str
    width: int = 96
    shared: int = 0
    words: tuple[int, int, int] = (1, 1, 1)
    generated: int = 0

    @property
    def asked(self) -> Asked:
        """What the estimate is told: an answer's place is a part of the width."""
        answer = self.generated or max(self.words)
        return Asked(self.width + answer, self.shared, max(self.words), self.generated)


DECODER_CASES = (
    Case("no demonstrations"),
    Case("shared prefix", width=160, shared=128),
    Case("longer words", shared=40, words=(3, 1, 2)),
    Case("generation", generated=10),
)
MASKED_CASES = (Case("mask"),)


@dataclass
class RandomLoader:
    """Stands in for the worker's loader: the architecture with random weights."""

    config: Any
    device: Device
    model_name: str = "random"

    @property
    def compute_dtype(self) -> torch.dtype:
        return self.device.compute_dtype

    def shapes(self, task: str) -> ModelShapes:
        with torch.device("meta"):
            return ModelShapes.of(self._make(task), self.model_name)

    def causal(self, **options: Any) -> Any:
        return self._load("causal", options)

    def masked(self, **options: Any) -> Any:
        return self._load("masked", options)

    def _make(self, task: str, **options: Any) -> Any:
        kind = AutoModelForCausalLM if task == "causal" else AutoModelForMaskedLM
        return kind.from_config(self.config, **options)

    def _load(self, task: str, options: dict[str, Any]) -> Any:
        torch.manual_seed(0)
        model = self._make(task, dtype=options["dtype"])
        if "quantization_config" not in options:
            return model
        kind = AutoModelForCausalLM if task == "causal" else AutoModelForMaskedLM
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            del model
            return kind.from_pretrained(folder, **options)


def prompts(case: Case, rows: int, vocabulary: int, masked: bool) -> Prompts:
    """Random tokens; every second row is a token shorter, as in any real batch."""
    chance = random.Random(0)
    draw = [chance.randrange(10, vocabulary) for _ in range(case.width)]
    ids = [[*draw[: case.shared], 5 + row % 4, *draw[case.shared + 1 + row % 2 :]] for row in range(rows)]
    if masked:
        ids = [[MASK, *row[1:]] for row in ids]
    answers = tuple(tuple(chance.randrange(10, vocabulary) for _ in range(size)) for size in case.words)
    return Prompts(ids, [answers] * rows, case.shared, 0)


class _NoText:
    """The part of a tokenizer that a generator uses."""

    pad_token_id = 0

    def batch_decode(self, ids: Any, **_: Any) -> list[str]:
        return [""] * len(ids)


def measure(model: Any, device: Device, case: Case, rows: int, masked: bool) -> int:
    """Peak bytes of scoring two batches, weights included."""
    asked = prompts(case, 2 * rows, model.config.vocab_size, masked)
    if masked:
        scorer: Any = MaskedScorer(model, device, MASK, 0, rows)
    elif case.generated:
        tokenizer: Any = _NoText()
        # Drawn, and without a token that ends an answer, so that every row gets as long as it may.
        sampling = Sampling(case.generated, 0.2, 0.9, 50)
        scorer = Generator(model, device, tokenizer, [], rows, sampling, seed=0)
    else:
        scorer = LabelScorer(model, device, 0, rows)

    def score() -> None:
        for _ in scorer.batches(asked):
            pass

    score()
    gc.collect()
    standing = {tensor.data_ptr(): tensor.nbytes for tensor in (*model.parameters(), *model.buffers())}
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as trace:
        score()
    return sum(standing.values()) + peak_of(trace)


def compare(
    model: Model, method_name: str, cases: tuple[Case, ...], rows: int, device: Device, **more: Any
) -> Iterator[tuple[Case, int, MemoryEstimate]]:
    """Each case with its measured peak, and the estimate of the same."""
    method = registry.get(method_name)
    masked = method.task == "masked"
    hyperparameters: Any = method.Hyperparameters(batch_size=rows, precision=device.precision, **more)
    loader: Any = RandomLoader(model.config, device)
    shapes, loaded = loader.shapes(method.task), method.build(loader, hyperparameters)
    plan = method.plan(shapes, hyperparameters)
    if plan is None:
        raise SystemExit(f"{method_name} has no plan")
    for case in cases:
        estimate = scoring_memory(
            shapes, plan, hyperparameters, case.asked, compute="cpu", masked=masked,
            config=model.config.to_dict(),
        )  # fmt: skip
        if estimate is None:
            raise SystemExit(f"{model.name}: its layers are not of a known kind")
        yield case, measure(loaded, device, case, rows, masked), estimate


def chosen() -> Iterator[tuple[Model, str, tuple[Case, ...], dict[str, Any]]]:
    """Models, methods, cases and further values."""
    demo, encoder = (AutoConfig.from_pretrained(demo_model_path(kind)) for kind in ("decoder", "encoder"))
    for stored in ("none", "8-bit", "nf4"):
        yield Model("demo-decoder", demo), "icl", DECODER_CASES, {"quantisation": stored}
    yield Model("demo-encoder", encoder), "verbalizer", MASKED_CASES, {}
    for each in models()[1:]:
        decoder = each.config.model_type == "llama"
        yield each, "icl" if decoder else "verbalizer", DECODER_CASES if decoder else MASKED_CASES, {}


def main() -> int:
    """Print a line per model and case; 1 when an estimate is more than ``--most`` off."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=float, default=0.15, help="largest relative error (default: 0.15)")
    parser.add_argument("--parts", action="store_true", help="also print the parts of each estimate")
    parser.add_argument(
        "--gpu", action="store_true", help="measure Llama-3-8B in bf16, 8 and 4 bits on a GPU"
    )
    arguments = parser.parse_args()
    logging.set_verbosity_error()
    device = choose_device("fp32")
    print("fp32 on the CPU; MiB")
    print(f"{'model':34}{'weights':9}{'prompts':22}{'batch':>6}{'measured':>10}{'estimate':>10}{'ratio':>8}")
    worst = 0.0
    for model, method, cases, more in chosen():
        for rows in (8, 32):
            for case, measured, estimate in compare(model, method, cases, rows, device, **more):
                ratio = estimate.peak / measured
                worst = max(worst, abs(ratio - 1))
                head = f"{model.name:34}{more.get('quantisation', 'none'):9}{case.title:22}{rows:6}"
                print(f"{head}{measured / 2**20:10.1f}{estimate.peak / 2**20:10.1f}{ratio:8.2f}", flush=True)
                if arguments.parts:
                    print("   ", {name: round(size / 2**20, 1) for name, size in estimate.parts.items()})
            gc.collect()
    print(f"largest error {100 * worst:.0f} %")
    return 0 if worst <= arguments.most else 1


if __name__ == "__main__":
    sys.exit(main())
