"""Pairs to predict and the file of their answers: rows named by line, a file that goes on where it ends."""

import json
from pathlib import Path

import pytest

from nli_console.data.answer_file import MADE_BY, Answer, AnswerFile, MadeBy
from nli_console.data.pairs import Pair, check, read_pairs
from nli_console.errors import ConsoleError

ANSWER = Answer("neutral", (0.1, 0.7, 0.2))


def write(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.jsonl", '\ufeff{"premise": "a, \\"b\\"", "hypothesis": "c\\nd", "id": 7, "label": 3}\n\n'),
        ("p.csv", 'pairID,sentence1,sentence2\r\n7,"a, ""b""","c\nd"\r\n'),
    ],
)
def test_pairs_are_read_whatever_their_columns_are_called(tmp_path, name, content):
    (pair,) = read_pairs(write(tmp_path, name, content))
    assert (pair.id, pair.premise, pair.hypothesis) == ("7", 'a, "b"', "c\nd")


def test_a_tab_separated_file_has_no_quotes(tmp_path):
    (pair,) = read_pairs(write(tmp_path, "p.tsv", 'premise\thypothesis\n"a\tb"\n'))
    assert (pair.id, pair.premise, pair.hypothesis) == (None, '"a', 'b"')


def test_every_row_that_cannot_be_used_is_named_by_its_line(tmp_path):
    lines = ['{"premise": "a", "hypothesis": "b"}', "nonsense", "[1]", '{"premise": "a"}',
             '{"premise": 3, "hypothesis": "b"}', '{"premise": "a", "hypothesis": "  "}']  # fmt: skip
    path = write(tmp_path, "p.jsonl", "\n".join(lines))
    with pytest.raises(ConsoleError) as caught:
        check(path)
    said = str(caught.value).splitlines()
    assert [line.partition("line ")[2][0] for line in said[:-1]] == ["2", "3", "4", "5", "6"]
    assert "p.jsonl, line 4: the hypothesis is missing" in said[2]
    assert "is of type int (3)" in said[3]
    assert "nothing was predicted" in said[-1]
    many = write(tmp_path, "many.csv", "premise,hypothesis\n" + "a\n" * 30)
    with pytest.raises(ConsoleError, match="and 20 more rows"):
        check(many)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("p.txt", "", "one that ends in .jsonl or .csv or .tsv"),
        ("p.csv", "premise,text\na,b\n", "no column for the hypothesis: looked for hypothesis, sentence2"),
        ("p.csv", 'premise,hypothesis\n"a,b\n', "row from line 2 on"),
        ("p.csv", "premise,hypothesis\n", "has no rows"),
        ("p.jsonl", b'{"premise": "\xff", "hypothesis": "b"}\n', "is not valid UTF-8"),
        ("p.csv", b"premise,hypothesis\na,\xff\n", "line 2: byte 0xff"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path, name, content, sentence):
    with pytest.raises(ConsoleError) as caught:
        check(write(tmp_path, name, content))
    assert sentence in str(caught.value)


def test_a_file_that_is_not_there_says_so(tmp_path):
    with pytest.raises(ConsoleError, match="No such file"):
        check(tmp_path / "none.jsonl")


MADE = MadeBy("run", "answers", "pairs.jsonl", "input")
PAIRS = [Pair(i, None if i % 2 else f"id{i}", 'a "b",\nc', f"hypothesis {i}\ud800") for i in range(4)]


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
def test_a_torn_row_is_written_again(tmp_path, name):
    path = tmp_path / name
    with AnswerFile(path, MADE) as file:
        file.append(1, PAIRS, [ANSWER] * 4)
    whole = path.read_bytes()
    for cut in range(len(whole) - 1, 0, -7):
        path.write_bytes(whole[:cut])
        with AnswerFile(path, MADE) as file:
            file.append(file.done + 1, PAIRS[file.done :], [ANSWER] * (4 - file.done))
            assert file.done < 4
        assert path.read_bytes() == whole


def test_rows_are_what_scripts_expect(tmp_path):
    with AnswerFile(tmp_path / "out.jsonl", MADE) as file:
        file.append(1, PAIRS[:1], [ANSWER])
    row = json.loads((tmp_path / "out.jsonl").read_text())
    assert row == {
        "row": 1, "id": "id0", "premise": 'a "b",\nc', "hypothesis": "hypothesis 0\ud800",
        "predicted": "neutral",
        "probabilities": {"entailment": 0.1, "neutral": 0.7, "contradiction": 0.2},
    }  # fmt: skip
    written = MadeBy("run", "answers", "pairs.jsonl", "input", written=True)
    with AnswerFile(tmp_path / "out.csv", written) as file:
        file.append(1, PAIRS[1:2], [Answer(None, text="I, do not know")])
    header, *_, last = (tmp_path / "out.csv").read_text().splitlines()
    assert header == "row,id,premise,hypothesis,predicted,answer"
    assert last.endswith(',,"I, do not know"')


def test_two_processes_never_write_one_file_and_nothing_leaves_nothing(tmp_path):
    path = tmp_path / "out.jsonl"
    with AnswerFile(path, MADE), pytest.raises(ConsoleError, match="another process is writing it"):
        AnswerFile(path, MADE).__enter__()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConsoleError, match=r"expected one that ends in \.jsonl or \.csv"):
        AnswerFile(tmp_path / "out.parquet", MADE)
    with pytest.raises(ConsoleError, match="cannot be written"):
        AnswerFile(tmp_path / "no" / "out.csv", MADE).__enter__()
    assert not (tmp_path / f"out.jsonl{MADE_BY}").exists()


def test_what_is_to_be_overwritten_stays_until_there_is_an_answer(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("mine\n")
    with AnswerFile(path, MADE, overwrite=True) as file:
        assert file.done == 0
    assert path.read_text() == "mine\n"
    with AnswerFile(path, MADE, overwrite=True) as file:
        file.append(1, PAIRS[:1], [ANSWER])
    assert path.read_text().startswith("row,id,")
    assert "mine" not in path.read_text()
