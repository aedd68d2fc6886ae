"""The commands over a folder of their own, with a worker that needs no torch."""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nli_console.cli import entry
from nli_console.record.evidence import attempt_numbers
from nli_console.record.files import read_json_or_none
from nli_console.record.layout import RunLayout
from nli_console.record.processes import ProcessIdentity, tagged_processes
from nli_console.record.spec_io import run_folders
from nli_console.supervisor.engine import ENGINE_VARIABLE
from nli_console.supervisor.lease import FOLDER_VARIABLE
from nli_console.supervisor.sweep import send, sweep
from nli_console.supervisor.worker_process import WORKER_VARIABLE

FAKE_WORKER = Path(__file__).parent.parent / "support" / "fake_worker.py"
ROBERTA_LARGE = {
    "model_type": "roberta",
    "vocab_size": 50265,
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
}


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
class Place:
    """A settings file with runs, cache, one model and one dataset beside it."""

    folder: Path
    call: Callable[..., Result]

    @property
    def runs_dir(self) -> Path:
        return self.folder / "runs"

    @property
    def runs(self) -> list[RunLayout]:
        return run_folders(self.runs_dir)

    def write_settings(self, **plan: object) -> None:
        """Settings whose runs tell the fake worker ``plan``."""
        (self.folder / "settings.toml").write_text(
            'runs_dir = "runs"\ncache_dir = "cache"\n'
            '[defaults]\nmodel = "tiny"\ndata = "pairs"\n'
            '[models]\ntiny = "model"\n'
            '[datasets.pairs]\npath = "pairs"\n'
            f"[launch]\nenvironment = {{ FAKE_WORKER = '{json.dumps(plan)}' }}\n"
        )


def write_pairs(folder: Path) -> None:
    """Twelve pairs in the layout of the original MultiNLI files."""
    folder.mkdir()
    labels = ("entailment", "neutral", "contradiction")
    for split in ("train", "dev_matched", "dev_mismatched"):
        rows = [
            {
                "sentence1": f"premise {number}",
                "sentence2": f"hypothesis {number}",
                "gold_label": labels[number % 3],
                "annotator_labels": [labels[number % 3]],
                "genre": "fiction",
                "pairID": f"{number}{labels[number % 3][0]}",
                "promptID": str(number),
            }
            for number in range(12)
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"multinli_1.0_{split}.jsonl").write_text(text)


@pytest.fixture
def place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], warm_engine: str
) -> Iterator[Place]:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "leases"))
    monkeypatch.setenv(WORKER_VARIABLE, f"{sys.executable} -S {FAKE_WORKER}")
    monkeypatch.setenv(ENGINE_VARIABLE, warm_engine)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.chdir(tmp_path)
    write_pairs(tmp_path / "pairs")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text(json.dumps(ROBERTA_LARGE))

    def call(*arguments: str) -> Result:
        capsys.readouterr()
        code = entry.run(list(arguments))
        said = capsys.readouterr()
        return Result(code, said.out, said.err)

    place = Place(tmp_path, call)
    place.write_settings(steps=4)
    yield place
    for layout in place.runs:
        _end(layout)


def _end(layout: RunLayout) -> None:
    for number in attempt_numbers(layout):
        owner = (read_json_or_none(layout.attempt(number).owner) or {}).get("supervisor")
        supervisor = ProcessIdentity.from_json(owner)
        if supervisor is not None and supervisor.pid != os.getpid():
            send(supervisor, signal.SIGKILL)
    if tagged_processes(layout.path):
        sweep(layout.path)
