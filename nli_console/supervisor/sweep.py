"""End processes of a run, and nothing else: by process group, by adoption and by the tag in their
environment.
"""

import contextlib
import errno
import os
import signal
import time
from pathlib import Path

from nli_console.record.processes import ProcessIdentity, identity_of, tagged_processes

_ROUND = 0.02


def send(identity: ProcessIdentity, number: int) -> bool:
    """Signal exactly this process; ``False`` when it is gone or its pid has passed to another."""
    try:
        handle = os.pidfd_open(identity.pid)
    except OSError as error:
        return error.errno == errno.ENOSYS and _send_by_number(identity, number)
    try:
        # The handle pins the process: checked after opening, it cannot become another one.
        if identity_of(identity.pid) != identity:
            return False
        signal.pidfd_send_signal(handle, number)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _send_by_number(identity: ProcessIdentity, number: int) -> bool:
    """For kernels without process handles (before 5.3)."""
    if identity_of(identity.pid) != identity:
        return False
    try:
        os.kill(identity.pid, number)
    except OSError:
        return False
    return True


def send_group(leader: ProcessIdentity, number: int) -> None:
    """Signal the process group that ``leader``, an unreaped child of the caller, leads."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader.pid, number)


def reap_children() -> None:
    """Collect every child that has ended, adopted ones included."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def has_ended(pid: int) -> bool:
    """Whether the caller's child ``pid`` has ended; it is left unreaped."""
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def own_children() -> list[int]:
    """Pids of living children of this process, adopted ones included; none where the kernel does not list
    them.
    """
    found: list[int] = []
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError, ValueError):
            found.extend(int(pid) for pid in path.read_text(encoding="ascii").split())
    return found


def sweep(run_dir: Path, *, children: bool = False, timeout: float = 5.0) -> list[int]:
    """Kill every process that carries the tag of ``run_dir`` (not the caller) until none is left.

    With ``children``, every child of the caller too: as a subreaper it has adopted what fled from group and
    tag. A process that forks while it is being killed is found in the next round. Returns the pids that were
    killed; gives up after ``timeout`` seconds, because a process may hang in the kernel.
    """
    killed: list[int] = []
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if children:
            reap_children()
        left = {*tagged_processes(run_dir), *(own_children() if children else ())} - {os.getpid()}
        identities = [identity for pid in sorted(left) if (identity := identity_of(pid)) is not None]
        if not identities:
            break
        for identity in identities:
            if send(identity, signal.SIGKILL) and identity.pid not in killed:
                killed.append(identity.pid)
        time.sleep(_ROUND)
    return killed
