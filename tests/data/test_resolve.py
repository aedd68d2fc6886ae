"""Names of models and datasets: built in, from the settings, paths, hub ids."""

import json
from pathlib import Path

import pytest

from nli_console.data.resolve import resolve_dataset, resolve_model
from nli_console.errors import ConsoleError
from tests.data.corpora import original_row, settings, write_jsonl


@pytest.fixture(autouse=True)
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def model_folder(path: Path, file: str = "config.json") -> Path:
    path.mkdir(parents=True)
    (path / file).write_text(json.dumps({"model_type": "bert"}), encoding="utf-8")
    return path


@pytest.mark.parametrize("name", ["roberta-large", "FacebookAI/roberta-large", "microsoft/deberta-v3-base"])
def test_a_hub_id_is_taken_as_it_is(tmp_path: Path, name: str) -> None:
    assert resolve_model(name, settings(tmp_path)) == name


def test_a_model_from_the_settings(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "models/mine")
    loaded = settings(tmp_path, '[models]\nmine = "models/mine"\nlarge = "FacebookAI/roberta-large"')
    assert resolve_model("mine", loaded) == str(folder)
    assert resolve_model("large", loaded) == "FacebookAI/roberta-large"


def test_a_folder_becomes_absolute(tmp_path: Path) -> None:
    folder = model_folder(tmp_path / "here")
    assert resolve_model("here", settings(tmp_path)) == str(folder)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("robreta-large", 'did you mean "roberta-large"'),
        ("./missing", "there is no folder"),
        ("models/missing", "there is no folder"),
        ("/nowhere/at/all", "there is no folder"),
        ("models/empty", "has no config.json"),
        ("models/adapter", "is an adapter"),
        ("file.bin", "is a file"),
        ("a" * 5000, "is not known"),
        ("a\0b", "NUL"),
        ("", "model is empty"),
    ],
)
def test_what_is_not_a_model(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "models/empty").mkdir(parents=True)
    model_folder(tmp_path / "models/adapter", "adapter_config.json")
    (tmp_path / "file.bin").write_bytes(b"x")
    with pytest.raises(ConsoleError, match=words):
        resolve_model(name, settings(tmp_path))


def test_the_demo_corpus_is_written_to_the_cache_and_read_as_multinli(tmp_path: Path) -> None:
    spec = resolve_dataset("demo", settings(tmp_path), 0.5)
    assert spec.format == "multinli"
    assert Path(spec.source).is_relative_to(tmp_path / "cache")
    assert list(spec.splits) == ["train", "validation_matched", "validation_mismatched"]
    assert (spec.name, spec.fraction) == ("demo", 0.5)


def test_a_cache_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    with pytest.raises(ConsoleError, match="cache_dir"):
        resolve_dataset("demo", settings(tmp_path))


def test_well_known_hub_datasets_have_their_splits_without_asking(tmp_path: Path) -> None:
    loaded = settings(
        tmp_path, '[datasets.mnli-glue]\npath = "nyu-mll/glue"\nformat = "hub"\nconfig = "mnli"'
    )
    glue = resolve_dataset("mnli-glue", loaded)
    assert (glue.source, glue.config, list(glue.splits)) == (
        "nyu-mll/glue",
        "mnli",
        ["train", "validation_matched", "validation_mismatched"],
    )
    assert resolve_dataset("multi_nli", loaded).source == "nyu-mll/multi_nli"
    assert resolve_dataset("facebook/anli", loaded).splits["train"] == "train_r1+train_r2+train_r3"
    other = resolve_dataset("somebody/pairs", loaded)
    assert (other.format, other.splits) == ("hub", {})


def test_a_dataset_of_the_settings_starts_at_the_settings_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_jsonl(tmp_path / "rows/train.jsonl", [original_row(0)])
    loaded = settings(tmp_path, '[datasets.mine]\npath = "rows"')
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert resolve_dataset("mine", loaded).source == str(tmp_path / "rows")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("multinly", "did you mean"),
        ("./missing", "there is no file or folder"),
        ("missing.jsonl", "there is no file or folder"),
        ("notes.md", "expected .jsonl"),
        ("rows", "no dataset that is understood"),
        ("a\x1b[2Jb", "is not known"),
    ],
)
def test_what_is_not_a_dataset(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "notes.md").write_text("x", encoding="utf-8")
    with pytest.raises(ConsoleError, match=words) as caught:
        resolve_dataset(name, settings(tmp_path))
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("fraction", [0.0, -1.0, 1.5, float("nan")])
def test_a_fraction_that_is_none(tmp_path: Path, fraction: float) -> None:
    with pytest.raises(ConsoleError, match="fraction"):
        resolve_dataset("demo", settings(tmp_path), fraction)
