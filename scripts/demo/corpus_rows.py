"""Read the demo corpus as the gate needs it."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from nli_console.data.demo.corpus import MATCHED_FILE, MISMATCHED_FILE, TRAIN_FILE, write_demo_corpus
from nli_console.data.demo.coupling import LABELS

__all__ = ["LABELS", "Row", "corpus"]


@dataclass(frozen=True)
class Row:
    premise: str
    hypothesis: str
    label: str


@cache
def corpus() -> tuple[list[Row], list[Row], list[Row]]:
    """Training, matched and mismatched rows of the default demo corpus; rows without a gold label are
    dropped."""
    with tempfile.TemporaryDirectory() as folder:
        where = write_demo_corpus(Path(folder) / "corpus")
        names = (TRAIN_FILE, MATCHED_FILE, MISMATCHED_FILE)
        return tuple(_rows(where / name) for name in names)  # pyright: ignore[reportReturnType]


def _rows(path: Path) -> list[Row]:
    read = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Row(r["sentence1"], r["sentence2"], r["gold_label"]) for r in read if r["gold_label"] in LABELS]
