"""Small corpora in the layouts that users have."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from nli_console.data.spec import LABELS, DataSpec
from nli_console.settings import LoadedSettings, load_settings

Row = dict[str, object]


def original_row(number: int, label: str | None = None, **changes: object) -> Row:
    """A row as multinli_1.0 has it; three rows share a premise."""
    label = label or LABELS[number % 3]
    row: Row = {
        "annotator_labels": [label, "neutral"],
        "genre": "fiction",
        "gold_label": label,
        "pairID": f"{number}{label[0]}",
        "promptID": str(number // 3),
        "sentence1": f"premise {number // 3}",
        "sentence2": f"hypothesis {number}",
    }
    return row | changes


def write_jsonl(path: Path, rows: Sequence[object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_original(folder: Path, train: int = 60, dev: int = 6) -> Path:
    """A folder like multinli_1.0, with one row without a gold label in each validation file."""
    write_jsonl(folder / "multinli_1.0_train.jsonl", [original_row(i) for i in range(train)])
    for first, name in ((1000, "matched"), (2000, "mismatched")):
        rows = [original_row(first + i) for i in range(dev)]
        rows.insert(1, original_row(first + 999, "-"))
        write_jsonl(folder / f"multinli_1.0_dev_{name}.jsonl", rows)
    (folder / "multinli_1.0_train.txt").write_text("gold_label\n", encoding="utf-8")
    (folder / "README.txt").write_text("read me", encoding="utf-8")
    return folder


def settings(folder: Path, text: str = "") -> LoadedSettings:
    path = folder / "settings.toml"
    path.write_text(f'cache_dir = "cache"\n{text}', encoding="utf-8")
    return load_settings(path)


def one_file(path: Path, **changes: object) -> DataSpec:
    """A spec of a single file, read as its ending says."""
    fields: dict[str, object] = {
        "name": "mine",
        "source": os.fspath(path),
        "format": path.suffix[1:],
        "splits": {"train": path.name},
    }
    return DataSpec.model_validate(fields | changes)
