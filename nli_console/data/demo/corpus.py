"""Write the demo corpus in the file layout of ``multinli_1.0``."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import random
import shutil
import tempfile
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path

from nli_console.data.demo.coupling import LABELS
from nli_console.data.demo.generator import Pair, draw_triples
from nli_console.data.demo.genres import MATCHED, MISMATCHED

TRAIN_PAIRS = 4800
DEV_PAIRS = 1000
SEED = 20180601

TRAIN_FILE = "multinli_1.0_train.jsonl"
MATCHED_FILE = "multinli_1.0_dev_matched.jsonl"
MISMATCHED_FILE = "multinli_1.0_dev_mismatched.jsonl"
MARKER = "demo-corpus.json"

VOTE_PATTERNS = {(5, 0): 0.580, (4, 1): 0.248, (3, 2): 0.155, (2, 2, 1): 0.017}
"""How often five annotators split so, with the author's label first; near the shares published for
MultiNLI."""

_LIKELY_SLIP = {
    "entailment": (0.8, "neutral"),
    "neutral": (0.6, "entailment"),
    "contradiction": (0.8, "neutral"),
}
"""Label -> probability and name of the label an annotator who disagrees is most likely to give."""

_SOURCES = ("coupling.py", "corpus.py", "events.py", "generator.py", "genres.py", "phenomena.py", "scene.py")


def demo_pairs(
    *, train: int = TRAIN_PAIRS, dev: int = DEV_PAIRS, seed: int = SEED
) -> tuple[list[Pair], list[Pair], list[Pair]]:
    """The pairs of the training set and of the matched and mismatched validation sets, before annotation.

    The labels are balanced, no premise stands in two sets, and the order is shuffled. Every three pairs of
    one premise are an entailment, a neutral and a contradiction; the last premise of a set may have fewer.
    """
    matched = chain.from_iterable(draw_triples(random.Random(f"{seed}-matched"), MATCHED))
    mismatched = chain.from_iterable(draw_triples(random.Random(f"{seed}-mismatched"), MISMATCHED))
    return _whole_triples(matched, train), _whole_triples(matched, dev), _whole_triples(mismatched, dev)


def _whole_triples(pairs: Iterator[Pair], count: int) -> list[Pair]:
    """Take `count` pairs, and leave the rest of the last triple unused."""
    return list(islice(pairs, count + -count % len(LABELS)))[:count]


def write_demo_corpus(
    folder: Path, *, train: int = TRAIN_PAIRS, dev: int = DEV_PAIRS, seed: int = SEED
) -> Path:
    """Write the demo corpus to `folder`, unless the same corpus is already there.

    The folder appears whole or not at all: it is written beside its final place and renamed. A demo corpus
    made by another version, or with other arguments, is replaced.

    Args:
        folder: where the three ``multinli_1.0_*.jsonl`` files go; its parents are made.
        train: number of training pairs.
        dev: number of pairs in each of the two validation sets.
        seed: of the generator and of the annotators.

    Returns:
        `folder`.

    Raises:
        ValueError: a size is not positive.
        FileExistsError: `folder` holds something that is not a demo corpus.
    """
    if train < 1 or dev < 1:
        raise ValueError(f"demo corpus: train={train}, dev={dev}, expected at least 1 pair in each split")
    marker = {"content": _content_version(), "train": train, "dev": dev, "seed": seed}
    if _marker_of(folder) == marker:
        return folder
    if folder.exists() and _marker_of(folder) is None and any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty and holds no demo corpus; name another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        _write_files(fresh, train, dev, seed)
        (fresh / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
        fresh.chmod(0o755)
        _put_in_place(fresh, folder, marker)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def _put_in_place(fresh: Path, folder: Path, marker: dict[str, object]) -> None:
    """Rename `fresh` to `folder`; another process that was quicker with the same corpus wins."""
    if folder.exists():
        aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        os.rename(folder, aside / "old")
        shutil.rmtree(aside)
    try:
        os.rename(fresh, folder)
    except OSError:
        if _marker_of(folder) != marker:
            raise


def _marker_of(folder: Path) -> dict[str, object] | None:
    try:
        return json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


@functools.cache
def _content_version() -> str:
    """Changes whenever the code or the words that make the corpus change."""
    here = Path(__file__).parent
    return hashlib.sha256(b"".join((here / name).read_bytes() for name in _SOURCES)).hexdigest()[:16]


def _write_files(folder: Path, train: int, dev: int, seed: int) -> None:
    sets = demo_pairs(train=train, dev=dev, seed=seed)
    for name, pairs in zip((TRAIN_FILE, MATCHED_FILE, MISMATCHED_FILE), sets, strict=True):
        rng = random.Random(f"{seed}-{name}")
        rows = [_row(pair, i // len(LABELS), name, rng) for i, pair in enumerate(pairs)]
        rng.shuffle(rows)
        with (folder / name).open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)


def _row(pair: Pair, triple: int, file: str, rng: random.Random) -> dict[str, object]:
    """One line of a MultiNLI file; only the validation sets were annotated by five people."""
    first = {TRAIN_FILE: 100_000, MATCHED_FILE: 10_000, MISMATCHED_FILE: 20_000}[file]
    votes = [pair.label] if file == TRAIN_FILE else annotate(pair.label, rng)
    prompt = str(first + triple)
    return {
        "annotator_labels": votes,
        "genre": pair.genre,
        "gold_label": majority(votes),
        "pairID": prompt + pair.label[0],
        "promptID": prompt,
        "sentence1": pair.premise,
        "sentence2": pair.hypothesis,
    }


def annotate(label: str, rng: random.Random) -> list[str]:
    """Five votes for a pair whose author meant `label`: the author's own first, the others shuffled."""
    (pattern,) = rng.choices(list(VOTE_PATTERNS), weights=list(VOTE_PATTERNS.values()))
    chance, likely = _LIKELY_SLIP[label]
    (other,) = set(LABELS) - {label, likely}
    ranked = [label, likely, other] if rng.random() < chance else [label, other, likely]
    votes = [name for name, count in zip(ranked, pattern, strict=False) for _ in range(count)]
    rest = votes[1:]
    rng.shuffle(rest)
    return [votes[0], *rest]


def majority(votes: list[str]) -> str:
    """The label with more than half of the votes, or "-"."""
    winner = max(votes, key=votes.count)
    return winner if 2 * votes.count(winner) > len(votes) else "-"
