"""Label likelihoods against the report's way of asking: one `generate` for each pair, and parsing.

Both sides answer the same prompts about the same rows with the same model, in turns; rendering, tokenising
and reading the answers are part of the time. The likelihoods are scored as an `icl` run scores them. The
report let the model write at most 10 tokens at temperature 0.2, top-p 0.9 and top-k 50; greedy writing is
measured too. Answers are read as a run reads them; one that names no label is wrong, and agrees with nothing.

    python benchmarks/label_scoring.py [--models demo-decoder llama-512] [--rows N] [--shots 0] [--json]

On a GPU, with random weights in Llama-3-8B's shape: --models llama-3-8b
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
import torch
from transformers.utils import logging

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.decoders import (
    ALL_ROWS,
    MODELS,
    SEED,
    SPLIT,
    Decoder,
    decoder,
    demo_prompts,
    demo_rows,
    in_turns,
    rows_for,
)
from nli_console.data.prompts import AnswerReader, PromptRenderer
from nli_console.data.spec import Example
from nli_console.statistics import wilson
from nli_console.text import format_accuracy
from nli_console.worker.device import choose_device
from nli_console.worker.likelihood import LabelScorer

BATCH_SIZE = 64
"""That of the demo's icl preset."""
SAMPLED = {"do_sample": True, "temperature": 0.2, "top_p": 0.9, "top_k": 50}
GREEDY = {"do_sample": False}
NEW_TOKENS = 10
NO_ANSWER = -1
FEW = 100


def by_likelihood(
    used: Decoder, renderer: PromptRenderer, rows: Sequence[Example], shots: Sequence[Example]
) -> numpy.ndarray:
    """The likeliest label of each row."""
    scorer = LabelScorer(used.model, used.device, used.pad, BATCH_SIZE)
    return scorer.score(renderer.render(rows, shots)).argmax(axis=1)


def by_generation(
    used: Decoder,
    renderer: PromptRenderer,
    rows: Sequence[Example],
    shots: Sequence[Example],
    sampling: dict[str, Any],
) -> numpy.ndarray:
    """The label that each row's answer names, :data:`NO_ANSWER` for none; one row at a time."""
    torch.manual_seed(SEED)
    reader = AnswerReader(renderer.template.words)
    told: list[int] = []
    for row in rows:
        inputs = used.tokenizer(renderer.text(row, shots), add_special_tokens=False, return_tensors="pt").to(
            used.device.torch_device
        )
        with torch.inference_mode():
            written = used.model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                max_new_tokens=NEW_TOKENS,
                pad_token_id=used.pad,
                **sampling,
            )
        text = used.tokenizer.decode(written[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        answer = reader.read(str(text))
        told.append(NO_ANSWER if answer is None else answer)
    return numpy.array(told)


def _mean(values: numpy.ndarray) -> float | None:
    return float(values.mean()) if len(values) else None


def compare(used: Decoder, count: int, shot_count: int, rounds: int) -> dict[str, Any]:
    """Seconds, accuracy, agreement and the ratios of the three ways on the first ``count`` rows."""
    prepared = demo_rows()
    rows = prepared.evaluation[SPLIT].examples[:count]
    renderer, shots = demo_prompts(used, prepared, shot_count)
    gold = numpy.array([row.label for row in rows])
    few = rows[:8]
    sides = {
        "likelihood": lambda some=rows: by_likelihood(used, renderer, some, shots),
        "generate, sampled": lambda some=rows: by_generation(used, renderer, some, shots, SAMPLED),
        "generate, greedy": lambda some=rows: by_generation(used, renderer, some, shots, GREEDY),
    }
    for side in sides.values():
        side(few)
    measured = in_turns(list(sides.values()), rounds, used.device)
    ours, predicted = measured[0]
    found: dict[str, Any] = {"model": used.title, "rows": len(rows), "shots": shot_count, "ways": {}}
    for name, (seconds, answers) in zip(sides, measured, strict=True):
        correct = int((answers == gold).sum())
        found["ways"][name] = {
            "seconds": seconds,
            "rows_per_second": len(rows) / seconds,
            "ratio": seconds / ours,
            "accuracy": correct / len(rows),
            "interval": wilson(correct, len(rows)),
            "invalid": float((answers == NO_ANSWER).mean()),
            "agreement": float((answers == predicted).mean()),
            "agreement_where_valid": _mean((answers == predicted)[answers != NO_ANSWER]),
        }
    return found


def show(found: dict[str, Any]) -> None:
    print(f"{found['model']}; {found['rows']:,} rows of the demo's {SPLIT}, {found['shots']} shots")
    print(
        f"{'':20}{'seconds':>9}{'rows/s':>9}{'ratio':>8}{'accuracy':>16}{'invalid':>9}{'agreement':>11}"
        f"{'of the valid':>14}"
    )
    for name, way in found["ways"].items():
        valid = way["agreement_where_valid"]
        agreed = "–" if valid is None else f"{100 * valid:.1f} %"
        accuracy = format_accuracy(way["accuracy"], *way["interval"])
        print(
            f"{name:20}{way['seconds']:9.2f}{way['rows_per_second']:9.1f}{way['ratio']:7.1f}×{accuracy:>16}"
            f"{100 * way['invalid']:7.1f} %{100 * way['agreement']:9.1f} %{agreed:>14}",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["demo-decoder", "llama-512"])
    parser.add_argument("--rows", type=int, help=f"default: {ALL_ROWS} with the demo's decoder, else {FEW}")
    parser.add_argument("--shots", type=int, default=0)
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
    return 0


if __name__ == "__main__":
    sys.exit(main())
