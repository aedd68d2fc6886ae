"""Fine-tuning on answers: logits where an answer is predicted, against logits at every token of the prompt.

Both sides train the model of a `qlora_sft` run (nf4, low-rank updates on every projection) on the same rows,
in turns: one with the batches that such a run makes, the other as the library's own
`model(input_ids, labels=...)` does, the prompt's labels ignored. The demo decoder's vocabulary is widened to
32,000 tokens, the size of Llama-2's. Loss and gradients have to be the same; samples per second and the peak
memory of a training step are printed.

    python benchmarks/completion_only.py [--vocabulary 32000] [--batch-size 32] [--steps 6] [--json]
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.decoders import demo_rows, in_turns
from benchmarks.peaks import peak_growth
from nli_console.data.demo import demo_model_path
from nli_console.data.prompts import PromptRenderer, catalogue
from nli_console.methods import registry
from nli_console.text import format_bytes
from nli_console.worker.completions import CompletionBatcher
from nli_console.worker.device import Device, choose_device
from nli_console.worker.models import ModelLoader, load_config, load_tokenizer
from nli_console.worker.prompted import PromptTokeniser
from nli_console.worker.train import IGNORED, summed_cross_entropy

TOLERANCE = 1e-4
"""Largest relative difference of losses, and of gradients to the largest of them, in fp32."""
Batch = dict[str, torch.Tensor]


class Comparison:
    """The model, and the same batches for both sides.

    Args:
        folder: an empty one, for the widened model and the tokenised prompts.
    """

    def __init__(self, folder: Path, vocabulary: int, batch_size: int, steps: int, device: Device) -> None:
        name = f"demo-decoder with {vocabulary:,} tokens"
        widened = AutoModelForCausalLM.from_pretrained(demo_model_path("decoder"))
        torch.manual_seed(0)
        widened.resize_token_embeddings(vocabulary)
        tokenizer = load_tokenizer(demo_model_path("decoder"), name)
        widened.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        pad = int(tokenizer.pad_token_id)  # type: ignore[arg-type]
        loader = ModelLoader(folder, name, load_config(folder, name), pad, device.compute_dtype)
        method = registry.get("qlora_sft")
        declared: Any = method.Hyperparameters
        values = declared(lora_r=8, lora_alpha=16, lora_dropout=0, batch_size=batch_size, max_length=128)
        self.device = device
        self.model: Any = method.build(loader, values).to(device.torch_device)
        named = [(name, each) for name, each in self.model.named_parameters() if each.requires_grad]
        for name, each in named:
            if "lora_B" in name:
                # It begins at zero, and as long as it is zero, A has no gradient to compare.
                torch.nn.init.normal_(each, std=0.02)
        self.trained = [each for _, each in named]
        self.optimiser = torch.optim.AdamW(self.trained, lr=0.0, fused=True)
        rows = demo_rows().train.examples[: steps * batch_size]
        renderer = PromptRenderer(catalogue.load("demo"), tokenizer, name)
        split = PromptTokeniser(renderer, tokenizer, folder, 128, folder / "cache", 10**9).split(
            rows, lambda *_: None
        )
        batcher = CompletionBatcher(split, rows, pad, device)
        self.rows = len(rows)
        self.tokens = float(split.lengths.mean())
        self.batches = [
            self._moved(batcher(range(start, start + batch_size)))
            for start in range(0, len(rows), batch_size)
        ]
        self.whole = [self._whole(batch) for batch in self.batches]

    def _moved(self, batch: dict[str, Any]) -> Batch:
        batch.pop("tokens")
        return {name: each.to(self.device.torch_device) for name, each in batch.items()}

    def _whole(self, batch: Batch) -> Batch:
        """The same with a label for every token; those of the prompt are ignored."""
        labels = torch.full_like(batch["input_ids"], IGNORED)
        counted = batch["labels"].ne(IGNORED)
        # A label stands at its own token here; the library moves them by one.
        labels.scatter_(1, torch.where(counted, batch["logits_to_keep"] + 1, 0), batch["labels"])
        return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], "labels": labels}

    def answers(self, batch: Batch) -> torch.Tensor:
        inputs = {name: each for name, each in batch.items() if name != "labels"}
        with self.device.autocast():
            return summed_cross_entropy(self.model(**inputs), batch["labels"])

    def everywhere(self, batch: Batch) -> torch.Tensor:
        with self.device.autocast():
            return self.model(**batch).loss

    def step(self, loss: torch.Tensor) -> None:
        loss.backward()
        self.optimiser.step()
        self.optimiser.zero_grad()

    def train_on_answers(self) -> None:
        for batch in self.batches:
            self.step(self.answers(batch))

    def train_everywhere(self) -> None:
        for batch in self.whole:
            self.step(self.everywhere(batch))

    def apart(self) -> tuple[float, float]:
        """Relative differences of the two losses, and of the gradients to the largest of them."""
        first, second = self.answers(self.batches[0]), self.everywhere(self.whole[0])
        one, other = (torch.autograd.grad(loss, self.trained) for loss in (first, second))
        largest = max(float(each.abs().max()) for each in other)
        gradients = max(float((a - b).abs().max()) for a, b in zip(one, other, strict=True)) / largest
        return abs(first.item() / second.item() - 1), gradients


def compare(vocabulary: int, batch_size: int, steps: int, rounds: int, device: Device) -> dict[str, Any]:
    """Samples per second and peak bytes of a step on both sides, and how far loss and gradients differ."""
    with tempfile.TemporaryDirectory(prefix="nli-console-completion-") as folder:
        both = Comparison(Path(folder), vocabulary, batch_size, steps, device)
        loss, gradients = both.apart()
        where = device.torch_device
        ours = peak_growth(lambda: both.step(both.answers(both.batches[0])), where)
        plain = peak_growth(lambda: both.step(both.everywhere(both.whole[0])), where)
        (quick, _), (slow, _) = in_turns([both.train_on_answers, both.train_everywhere], rounds, device)
        return {
            "vocabulary": vocabulary,
            "batch_size": batch_size,
            "rows": both.rows,
            "tokens": both.tokens,
            "device": device.title,
            "precision": device.precision,
            "answers": {"samples_per_second": both.rows / quick, "peak_bytes": ours},
            "everywhere": {"samples_per_second": both.rows / slow, "peak_bytes": plain},
            "speed_ratio": slow / quick,
            "memory_ratio": plain / ours,
            "loss_apart": loss,
            "gradients_apart": gradients,
            "equal": device.precision != "fp32" or max(loss, gradients) <= TOLERANCE,
        }


def show(found: dict[str, Any]) -> None:
    print(
        f"demo decoder, nf4, vocabulary of {found['vocabulary']:,}, batches of {found['batch_size']}, "
        f"prompts of {found['tokens']:.0f} tokens, {found['precision']}, {found['device']}, "
        f"{torch.get_num_threads()} threads"
    )
    for title, side in (("logits at the answers", "answers"), ("logits everywhere", "everywhere")):
        figures = found[side]
        print(
            f"  {title:22}{figures['samples_per_second']:8.1f} samples/s   peak of a step "
            f"{format_bytes(figures['peak_bytes']):>10} above the weights"
        )
    print(
        f"  {found['speed_ratio']:.1f}× the samples per second, 1/{found['memory_ratio']:.1f} of the peak "
        f"memory; loss {found['loss_apart']:.0e} and gradients {found['gradients_apart']:.0e} apart"
    )


def main() -> int:
    """Print a few lines; 1 when the two sides do not learn the same."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--vocabulary", type=int, default=32_000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.set_verbosity_error()
    found = compare(
        options.vocabulary, options.batch_size, options.steps, options.rounds, choose_device("auto")
    )
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        show(found)
    return 0 if found["equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
