"""Parquet files as the hub has them: shards, class names, and the quick look that needs no pyarrow."""

import subprocess
import sys
import zipfile
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import pytest

from nli_console.data import parquet as parquet_module
from nli_console.data.check import check
from nli_console.data.hub import hub_examples
from nli_console.data.parquet_footer import read_footer
from nli_console.data.read import read_split, split_names
from nli_console.data.resolve import resolve_dataset
from nli_console.data.rows import RowMapper
from nli_console.data.spec import LABELS, DataSpec
from nli_console.errors import ConsoleError
from tests.data.corpora import settings


def write_parquet(path: Path, rows: list[dict[str, object]], names: tuple[str, ...] | None = LABELS) -> Path:
    """Write rows as the datasets library does: class names in the ``huggingface`` metadata."""
    import json

    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist(rows)
    if names is not None:
        features = {name: {"dtype": "string", "_type": "Value"} for name in table.column_names}
        features["label"] = {"names": list(names), "_type": "ClassLabel"}  # type: ignore[dict-item]
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path, row_group_size=4)
    return path


def hub_rows(first: int, count: int) -> list[dict[str, object]]:
    return [
        {
            "promptID": i,
            "pairID": f"{i}x",
            "premise": f"p{i}",
            "hypothesis": "h",
            "genre": "fiction",
            "label": i % 3,
        }
        for i in range(first, first + count)
    ]


def resolve(folder: Path) -> DataSpec:
    return resolve_dataset(str(folder), settings(folder.parent))


def test_shards_and_class_names(tmp_path: Path) -> None:
    folder = tmp_path / "multi_nli"
    # The names stand in another order than ours: the label is the name, not the number.
    names = ("contradiction", "entailment", "neutral")
    write_parquet(folder / "data/train-00000-of-00002.parquet", hub_rows(0, 9), names)
    write_parquet(folder / "data/train-00001-of-00002.parquet", hub_rows(9, 6), names)
    for name in ("validation_matched", "validation_mismatched"):
        write_parquet(
            folder / f"data/{name}-00000-of-00001.parquet",
            [*hub_rows(0, 3), hub_rows(0, 1)[0] | {"label": -1}],
        )
    spec = resolve(folder)
    assert split_names(spec) == ["train", "validation_matched", "validation_mismatched"]
    train = read_split(spec, "train")
    assert [example.id for example in train.examples] == [f"{i}x" for i in range(15)]
    assert [LABELS[example.label] for example in train.examples[:3]] == list(names)
    matched = read_split(spec, "validation_matched")
    assert matched.dropped == 1
    assert [example.label for example in matched.examples] == [0, 1, 2]


def test_the_folder_of_a_configuration_is_found(tmp_path: Path) -> None:
    for config in ("cola", "mnli"):
        for name in ("train", "validation_matched"):
            write_parquet(tmp_path / f"glue/{config}/{name}-00000-of-00001.parquet", hub_rows(0, 3))
    assert resolve(tmp_path / "glue").splits["train"] == "mnli/train-00000-of-00001.parquet"
    for name in ("train", "validation"):
        write_parquet(tmp_path / f"converted/default/{name}/0000.parquet", hub_rows(0, 3))
    assert split_names(resolve(tmp_path / "converted")) == ["train", "validation"]
    for name in ("one", "two"):
        write_parquet(tmp_path / f"many/{name}/train-00000-of-00001.parquet", hub_rows(0, 3))
    with pytest.raises(ConsoleError, match="several datasets: one, two"):
        resolve(tmp_path / "many")


