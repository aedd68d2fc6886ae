"""Training a head on features that are computed once, against running the frozen encoder in every epoch.

Both sides train the same head of the demo encoder on the same batches, with the batches that a `head` run
makes; on one the encoder runs again for each of them. It computes no gradients and drops nothing out on
either side. Printed are the seconds of the feature pass and of an epoch, and the accuracy that both reach.

    python benchmarks/head_features.py [--epochs 3] [--batch-size 64] [--json]
"""

import argparse
import copy
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import torch
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.decoders import SEED, SPLIT, demo_rows
from nli_console.data.demo import demo_model_path
from nli_console.data.spec import Example
from nli_console.methods import registry
from nli_console.statistics import wilson
from nli_console.text import format_accuracy
from nli_console.worker.batches import Batcher
from nli_console.worker.device import Device, choose_device
from nli_console.worker.features import FeatureBatcher, FeatureHead, FeaturePass
from nli_console.worker.models import ModelLoader, load_config, load_tokenizer
from nli_console.worker.sampler import EpochSampler
from nli_console.worker.tokenise import Tokenised, Tokeniser
from nli_console.worker.train import summed_cross_entropy

NAME = "demo-encoder"
LEARNING_RATE = 3e-3
"""That of the demo's preset."""


class Side:
    """One way of training: a model, and what makes its batches."""

    def __init__(self, model: Any, batcher: Batcher | FeatureBatcher, test: Batcher | FeatureBatcher) -> None:
        self._model = model
        self._batcher = batcher
        self._test = test
        self._optimiser = torch.optim.AdamW(
            [each for each in model.parameters() if each.requires_grad], lr=LEARNING_RATE, fused=True
        )

    def epoch(self, order: Sequence[int], batch_size: int, device: Device) -> float:
        """Seconds of one pass over the rows in ``order``."""
        started = time.perf_counter()
        for start in range(0, len(order), batch_size):
            batch = self._batcher(order[start : start + batch_size])
            labels = batch.pop("labels").to(device.torch_device)
            del batch["tokens"]
            inputs = {name: each.to(device.torch_device) for name, each in batch.items()}
            with device.autocast():
                loss = summed_cross_entropy(self._model(**inputs), labels)
            loss.backward()
            self._optimiser.step()
            self._optimiser.zero_grad()
        if device.cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - started

    def correct(self, gold: numpy.ndarray, device: Device) -> int:
        """Rows of the evaluated split that are answered right."""
        with torch.inference_mode(), device.autocast():
            logits = self._model(**self._test.inputs(range(len(gold)))).logits
        return int((logits.argmax(dim=1).cpu().numpy() == gold).sum())


def compare(epochs: int, batch_size: int, device: Device) -> dict[str, Any]:
    """Seconds per epoch of both, their ratio, the feature pass, and the accuracies."""
    folder, prepared = demo_model_path("encoder"), demo_rows()
    tokenizer = load_tokenizer(folder, NAME)
    pad = int(tokenizer.pad_token_id)  # type: ignore[arg-type]
    loader = ModelLoader(folder, NAME, load_config(folder, NAME), pad)
    method = registry.get("head")
    torch.manual_seed(SEED)
    whole: Any = method.build(loader, method.Hyperparameters())
    # Gradients reach the head all the same; nothing is dropped out, so that both see the same features.
    whole.to(device.torch_device).eval()
    head = FeatureHead(copy.deepcopy(whole)).eval()
    with tempfile.TemporaryDirectory(prefix="nli-console-head-") as place:
        tokeniser = Tokeniser(tokenizer, folder, 64, Path(place), 10**9)
        encoder = FeaturePass(whole, Path(place) / "features", device)

        def split(name: str, rows: list[Example]) -> tuple[Tokenised, Batcher, FeatureBatcher]:
            tokens = tokeniser.split(rows, lambda *_: None)
            batcher = Batcher(tokens, rows, loader.labels, pad, device)
            features = encoder.split(name, tokens.lengths, batcher, lambda *_: None)
            return tokens, batcher, FeatureBatcher(features, rows, loader.labels, device)

        test = prepared.evaluation[SPLIT].examples
        tokens, words, vectors = split("train", prepared.train.examples)
        pass_seconds = encoder.seconds
        _, test_words, test_vectors = split(SPLIT, test)
        sides = {
            "features": Side(head, vectors, test_vectors),
            "encoder": Side(whole, words, test_words),
        }
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        sampler = EpochSampler(len(tokens), batch_size, SEED, tokens.lengths.tolist())
        for epoch in range(epochs):
            sampler.set_epoch(epoch)
            order = list(sampler)
            for name, side in sides.items():
                seconds[name].append(side.epoch(order, batch_size, device))
        gold = numpy.array([loader.labels.to_model[row.label] for row in test])
        reached = {name: side.correct(gold, device) for name, side in sides.items()}
    medians = {name: float(numpy.median(taken)) for name, taken in seconds.items()}
    return {
        "rows": len(tokens),
        "batch_size": batch_size,
        "epochs": epochs,
        "device": device.title,
        "feature_pass_seconds": pass_seconds,
        "epoch_seconds": medians,
        "ratio": medians["encoder"] / medians["features"],
        "evaluated_rows": len(gold),
        "correct": reached,
    }


def show(found: dict[str, Any]) -> None:
    print(
        f"{NAME}, {found['rows']:,} rows, batches of {found['batch_size']}, {found['epochs']} epochs, "
        f"{found['device']}, {torch.get_num_threads()} threads; feature pass "
        f"{found['feature_pass_seconds']:.2f} s"
    )
    n = found["evaluated_rows"]
    for title, name in (("on features", "features"), ("through the encoder", "encoder")):
        correct = found["correct"][name]
        accuracy = format_accuracy(correct / n, *wilson(correct, n))
        print(f"  {title:20}{found['epoch_seconds'][name]:8.3f} s per epoch   accuracy {accuracy}")
    print(f"  ratio {found['ratio']:.1f}×")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.set_verbosity_error()
    found = compare(options.epochs, options.batch_size, choose_device("auto"))
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        show(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
