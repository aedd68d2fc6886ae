import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nli_console.record.files import RecordError
from nli_console.record.journal import LINE_LIMIT, Journal, Tail


def write(path: Path, *records: dict[str, Any]) -> None:
    with Journal(path) as journal:
        for record in records:
            journal.append(record)


def all_of(tail: Tail, max_bytes: int = 1 << 20) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        batch = tail.read(max_bytes)
        found += batch.records
        if not batch.more:
            return found


def test_offsets_locate_every_record(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with Journal(path) as journal:
        written = [journal.append({"step": step, "text": "ü\n" * step}) for step in range(5)]
    batch = Tail(path).read()
    assert list(zip(batch.offsets, batch.lengths, strict=True)) == written
    content = path.read_bytes()
    for record, offset, length in zip(batch.records, batch.offsets, batch.lengths, strict=True):
        assert json.loads(content[offset : offset + length]) == record
    assert path.stat().st_mode & 0o777 == 0o600


def test_not_a_number_becomes_null_and_is_named(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, {"step": 1, "loss": math.nan, "parts": {"nll": math.inf, "l2": 0.5}})
    assert Tail(path).read().records == [
        {"step": 1, "loss": None, "parts": {"nll": None, "l2": 0.5}, "nan": ["loss", "parts.nll"]}
    ]


def test_a_lone_surrogate_does_not_make_a_line_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, {"detail": "name \udcff of a file"})
    assert Tail(path).read().records == [{"detail": "name ? of a file"}]


def test_a_block_of_nul_is_counted_and_the_records_around_it_are_read(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, {"seq": 0})
    with path.open("ab") as stream:
        stream.write(b"\0" * 4096)
    write(path, {"seq": 1})
    with path.open("ab") as stream:
        stream.write(b'{"seq": 2, "lo' + b"\0" * 4096 + b'{"seq":3}\n')
    tail = Tail(path)
    batch = tail.read()
    assert [record["seq"] for record in batch.records] == [0, 1, 3]
    assert tail.bad_lines == 2
    content = path.read_bytes()
    assert content[batch.offsets[2] : batch.offsets[2] + batch.lengths[2]] == b'{"seq":3}\n'


def test_garbage_lines_are_counted_and_skipped(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"a":1}\nnot json\n[1,2]\n{"b":NaN}\n\xff\xfe\n\n{"c":3}\n')
    tail = Tail(path)
    assert tail.read().records == [{"a": 1}, {"c": 3}]
    assert tail.bad_lines == 4


def test_a_line_beyond_the_limit_is_passed_over_in_bounded_reads(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    path.write_bytes(b'{"a":1}\n{"x":"' + b"y" * (3 * LINE_LIMIT) + b'"}\n{"b":2}\n')
    tail = Tail(path)
    assert all_of(tail, 64 * 1024) == [{"a": 1}, {"b": 2}]
    assert tail.bad_lines == 1
    with Journal(tmp_path / "n.jsonl") as journal, pytest.raises(ValueError, match="at most"):
        journal.append({"x": "y" * LINE_LIMIT})


def test_a_replaced_file_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, {"a": 1}, {"a": 2})
    tail = Tail(path)
    tail.read()
    write(tmp_path / "new", {"b": 1}, {"b": 2}, {"b": 3})
    os.rename(tmp_path / "new", path)
    batch = tail.read()
    assert batch.reset
    assert batch.records == [{"b": 1}, {"b": 2}, {"b": 3}]


def test_a_file_that_shrank_or_was_rewritten_in_place_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, {"a": 1}, {"a": 2})
    tail = Tail(path)
    tail.read()
    path.write_bytes(b'{"b":1}\n')
    assert tail.read().records == [{"b": 1}]
    path.write_bytes(b'{"c":1}\n{"c":2}\n')
    batch = tail.read()
    assert (batch.reset, batch.records) == (True, [{"c": 1}, {"c": 2}])


def test_a_file_may_come_later_and_may_vanish(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    tail = Tail(path)
    assert tail.read().records == []
    write(path, {"a": 1})
    assert tail.read().records == [{"a": 1}]
    path.unlink()
    assert tail.read().records == []


def test_symlinks_and_fifos_are_neither_read_nor_written(tmp_path: Path) -> None:
    write(tmp_path / "real.jsonl", {"a": 1})
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "real.jsonl")
    os.mkfifo(tmp_path / "fifo.jsonl")
    for name in ("link.jsonl", "fifo.jsonl"):
        assert Tail(tmp_path / name).read().records == []
        with pytest.raises(RecordError):
            Journal(tmp_path / name)


def test_a_short_write_on_a_full_disk_raises_and_the_next_record_survives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.jsonl"
    journal = Journal(path)
    journal.append({"seq": 0})
    real, calls = os.write, 0

    def full(descriptor: int, data: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            return real(descriptor, data[:5])
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("nli_console.record.journal.os.write", full)
        with pytest.raises(OSError, match="No space"):
            journal.append({"seq": 1})
    offset, length = journal.append({"seq": 2})
    assert path.read_bytes()[offset : offset + length] == b'{"seq":2}\n'
    tail = Tail(path)
    assert tail.read().records == [{"seq": 0}, {"seq": 2}]
    assert tail.bad_lines == 1


def test_skipping_ahead_starts_at_a_whole_line(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    write(path, *({"seq": seq} for seq in range(1000)))
    tail = Tail(path)
    tail.skip(100)
    seqs = [record["seq"] for record in tail.read().records]
    assert seqs == list(range(seqs[0], 1000))
    assert 5 <= len(seqs) <= 10
    assert tail.bad_lines == 0


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")), max_size=12),
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=5),
)
def test_reading_in_pieces_finds_what_reading_at_once_finds(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], sizes: list[int]
) -> None:
    path = tmp_path_factory.mktemp("journal") / "m.jsonl"
    content = b"\n".join(part for line in lines for part in (line, b'{"ok":1}')) + b"\n"
    path.write_bytes(content)
    whole = Tail(path)
    expected = whole.read().records
    growing = path.with_name("growing")
    tail, found, at = Tail(growing), [], 0
    growing.touch()
    while at < len(content):
        size = sizes[at % len(sizes)]
        with growing.open("ab") as stream:
            stream.write(content[at : at + size])
        at += size
        found += all_of(tail, 16)
    assert found == expected
    assert tail.bad_lines == whole.bad_lines
