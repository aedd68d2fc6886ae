"""Check that the demo is as hard, and the demo models as able, as the demo needs; exit status 1 on a miss.

python scripts/demo/gate.py [--models DIR] [--only full lora …]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import baselines
import torch
from common import MODELS
from corpus_rows import LABELS, corpus
from gate_methods import Reached, reach

SECONDS = 60
"""Most processor seconds of one method, training and both evaluations."""

Results = dict[str, Reached]


@dataclass(frozen=True)
class Bar:
    """What a method must reach on validation_matched, and on which other results that depends."""

    method: str
    words: str
    passes: Callable[[float, Results], bool]
    needs: tuple[str, ...] = ()


BARS = (
    Bar("hypothesis_only", "≤ 40 %", lambda a, _: a <= 0.40),
    Bar("bag_of_words", "reported", lambda a, _: True, ("majority",)),
    Bar("full", "≥ 85 %", lambda a, _: a >= 0.85),
    Bar("full", "≥ bag of words + 12", lambda a, r: a >= r["bag_of_words"].matched + 0.12, ("bag_of_words",)),
    Bar("lora", "≥ full − 3", lambda a, r: a >= r["full"].matched - 0.03, ("full",)),
    Bar("head", "≥ majority + 10", lambda a, r: a >= r["majority"].matched + 0.10, ("majority",)),
    Bar(
        "top_layers",
        "head … full (± 1)",
        lambda a, r: r["head"].matched < a <= r["full"].matched + 0.01,
        ("head", "full"),
    ),
    Bar("p_tuning", "≥ 60 %", lambda a, _: a >= 0.60),
    Bar("prefix_tuning", "≥ 60 %", lambda a, _: a >= 0.60),
    Bar("icl_0", "45–65 %", lambda a, _: 0.45 <= a <= 0.65),
    Bar("icl_4", "≥ zero-shot", lambda a, r: a >= r["icl_0"].matched, ("icl_0",)),
    Bar("qlora_sft", "≥ 80 %", lambda a, _: a >= 0.80),
    Bar("qlora_classifier", "≥ 80 %", lambda a, _: a >= 0.80),
    Bar("verbalizer", "reported", lambda a, _: True),
)

UNTIMED = {"hypothesis_only", "bag_of_words", "majority"}


def measure(method: str, models: Path) -> Reached:
    """Accuracy of a baseline or of a method."""
    train, *evaluations = corpus()
    if method == "majority":
        shares = [
            max(sum(r.label == label for r in rows) for label in LABELS) / len(rows) for rows in evaluations
        ]
        return Reached(*shares, 0.0)
    if method in UNTIMED:
        return Reached(*baselines.accuracy(getattr(baselines, method), train, evaluations), 0.0)
    return reach(method, models)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, default=MODELS, help="folder with encoder/ and decoder/")
    parser.add_argument("--only", nargs="+", help="methods to check, with those they are compared to")
    args = parser.parse_args()
    torch.set_num_threads(1)
    results: Results = {}
    missed = 0
    print(f"{'method':<17}{'bar':<23}{'matched':>8}{'mismatched':>12}{'seconds':>9}")
    for bar in BARS:
        if args.only and bar.method not in args.only:
            continue
        for method in (*bar.needs, bar.method):
            if method not in results:
                results[method] = measure(method, args.models)
        reached = results[bar.method]
        passed = bar.passes(reached.matched, results) and reached.seconds <= SECONDS
        missed += not passed
        print(
            f"{bar.method:<17}{bar.words:<23}{reached.matched:>8.3f}{reached.mismatched:>12.3f}"
            f"{reached.seconds:>9.1f}  {'pass' if passed else 'MISS'}",
            flush=True,
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
