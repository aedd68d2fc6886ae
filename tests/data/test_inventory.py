"""What is said about the rows of a run, against the rows themselves."""

import json
from pathlib import Path

from nli_console.data.inventory import fingerprint, take_inventory
from nli_console.data.resolve import resolve_dataset
from nli_console.data.sample import prepare
from nli_console.data.spec import DataSpec
from nli_console.settings import load_settings

LABELS = ("entailment", "neutral", "contradiction")


def corpus(folder: Path, shared: int) -> DataSpec:
    """60 training rows and 20 of each validation split, of which ``shared`` matched ones stand in train."""
    folder.mkdir()
    for file, rows, kind in (
        ("train", 60, "train"),
        ("dev_matched", 20, "dev"),
        ("dev_mismatched", 20, "other"),
    ):
        lines = [
            {
                "pairID": f"{kind}{i}",
                "sentence1": f"{'train' if kind == 'dev' and i < shared else kind} premise {i}",
                "sentence2": f"hypothesis {i}" + " and on" * (i % 7),
                "gold_label": LABELS[i % 3],
                "genre": "fiction",
            }
            for i in range(rows)
        ]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"multinli_1.0_{file}.jsonl").write_text(text, encoding="utf-8")
    settings = folder / "settings.toml"
    settings.write_text("")
    return resolve_dataset(str(folder), load_settings(settings))


def test_counts_are_those_of_the_rows_that_a_run_takes(tmp_path: Path):
    spec = corpus(tmp_path / "multinli_1.0", 0).model_copy(update={"fraction": 0.5})
    inventory = take_inventory(spec)
    chosen = inventory.chosen(0.5, seed=3)
    rows = prepare(spec, 3).train.examples
    assert chosen is not None
    assert sorted(inventory.ids[number] for number in chosen) == sorted(row.id for row in rows)
    labels = [LABELS[row.label] for row in rows]
    assert inventory.label_counts(chosen) == {label: labels.count(label) for label in LABELS}
    assert inventory.evaluation == {"validation_matched": 20, "validation_mismatched": 20}


def test_rows_that_also_stand_in_train_are_counted_for_the_rows_chosen(tmp_path: Path):
    inventory = take_inventory(corpus(tmp_path / "multinli_1.0", 20))
    trained = {int(id.removeprefix("train")) for id in inventory.ids}
    in_train = sum(number in trained for number in range(20))
    assert in_train >= 14
    assert inventory.repeats(None) == {"validation_matched": in_train, "validation_mismatched": 0}
    assert inventory.repeats(frozenset())["validation_matched"] == 0


def test_the_longest_pairs_are_kept(tmp_path: Path):
    inventory = take_inventory(corpus(tmp_path / "multinli_1.0", 0))
    (_, (_, hypothesis)), *_ = inventory.longest
    assert hypothesis.count("and on") == 6


def test_the_fingerprint_changes_with_a_file(tmp_path: Path):
    spec = corpus(tmp_path / "multinli_1.0", 0)
    before = fingerprint(spec)
    assert fingerprint(spec) == before
    with (tmp_path / "multinli_1.0" / "multinli_1.0_train.jsonl").open("a") as file:
        file.write("{}\n")
    assert fingerprint(spec) != before
