"""Predictions as a worker leaves them, and the data that they are of, written without a model."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow
import pyarrow.parquet

from nli_console.data.spec import LABELS, DataSpec
from nli_console.record.layout import RunLayout


@dataclass(frozen=True)
class Pair:
    """One row of the data."""

    id: str
    premise: str
    hypothesis: str
    gold: str
    genre: str = "fiction"
    votes: tuple[str, ...] = ()


def pairs(count: int) -> list[Pair]:
    """Rows of all labels and two genres; every fourth hypothesis is negated."""
    return [
        Pair(
            f"{number}{LABELS[number % 3][0]}",
            f"A man buys {number} apples at the market.",
            "Nobody sells anything." if number % 4 == 0 else f"A man buys {number} pears.",
            LABELS[number % 3],
            ("fiction", "telephone")[number % 2],
            (LABELS[number % 3],) * 4 + (LABELS[(number // 2) % 3],),
        )
        for number in range(count)
    ]


def write_data(folder: Path, rows: Sequence[Pair], split: str = "validation_matched") -> DataSpec:
    """The rows as a dataset in the layout of MultiNLI's own files."""
    folder.mkdir(parents=True, exist_ok=True)
    name = f"multinli_1.0_{split}.jsonl"
    lines = [
        json.dumps(
            {
                "sentence1": row.premise,
                "sentence2": row.hypothesis,
                "gold_label": row.gold,
                "annotator_labels": row.votes,
                "genre": row.genre,
                "pairID": row.id,
            }
        )
        for row in rows
    ]
    (folder / name).write_text("".join(f"{line}\n" for line in lines))
    return DataSpec(name="pairs", source=str(folder), format="multinli", splits={split: name})


def write_predictions(
    layout: RunLayout,
    rows: Sequence[Pair],
    wrong: Collection[int] = (),
    *,
    split: str = "validation_matched",
    unanswered: Collection[int] = (),
    scored: bool = True,
) -> None:
    """Answers that are right but for the places in ``wrong``, which get the next label.

    The later a wrong row, the surer the model is of it. ``unanswered`` places name no label; without
    ``scored`` there are no likelihoods.
    """
    said: list[str | None] = []
    scores: list[list[float]] = []
    for place, row in enumerate(rows):
        gold = LABELS.index(row.gold)
        answer = (gold + 1) % 3 if place in wrong else gold
        said.append(None if place in unanswered else LABELS[answer])
        logs = [-4.0 - place / len(rows)] * 3
        logs[answer] = -0.05
        scores.append(logs if scored else [float("nan")] * 3)
    columns = {
        "id": pyarrow.array([row.id for row in rows], pyarrow.string()),
        "genre": pyarrow.array([row.genre for row in rows], pyarrow.string()),
        "gold": pyarrow.array([row.gold for row in rows], pyarrow.string()).dictionary_encode(),
        "predicted": pyarrow.array(said, pyarrow.string()).dictionary_encode(),
    }
    for label, values in zip(LABELS, zip(*scores, strict=True), strict=True):
        columns[f"score_{label}"] = pyarrow.array(values, pyarrow.float32())
    layout.predictions.mkdir(mode=0o700, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(columns), layout.predictions / f"{split}.parquet")
