"""Checks of the rows."""

import math
from collections.abc import Iterator

from nli_console.methods.checks.facts import CheckContext
from nli_console.methods.checks.registry import Problem, check
from nli_console.statistics import NORMAL_95, wilson

MOST_TRUNCATED = 0.01
SOUGHT = 0.025
"""The smallest difference between two runs that a reported split should be able to show."""
EXPECTED_ACCURACY, EXPECTED_UNTRAINED = 0.88, 0.5
"""Of what is trained, and of a model that is asked as it is; the latter has the wider interval."""
LARGEST_SHARE, SMALLEST_SHARE = 0.5, 0.2


@check(
    "truncation",
    "warning",
    "more than 1 % of the pairs cut at the maximum length",
    "What is cut off cannot be read: a pair whose hypothesis or deciding clause is missing is a wrong "
    "lesson in training and a guess in evaluation.",
)
def truncation(context: CheckContext) -> Iterator[Problem]:
    lengths = None if context.data is None else context.data.lengths
    limit = context.longest_input
    if not lengths or limit is None:
        return
    cut = sum(length > limit for length in lengths)
    if cut > MOST_TRUNCATED * len(lengths):
        ordered = sorted(lengths)
        enough = ordered[min(len(ordered) - 1, math.ceil(0.995 * len(ordered)))]
        positions = context.text_positions
        generated = context.value("max_new_tokens") if context.generates else 0
        fits = positions is None or enough + generated <= positions
        fewer = ", or fewer --shots" if context.value("shots") else ""
        yield Problem(
            f"max_length {limit + generated}: {100 * cut / len(lengths):.1f} % of {len(lengths):,} sampled "
            f"pairs are longer and are cut; expected at most {100 * MOST_TRUNCATED:g} %",
            f"--max-length {enough + generated} keeps 99.5 % of them whole{fewer}"
            if fits
            else f"{context.model_name} reads no more than {positions} tokens; choose a model with more "
            f"positions{fewer}",
            "max_length",
        )


@check(
    "validation_size",
    "warning",
    "a reported split too small for the difference sought",
    "The report compared methods on 981 rows: each accuracy is known to ± 2 points there and two runs must "
    "differ by almost 3. On all 9,815 rows it is ± 0.6 and 0.9.",
)
def validation_size(context: CheckContext) -> Iterator[Problem]:
    evaluation = {} if context.data is None else context.data.evaluation or {}
    # One split says it for all: the smallest has the widest interval.
    for split, rows in sorted(evaluation.items(), key=lambda item: item[1])[:1]:
        if not rows:
            continue
        expected = EXPECTED_ACCURACY if context.method.trains else EXPECTED_UNTRAINED
        low, high = wilson(round(expected * rows), rows)
        apart = NORMAL_95 * math.sqrt(2 * expected * (1 - expected) / rows)
        if apart > SOUGHT:
            yield Problem(
                f"{split} has {rows:,} rows: an accuracy near {100 * expected:.0f} % is known to ± "
                f"{50 * (high - low):.1f} points, and two runs less than {100 * apart:.1f} points apart "
                "cannot be told apart",
                "report on the full validation split, or compare runs row by row with a paired test",
                "data",
            )


@check(
    "train_in_validation",
    "warning",
    "training pairs that also stand in a reported split",
    "A pair that was trained on is remembered, not understood: every such row counts as right and lifts the "
    "reported accuracy.",
)
def train_in_validation(context: CheckContext) -> Iterator[Problem]:
    data = context.data
    if data is None or data.repeated is None or not context.method.trains:
        return
    for split, repeated in data.repeated.items():
        if repeated:
            rows = (data.evaluation or {}).get(split)
            share = f" of {rows:,} ({100 * repeated / rows:.2f} %)" if rows else ""
            yield Problem(
                f"{split}: {repeated:,}{share} rows have the same premise and hypothesis as a training row; "
                "expected none",
                "take those rows out of the training file, or report on another split",
                "data",
            )


@check(
    "own_training_rows",
    "warning",
    "an evaluation on the rows that the weights were trained on",
    "What was trained on is remembered: the accuracy says how well these rows were learnt by heart, and "
    "nothing of others.",
)
def own_training_rows(context: CheckContext) -> Iterator[Problem]:
    if context.scores_own_training:
        yield Problem(
            "the split train holds the rows that these weights were trained on; expected rows they never saw",
            "leave train out of the splits, and never report its accuracy beside that of a validation split",
            "data",
        )


@check(
    "class_imbalance",
    "warning",
    "one label far more or less frequent than a third",
    "MultiNLI's labels are nearly even (majority 35.4 %). With a dominant class a constant answer looks "
    "good, and a rare class is hardly learnt.",
)
def class_imbalance(context: CheckContext) -> Iterator[Problem]:
    # A model that is asked as it is learns nothing from the rows, and its demonstrations are balanced.
    labels = None if context.data is None or not context.method.trains else context.data.labels
    total = sum((labels or {}).values())
    if not labels or not total:
        return
    shares = {label: labels.get(label, 0) / total for label in context.labels}
    most, least = max(shares, key=lambda label: shares[label]), min(shares, key=lambda label: shares[label])
    if shares[most] > LARGEST_SHARE or shares[least] < SMALLEST_SHARE:
        yield Problem(
            f"{100 * shares[most]:.1f} % of {total:,} training rows are {most} and {100 * shares[least]:.1f} "
            f"% {least}; expected each between {100 * SMALLEST_SHARE:.0f} and {100 * LARGEST_SHARE:.0f} %",
            f"compare the accuracy with the constant answer's {100 * shares[most]:.1f} %, or use more even "
            "data",
            "data",
        )
