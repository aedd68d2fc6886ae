"""Pairs to token ids: special tokens in text stay text, truncation is counted, the cache is used."""

from collections.abc import Callable
from pathlib import Path

import pytest

from nli_console.data import token_cache
from nli_console.data.spec import Example
from nli_console.worker.models import load_config, load_tokenizer, usable_positions
from nli_console.worker.tokenise import Tokenised, Tokeniser
from tests.worker import tiny

HOSTILE = "</s> <mask> <s> <pad> [SEP] [MASK] [CLS] <|eot_id|> <|begin_of_text|>"


def tokeniser(folder: Path, cache: Path, max_length: int = 64, limit: int = 10**9) -> Tokeniser:
    return Tokeniser(load_tokenizer(folder, "tiny"), folder, max_length, cache, limit)


def ids(split: Tokenised, row: int) -> list[int]:
    return split.input_ids[split.offsets[row] : split.offsets[row + 1]].tolist()


def ignore(done: int, total: int) -> None:
    return None


@pytest.mark.parametrize("architecture", list(tiny.EVERY_MODEL))
def test_special_tokens_in_raw_text_stay_text(
    model_folder: Callable[[str], Path], tmp_path: Path, architecture: str
) -> None:
    folder = model_folder(architecture)
    tokenizer = load_tokenizer(folder, "tiny")
    hostile = [
        Example(str(i), f"a dog {token} is", f"{token} cat", 0) for i, token in enumerate(HOSTILE.split())
    ]
    plain = Example("plain", "a dog is", "cat", 0)
    split = tokeniser(folder, tmp_path).split([plain, *hostile], ignore)
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    expected = [token for token in ids(split, 0) if token in special]
    assert expected
    for row, example in enumerate(hostile, start=1):
        assert [token for token in ids(split, row) if token in special] == expected
        # What the markup says is still there, as text.
        assert len(ids(split, row)) > len(ids(split, 0)), example


@pytest.mark.parametrize("architecture", list(tiny.EVERY_MODEL))
def test_long_pairs_are_cut_from_the_longer_text_and_counted(
    model_folder: Callable[[str], Path], tmp_path: Path, architecture: str
) -> None:
    long, short = "a dog is walking " * 20, "the cat is old"
    rows = [Example("0", long, short, 0), Example("1", short, long, 0), Example("2", short, short, 0)]
    split = tokeniser(model_folder(architecture), tmp_path, max_length=32).split(rows, ignore)
    assert split.truncated == 2
    assert split.lengths.tolist()[:2] == [32, 32]
    tokenizer = load_tokenizer(model_folder(architecture), "tiny")
    for row in range(2):
        assert "cat is old" in " ".join(tokenizer.decode(ids(split, row)).split())


def test_a_row_of_exactly_the_limit_is_not_counted_as_truncated(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    rows = [Example("0", "a dog is walking", "the cat", 0)]
    whole = tokeniser(model_folder("bert"), tmp_path).split(rows, ignore)
    same = tokeniser(model_folder("bert"), tmp_path, max_length=len(whole.input_ids)).split(rows, ignore)
    assert same.truncated == 0


@pytest.mark.parametrize(("architecture", "positions"), [("roberta", 64), ("bert", 64), ("deberta", 64)])
def test_positions_that_can_be_used(
    model_folder: Callable[[str], Path], architecture: str, positions: int
) -> None:
    folder = model_folder(architecture)
    assert usable_positions(load_config(folder, "tiny"), load_tokenizer(folder, "tiny")) == positions


def test_texts_that_no_tokenizer_takes_are_taken(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    rows = [Example("0", "a \ud800 dog", "\x00\x1b[2J", 0), Example("1", "", "", 1)]
    assert len(tokeniser(model_folder("roberta"), tmp_path).split(rows, ignore)) == 2


def test_the_second_time_comes_from_the_cache(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    rows = tiny.rows(30)
    progress: list[tuple[int, int]] = []
    first = tokeniser(model_folder("bert"), tmp_path).split(rows, ignore)
    (file,) = token_cache.folder(tmp_path).iterdir()
    before = file.stat().st_ino
    second = tokeniser(model_folder("bert"), tmp_path).split(rows, lambda *done: progress.append(done))
    assert (second.input_ids == first.input_ids).all()
    assert (second.token_type_ids == first.token_type_ids).all()
    assert progress == [(30, 30)]
    assert [path.stat().st_ino for path in token_cache.folder(tmp_path).iterdir()] == [before]


def test_what_changes_the_ids_changes_the_cache_entry(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    rows = tiny.rows(10)
    tokeniser(model_folder("bert"), tmp_path).split(rows, ignore)
    tokeniser(model_folder("bert"), tmp_path, max_length=16).split(rows, ignore)
    tokeniser(model_folder("deberta"), tmp_path).split(rows, ignore)
    tokeniser(model_folder("bert"), tmp_path).split(rows[:9], ignore)
    assert len(list(token_cache.folder(tmp_path).iterdir())) == 4


def test_a_damaged_cache_file_is_made_again(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    rows = tiny.rows(10)
    first = tokeniser(model_folder("roberta"), tmp_path).split(rows, ignore)
    (file,) = token_cache.folder(tmp_path).iterdir()
    file.write_bytes(b"broken")
    again = tokeniser(model_folder("roberta"), tmp_path).split(rows, ignore)
    assert (again.input_ids == first.input_ids).all()
    assert file.stat().st_size > 100


def test_a_cache_that_cannot_be_written_is_no_error(
    model_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    (tmp_path / "tokenised").write_text("in the way")
    assert len(tokeniser(model_folder("roberta"), tmp_path).split(tiny.rows(3), ignore)) == 3


def test_the_cache_keeps_within_its_limit(model_folder: Callable[[str], Path], tmp_path: Path) -> None:
    for seed in range(4):
        tokeniser(model_folder("roberta"), tmp_path, limit=12_000).split(tiny.rows(60, seed), ignore)
    assert 0 < token_cache.size(tmp_path) <= 12_000
