"""The real program in folders of its own: headless as a subprocess, or in a pseudo-terminal."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nli_console.record.evidence import attempt_numbers, gather
from nli_console.record.files import read_json_or_none
from nli_console.record.journal import Tail
from nli_console.record.layout import AttemptLayout, RunLayout
from nli_console.record.processes import ProcessIdentity, alive, tagged_processes
from nli_console.record.spec_io import run_folders
from nli_console.record.state import RunState, State, derive
from nli_console.supervisor.engine import ENGINE_VARIABLE
from nli_console.supervisor.lease import FOLDER_VARIABLE
from nli_console.supervisor.sweep import send, sweep
from nli_console.supervisor.worker_process import WORKER_VARIABLE
from tests.support.terminal import PATIENCE, Terminal, console_argv, listen_to_interrupts

ROOT = Path(__file__).parents[2]
FAKE_WORKER = ROOT / "tests" / "support" / "fake_worker.py"
LABELS = ("entailment", "neutral", "contradiction")


def until(true: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Ask again every few milliseconds until the answer is true; return it."""
    deadline = time.monotonic() + seconds
    while not (answer := true()):
        assert time.monotonic() < deadline, f"still not so after {seconds} s"
        time.sleep(0.02)
    return answer


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class World:
    """A folder with settings, runs and cache, an environment of its own, and all that is started in it."""

    folder: Path
    environment: dict[str, str]
    terminals: list[Terminal] = field(default_factory=list)
    commands: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def runs_dir(self) -> Path:
        return self.folder / "runs"

    @property
    def runs(self) -> list[RunLayout]:
        return run_folders(self.runs_dir)

    @property
    def run(self) -> RunLayout:
        """The only run."""
        (layout,) = self.runs
        return layout

    def settings(
        self,
        tables: str = "",
        *,
        model: str = "tiny",
        data: str = "pairs",
        method: str = "lora",
        **plan: object,
    ) -> None:
        """Write settings.toml; runs tell the fake worker ``plan``, ``tables`` are further lines of TOML."""
        worker = json.dumps(json.dumps(plan)) if plan else '"{}"'
        (self.folder / "settings.toml").write_text(
            'runs_dir = "runs"\ncache_dir = "cache"\n'
            f"[defaults]\nmethod = {json.dumps(method)}\n"
            f"model = {json.dumps(model)}\ndata = {json.dumps(data)}\n"
            '[models]\ntiny = "model"\n[datasets.pairs]\npath = "pairs"\n'
            f"[launch]\nenvironment = {{ FAKE_WORKER = {worker} }}\n{tables}",
            encoding="utf-8",
        )

    def start(self, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
        """Start a headless command."""
        process = subprocess.Popen(
            console_argv(*arguments),
            **{
                "cwd": self.folder,
                "env": {**os.environ, **self.environment},
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.PIPE,
                "text": True,
                "preexec_fn": listen_to_interrupts,
                **options,
            },
        )
        self.commands.append(process)
        return process

    def call(self, *arguments: str, **options: Any) -> Result:
        """Run a headless command to its end."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=8 * PATIENCE)
        return Result(process.returncode, out, err)

    def terminal(self, *arguments: str, size: tuple[int, int] = (120, 40)) -> Terminal:
        """Start the program in a pseudo-terminal; without arguments that is the console."""
        terminal = Terminal(
            console_argv(*arguments), columns=size[0], rows=size[1], env=self.environment, cwd=self.folder
        )
        self.terminals.append(terminal)
        return terminal

    def launch(self, *arguments: str) -> RunLayout:
        """Start a run headless and wait until its worker has recorded a step."""
        before = {layout.id for layout in self.runs}
        result = self.call("run", "lora", "--detach", *arguments)
        assert result.code == 0, result.err
        (layout,) = (layout for layout in self.runs if layout.id not in before)
        until(lambda: steps_of(layout))
        return layout

    def clear(self) -> None:
        """End whatever was started here."""
        for terminal in self.terminals:
            terminal.__exit__()
        for process in self.commands:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for layout in self.runs:
            for number in attempt_numbers(layout):
                owner = supervisor_of(layout.attempt(number))
                if owner is not None and owner.pid != os.getpid():
                    send(owner, signal.SIGKILL)
            if tagged_processes(layout.path):
                sweep(layout.path)


def write_pairs(folder: Path, count: int = 30) -> None:
    """Pairs in the layout of the original MultiNLI files."""
    folder.mkdir()
    for split in ("train", "dev_matched", "dev_mismatched"):
        (folder / f"multinli_1.0_{split}.jsonl").write_text(
            "".join(json.dumps(pair(number)) + "\n" for number in range(count))
        )


def write_model(folder: Path) -> None:
    """The configuration of roberta-large, whose module shapes need not be counted; no weights."""
    folder.mkdir()
    config = {
        "model_type": "roberta",
        "vocab_size": 50265,
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
    }
    (folder / "config.json").write_text(json.dumps(config))


def pair(number: int, **changes: object) -> dict[str, object]:
    """One row of a MultiNLI file."""
    label = LABELS[number % 3]
    return {
        "sentence1": f"premise {number}",
        "sentence2": f"hypothesis {number}",
        "gold_label": label,
        "annotator_labels": [label],
        "genre": "fiction",
        "pairID": f"{number}{label[0]}",
        "promptID": str(number),
        **changes,
    }


def isolated(folder: Path, engine: str) -> World:
    """A world where runs are done by the real worker; whoever makes it clears it. See ``warm_engine``."""
    environment = {
        ENGINE_VARIABLE: engine,
        FOLDER_VARIABLE: str(folder / "leases"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_CACHE_HOME": str(folder / "xdg-cache"),
        "XDG_STATE_HOME": str(folder / "state"),
        "HF_HOME": str(folder / "hub"),
        "HF_HUB_OFFLINE": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "PYTHONPATH": str(ROOT),
    }
    return World(folder, environment)


@pytest.fixture
def world(tmp_path: Path, warm_engine: str) -> Iterator[World]:
    """A world where runs are done by the fake worker, on thirty pairs."""
    world = isolated(tmp_path, warm_engine)
    world.environment[WORKER_VARIABLE] = f"{sys.executable} -S {FAKE_WORKER}"
    write_pairs(tmp_path / "pairs")
    write_model(tmp_path / "model")
    world.settings(steps=4)
    yield world
    world.clear()


def state_of(layout: RunLayout) -> State:
    return run_state(layout).state


def run_state(layout: RunLayout) -> RunState:
    return derive(gather(layout))


def is_in(layout: RunLayout, *states: State) -> Callable[[], bool]:
    """Whether the run is in one of these states by now."""
    return lambda: state_of(layout) in states


def records(path: Path, kind: str | None = None) -> list[dict[str, Any]]:
    """The records of a journal, those of one kind."""
    return [record for record in Tail(path).read().records if kind in (None, record.get("kind"))]


def steps_of(layout: RunLayout, attempt: int = 1) -> list[int]:
    return [record["step"] for record in records(layout.attempt(attempt).metrics, "train")]


def supervisor_of(attempt: AttemptLayout) -> ProcessIdentity | None:
    return ProcessIdentity.from_json((read_json_or_none(attempt.owner) or {}).get("supervisor"))


def worker_of(attempt: AttemptLayout) -> ProcessIdentity | None:
    return ProcessIdentity.from_json((read_json_or_none(attempt.owner) or {}).get("worker"))


def kill(identity: ProcessIdentity | None) -> None:
    """SIGKILL exactly this process and wait until it is gone."""
    assert identity is not None
    send(identity, signal.SIGKILL)
    until(lambda: not alive(identity))


def go(layout: RunLayout, step: int) -> None:
    """Let a fake worker that holds at ``step`` go on."""
    (layout.path / f"go-{step}").touch()


def reached(layout: RunLayout, step: int, attempt: int = 1) -> Callable[[], bool]:
    """Whether the worker has recorded ``step`` by now."""
    return lambda: step in steps_of(layout, attempt)
