"""What is wrong with a file is told with its name, the row, the value and the next step."""

import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nli_console.data.check import check
from nli_console.data.read import read_split
from nli_console.data.resolve import resolve_dataset
from nli_console.data.spec import LABELS
from nli_console.errors import ConsoleError
from tests.data.corpora import one_file, original_row, settings, write_jsonl

GOOD = json.dumps(original_row(0)).encode() + b"\n"


def error_of(path: Path, **changes: object) -> str:
    with pytest.raises(ConsoleError) as caught:
        read_split(one_file(path, **changes), "train")
    return str(caught.value)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (
            json.dumps(original_row(0, "maybe")).encode(),
            ['label "maybe" is unknown', "entailment", "[datasets.mine]"],
        ),
        (json.dumps(original_row(0, gold_label=1)).encode(), ["label 1 is a number", 'labels = { "0" =']),
        (json.dumps(original_row(0, gold_label=["neutral"])).encode(), ["is unknown"]),
        (json.dumps(original_row(0, sentence1=None)).encode(), ["the premise is missing"]),
        (json.dumps(original_row(0, sentence2="")).encode(), ["the hypothesis is missing"]),
        (json.dumps(original_row(0, sentence2=["a"])).encode(), ["hypothesis is of type list"]),
        (
            b'{"sentence1": "a", "sentence2": "b"}',
            ['lacks "gold_label"', "null where there is no gold label"],
        ),
        (b'{"sentence1": "\xff\xfe"}', ["0xff", "not valid UTF-8"]),
        (b'{"sentence1": "\\ud800"}', ["not JSON"]),
        (b'{"sentence1": ', ["not JSON", "one JSON object per line"]),
        (b"[" * 100_000, ["not JSON"]),
        (b"[1, 2]", ["expected one JSON object per line"]),
        (b'{"sentence1": "' + b"x" * 10_000_000 + b'"}', ["longer than 1.0 MiB"]),
    ],
)
def test_a_bad_line_of_json_lines(tmp_path: Path, line: bytes, words: list[str]) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(GOOD + b"\n" + line + b"\n" + GOOD)
    text = error_of(path)
    assert text.startswith(f"{path}, line 3")
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "a.csv",
            b"premise,hypothesis,label\na,b,neutral\na,b,c,neutral\n",
            ["line 3 has 4 fields", "has 3"],
        ),
        ("a.tsv", b"premise\thypothesis\tlabel\na\tneutral\n", ["line 2 has 2 fields"]),
        (
            "a.csv",
            b'premise,hypothesis,label\na,"b,neutral\na,b,neutral\n',
            ["from line 2", "close the quotes"],
        ),
        ("a.csv", b"premise,hypothesis,label\na,b,neutral\n,b,neutral\n", ["line 3", "premise is missing"]),
        ("a.tsv", b"premise\thypothesis\tlabel\na\tb\xff\tneutral\n", ["line 2", "0xff"]),
        (
            "a.csv",
            b"premise,hypo,label\na,b,neutral\n",
            ["hypothesis, sentence2", "premise, hypo, label", "columns"],
        ),
        ("a.csv", b"premise,hypothesis,label\ra,b,neutral\r", ["line 1", "carriage return"]),
        ("a.tsv", b"premise\thypothesis\tlabel\ra\tb\tneutral\r", ["line 1", "carriage return"]),
        ("a.csv", b"premise,premise,hypothesis,label\na,b,c,neutral\n", ['2 columns called "premise"']),
        ("a.csv", b"premise,hypothesis,label\na,b,0\n", ["line 2", "label 0 is a number"]),
    ],
)
def test_a_bad_line_of_separated_values(tmp_path: Path, name: str, content: bytes, words: list[str]) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    text = error_of(path)
    assert str(path) in text
    for word in words:
        assert word in text


def test_a_mapped_column_that_is_not_there(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [original_row(0)])
    columns = {"premise": "sentence1", "hypothesis": "sentence2", "label": "gold_label", "id": "key"}
    assert re.search(
        r"no column for the id: looked for key; the columns are .*pairID", error_of(path, columns=columns)
    )


def test_a_split_without_rows_or_without_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"")
    assert "has no rows" in error_of(path)
    write_jsonl(path, [original_row(0, "-"), original_row(1, gold_label=-1)])
    assert "has 2 rows and none has a gold label" in error_of(path)


