"""Start the worker in a process group of its own, tied to the supervisor's life."""

import ctypes
import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from nli_console.record.processes import ProcessIdentity, identity_of
from nli_console.supervisor.environment import python_command

WORKER_VARIABLE = "NLI_CONSOLE_WORKER"
"""Replaces ``python -m nli_console.worker run`` by another command (split like a shell line): for tests."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Let orphaned descendants come back to this process, which can then end them without being root."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def worker_command(run_dir: Path, attempt: int) -> tuple[list[str], dict[str, str]]:
    """Argv and base environment of the worker of this attempt."""
    replaced = os.environ.get(WORKER_VARIABLE)
    if replaced:
        return [*shlex.split(replaced), str(run_dir), str(attempt)], dict(os.environ)
    return python_command("nli_console.worker", "run", str(run_dir), str(attempt))


def spawn(argv: Sequence[str], environment: Mapping[str, str], run_dir: Path, log: Path) -> ProcessIdentity:
    """Start ``argv`` in ``run_dir`` with ``log`` as its output; call it from the main thread only.

    The kernel's parent-death signal (SIGTERM) follows the *thread* that forked, and is lost when the parent
    died before it was armed, hence the second look at ``getppid``. The log is opened for appending and handed
    over as it is: no pipe has to be drained, so the worker never depends on anybody reading.

    Raises:
        OSError: when the log cannot be opened or the program cannot be started.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        return _start(argv, environment, run_dir, subprocess.DEVNULL, descriptor, descriptor)
    finally:
        os.close(descriptor)


def spawn_waiting(argv: Sequence[str], environment: Mapping[str, str]) -> tuple[ProcessIdentity, int, int]:
    """:func:`spawn` for a worker that has no run yet; also the pipes to order it and to hear what it reports.

    Raises:
        OSError: when the program cannot be started.
    """
    orders_out, orders = os.pipe()
    reports, reports_in = os.pipe()
    try:
        identity = _start(argv, environment, Path("/"), orders_out, reports_in, subprocess.DEVNULL)
    except OSError:
        os.close(orders)
        os.close(reports)
        raise
    finally:
        os.close(orders_out)
        os.close(reports_in)
    return identity, orders, reports


def _start(
    argv: Sequence[str], environment: Mapping[str, str], folder: Path, stdin: int, stdout: int, stderr: int
) -> ProcessIdentity:
    parent = os.getpid()

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR2):
            signal.signal(number, signal.SIG_DFL)
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(0)

    process = subprocess.Popen(
        argv,
        env=environment,
        cwd=folder,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        process_group=0,
        preexec_fn=prepare,
    )
    # The supervisor collects all its children with one waitpid; Popen must not look for this one again.
    process.returncode = 0
    return identity_of(process.pid) or ProcessIdentity(process.pid, 0)
