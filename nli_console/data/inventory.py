"""What there is to say about the rows of a run without keeping them: counts, a sample, repeats."""

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from nli_console.data.files import split_files
from nli_console.data.prompts.demonstrations import choose
from nli_console.data.sample import (
    Prepared,
    prepare,
    prepare_evaluation,
    sampled_rows,
    sampling_order,
)
from nli_console.data.spec import LABELS, DataSpec, Example

SAMPLED = 2000
LONGEST = 64
"""How many of the longest training pairs, by characters, are kept: among them is the longest in tokens."""

Pair = tuple[str, str]


@dataclass(frozen=True)
class Inventory:
    """The rows of a dataset, for every fraction and seed.

    Attributes:
        ids: of the training rows, selection slice left out, in file order.
        labels: one byte each, an index into :data:`LABELS`.
        sampled: premise and hypothesis of a fair sample of them.
        sampled_numbers: which rows these are.
        longest: row number and texts of those with the most characters.
        selection_rows: rows held out for model selection.
        evaluation: rows of each reported split.
        repeated: for each reported split, for each of its rows that stands in train the training row numbers.
    """

    ids: list[str]
    labels: bytes
    sampled: list[Pair]
    sampled_numbers: list[int]
    longest: list[tuple[int, Pair]]
    selection_rows: int
    evaluation: dict[str, int]
    repeated: dict[str, list[list[int]]]

    def chosen(self, fraction: float, seed: int) -> frozenset[int] | None:
        """Numbers of the training rows that a run would use; ``None`` means all."""
        if fraction >= 1:
            return None
        return frozenset(sampling_order(self.ids, seed)[: sampled_rows(len(self.ids), fraction)])

    def demonstrations(self, count: int, seed: int) -> list[Example]:
        """``count`` solved pairs out of the sample, by the rules by which a run takes them from all rows.

        Raises:
            ConsoleError: the sample has too few of a label.
        """
        rows = [
            Example(self.ids[number], premise, hypothesis, self.labels[number])
            for number, (premise, hypothesis) in zip(self.sampled_numbers, self.sampled, strict=True)
        ]
        return choose(rows, count, seed)

    def label_counts(self, chosen: frozenset[int] | None) -> dict[str, int]:
        counts = Counter(self.labels if chosen is None else (self.labels[number] for number in chosen))
        return {label: counts[index] for index, label in enumerate(LABELS)}

    def repeats(self, chosen: frozenset[int] | None) -> dict[str, int]:
        """Rows of each reported split whose pair also stands among the chosen training rows."""
        return {
            split: sum(chosen is None or any(number in chosen for number in numbers) for numbers in rows)
            for split, rows in self.repeated.items()
        }


def take_inventory(spec: DataSpec, seed: int = 0) -> Inventory:
    """Read a dataset once; ``seed`` matters where not all rows are reported on.

    Raises as :func:`nli_console.data.sample.prepare`.
    """
    prepared = prepare(spec.model_copy(update={"fraction": 1.0}), seed)
    return _inventory(prepared, prepared.train.examples)


def take_evaluation_inventory(spec: DataSpec) -> Inventory:
    """The same where nothing is trained: the sample and the longest are of the reported rows.

    Raises as :func:`nli_console.data.sample.prepare_evaluation`.
    """
    prepared = prepare_evaluation(spec.model_copy(update={"fraction": 1.0}), 0)
    rows = [row for split in prepared.evaluation.values() for row in split.examples]
    return replace(_inventory(prepared, rows), ids=[], labels=b"", repeated={})


def _inventory(prepared: Prepared, rows: list[Example]) -> Inventory:
    order = sorted(range(len(rows)), key=lambda number: -len(rows[number].premise + rows[number].hypothesis))
    picked = random.Random(0).sample(range(len(rows)), min(SAMPLED, len(rows)))
    return Inventory(
        ids=[row.id for row in rows],
        labels=bytes(row.label for row in rows),
        sampled=[_pair(rows[number]) for number in picked],
        sampled_numbers=picked,
        longest=[(number, _pair(rows[number])) for number in order[:LONGEST]],
        selection_rows=len(prepared.selection.examples),
        evaluation={name: len(split.examples) for name, split in prepared.evaluation.items()},
        repeated={name: _repeated(rows, split.examples) for name, split in prepared.evaluation.items()},
    )


def fingerprint(spec: DataSpec) -> tuple[object, ...]:
    """Changes when a local file of the dataset changes. Raises ``OSError`` or ``ConsoleError``."""
    source = Path(spec.source)
    if spec.format == "hub":
        return ()
    if source.is_file():
        paths: Iterable[Path] = [source]
    else:
        paths = [source / file for pattern in spec.splits.values() for file in split_files(source, pattern)]
    return tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths)


def _pair(row: Example) -> Pair:
    return row.premise, row.hypothesis


def _repeated(train: list[Example], evaluated: list[Example]) -> list[list[int]]:
    wanted = {_pair(row) for row in evaluated}
    found: dict[Pair, list[int]] = {}
    for number, row in enumerate(train):
        if (pair := _pair(row)) in wanted:
            found.setdefault(pair, []).append(number)
    return [found[pair] for row in evaluated if (pair := _pair(row)) in found]
