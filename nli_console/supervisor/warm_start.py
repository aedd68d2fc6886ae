"""A warm start, as the console sees it: a supervisor that waits with its worker until a run is launched."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Lock, Thread

from nli_console.record.layout import ENVIRONMENT_TAG
from nli_console.supervisor.engine import ENGINE_VARIABLE
from nli_console.supervisor.environment import python_command
from nli_console.supervisor.standby import WARM_VARIABLE
from nli_console.supervisor.worker_process import WORKER_VARIABLE

IDLE = 600.0
"""Seconds without an edit after which a warm start is given up."""
_LEAST_FREE, _FREE_SHARE = 2 * 1024**3, 0.1
"""Bytes, and share of the memory, that must be free for one to be kept."""
_LOOK = 2.0


def replaced() -> bool:
    """Whether something else stands in for the worker, so that there is nothing to warm."""
    return WARM_VARIABLE not in os.environ and bool({WORKER_VARIABLE, ENGINE_VARIABLE} & set(os.environ))


class WarmStart:
    """Started when it is made; a run takes it over, or :meth:`close` ends it. It ends with this process, too.

    Args:
        extra: the user's variables for workers (``launch.environment`` of the settings).

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, extra: Mapping[str, str]) -> None:
        argv, environment = python_command("nli_console.supervisor.standby", json.dumps(dict(extra)))
        environment.pop(ENVIRONMENT_TAG, None)
        self.memory_bytes: int | None = None
        """Resident size of the worker when its imports were done; ``None`` until then."""
        self._process = subprocess.Popen(
            argv,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        Thread(target=self._listen, name="console-warm-start", daemon=True).start()

    @property
    def ready(self) -> bool:
        return self.memory_bytes is not None and not self.ended

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def order(self, run_dir: Path, number: int) -> "subprocess.Popen[bytes] | None":
        """Let it supervise attempt ``number`` of a run; its process, or ``None`` when it is not ready."""
        if not self.ready:
            self.close()
            return None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(
                json.dumps({"run_dir": str(run_dir), "number": number}).encode() + b"\n"
            )
            self._process.stdin.close()
        except OSError:
            return None
        return self._process

    def close(self) -> None:
        """End what nobody took, without waiting."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                self.memory_bytes = int(json.loads(line)["rss_bytes"])
        # Collects the exit, so that what has ended never looks alive; a run's supervisor goes on for long.
        self._process.wait()


class WarmKeeper:
    """Has a warm start ready while a form is edited. Every method returns at once and may be called anywhere.

    It is given up when nobody has edited for :data:`IDLE` seconds, when memory is short, and for good when
    it ends by itself.

    Args:
        wanted: whether there is to be one at all.
        extra: the user's variables for workers.
        changed: called from another thread when :attr:`memory_bytes` has changed.
    """

    def __init__(self, wanted: bool, extra: Mapping[str, str], changed: Callable[[], None]) -> None:
        self._wanted = wanted and not replaced()
        self._extra = extra
        self._changed = changed
        self._held: WarmStart | None = None
        self._lock = Lock()
        self._over = Event()
        self._touched = 0.0
        self._watched = False

    @property
    def memory_bytes(self) -> int | None:
        """What the worker that waits takes; ``None`` while none is ready."""
        held = self._held
        return held.memory_bytes if held is not None and held.ready else None

    def touch(self) -> None:
        """Something was edited: get one ready, or keep the one that is."""
        self._touched = time.monotonic()
        with self._lock:
            if self._wanted and not self._watched:
                self._watched = True
                Thread(target=self._watch, name="console-warm-keeper", daemon=True).start()

    def take(self) -> WarmStart | None:
        """The one that is held, for a launch; there is none afterwards until something is edited again."""
        with self._lock:
            held, self._held = self._held, None
            self._touched = 0.0
        return held

    def close(self) -> None:
        """End what is held; nothing is started any more."""
        self._over.set()
        held = self.take()
        if held is not None:
            held.close()

    def _watch(self) -> None:
        told: int | None = None
        while not self._over.wait(_LOOK if self._held or told else 0.2):
            with self._lock:
                self._decide()
            if self.memory_bytes != told:
                told = self.memory_bytes
                self._changed()

    def _decide(self) -> None:
        due = time.monotonic() - self._touched < IDLE and self._wanted and _memory_suffices()
        if self._held is None and due and not self._over.is_set():
            try:
                self._held = WarmStart(self._extra)
            except OSError:
                self._wanted = False
        elif self._held is not None and self._held.ended:
            self._held, self._wanted = None, False
        elif self._held is not None and not due:
            self._held.close()
            self._held = None


def _memory_suffices() -> bool:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {
            name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines)
        }
        return sizes["MemAvailable"] >= max(_LEAST_FREE, _FREE_SHARE * sizes["MemTotal"])
    except (OSError, ValueError, KeyError, IndexError):
        return False
