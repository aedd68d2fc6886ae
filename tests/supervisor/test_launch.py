"""Launching, and what is said about outliving the logout."""

import contextlib
import os
from pathlib import Path

import pytest

from nli_console.errors import ConsoleError
from nli_console.record.evidence import attempt_numbers
from nli_console.record.processes import ProcessIdentity
from nli_console.supervisor import launch as launching
from nli_console.supervisor.launch import LOG_NAME, launch, survival
from tests.supervisor.conftest import Desk, race, result_of, supervisor_of, until


def test_a_launched_run_is_signed_for_in_a_session_of_its_own(desk: Desk) -> None:
    run = desk.submit(steps=100_000, step_seconds=0.01)
    ends = os.pipe()
    for end in ends:
        os.set_inheritable(end, True)
    try:
        launch(run)
        supervisor = supervisor_of(run.attempt(1))
        assert isinstance(supervisor, ProcessIdentity)
        assert os.getsid(supervisor.pid) == supervisor.pid
        # It has pipes of its own while it starts a process; one shared with the console would be a tie.
        assert not pipes_of(supervisor.pid) & pipes_of(os.getpid())
    finally:
        for end in ends:
            os.close(end)


def pipes_of(pid: int) -> set[str]:
    """The pipes that a process holds an end of."""
    found: set[str] = set()
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
            found |= {target} if target.startswith("pipe:") else set()
    return found


def test_two_consoles_that_launch_at_once_make_one_attempt(desk: Desk) -> None:
    run = desk.submit(steps=1)
    assert race(lambda: launch(run), lambda: launch(run)) == [None, None]
    until(lambda: result_of(run.attempt(1)))
    assert attempt_numbers(run) == [1]


def test_a_supervisor_that_cannot_begin_is_quoted(desk: Desk) -> None:
    run = desk.submit()
    run.spec.write_text('{"submitted": "yesterday"}')
    with pytest.raises(ConsoleError, match=r"exit code 2 .*submitted: holds str"):
        launch(run)
    assert "Traceback" not in (run.path / LOG_NAME).read_text()


@pytest.mark.parametrize(
    ("kills", "lingers", "expected"),
    [
        ("no", "no", ("session", True)),
        ("yes", "yes", ("systemd", True)),
        ("yes", "no", ("session", False)),
        ("", "", ("session", None)),
    ],
)
def test_survival_follows_the_login_manager(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kills: str,
    lingers: str,
    expected: tuple[str, bool | None],
) -> None:
    answers = f'case "$*" in *KillUserProcesses*) echo {kills};; *Linger*) echo {lingers};; esac\n'
    for name in ("loginctl", "systemd-run"):
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\n{answers}")
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(launching, "_BOOTED", tmp_path)
    found = survival()
    assert (found.how, found.outlives_logout) == expected
    if found.outlives_logout is False:
        assert "enable-linger" in found.sentence


def test_a_login_manager_that_hangs_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "loginctl"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(launching, "_BOOTED", tmp_path)
    monkeypatch.setattr(launching, "_LOGIN_TIMEOUT", 0.2)
    assert survival().outlives_logout is None


def test_a_failing_scope_falls_back_to_a_session_unless_systemd_was_asked_for(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, body in (("loginctl", "echo yes"), ("systemd-run", "echo no user bus >&2; exit 1")):
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(launching, "_BOOTED", tmp_path)
    run = desk.submit(steps=1)
    with pytest.raises(ConsoleError, match="no user bus"):
        launch(run, "systemd")
    launch(run, "auto")
    until(lambda: result_of(run.attempt(1)))


def test_a_scope_runs_the_supervisor_under_the_user_manager(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    script = f'echo "$@" > {folder}/asked; while [ "$1" != -- ]; do shift; done; shift; exec "$@"'
    (folder / "systemd-run").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "systemd-run").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    run = desk.submit(steps=1)
    launch(run, "systemd")
    assert f"--user --scope --quiet --collect --unit=nli-console-{run.id}-1" in (folder / "asked").read_text()
    assert until(lambda: result_of(run.attempt(1)))["state"] == "finished"
