"""Reporting to experiment trackers: what they get, and that none of them can fail a run."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from transformers import TrainerCallback
from transformers.integrations import integration_utils

from nli_console.worker import trackers
from tests.worker.conftest import Run


class Recorded(TrainerCallback):
    """A tracker that works; what it was told, by everyone of its kind."""

    told: list[tuple[str, int, Any]] = []

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.told.append(("begin", state.global_step, args.run_name))

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        self.told.append(("log", state.global_step, logs))

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.told.append(("end", state.global_step, None))


class NotSetUp(TrainerCallback):
    def __init__(self) -> None:
        raise RuntimeError("no API key")


class FailsLater(TrainerCallback):
    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        raise ConnectionError(f"no route to host at step {state.global_step}")


class Leaves(TrainerCallback):
    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        raise SystemExit(1)


class Meddles(TrainerCallback):
    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_training_stop = True
        state.global_step = state.max_steps


class Hangs(TrainerCallback):
    released = threading.Event()

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.released.wait()


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[type[TrainerCallback]], None]]:
    """Put a tracker in the place of wandb."""
    for name in ("TENSORBOARD_LOGGING_DIR", "WANDB_DIR", "WANDB_PROJECT", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.setenv(name, "unused")

    def use(kind: type[TrainerCallback]) -> None:
        monkeypatch.setattr(trackers, "is_installed", lambda name: True)
        monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "wandb", kind)

    Recorded.told = []
    Hangs.released = threading.Event()
    yield use
    Hangs.released.set()


OPTIONS: dict[str, Any] = {"max_steps": 6, "evaluations": 2}


@pytest.mark.slow
def test_a_tracker_gets_every_step_and_every_evaluation(
    submitted: Callable[..., Run], tracker: Callable[..., None]
) -> None:
    tracker(Recorded)
    run = submitted(report_to=["wandb"], **OPTIONS)
    run.attempt()
    assert Recorded.told[0] == ("begin", 0, run.layout.id)
    assert Recorded.told[-1][0] == "end"
    logs = [(step, told) for event, step, told in Recorded.told if event == "log"]
    losses = {step: told["loss"] for step, told in logs if "loss" in told}
    assert losses == {record["step"]: record["loss"] for record in run.records("train")}
    for record in run.records("eval"):
        wanted = {f"eval_{record['split']}_accuracy": record["accuracy"]}
        wanted[f"eval_{record['split']}_loss"] = record["loss"]
        assert any(told == wanted and step >= record["step"] for step, told in logs)
    assert run.records("guard") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (NotSetUp, "wandb failed: RuntimeError: no API key"),
        (FailsLater, "wandb failed: ConnectionError: no route to host at step 1"),
        (Leaves, "wandb failed: SystemExit: 1"),
        (Hangs, "wandb had not sent everything 0.2 s after the end of the run"),
        (Meddles, None),
    ],
    ids=["not set up", "fails later", "leaves", "hangs", "meddles"],
)
def test_no_tracker_fails_a_run_or_changes_it(
    submitted: Callable[..., Run],
    tracker: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    kind: type[TrainerCallback],
    said: str | None,
) -> None:
    monkeypatch.setattr(trackers, "CLOSE_SECONDS", 0.2 if kind is Hangs else trackers.CLOSE_SECONDS)
    tracker(kind)
    plain, reporting = submitted(**OPTIONS), submitted(report_to=["wandb"], **OPTIONS)
    expected, final = plain.attempt(), reporting.attempt()
    assert final["completed"]
    assert final["accuracy"] == expected["accuracy"]
    losses = [[record["loss"] for record in run.records("train")] for run in (plain, reporting)]
    assert losses[0] == losses[1]
    messages = [record["message"] for record in reporting.records("guard") if record["id"] == "tracker"]
    assert bool(messages) == (said is not None)
    assert all(message.startswith(said) for message in messages)


@pytest.mark.slow
def test_a_tracker_that_is_not_installed_is_told_and_the_others_go_on(
    submitted: Callable[..., Run], tracker: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker(Recorded)
    monkeypatch.setattr(trackers, "is_installed", lambda name: name == "wandb")
    run = submitted(report_to=["mlflow", "wandb"], **OPTIONS)
    assert run.attempt()["completed"]
    (record,) = run.records("guard")
    assert record["message"] == "mlflow is not installed: nothing is reported to it; pip install mlflow"
    assert Recorded.told[-1][0] == "end"


@pytest.mark.slow
def test_a_stopped_run_closes_its_trackers(
    submitted: Callable[..., Run], tracker: Callable[..., None], stop_when: Callable[..., Any]
) -> None:
    tracker(Recorded)
    run = submitted(report_to=["wandb"], **OPTIONS)
    final = run.attempt(stop=stop_when(lambda kind, fields: kind == "train" and fields["step"] == 2))
    assert final["stopped"]
    assert Recorded.told[-1][:2] == ("end", 2)
