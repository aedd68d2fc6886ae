"""The examples that a run got wrong, found by its predictions; and which genres a split has."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from nli_console.data.helper import found_of, mistaken, read_genres
from nli_console.data.mistakes import mistakes
from nli_console.data.read import read_split
from nli_console.data.resolve import resolve_dataset
from nli_console.data.rows import RowMapper
from nli_console.data.sample import HELD_OUT, prepare
from nli_console.data.spec import LABELS, DataSpec, Example
from nli_console.errors import ConsoleError
from tests.data.corpora import one_file, original_row, settings, write_jsonl, write_original

SPLIT = "validation_matched"


@pytest.fixture
def spec(tmp_path: Path) -> DataSpec:
    write_original(tmp_path / "multinli_1.0", dev=9)
    return resolve_dataset(str(tmp_path / "multinli_1.0"), settings(tmp_path))


def predictions(
    path: Path, rows: Sequence[Example], wrong: Sequence[str], unread: Sequence[str] = ()
) -> Path:
    """As a run writes them: right but for ``wrong``, and no label at all in ``unread``."""

    def predicted(row: Example) -> str | None:
        if row.id in unread:
            return None
        return LABELS[(row.label + (row.id in wrong)) % 3]

    table = {"id": [row.id for row in rows], "predicted": [predicted(row) for row in rows]}
    pyarrow.parquet.write_table(pyarrow.table(table), path)
    return path


def ids(spec: DataSpec, path: Path) -> list[str]:
    return [found.id for found in mistakes(spec, SPLIT, path, RowMapper(spec, SPLIT))]


def test_wrong_and_unreadable_answers_are_mistakes_in_the_order_of_the_file(spec: DataSpec, tmp_path: Path):
    rows = read_split(spec, SPLIT).examples
    path = predictions(tmp_path / "p.parquet", rows, wrong=["1004c"], unread=["1001c"])
    found = list(mistakes(spec, SPLIT, path, RowMapper(spec, SPLIT)))
    assert [each.id for each in found] == ["1001c", "1004c"]
    assert (found[1].hypothesis, found[1].label) == ("hypothesis 1004", "contradiction")
    # The second row of the file has no gold label, and counts as a row all the same.
    assert [each.row for each in found] == [3, 6]
    assert ids(spec, predictions(tmp_path / "right.parquet", rows, wrong=[])) == []


def test_a_run_that_scored_some_rows_has_mistakes_among_those(spec: DataSpec, tmp_path: Path):
    some = prepare(spec.model_copy(update={"evaluation_rows": 4}), 1).evaluation[SPLIT].examples
    every = [row.id for row in read_split(spec, SPLIT).examples]
    path = predictions(tmp_path / "p.parquet", some, wrong=every)
    assert ids(spec, path) == [row.id for row in some]


@pytest.mark.parametrize("change", ["another id", "another order"])
def test_predictions_of_other_rows_are_refused(spec: DataSpec, tmp_path: Path, change: str):
    rows = read_split(spec, SPLIT).examples
    others = rows[::-1] if change == "another order" else [*rows[:3], Example("x", "a", "b", 0)]
    path = predictions(tmp_path / "p.parquet", others, wrong=[])
    with pytest.raises(ConsoleError, match=r"is of other rows than .*; score it again"):
        ids(spec, path)


def test_what_is_no_table_is_named(spec: DataSpec, tmp_path: Path):
    path = tmp_path / "p.parquet"
    path.write_bytes(b"no")
    with pytest.raises(ConsoleError, match=r"p\.parquet: cannot be read"):
        ids(spec, path)


def test_the_part_of_train_that_was_held_out_is_found_in_train(tmp_path: Path):
    rows = [original_row(number, genre=f"genre {number % 4}") for number in range(40)]
    spec = one_file(write_jsonl(tmp_path / "train.jsonl", rows))
    held_out = prepare(spec, 1).evaluation[HELD_OUT].examples
    path = predictions(tmp_path / "p.parquet", held_out, wrong=[held_out[1].id])
    with mistaken(spec, HELD_OUT, path) as helper:
        found = [found_of(answer) for answer in helper.answers() if answer["kind"] == "example"]
    assert [each.id for each in found] == [held_out[1].id]
    assert read_genres(spec, "train") == ("genre 0", "genre 1", "genre 2", "genre 3")
