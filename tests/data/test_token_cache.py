"""The size of the cache of tokenised data, its eviction and its clearing."""

import os
from pathlib import Path

import pytest

from nli_console.data import token_cache


def put(cache: Path, key: str, size: int, age: float) -> None:
    with token_cache.writing(cache, key) as path:
        path.write_bytes(bytes(size))
    file = token_cache.lookup(cache, key)
    assert file is not None
    stamp = file.stat().st_mtime - age
    os.utime(file, (stamp, stamp))


def keys(cache: Path) -> set[str]:
    return {path.stem for path in token_cache.folder(cache).iterdir()}


def test_without_a_cache_there_is_nothing_to_count_or_clear(tmp_path: Path) -> None:
    assert token_cache.size(tmp_path) == token_cache.clear(tmp_path) == 0
    assert token_cache.lookup(tmp_path, "a") is None


def test_size_and_clear(tmp_path: Path) -> None:
    put(tmp_path, "a", 100, 0)
    put(tmp_path, "b", 50, 0)
    assert token_cache.size(tmp_path) == 150
    assert token_cache.clear(tmp_path) == 150
    assert token_cache.size(tmp_path) == 0


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    for key, age in (("old", 300), ("older", 400), ("new", 10)):
        put(tmp_path, key, 100, age)
    assert token_cache.lookup(tmp_path, "older") is not None
    assert token_cache.evict(tmp_path, 200) == 100
    assert keys(tmp_path) == {"older", "new"}


def test_what_is_in_use_stays_whatever_the_limit(tmp_path: Path) -> None:
    put(tmp_path, "mine", 100, 500)
    put(tmp_path, "other", 100, 1)
    token_cache.evict(tmp_path, 0, keep=frozenset({"mine"}))
    assert keys(tmp_path) == {"mine"}


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError), token_cache.writing(tmp_path, "a") as path:  # noqa: PT012
        path.write_bytes(b"half")
        raise OSError("full")
    assert list(token_cache.folder(tmp_path).iterdir()) == []


def test_remains_of_a_killed_writer_go_after_a_day_and_not_before(tmp_path: Path) -> None:
    put(tmp_path, "a", 1, 0)
    for name, age in ((".b.1-x.tmp", 2 * 24 * 3600), (".c.2-y.tmp", 60)):
        path = token_cache.folder(tmp_path) / name
        path.write_bytes(bytes(10))
        stamp = path.stat().st_mtime - age
        os.utime(path, (stamp, stamp))
    token_cache.evict(tmp_path, 10**9)
    assert {path.name for path in token_cache.folder(tmp_path).iterdir()} == {"a.safetensors", ".c.2-y.tmp"}
