"""Every layout that users have is recognised and read into the same schema."""

import zipfile
from pathlib import Path

import pytest

from nli_console.data.check import check
from nli_console.data.read import read_split, split_names
from nli_console.data.resolve import resolve_dataset
from nli_console.data.spec import LABELS, DataSpec, Split
from nli_console.errors import ConsoleError
from tests.data.corpora import original_row, settings, write_jsonl, write_original

MULTINLI_SPLITS = ["train", "validation_matched", "validation_mismatched"]


def resolve(path: Path, text: str = "", name: str | None = None) -> DataSpec:
    return resolve_dataset(name or str(path), settings(path.parent, text))


def labels(split: Split) -> list[str]:
    return [LABELS[example.label] for example in split.examples]


def zip_folder(folder: Path, path: Path, prefix: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.rglob("*"):
            archive.write(file, prefix + file.relative_to(folder).as_posix())
        archive.writestr("__MACOSX/._multinli_1.0_train.jsonl", b"\x00")
    return path


@pytest.mark.parametrize("kind", ["folder", "nested folder", "zip", "nested zip"])
def test_the_original_distribution(tmp_path: Path, kind: str) -> None:
    folder = write_original(tmp_path / "multinli" / "multinli_1.0")
    path = {
        "folder": lambda: folder,
        "nested folder": lambda: folder.parent,
        "zip": lambda: zip_folder(folder, tmp_path / "multinli.zip", ""),
        "nested zip": lambda: zip_folder(folder, tmp_path / "multinli.zip", "multinli_1.0/"),
    }[kind]()
    spec = resolve(path)
    assert spec.format == "multinli"
    assert split_names(spec) == MULTINLI_SPLITS
    split = read_split(spec, "validation_matched")
    assert split.dropped == 1
    assert [example.id for example in split.examples][:2] == ["1000n", "1001c"]
    first = split.examples[0]
    assert (first.premise, first.hypothesis, first.genre) == ("premise 333", "hypothesis 1000", "fiction")
    assert first.annotator_labels == ("neutral", "neutral")
    assert len(read_split(spec, "train").examples) == 60


def test_snli(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        write_jsonl(tmp_path / f"snli_1.0/snli_1.0_{name}.jsonl", [original_row(i) for i in range(3)])
    spec = resolve(tmp_path / "snli_1.0")
    assert split_names(spec) == ["train", "validation", "test"]
    assert labels(read_split(spec, "test")) == list(LABELS)


def test_anli_trains_on_all_rounds_and_reports_on_each(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        for name in ("train", "dev", "test"):
            rows = [
                {"uid": f"{number}-{name}", "context": "c", "hypothesis": "h", "label": "e", "reason": ""},
                {"uid": f"{number}-{name}-2", "context": "c", "hypothesis": "h", "label": "c", "reason": ""},
            ]
            write_jsonl(tmp_path / f"anli_v1.0/R{number}/{name}.jsonl", rows)
    spec = resolve(tmp_path / "anli_v1.0")
    assert split_names(spec) == [
        "train", "validation_r1", "validation_r2", "validation_r3", "test_r1", "test_r2", "test_r3",
    ]  # fmt: skip
    train = read_split(spec, "train")
    assert [example.id for example in train.examples][:3] == ["1-train", "1-train-2", "2-train"]
    assert labels(train)[:2] == ["entailment", "contradiction"]
    assert [example.id for example in read_split(spec, "test_r3").examples] == ["3-test", "3-test-2"]


def test_glue_leaves_out_the_test_sets_without_labels(tmp_path: Path) -> None:
    folder = tmp_path / "MNLI"
    folder.mkdir()
    row = "1\t31193\t31193n\tgovernment\tHe said \"no.\tIt isn't\t"
    header = "index\tpromptID\tpairID\tgenre\tsentence1\tsentence2\tlabel1\t"
    (folder / "train.tsv").write_text(f"{header}gold_label\n{row}neutral\tneutral\n", encoding="utf-8")
    for name in ("dev_matched", "dev_mismatched"):
        text = f"{header}label2\tlabel3\tgold_label\n{row}neutral\tentailment\t\tneutral\n"
        (folder / f"{name}.tsv").write_text(text, encoding="utf-8")
    for name in ("test_matched", "test_mismatched"):
        (folder / f"{name}.tsv").write_text("index\tsentence1\tsentence2\n0\ta\tb\n", encoding="utf-8")
    write_jsonl(folder / "original/multinli_1.0_dev_matched.jsonl", [original_row(1)])
    spec = resolve(folder)
    found = check(spec)
    assert list(found.splits) == MULTINLI_SPLITS
    assert [note.split()[0] for note in found.notes] == ["test_matched", "test_mismatched"]
    example = read_split(spec, "train").examples[0]
    assert (example.id, example.premise, example.genre) == ("31193n", 'He said "no.', "government")
    votes = [read_split(spec, name).examples[0].annotator_labels for name in MULTINLI_SPLITS]
    assert votes == [("neutral",), ("neutral", "entailment"), ("neutral", "entailment")]


def test_a_folder_with_all_of_glue_gives_mnli(tmp_path: Path) -> None:
    for task in ("MNLI", "RTE"):
        for name in ("train", "dev_matched"):
            path = tmp_path / f"glue_data/{task}/{name}.tsv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("sentence1\tsentence2\tgold_label\na\tb\tneutral\n", encoding="utf-8")
    assert resolve(tmp_path / "glue_data").splits["train"] == "MNLI/train.tsv"


def test_a_folder_whose_name_looks_like_a_pattern(tmp_path: Path) -> None:
    for number in (1, 2):
        write_jsonl(tmp_path / f"x/anli[1]/R{number}/train.jsonl", [original_row(number)])
    assert len(read_split(resolve(tmp_path / "x"), "train").examples) == 2


def test_files_named_after_splits(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        path = tmp_path / f"mine/{name}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text('premise,hypothesis,label\n"a, ""b""\nc",h,neutral\n', encoding="utf-8")
    spec = resolve(tmp_path / "mine")
    assert split_names(spec) == ["train", "validation", "test"]
    example = read_split(spec, "validation").examples[0]
    assert (example.id, example.premise) == ("validation-1", 'a, "b"\nc')


def test_a_column_map_a_label_table_and_splits_from_the_settings(tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    for name in ("a.csv", "b.csv"):
        text = "key,text_a,text_b,class,votes\nk,p,h,yes,entailment neutral\nl,p,h,-,\n"
        (tmp_path / "rows" / name).write_text(text, encoding="utf-8")
    spec = resolve(
        tmp_path / "rows",
        """[datasets.mine]
        path = "rows"
        labels = { yes = "contradiction" }
        splits = { train = "a.csv", validation = "b.csv" }
        [datasets.mine.columns]
        premise = "text_a"
        hypothesis = "text_b"
        label = "class"
        id = "key"
        annotator_labels = "votes"
        """,
        "mine",
    )
    split = read_split(spec, "validation")
    assert split.dropped == 1
    assert labels(split) == ["contradiction"]
    assert (split.examples[0].id, split.examples[0].annotator_labels) == ("k", ("entailment", "neutral"))


def test_one_file_is_train_unless_its_name_says_otherwise(tmp_path: Path) -> None:
    rows = [original_row(i) for i in range(3)]
    assert split_names(resolve(write_jsonl(tmp_path / "pairs.jsonl", rows))) == ["train"]
    assert split_names(resolve(write_jsonl(tmp_path / "dev_mm.jsonl", rows))) == ["validation_mismatched"]


def test_two_candidates_for_a_split_are_named(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "x/my_train.jsonl", [original_row(1)])
    write_jsonl(tmp_path / "x/your_train.jsonl", [original_row(1)])
    with pytest.raises(
        ConsoleError, match=r"several files look like the split train: .*my_train.*your_train"
    ):
        resolve(tmp_path / "x")


def test_a_folder_without_a_dataset_says_what_it_holds_and_what_is_understood(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x/notes.md").write_text("", encoding="utf-8")
    with pytest.raises(ConsoleError, match=r"notes\.md.*Expected the original multinli_1\.0"):
        resolve(tmp_path / "x")
