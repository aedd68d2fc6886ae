import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from nli_console.record.layout import ENVIRONMENT_TAG
from nli_console.record.processes import (
    Processes,
    ProcessIdentity,
    alive,
    boot_id,
    identity_of,
    own_identity,
    tagged_processes,
)


@pytest.fixture
def child(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that carries the tag of ``tmp_path`` and has said that it runs."""
    process = subprocess.Popen(
        [sys.executable, "-c", "print('up', flush=True); input()"],
        env={**os.environ, ENVIRONMENT_TAG: str(tmp_path.resolve())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    yield process
    process.kill()
    process.communicate()


def test_a_process_is_alive_until_it_ends_and_a_zombie_is_dead(child: subprocess.Popen[bytes]) -> None:
    identity = identity_of(child.pid)
    assert alive(identity)
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    os.kill(child.pid, 0)
    assert not alive(identity)
    assert identity_of(child.pid) is None


def test_a_reused_pid_is_another_process() -> None:
    own = own_identity()
    assert alive(own)
    assert not alive(ProcessIdentity(own.pid, own.start_ticks + 1))


def test_tagged_processes_are_found_by_run_folder(child: subprocess.Popen[bytes], tmp_path: Path) -> None:
    assert tagged_processes(tmp_path) == [child.pid]
    assert tagged_processes(tmp_path / "other") == []
    assert Processes().tagged(tmp_path) == [child.pid]
    os.kill(child.pid, signal.SIGKILL)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert tagged_processes(tmp_path) == []


def test_a_name_with_brackets_does_not_hide_the_start_time(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    rest = " ".join(["S", "1", *["0"] * 17, "4711", "0"])
    (tmp_path / "7" / "stat").write_text(f"7 (a) b (c) {rest}\n")
    assert identity_of(7, tmp_path) == ProcessIdentity(7, 4711)
    assert boot_id(tmp_path) == ""


@pytest.mark.parametrize("value", [None, 3, {}, {"pid": 1}, {"pid": "1", "start_ticks": 2}, {"pid": True, "start_ticks": 1}, {"pid": -1, "start_ticks": 1}])  # fmt: skip # noqa: E501
def test_a_damaged_identity_is_none(value: object) -> None:
    assert ProcessIdentity.from_json(value) is None
    assert not alive(ProcessIdentity.from_json(value))
