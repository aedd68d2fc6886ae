"""What is looked at, and what is done, once a worker has ended."""

import contextlib
import os
import signal
import subprocess
from pathlib import Path

from nli_console.record.files import RecordError, open_regular
from nli_console.record.state import State
from nli_console.supervisor.job import Job
from nli_console.text import format_bytes

ON_FINISH_TIMEOUT = 60.0
_LOG_TAIL = 16 * 1024
_FULL = 128 * 1024


def run_on_finish(job: Job, state: State) -> str | None:
    """Run the user's ``on_finish`` command in a session of its own; return what went wrong, if anything."""
    if not job.on_finish:
        return None
    values = {"id": job.id, "name": job.name, "state": state.value}
    argv = [_fill(part, values) for part in job.on_finish]
    try:
        code = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            timeout=ON_FINISH_TIMEOUT,
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, ()),
        ).returncode
    except subprocess.TimeoutExpired:
        return f"{argv[0]}: killed after {ON_FINISH_TIMEOUT:.0f} s"
    except (OSError, ValueError) as error:
        return f"{argv[0]}: {error}"
    return f"{argv[0]}: ended with exit code {code}" if code else None


def _fill(part: str, values: dict[str, str]) -> str:
    """Replace ``{id}``, ``{name}`` and ``{state}``; any other brace stays as it is."""
    for key, value in values.items():
        part = part.replace("{" + key + "}", value)
    return part


def log_tail(path: Path) -> str:
    """The last 16 KiB of a log, raw; empty when it cannot be read."""
    try:
        descriptor = open_regular(path, os.O_RDONLY)
    except (OSError, RecordError):
        return ""
    try:
        start = max(os.fstat(descriptor).st_size - _LOG_TAIL, 0)
        return os.pread(descriptor, _LOG_TAIL, start).decode("utf-8", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)


def is_full(folder: Path) -> bool:
    """Whether the file system of ``folder`` has no room left for ordinary users: less than 128 KiB."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return False
    return status.f_bavail * status.f_frsize < _FULL


def room(folder: Path) -> str:
    """``96.0 KiB free``, or that no file can be made, of the file system of ``folder``; empty when unknown.

    Much room although a disk was full is a quota that is used up.
    """
    try:
        status = os.statvfs(folder)
    except OSError:
        return ""
    if status.f_files and not status.f_favail:
        return "no inodes are free: too many files"
    return f"{format_bytes(status.f_bavail * status.f_frsize)} free"


def oom_kills() -> int | None:
    """How many processes the kernel has killed for want of memory: in this process's cgroup
    (``memory.events``, or ``memory.oom_control`` of cgroup v1), else on the whole machine; ``None`` where
    neither is told.
    """
    for path in (*_memory_counters(), Path("/proc/vmstat")):
        with contextlib.suppress(OSError, ValueError):
            for line in path.read_text(encoding="utf-8").splitlines():
                key, _, value = line.partition(" ")
                if key == "oom_kill":
                    return int(value)
    return None


def _memory_counters() -> list[Path]:
    root, found = Path("/sys/fs/cgroup"), []
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:
                found.append(root / path.lstrip("/") / "memory.events")
            elif "memory" in controllers.split(","):
                found.append(root / "memory" / path.lstrip("/") / "memory.oom_control")
    return found
