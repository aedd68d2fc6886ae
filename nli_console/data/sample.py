"""Which rows a run trains on, selects its checkpoint by and is reported on. The same for every method."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from nli_console.data.files import Progress
from nli_console.data.layouts import TRAIN
from nli_console.data.read import read_split, split_names
from nli_console.data.rows import NoLabelsError
from nli_console.data.spec import LABELS, DataSpec, Example, Split
from nli_console.errors import ConsoleError
from nli_console.text import clean_line

HELD_OUT = "held_out"
"""Name of the reported split of a dataset that has only training rows: a tenth of them, at most 10,000."""
HELD_OUT_LIMIT = 10_000

_HOLD_OUT_SALT = "hold out"


@dataclass(frozen=True, slots=True)
class Majority:
    """The most frequent label of a split and its share: what a constant answer would score."""

    label: str
    share: float


@dataclass(frozen=True, slots=True)
class Prepared:
    """The rows of a run, each set in dataset order.

    ``digests`` has the SHA-256 of each set's ids (one a line, in order): equal digests mean that two
    runs can be compared row by row. ``dropped`` counts rows without a gold label per split.
    """

    train: Split
    selection: Split
    evaluation: dict[str, Split]
    dropped: dict[str, int]
    digests: dict[str, str]
    majority: dict[str, Majority]


def prepare(spec: DataSpec, seed: int, *, progress: Progress | None = None) -> Prepared:
    """Read a dataset and choose the rows of a run.

    A selection slice of ``spec.selection_rows``, at most a tenth of train, is held out first. It is
    the same for every seed and fraction, so that selection accuracies can be compared, and rows that
    share a premise fall on the same side (but for one premise at the edge), so that selection is not
    helped by premises that were trained on. Of the rest, ``round(fraction × rows)`` rows are taken by
    ``seed``: the same ids for every method, whatever the order of the file, and a smaller
    fraction is a part of a larger one. Evaluation splits are read in full, unless ``spec.evaluation_rows``
    asks for so many of their rows; they are taken by ``seed`` likewise, and fewer are a part of more.

    Raises:
        ConsoleError: as :func:`read_split`; no train split; an unknown name in ``spec.evaluate_on``.
    """
    names = split_names(spec)
    if TRAIN not in names:
        raise ConsoleError(
            f"{clean_line(spec.name)} has no train split, only {', '.join(map(clean_line, names))}; "
            'name its file in settings.toml under [datasets.NAME.splits] train = "…"'
        )
    evaluation = _evaluation(spec, names, progress)
    whole = read_split(spec, TRAIN, progress=progress)
    rows = whole.examples
    held_out = 0 if evaluation else min(HELD_OUT_LIMIT, len(rows) // 10)
    selected = min(spec.selection_rows, len(rows) // 10)
    order = _hold_out_order(rows) if held_out + selected else range(len(rows))
    if held_out:
        evaluation = {HELD_OUT: Split(HELD_OUT, _pick(rows, order[:held_out]), 0)}
    evaluation = {
        name: Split(name, _take(split.examples, spec.evaluation_rows, seed), split.dropped)
        for name, split in evaluation.items()
    }
    selection = Split("selection", _pick(rows, order[held_out : held_out + selected]), 0)
    rest = _pick(rows, order[held_out + selected :])
    train = Split(TRAIN, _sample(rest, spec.fraction, seed), whole.dropped)
    sets = {TRAIN: train, "selection": selection, **evaluation}
    return Prepared(
        train,
        selection,
        evaluation,
        {name: split.dropped for name, split in sets.items()},
        {name: digest(example.id for example in split.examples) for name, split in sets.items()},
        {name: majority(split.examples) for name, split in sets.items() if split.examples},
    )


def prepare_evaluation(spec: DataSpec, seed: int, *, progress: Progress | None = None) -> Prepared:
    """The rows of a run that trains nothing and asks for no training rows: its reported splits alone.

    No train split is needed, and ``train`` itself may be reported on. :data:`HELD_OUT` names the rows that
    :func:`prepare` reports on where there are only training rows. Of each split ``round(fraction × rows)``
    rows are taken by ``seed``, whatever the order of the file.

    Raises:
        ConsoleError: as :func:`read_split`; an unknown name in ``spec.evaluate_on``; nothing but train, and
            no name.
    """
    if spec.evaluate_on == (HELD_OUT,):
        whole = spec.model_copy(update={"evaluate_on": (), "fraction": 1.0})
        found = prepare(whole, seed, progress=progress).evaluation
        if HELD_OUT not in found:
            raise ConsoleError(
                f'{clean_line(spec.name)} has no split "{HELD_OUT}", which stands for a part of train where '
                f"there is nothing else; it has {', '.join(map(clean_line, split_names(spec)))}"
            )
    else:
        names = split_names(spec)
        found = _evaluation(spec, names, progress)
        if not found:
            raise ConsoleError(
                f"{clean_line(spec.name)} has no labelled split but train; name it to report on it"
            )
    evaluation = {
        name: Split(name, _sample(split.examples, spec.fraction, seed), split.dropped)
        for name, split in found.items()
    }
    return Prepared(
        Split(TRAIN, [], 0),
        Split("selection", [], 0),
        evaluation,
        {name: split.dropped for name, split in evaluation.items()},
        {name: digest(example.id for example in split.examples) for name, split in evaluation.items()},
        {name: majority(split.examples) for name, split in evaluation.items()},
    )


def digest(ids: Iterable[str]) -> str:
    """SHA-256 of ids, one a line, in order."""
    total = hashlib.sha256()
    for id in ids:
        total.update(id.encode("utf-8") + b"\n")
    return total.hexdigest()


def majority(examples: list[Example]) -> Majority:
    """The most frequent label; of equals the first in :data:`LABELS`."""
    counts = Counter(example.label for example in examples)
    label = max(range(len(LABELS)), key=lambda index: (counts[index], -index))
    return Majority(LABELS[label], counts[label] / len(examples))


def sampling_order(ids: list[str], seed: int) -> list[int]:
    """Row numbers in the order in which a growing fraction takes them in."""
    return [number for _, number in sorted((_hash(f"fraction {seed}", id), i) for i, id in enumerate(ids))]


def sampled_rows(rows: int, fraction: float) -> int:
    """How many of ``rows`` training rows a fraction takes."""
    return rows if fraction >= 1 or not rows else max(1, round(fraction * rows))


def _evaluation(spec: DataSpec, names: list[str], progress: Progress | None) -> dict[str, Split]:
    unknown = [name for name in spec.evaluate_on if name not in names]
    if unknown:
        raise ConsoleError(
            f'{clean_line(spec.name)} has no split "{clean_line(unknown[0])}" to report on; '
            f"it has {', '.join(map(clean_line, names))}"
        )
    splits: dict[str, Split] = {}
    for name in spec.evaluate_on or [name for name in names if name != TRAIN]:
        try:
            splits[name] = read_split(spec, name, progress=progress)
        except NoLabelsError:
            if spec.evaluate_on or not name.startswith("test"):
                raise
    return splits


def _hold_out_order(rows: list[Example]) -> list[int]:
    """Row numbers in an order that the texts and ids alone decide; rows of one premise stand together."""
    keys = [
        (_hash(_HOLD_OUT_SALT, row.premise), _hash(_HOLD_OUT_SALT, row.id), number)
        for number, row in enumerate(rows)
    ]
    return [number for _, _, number in sorted(keys)]


def _pick(rows: list[Example], numbers: Iterable[int]) -> list[Example]:
    return [rows[number] for number in sorted(numbers)]


def _sample(rows: list[Example], fraction: float, seed: int) -> list[Example]:
    if fraction >= 1 or not rows:
        return rows
    return _take(rows, sampled_rows(len(rows), fraction), seed)


def _take(rows: list[Example], count: int, seed: int) -> list[Example]:
    """``count`` rows by ``seed``, in file order; all where there are no more, or where it is 0."""
    if not 0 < count < len(rows):
        return rows
    return _pick(rows, sampling_order([row.id for row in rows], seed)[:count])


def _hash(salt: str, text: str) -> bytes:
    return hashlib.blake2b(f"{salt}\0{text}".encode(), digest_size=8).digest()
