"""Eight-shot prompts: the scorer that reads what all prompts share once, against one that reads them whole.

Both score the same rendered prompts with the same model in batches of the same rows, longest first, and ask
for one row of the vocabulary each; without the cache every batch reads its prompts whole. The two take turns,
and their scores have to agree to 1e-4 in fp32.

    python benchmarks/shared_prefix.py [--models demo-decoder llama-512] [--rows N] [--shots 8] [--json]

On a GPU, with random weights in Llama-3-8B's shape: --models llama-3-8b
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy
import torch
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.decoders import (
    ALL_ROWS,
    MODELS,
    SPLIT,
    Decoder,
    decoder,
    demo_prompts,
    demo_rows,
    in_turns,
    rows_for,
)
from nli_console.data.prompts import Prompts
from nli_console.data.spec import LABELS
from nli_console.worker.device import choose_device
from nli_console.worker.likelihood import LabelScorer, batches_by_length, padded

BATCH_SIZE = 64
"""That of the demo's icl preset."""
FEW = 128
TOLERANCE = 1e-4
"""Largest difference of two log-likelihoods in fp32."""


def without_cache(used: Decoder, prompts: Prompts) -> numpy.ndarray:
    """Log-likelihoods of the label words, shape ``(rows, 3)``, every prompt read whole."""
    scores = numpy.zeros((len(prompts), len(LABELS)), dtype=numpy.float32)
    for rows in batches_by_length(prompts, BATCH_SIZE):
        texts = [prompts.input_ids[row] for row in rows]
        ids, mask = padded(texts, used.pad, used.device, max(map(len, texts)))
        last = torch.tensor([[len(text) - 1] for text in texts], device=ids.device)
        words = torch.tensor([[word[0] for word in prompts.answers[row]] for row in rows], device=ids.device)
        with torch.inference_mode(), used.device.autocast():
            logits = used.model(
                input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=last
            ).logits[:, 0]
            found = torch.log_softmax(logits.float(), dim=-1).gather(1, words)
        scores[rows] = found.cpu().numpy()
    return scores


def compare(used: Decoder, count: int, shot_count: int, rounds: int) -> dict[str, Any]:
    """Seconds of both on the first ``count`` rows, their ratio, and how far their scores lie apart."""
    prepared = demo_rows()
    renderer, shots = demo_prompts(used, prepared, shot_count)
    prompts = renderer.render(prepared.evaluation[SPLIT].examples[:count], shots)
    if any(len(word) > 1 for answers in prompts.answers for word in answers):
        raise SystemExit("a label word is several tokens; this comparison reads one vocabulary row each")
    few = renderer.render(prepared.evaluation[SPLIT].examples[:BATCH_SIZE], shots)
    scorer = LabelScorer(used.model, used.device, used.pad, BATCH_SIZE)
    scorer.score(few)
    without_cache(used, few)
    (with_seconds, ours), (without_seconds, plain) = in_turns(
        [lambda: scorer.score(prompts), lambda: without_cache(used, prompts)], rounds, used.device
    )
    return {
        "model": used.title,
        "rows": len(prompts),
        "shots": shot_count,
        "tokens": sum(map(len, prompts.input_ids)) / len(prompts),
        "shared": prompts.shared,
        "with_seconds": with_seconds,
        "without_seconds": without_seconds,
        "ratio": without_seconds / with_seconds,
        "apart": float(numpy.abs(ours - plain).max()),
        "same": float((ours.argmax(axis=1) == plain.argmax(axis=1)).mean()),
        "equal": used.device.precision != "fp32" or bool(numpy.abs(ours - plain).max() <= TOLERANCE),
    }


def show(found: dict[str, Any]) -> None:
    print(f"{found['model']}; {found['rows']:,} rows of the demo's {SPLIT}, {found['shots']} shots")
    print(f"  {found['tokens']:.0f} tokens in a prompt on average, {found['shared']} of them shared by all")
    for name, seconds in (("shared", found["with_seconds"]), ("whole", found["without_seconds"])):
        print(f"  {name:8}{seconds:8.2f} s{found['rows'] / seconds:10.1f} rows/s")
    print(
        f"  ratio {found['ratio']:.1f}×; scores at most {found['apart']:.1e} apart, "
        f"{found['same']:.1%} of the answers the same",
        flush=True,
    )


def main() -> int:
    """Print a few lines per model; 1 when scores in fp32 are further apart than :data:`TOLERANCE`."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["demo-decoder", "llama-512"])
    parser.add_argument("--rows", type=int, help=f"default: {ALL_ROWS} with the demo's decoder, else {FEW}")
    parser.add_argument("--shots", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.set_verbosity_error()
    device = choose_device("auto")
    results = []
    for name in options.models:
        results.append(
            compare(decoder(name, device), rows_for(name, options.rows, FEW), options.shots, options.rounds)
        )
        if not options.json:
            show(results[-1])
    if options.json:
        print(json.dumps(results, indent=1))
    return 0 if all(found["equal"] for found in results) else 1


if __name__ == "__main__":
    sys.exit(main())
