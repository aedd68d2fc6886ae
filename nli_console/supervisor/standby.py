"""``python -m nli_console.supervisor.standby``: a supervisor that waits for its run, beside a warm worker.

A console starts it while a form is edited. It reads one order, ``{run_dir, number}``, from standard input,
and is from then on that run's supervisor like any other: the worker is its child, and nothing ties it to the
console. When standard input closes without an order, because the console has left or wants it no more, both
leave.
"""

import contextlib
import json
import os
import select
import shlex
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nli_console.record.layout import ENVIRONMENT_TAG, TAG_ROOM
from nli_console.record.processes import ProcessIdentity
from nli_console.supervisor.environment import code_stamp, python_command, worker_environment
from nli_console.supervisor.sweep import has_ended
from nli_console.supervisor.worker_process import become_subreaper, spawn_waiting

WARM_VARIABLE = "NLI_CONSOLE_WARM_WORKER"
"""Replaces ``python -m nli_console.worker warm`` (split like a shell line): for tests."""
LOG_NAME = "supervisor.log"
_DECIDED_LATER = frozenset({ENVIRONMENT_TAG, "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"})


@dataclass
class WarmWorker:
    """A worker that waits: its process, the pipe that takes the order, and what its imports depended on."""

    identity: ProcessIdentity
    orders: int
    reports: int
    environment: dict[str, str]
    code: str
    waits: bool = True
    """Whether it was neither given a run nor ended."""

    @classmethod
    def start(cls, extra: Mapping[str, str]) -> "WarmWorker":
        """Start one with the user's ``extra`` variables; from the main thread.

        Raises:
            OSError: it cannot be started.
        """
        argv, base = python_command("nli_console.worker", "warm")
        if replaced := os.environ.get(WARM_VARIABLE):
            argv = shlex.split(replaced)
        environment = worker_environment(base, extra, Path("-" * TAG_ROOM), [])
        code = code_stamp()
        return cls(*spawn_waiting(argv, environment), environment, code)

    def hand_over(
        self, environment: Mapping[str, str], run_dir: Path, attempt: int, log: Path
    ) -> ProcessIdentity | None:
        """Give it the run; ``None`` when it is of no use for this run, and then it is gone."""
        fits = (
            _compared(environment) == _compared(self.environment)
            and code_stamp() == self.code
            and len(os.fsencode(run_dir)) <= TAG_ROOM
            and not has_ended(self.identity.pid)
        )
        order = {"run_dir": str(run_dir), "attempt": attempt, "environment": environment, "log": str(log)}
        if fits:
            with contextlib.suppress(OSError):
                os.write(self.orders, json.dumps(order).encode() + b"\n")
                self._close()
                self.waits = False
                return self.identity
        self.drop()
        return None

    def drop(self) -> None:
        """End it and give its memory back; one that has its run is left alone."""
        if not self.waits:
            return
        self.waits = False
        self._close()
        with contextlib.suppress(OSError):
            os.kill(self.identity.pid, signal.SIGKILL)
            os.waitpid(self.identity.pid, 0)

    def _close(self) -> None:
        for descriptor in (self.orders, self.reports):
            with contextlib.suppress(OSError):
                os.close(descriptor)


def _compared(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name not in _DECIDED_LATER}


def main(extra: Mapping[str, str]) -> int:
    """Wait for the order, and carry it out."""
    os.umask(0o077)
    become_subreaper()
    worker = WarmWorker.start(extra)
    waited = [0, worker.reports]
    while True:
        ready, _, _ = select.select(waited, [], [])
        if worker.reports in ready:
            told = os.read(worker.reports, 4096)
            if not told:
                worker.drop()
                return 1
            os.write(1, told)
        if 0 in ready:
            line = sys.stdin.buffer.readline()
            if not line.endswith(b"\n"):
                worker.drop()
                return 0
            order = json.loads(line)
            return _supervise(Path(order["run_dir"]), int(order["number"]), worker)


def _supervise(run_dir: Path, number: int, worker: WarmWorker) -> int:
    from nli_console.supervisor.supervise import run_as_program

    log = os.open(run_dir / LOG_NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(nothing)
    os.close(log)
    os.chdir(run_dir)
    try:
        return run_as_program([str(run_dir), str(number)], worker)
    finally:
        worker.drop()


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}))