def test_the_rounds_of_anli_train_together(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        for name in ("train", "dev", "test"):
            rows = hub_rows(10 * number, 3)
            write_parquet(tmp_path / f"anli/plain_text/{name}_r{number}-00000-of-00001.parquet", rows)
            write_parquet(tmp_path / f"converted/plain_text/{name}_r{number}/0000.parquet", rows)
    for folder in ("anli", "converted"):
        spec = resolve(tmp_path / folder)
        assert split_names(spec) == [
            "train", "validation_r1", "validation_r2", "validation_r3", "test_r1", "test_r2", "test_r3",
        ]  # fmt: skip
        ids = [example.id for example in read_split(spec, "train").examples]
        assert ids == [f"{10 * number + row}x" for number in (1, 2, 3) for row in range(3)]


def test_numbers_without_names_are_an_error_unless_the_dataset_is_known(tmp_path: Path) -> None:
    glue = [{"premise": "p", "hypothesis": "h", "label": 2, "idx": i} for i in range(3)]
    known = resolve(write_parquet(tmp_path / "glue.parquet", glue, None))
    assert [example.label for example in read_split(known, "train").examples] == [2, 2, 2]
    rows = [{"premise": "p", "hypothesis": "h", "label": 2} for _ in range(3)]
    unknown = resolve(write_parquet(tmp_path / "pairs.parquet", rows, None))
    with pytest.raises(ConsoleError, match="row 1: label 2 is a number"):
        read_split(unknown, "train")


@pytest.mark.parametrize(("value", "shown"), [(2.0, "2.0"), (True, "True")])
def test_a_label_that_is_no_text_is_named_as_the_message_says(
    tmp_path: Path, value: object, shown: str
) -> None:
    path = write_parquet(tmp_path / "a.parquet", [{"premise": "p", "hypothesis": "h", "label": value}], None)
    with pytest.raises(ConsoleError, match=f'labels = {{ "{shown}" ='):
        read_split(resolve(path), "train")
    text = f'[datasets.mine]\npath = "a.parquet"\nlabels = {{ "{shown}" = "contradiction" }}'
    spec = resolve_dataset("mine", settings(tmp_path, text))
    assert [LABELS[example.label] for example in read_split(spec, "train").examples] == ["contradiction"]


def test_text_that_is_not_utf8_is_named_by_row_and_column(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    broken = pyarrow.array([b"good", b"b\xffd"], pyarrow.binary())
    premises = pyarrow.Array.from_buffers(pyarrow.string(), 2, broken.buffers())
    table = pyarrow.table({"premise": premises, "hypothesis": ["h", "h"], "label": ["neutral", "neutral"]})
    parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(ConsoleError, match=r"a\.parquet, row 2, premise: byte 0xff at position 2"):
        read_split(resolve(tmp_path / "a.parquet"), "train")


def test_a_parquet_file_in_a_zip_that_memory_may_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(write_parquet(tmp_path / "train.parquet", hub_rows(0, 3)), "train.parquet")
    assert len(read_split(resolve(path), "train").examples) == 3
    monkeypatch.setattr(parquet_module, "UNPACKED_LIMIT", 100)
    for action in (check, lambda spec: read_split(spec, "train")):
        with pytest.raises(ConsoleError, match="unpack the zip and name the folder"):
            action(resolve(path))


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"PAR1", "too short"), (b"x" * 100, "mark at the end"), (b"x" * 100 + b"\x20\0\0\0PAR1", "footer")],
)
def test_what_is_not_parquet(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    for action in (check, lambda spec: read_split(spec, "train")):
        with pytest.raises(ConsoleError, match=words):
            action(resolve(path))


def test_a_damaged_footer_raises_nothing_but_a_value_error(tmp_path: Path) -> None:
    content = write_parquet(tmp_path / "a.parquet", hub_rows(0, 3)).read_bytes()
    for position in range(len(content) - 900, len(content)):
        for damaged in (content[:position], bytearray(content)):
            if isinstance(damaged, bytearray):
                damaged[position] ^= 0xFF
            with suppress(ValueError):
                read_footer(BytesIO(damaged))


def test_the_quick_look_names_columns_and_labels_without_loading_pyarrow(tmp_path: Path) -> None:
    write_parquet(tmp_path / "good/train.parquet", hub_rows(0, 30))
    rows = [{"premise": "p", "text_b": "h", "label": 0}]
    write_parquet(tmp_path / "columns/train.parquet", rows, None)
    write_parquet(tmp_path / "names/train.parquet", hub_rows(0, 3), ("entailment", "not_entailment"))
    script = f"""
import sys
from pathlib import Path
from nli_console.data.check import check
from nli_console.data.resolve import resolve_dataset
from nli_console.errors import ConsoleError
from nli_console.settings import load_settings
settings = load_settings(cwd=Path({str(tmp_path)!r}))
for name in ("good", "columns", "names"):
    try:
        print(name, check(resolve_dataset({str(tmp_path)!r} + "/" + name, settings)).splits["train"].rows)
    except ConsoleError as error:
        print(name, error)
print([name for name in ("pyarrow", "numpy", "datasets", "torch", "transformers") if name in sys.modules])
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    good, columns, names, loaded = result.stdout.splitlines()
    assert good == "good 30"
    assert "looked for hypothesis, sentence2; the columns are premise, text_b, label" in columns
    assert 'label "not_entailment" is unknown' in names
    assert loaded == "[]"


@pytest.mark.slow
def test_the_datasets_library_reads_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    folder = tmp_path / "pairs"
    write_parquet(folder / "data/train-00000-of-00001.parquet", hub_rows(0, 7))
    write_parquet(folder / "data/validation-00000-of-00001.parquet", hub_rows(7, 3))
    spec = DataSpec(name="x", source=str(folder), format="hub")
    calls: list[tuple[int, int, str]] = []
    mapper = RowMapper(spec, "train")
    found = [
        example
        for example in hub_examples(spec, "train", mapper, lambda *call: calls.append(call))
        if example
    ]
    assert found == read_split(resolve(folder), "train").examples
    assert calls == [(7, 7, "rows")]
    assert split_names(spec) == ["train", "validation"]
    missing = DataSpec(name="x", source=str(tmp_path / "missing"), format="hub", splits={"train": "train"})
    with pytest.raises(ConsoleError, match="cannot be loaded"):
        read_split(missing, "train")
