"""The demo corpus on disk: MultiNLI's layout, reproducible, replaced only by itself."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import pytest

from nli_console.data.demo import demo_corpus_path, write_demo_corpus

TRAIN, MATCHED, MISMATCHED = (
    f"multinli_1.0_{part}.jsonl" for part in ("train", "dev_matched", "dev_mismatched")
)
FIELDS = {"annotator_labels", "genre", "gold_label", "pairID", "promptID", "sentence1", "sentence2"}
LABELS = {"entailment", "neutral", "contradiction"}


def rows(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    return demo_corpus_path(tmp_path_factory.mktemp("cache"))


def test_files_have_the_layout_of_multinli(corpus):
    sizes = {name: len(rows(corpus / name)) for name in (TRAIN, MATCHED, MISMATCHED)}
    assert sizes == {TRAIN: 4800, MATCHED: 1000, MISMATCHED: 1000}
    for name in sizes:
        for row in rows(corpus / name):
            assert set(row) == FIELDS
            assert row["gold_label"] in LABELS | {"-"}
            assert set(row["annotator_labels"]) <= LABELS
            assert row["pairID"] == row["promptID"] + row["annotator_labels"][0][0]
            assert row["sentence1"].endswith(".")
            assert row["sentence2"].endswith(".")


def test_pair_ids_are_unique_across_the_files(corpus):
    ids = [row["pairID"] for name in (TRAIN, MATCHED, MISMATCHED) for row in rows(corpus / name)]
    assert len(ids) == len(set(ids))


def test_training_rows_have_one_annotator(corpus):
    for row in rows(corpus / TRAIN):
        assert row["annotator_labels"] == [row["gold_label"]]


@pytest.mark.parametrize("name", [MATCHED, MISMATCHED])
def test_five_annotators_disagree_as_people_do(corpus, name):
    read = rows(corpus / name)
    unanimous = sum(len(set(row["annotator_labels"])) == 1 for row in read) / len(read)
    undecided = sum(row["gold_label"] == "-" for row in read) / len(read)
    assert 0.54 <= unanimous <= 0.62
    assert 0.010 <= undecided <= 0.025
    for row in read:
        assert len(row["annotator_labels"]) == 5
        label, votes = Counter(row["annotator_labels"]).most_common(1)[0]
        assert row["gold_label"] == (label if votes >= 3 else "-")


@pytest.mark.parametrize("name", [TRAIN, MATCHED, MISMATCHED])
def test_the_pairs_of_a_prompt_share_a_premise_and_have_all_labels(corpus, name):
    prompts = defaultdict(list)
    for row in rows(corpus / name):
        prompts[row["promptID"]].append(row)
    cut_off = 0
    for group in prompts.values():
        assert len({row["sentence1"] for row in group}) == 1
        written = [row["annotator_labels"][0] for row in group]
        assert len(set(written)) == len(written)
        cut_off += len(group) < 3
    assert cut_off <= 1


def test_the_rows_are_not_in_label_or_prompt_order(corpus):
    first = rows(corpus / TRAIN)[:60]
    assert len({row["promptID"] for row in first}) > 40


def test_the_seed_decides_the_content(tmp_path):
    one, same, other = (
        write_demo_corpus(tmp_path / name, train=60, dev=30, seed=seed)
        for name, seed in (("one", 1), ("same", 1), ("other", 2))
    )
    for name in (TRAIN, MATCHED, MISMATCHED):
        assert (one / name).read_bytes() == (same / name).read_bytes()
        assert (one / name).read_bytes() != (other / name).read_bytes()


def test_the_content_does_not_depend_on_the_hash_seed(tmp_path):
    code = (
        "import pathlib, sys; from nli_console.data.demo import write_demo_corpus as w;"
        "w(pathlib.Path(sys.argv[1]), train=60, dev=60, seed=3)"
    )
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", code, tmp_path / seed], check=True, env={"PYTHONHASHSEED": seed}
        )
    for name in (TRAIN, MATCHED, MISMATCHED):
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_writing_again_leaves_the_files_alone(tmp_path):
    folder = write_demo_corpus(tmp_path / "corpus", train=60, dev=30)
    before = (folder / TRAIN).stat()
    write_demo_corpus(tmp_path / "corpus", train=60, dev=30)
    after = (folder / TRAIN).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_other_sizes_replace_the_corpus_and_leave_nothing_beside_it(tmp_path):
    folder = write_demo_corpus(tmp_path / "corpus", train=60, dev=30)
    write_demo_corpus(folder, train=90, dev=30)
    assert len(rows(folder / TRAIN)) == 90
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]


def test_a_folder_with_other_files_is_never_replaced(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="no demo corpus"):
        write_demo_corpus(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_an_empty_split_is_refused(tmp_path):
    with pytest.raises(ValueError, match="dev=0"):
        write_demo_corpus(tmp_path / "corpus", dev=0)
