"""A settings file that was made to hang, to fill the memory or to mean something else."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from nli_console.errors import ConsoleError
from nli_console.settings import load_settings
from tests.faults.test_hostile_folders import bytes_read

MIB = 2**20
HOSTILE: dict[str, tuple[bytes | Callable[[Path], object], str]] = {
    "a gigabyte": (lambda path: os.truncate(path, 2**30), "has 1.0 GiB; at most 64 KiB"),
    "just too large": (b"#\n" * (32 * 1024 + 1), "at most 64 KiB"),
    "30,000 brackets": (b"a = [\n" + b"[\n" * 30_000, "line 65: brackets nest deeper than 64"),
    "16,000 tables": (b"[a]\n" * 16_000, "line 2: [a]: this key or table was set before"),
    "a deep key": (b".".join([b"a"] * 30_000) + b" = 1", "line 1 has 60,003 characters, at most 4,096"),
    "many deep keys": (
        b"".join(b"b%d" % n + b".a" * 800 + b" = 1\n" for n in range(35)),
        "line 1: a key of more",
    ),
    "deep inline keys": (b"x = { y = 1, " + b"a." * 900 + b"a = 1 }", "line 1: a key of more than 16 parts"),
    "unknown keys": (b"".join(b"a%d = 1\n" % n for n in range(5500)), "line 1: a0 is not a setting"),
    "unknown tables": (b"".join(b"[a%d]\n" % n for n in range(7000)), "line 1: a0 is not a setting"),
    "a key twice": (b'runs_dir = "a"\nruns_dir = "b"', 'line 2: runs_dir = "b": this key or table was set'),
    "NaN": (b"[telemetry]\ninterval = nan", "line 2: telemetry.interval = nan: expected a number from 0.5"),
    "infinite": (b"[defaults]\nfraction = inf", "line 2: defaults.fraction = inf"),
    "a huge number": (
        b"[queue]\ncpu_slots = " + b"9" * 4000,
        "line 2: queue.cpu_slots = a huge whole number",
    ),
    "a wrong type": (
        b'[queue]\r\ncpu_slots = "2"\r\n',
        'line 2: queue.cpu_slots = "2": expected a whole number',
    ),
    "a wrong table": (b"\xef\xbb\xbfqueue = 3\r\n", "line 1: queue = 3: expected a table"),
    "no UTF-8": (b'runs_dir = "\xff\xfe"', "line 1: byte 0xff is not valid UTF-8"),
    "NUL": (b'runs_dir = "a\0b"', "line 1"),
    "escapes": (b'"\\u001b]52;c;x\\u0007" = 1', "is not a setting"),
    "a link to itself": (lambda path: (path.unlink(), path.symlink_to(path.name)), "no such file"),
    "a FIFO": (lambda path: (path.unlink(), os.mkfifo(path)), "is not a regular file"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "is not a regular file"),
    "a device": (lambda path: (path.unlink(), path.symlink_to("/dev/zero")), "is not a regular file"),
}


def write_hostile(folder: Path, name: str) -> Path:
    """A settings file of this kind, made anew."""
    folder.mkdir(exist_ok=True)
    path = folder / "settings.toml"
    if os.path.lexists(path):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    content = HOSTILE[name][0]
    path.write_bytes(content if isinstance(content, bytes) else b"")
    if callable(content):
        content(path)
    return path


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_settings_file_is_answered_in_a_line(tmp_path: Path, name: str) -> None:
    """Fault: any of these. One message that names file, line and what was expected; little is read."""
    path, words = write_hostile(tmp_path, name), HOSTILE[name][1]
    before = bytes_read()
    with pytest.raises(ConsoleError) as caught:
        load_settings(path)
    assert bytes_read() - before <= 2 * MIB
    message = str(caught.value)
    assert words in message
    assert message.removeprefix("--settings ").startswith(str(path))
    assert len(message) < 2000
    assert not any(character < " " and character != "\n" for character in message)
