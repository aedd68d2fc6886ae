"""Where everything stands in a run folder (``runs/<id>/``). Paths only; nothing is opened."""

import re
from dataclasses import dataclass
from pathlib import Path

SPEC_VERSION = 1
RUN_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
ATTEMPT_NAME = re.compile(r"\d{4}")
CHECKPOINT_NAME = re.compile(r"checkpoint-(\d+)")
TRASH = ".trash"
PROBE = ".clock-"
"""Beginning of the names of files that are touched to read the clock of a file server."""
SPEC, LABELS, STOP = "spec.json", "labels.json", "control/stop.json"
OWNER, FINAL, RESULT = "owner.json", "final.json", "result.json"
GUARDS = "guards.json"
EVENTS, METRICS, CURVE = "events.jsonl", "metrics.jsonl", "curve.jsonl"
LOG = "console.log"
MANIFEST = "MANIFEST.json"
SELECTION = "selection.json"
PROMPT = "prompt.json"
"""In a run's folder and beside its product."""
ENVIRONMENT_TAG = "NLI_CONSOLE_RUN"
"""Environment variable that every process of a run carries: ``<run folder>`` (absolute, resolved)."""
TAG_ROOM = 4096
"""Bytes that a process which waits for its run leaves for the tag's value."""


class _Folder:
    """A folder whose files are named here once."""

    path: Path

    def at(self, name: str) -> str:
        """Where ``name`` stands, as text: cheaper than a path, for who looks at thousands of runs."""
        return f"{self.path}/{name}"


@dataclass(frozen=True)
class AttemptLayout(_Folder):
    """``attempts/0001/``: one try at a run; a resume is the next number."""

    path: Path

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def owner(self) -> Path:
        return self.path / OWNER

    @property
    def events(self) -> Path:
        return self.path / EVENTS

    @property
    def metrics(self) -> Path:
        return self.path / METRICS

    @property
    def curve(self) -> Path:
        return self.path / CURVE

    @property
    def system(self) -> Path:
        return self.path / "system.jsonl"

    @property
    def console_log(self) -> Path:
        return self.path / LOG

    @property
    def final(self) -> Path:
        return self.path / FINAL

    @property
    def guards(self) -> Path:
        return self.path / GUARDS

    @property
    def result(self) -> Path:
        return self.path / RESULT


@dataclass(frozen=True)
class RunLayout(_Folder):
    """One run folder."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    @property
    def spec(self) -> Path:
        return self.path / SPEC

    @property
    def labels(self) -> Path:
        return self.path / LABELS

    @property
    def stop_request(self) -> Path:
        return self.path / STOP

    @property
    def attempts(self) -> Path:
        return self.path / "attempts"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def selection(self) -> Path:
        return self.checkpoints / SELECTION

    @property
    def prompt(self) -> Path:
        return self.path / PROMPT

    @property
    def features(self) -> Path:
        return self.path / "features"

    @property
    def scored(self) -> Path:
        return self.path / "scored"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions"

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation"

    @property
    def adapter(self) -> Path:
        return self.path / "adapter"

    @property
    def model(self) -> Path:
        return self.path / "model"

    def attempt(self, number: int) -> AttemptLayout:
        return AttemptLayout(Path(f"{self.path}/attempts/{number:04d}"))
