"""Runs of the real worker on tiny models, in this process so that torch is imported once."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from nli_console.data.spec import DataSpec
from nli_console.methods import registry
from nli_console.record.compose import template_of
from nli_console.record.layout import RunLayout
from nli_console.record.spec import RunSpec
from nli_console.record.spec_io import submit
from nli_console.settings import Checkpoints, Guards
from nli_console.worker.recorder import Recorder
from nli_console.worker.run import run
from nli_console.worker.stop import StopFlag
from tests.worker import tiny
from tests.worker.tiny_decoders import CHATS

SPLITS = {
    "train": "multinli_1.0_train.jsonl",
    "validation_matched": "multinli_1.0_dev_matched.jsonl",
    "validation_mismatched": "multinli_1.0_dev_mismatched.jsonl",
}


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a tiny model by the name of its architecture, made once."""
    made: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in made:
            make = {**tiny.EVERY_MODEL, **CHATS}[name]
            made[name] = make(tmp_path_factory.mktemp(name))
        return made[name]

    return get


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 training rows (10 of them held out for selection) and twice 24 validation rows."""
    return tiny.write_multinli(tmp_path_factory.mktemp("corpus"), 100, 24)


@dataclass
class Run:
    """A submitted run and what its attempts wrote."""

    layout: RunLayout

    def attempt(self, number: int = 1, stop: StopFlag | None = None) -> dict[str, Any]:
        """Run one attempt to its end; its final.json."""
        place = self.layout.attempt(number)
        place.path.mkdir(parents=True)
        code = run(self.layout.path, number, stop or StopFlag())
        final = json.loads(place.final.read_text())
        assert code == (0 if final["completed"] or final["stopped"] else 1)
        return final

    def records(self, kind: str, number: int = 1) -> list[dict[str, Any]]:
        lines = self.layout.attempt(number).metrics.read_text().splitlines()
        return [record for record in map(json.loads, lines) if record["kind"] == kind]

    def checkpoints(self) -> list[str]:
        return sorted(path.name for path in self.layout.checkpoints.glob("checkpoint-*"))


@pytest.fixture
def submitted(tmp_path: Path, model_folder: Callable[[str], Path], corpus: Path) -> Callable[..., Run]:
    """Submit a run: ``submitted("full", model="roberta", seed=1, **hyperparameters)``."""
    count = 0

    def make(
        method: str = "full",
        *,
        model: str | Path = "roberta",
        data: Path = corpus,
        seed: int = 1,
        checkpoints: Checkpoints = Checkpoints(),  # noqa: B008  # frozen
        guards: Guards = Guards(),  # noqa: B008  # frozen
        report_to: Sequence[str] = (),
        **hyperparameters: Any,
    ) -> Run:
        nonlocal count
        count += 1
        chosen = {"batch_size": 6, "epochs": 2.0, "evaluations": 3, "learning_rate": 1e-3, **hyperparameters}
        folder = model_folder(model) if isinstance(model, str) else model
        values = registry.get(method).Hyperparameters(**chosen).model_dump(mode="json")
        spec = RunSpec(
            id=f"run-{count}",
            name="tiny",
            method=method,
            hyperparameters=values,
            template=template_of(values),
            model=str(folder),
            model_name="tiny-model",
            data=DataSpec(name="tiny-data", source=str(data), format="multinli", splits=SPLITS),
            seed=seed,
            submitted=time.time(),
            cache_dir=str(tmp_path / "cache"),
            checkpoints=checkpoints,
            guards=guards,
            report_to=list(report_to),
        )
        return Run(submit(tmp_path / "runs", spec))

    return make


@pytest.fixture
def stop_when(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str, dict[str, Any]], bool]], StopFlag]:
    """A flag that is set when a record that fits is written, as a signal at that moment would set it."""

    def make(fits: Callable[[str, dict[str, Any]], bool]) -> StopFlag:
        stop = StopFlag()
        train, phase = Recorder.train, Recorder.phase

        def spy_train(self: Recorder, fields: dict[str, Any]) -> None:
            train(self, fields)
            stop.requested |= fits("train", fields)

        def spy_phase(
            self: Recorder,
            name: str,
            done: int | None = None,
            total: int | None = None,
            unit: str | None = None,
            detail: str | None = None,
            remark: str | None = None,
        ) -> None:
            phase(self, name, done, total, unit, detail, remark)
            fields = {"phase": name, "done": done, "total": total, "detail": detail}
            stop.requested |= fits("phase", fields)

        monkeypatch.setattr(Recorder, "train", spy_train)
        monkeypatch.setattr(Recorder, "phase", spy_phase)
        return stop

    return make


@pytest.fixture(autouse=True)
def _own_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker sets variables for its own process; tests share one."""
    for name in ("CUDA_DEVICE_ORDER", "CUDA_VISIBLE_DEVICES", "TOKENIZERS_PARALLELISM"):
        monkeypatch.delenv(name, raising=False)
