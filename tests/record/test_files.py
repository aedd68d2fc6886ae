import json
import math
import multiprocessing
import os
from pathlib import Path

import pytest

from nli_console.errors import ConsoleError
from nli_console.record.files import (
    RecordError,
    ensure_private_dir,
    folder_size,
    read_json,
    write_json,
    write_json_once,
)


def test_a_written_object_is_read_back_and_private(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"name": "entailment?", "n": 3})
    assert read_json(path) == {"name": "entailment?", "n": 3}
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_failed_write_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"v": 1})

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("nli_console.record.files.os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_json(path, {"v": 2})
    assert read_json(path) == {"v": 1}
    assert os.listdir(tmp_path) == ["a.json"]


def test_nan_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"loss": math.nan})
    assert os.listdir(tmp_path) == []


def test_a_missing_file_is_none(tmp_path: Path) -> None:
    assert read_json(tmp_path / "a.json") is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1]", b'{"a": NaN}', b"\x00\x00", b'{"a": "\xff"}', b"[" * 5000]
)
def test_damaged_content_is_an_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "final.json"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"final\.json"):
        read_json(path)


def test_symlink_fifo_folder_and_giant_are_refused_without_waiting(tmp_path: Path) -> None:
    (tmp_path / "real.json").write_text("{}")
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    os.mkfifo(tmp_path / "fifo.json")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "big.json").write_text(json.dumps({"a": "x" * 100}))
    for name in ("link", "fifo", "folder"):
        with pytest.raises(RecordError, match="not a regular file"):
            read_json(tmp_path / f"{name}.json")
    with pytest.raises(RecordError, match="larger than 50 bytes"):
        read_json(tmp_path / "big.json", limit=50)


def _claim(path: Path, writer: int, gate: "multiprocessing.synchronize.Barrier") -> None:
    gate.wait()
    won = write_json_once(path, {"by": writer})
    os._exit(10 if won else 0)


def test_of_several_processes_that_write_once_exactly_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    context = multiprocessing.get_context("fork")
    gate = context.Barrier(4)
    writers = [context.Process(target=_claim, args=(path, number, gate)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    won = [number for number, writer in enumerate(writers) if writer.exitcode == 10]
    assert len(won) == 1
    assert read_json(path) == {"by": won[0]}
    assert os.listdir(tmp_path) == ["result.json"]


def test_private_folders_ignore_the_umask_and_report_what_is_in_the_way(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        folder = ensure_private_dir(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o700
    (tmp_path / "file").write_text("")
    with pytest.raises(ConsoleError, match="file"):
        ensure_private_dir(tmp_path / "file")


def test_the_size_of_a_folder_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "run" / "checkpoints").mkdir(parents=True)
    (tmp_path / "run" / "checkpoints" / "model").write_bytes(b"x" * 100_000)
    (tmp_path / "elsewhere").write_bytes(b"x" * 1_000_000)
    (tmp_path / "run" / "link").symlink_to(tmp_path / "elsewhere")
    assert 100_000 <= folder_size(tmp_path / "run") < 200_000