def test_special_tokens_escapes_and_right_to_left_text_stay_as_they_are(tmp_path: Path) -> None:
    premise = "</s> <mask> <|eot_id|> \x1b[2J [/red] \u202e שלום"
    path = write_jsonl(tmp_path / "a.jsonl", [original_row(0, sentence1=premise)])
    assert read_split(one_file(path), "train").examples[0].premise == premise


def test_messages_hold_no_terminal_escapes(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "\x1b[2J.jsonl", [original_row(0, "\x1b]52;c;x\x07")])
    assert not re.search("[\x1b\x07]", error_of(path))


def test_repeated_ids_are_made_unique_in_file_order(tmp_path: Path) -> None:
    ids = ["a", "a", None, "a#2", "a"]
    path = write_jsonl(tmp_path / "a.jsonl", [original_row(0, pairID=value) for value in ids])
    found = [example.id for example in read_split(one_file(path), "train").examples]
    assert found == ["a", "a#2", "train-3", "a#2#2", "a#3"]


def test_a_damaged_zip_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pairs.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("train.jsonl", GOOD * 50)
    content = bytearray(path.read_bytes())
    content[2000] ^= 0xFF
    path.write_bytes(content)
    spec = resolve_dataset(str(path), settings(tmp_path))
    with pytest.raises(ConsoleError, match=r"pairs\.zip"):
        read_split(spec, "train")
    path.write_bytes(b"PK not really")
    with pytest.raises(ConsoleError, match="not a zip file"):
        resolve_dataset(str(path), settings(tmp_path))


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_damage_inside_a_zip_is_told_before_the_launch(tmp_path: Path, method: int) -> None:
    path = tmp_path / "pairs.zip"
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("train.jsonl", GOOD * 500)
    content = bytearray(path.read_bytes())
    content[60:80] = b"\x55" * 20
    path.write_bytes(content)
    spec = resolve_dataset(str(path), settings(tmp_path))
    for action in (check, lambda spec: read_split(spec, "train")):
        with pytest.raises(ConsoleError, match=r"pairs\.zip"):
            action(spec)


def test_blanks_around_the_names_of_columns_and_long_fields(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"premise, hypothesis ,label\n{'x' * 200_000},b, neutral\n", encoding="utf-8")
    (example,) = read_split(one_file(path), "train").examples
    assert (len(example.premise), example.hypothesis, LABELS[example.label]) == (200_000, "b", "neutral")


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (os.mkfifo, "not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (lambda path: path.symlink_to("/nowhere/at/all"), "No such file"),
    ],
)
def test_what_is_no_file_is_not_read(tmp_path: Path, make: Callable[[Path], None], words: str) -> None:
    write_jsonl(tmp_path / "x/dev.jsonl", [original_row(0)])
    make(tmp_path / "x/train.jsonl")
    spec = resolve_dataset(str(tmp_path / "x"), settings(tmp_path))
    for action in (check, lambda spec: read_split(spec, "train")):
        with pytest.raises(ConsoleError, match=words):
            action(spec)


def test_what_may_not_be_read_is_not_taken_for_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The tests may run as a user who may read everything, so the refusal itself is played.
    (tmp_path / "x").mkdir()

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "x")

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(ConsoleError, match="cannot be read: Permission denied"):
        resolve_dataset(str(tmp_path / "x"), settings(tmp_path))


def test_a_format_that_no_file_has(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "x/train.jsonl", [original_row(0)])
    text = '[datasets.mine]\npath = "x"\nformat = "csv"\n'
    with pytest.raises(ConsoleError, match=r'no file of the format csv: train\.jsonl.*format = "auto"'):
        resolve_dataset("mine", settings(tmp_path, text))
    with pytest.raises(ConsoleError, match=r'its path "x" is no hub id'):
        resolve_dataset("mine", settings(tmp_path, text.replace("csv", "hub")))


def test_the_quick_look_finds_it_before_the_launch(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [original_row(0), original_row(1, "maybe")])
    with pytest.raises(ConsoleError, match='line 2: label "maybe"'):
        check(one_file(path))
    write_jsonl(path, [])
    with pytest.raises(ConsoleError, match="has no rows"):
        check(one_file(path))
    path.unlink()
    with pytest.raises(ConsoleError, match=r"a\.jsonl"):
        check(one_file(path))


def test_progress_reaches_the_size_of_the_file(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [original_row(i, sentence2="x" * 2000) for i in range(2000)])
    calls: list[tuple[int, int, str]] = []
    read_split(one_file(path), "train", progress=lambda *call: calls.append(call))
    size = path.stat().st_size
    assert len(calls) >= 4
    assert calls == sorted(calls)
    assert calls[-1] == (size, size, "bytes")
