"""Runs of the fake worker under real supervisors."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nli_console.data.spec import DataSpec
from nli_console.record.evidence import attempt_numbers
from nli_console.record.files import read_json
from nli_console.record.journal import Tail
from nli_console.record.layout import AttemptLayout, RunLayout
from nli_console.record.processes import ProcessIdentity, alive, tagged_processes
from nli_console.record.spec import RunSpec
from nli_console.record.spec_io import submit
from nli_console.settings import Queue
from nli_console.supervisor.environment import python_command
from nli_console.supervisor.lease import FOLDER_VARIABLE
from nli_console.supervisor.sweep import send, sweep
from nli_console.supervisor.worker_process import WORKER_VARIABLE

FAKE_WORKER = Path(__file__).parent.parent / "support" / "fake_worker.py"
SHORT_GRACES = (
    "import sys; from nli_console.supervisor.supervise import main; "
    "from nli_console.supervisor.ladder import Graces; "
    "sys.exit(main(sys.argv[1], graces=Graces({}, 0.4, 0.3, 0.4)))"
)


PATIENCE = 120.0
"""Seconds that a test waits for what must come: a busy machine may need most of them."""


def until(true: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Ask again every few milliseconds until the answer is true; return it."""
    deadline = time.monotonic() + seconds
    while not (answer := true()):
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.01)
    return answer


def race(*calls: Callable[[], Any]) -> list[Any]:
    """Call all of them at once; return what each gave back."""
    barrier = threading.Barrier(len(calls))
    answers: list[Any] = [None] * len(calls)

    def go(index: int) -> None:
        barrier.wait()
        answers[index] = calls[index]()

    threads = [threading.Thread(target=go, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


class Desk:
    """Submits runs and starts supervisors, and leaves nothing behind."""

    def __init__(self, runs_dir: Path) -> None:
        self.runs_dir = runs_dir
        self._count = 0
        self._started: list[subprocess.Popen[bytes]] = []
        self._layouts: list[RunLayout] = []

    def submit(self, *, cpu_slots: int = 1, submitted: float | None = None, **plan: Any) -> RunLayout:
        """Submit a run; ``plan`` tells the fake worker what to do, some keys are the spec's."""
        self._count += 1
        spec = {key: plan.pop(key) for key in ("time_limit", "on_finish", "name") if key in plan}
        layout = submit(
            self.runs_dir,
            RunSpec(
                id=f"run-{self._count:03d}",
                method="lora",
                hyperparameters={},
                model="demo-encoder",
                model_name="demo-encoder",
                data=DataSpec(name="demo", source=str(self.runs_dir), format="multinli"),
                seed=1,
                submitted=time.time() if submitted is None else submitted,
                cache_dir=str(self.runs_dir),
                queue=Queue(cpu_slots=cpu_slots),
                environment={"FAKE_WORKER": json.dumps(plan)},
                **{"name": "a run", **spec},
            ),
        )
        self._layouts.append(layout)
        return layout

    def supervise(
        self,
        layout: RunLayout,
        *arguments: str,
        short: bool = False,
        checkpoint: float = 0.4,
        **options: Any,
    ) -> subprocess.Popen[bytes]:
        """Start a supervisor as a batch job would; ``short``: with less patience, ``checkpoint`` s of it."""
        argv, environment = python_command("nli_console.supervisor.supervise", str(layout.path), *arguments)
        if short:
            argv = [sys.executable, "-P", "-c", SHORT_GRACES.format(checkpoint), str(layout.path)]
        process = subprocess.Popen(
            argv, env=environment, **{"stderr": subprocess.PIPE, "start_new_session": True, **options}
        )
        self._started.append(process)
        return process

    def clear(self) -> None:
        """End whatever a test has left."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for layout in self._layouts:
            for number in attempt_numbers(layout):
                owner = supervisor_of(layout.attempt(number))
                if owner is not None and owner.pid != os.getpid():
                    send(owner, signal.SIGKILL)
            if tagged_processes(layout.path):
                sweep(layout.path)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "leases"))
    monkeypatch.setenv(WORKER_VARIABLE, f"{sys.executable} -S {FAKE_WORKER}")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    desk = Desk(tmp_path / "runs")
    yield desk
    desk.clear()


def owner_of(attempt: AttemptLayout) -> dict[str, Any]:
    return read_json(attempt.owner) or {}


def supervisor_of(attempt: AttemptLayout) -> ProcessIdentity | None:
    return ProcessIdentity.from_json(owner_of(attempt).get("supervisor"))


def worker_of(attempt: AttemptLayout) -> ProcessIdentity | None:
    return ProcessIdentity.from_json(owner_of(attempt).get("worker"))


def result_of(attempt: AttemptLayout) -> dict[str, Any] | None:
    return read_json(attempt.result)


def events_of(attempt: AttemptLayout) -> list[str]:
    return [record["event"] for record in Tail(attempt.events).read().records]


def steps_of(attempt: AttemptLayout) -> list[int]:
    return [r["step"] for r in Tail(attempt.metrics).read().records if r["kind"] == "train"]


def all_gone(layout: RunLayout, attempt: int = 1) -> Callable[[], bool]:
    """Whether no process of the run is left: an exiting one loses its environment before it is gone."""
    worker = worker_of(layout.attempt(attempt))
    return lambda: not alive(worker) and not tagged_processes(layout.path)


def training(attempt: AttemptLayout, steps: int = 3) -> Callable[[], bool]:
    """Whether the worker is named and has recorded some steps."""
    return lambda: worker_of(attempt) is not None and len(steps_of(attempt)) >= steps
