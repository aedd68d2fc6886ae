"""Reporting a training to experiment trackers that are installed here, through the library's own callbacks.

Each tracker has a daemon thread, so that one that fails, or hangs on a dead network, costs the run nothing.
"""

import contextlib
import copy
import os
import queue
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.integrations.integration_utils import get_reporting_integration_callbacks

from nli_console.record.trackers import is_installed
from nli_console.text import clean_line
from nli_console.worker.guards import Guards

GUARD = "tracker"
CLOSE_SECONDS = 30.0
"""How long a run waits at its end for trackers to send what is left."""

_PROJECT = "nli-console"
_WAITING = 2000
"""Records that may wait for a slow tracker; more are dropped, and counted."""

_GOES_ON = "the run goes on without it"


class Trackers(TrainerCallback):
    """Hands every log of a training, and every evaluation, to the trackers named.

    Args:
        run_id: what the trackers call the run.
        folder: of the run; what a tracker writes to files goes there unless the environment says otherwise.
    """

    def __init__(self, names: Sequence[str], guards: Guards, run_id: str, folder: Path) -> None:
        self._guards = guards
        self._run_id = run_id
        self._last: tuple[TrainingArguments, TrainerState, TrainerControl] | None = None
        self._threads: list[_Tracker] = []
        self._step = 0
        if names:
            os.environ.setdefault("TENSORBOARD_LOGGING_DIR", str(folder / "tensorboard"))
            os.environ.setdefault("WANDB_DIR", str(folder))
            os.environ.setdefault("WANDB_PROJECT", _PROJECT)
            os.environ.setdefault("MLFLOW_EXPERIMENT_NAME", _PROJECT)
        for name in dict.fromkeys(names):
            if is_installed(name):
                self._threads.append(_Tracker(name))
            else:
                self._warn(name, f"{name} is not installed: nothing is reported to it; pip install {name}")

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        mine = copy.copy(args)
        mine.run_name, mine.project = self._run_id, _PROJECT
        self._last = (mine, state, control)
        self._send("on_train_begin", state, model=kwargs.get("model"))

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._step = state.global_step
        self._send("on_log", state, logs=dict(logs or {}), model=kwargs.get("model"))

    def evaluated(self, record: dict[str, Any]) -> None:
        """Report an ``eval`` record, as ``eval_selection_accuracy`` and the like."""
        if self._last is None:
            return
        split, state = record["split"], copy.copy(self._last[1])
        state.global_step = max(record["step"], self._step)
        figures = {name: record[name] for name in ("accuracy", "loss") if record[name] is not None}
        self._send("on_log", state, logs={f"eval_{split}_{name}": value for name, value in figures.items()})

    def close(self) -> None:
        """Let the trackers finish; returns after :data:`CLOSE_SECONDS` at the latest."""
        if self._last is not None:
            self._send("on_train_end", self._last[1])
        for tracker in self._threads:
            tracker.finish()
        left = CLOSE_SECONDS
        for tracker in self._threads:
            left -= tracker.wait(left)
        self._look()

    def _send(self, event: str, state: TrainerState, **kwargs: Any) -> None:
        assert self._last is not None
        args, _, control = self._last
        if self._threads:
            # The trainer goes on changing its state while a tracker reads this one.
            now = copy.copy(state)
            for tracker in self._threads:
                tracker.send(event, args, now, copy.copy(control), kwargs)
            self._look()

    def _look(self) -> None:
        for tracker in self._threads:
            problem = tracker.problem
            if problem:
                self._warn(tracker.name, problem)

    def _warn(self, name: str, message: str) -> None:
        self._guards.set(GUARD, self._step, message, part=name)


class _Tracker:
    """One tracker and its thread, which makes every call to it: some keep their state per thread."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._events: queue.Queue[tuple[str, tuple[Any, ...], dict[str, Any]] | None] = queue.Queue(_WAITING)
        self._failed = ""
        self._dropped = 0
        self._late = False
        self._thread = threading.Thread(target=self._work, name=f"tracker {name}", daemon=True)
        self._thread.start()

    @property
    def problem(self) -> str:
        """What is wrong with it in a sentence, or nothing."""
        if self._failed:
            return f"{self.name} failed: {self._failed}; {_GOES_ON}"
        if self._late:
            return f"{self.name} had not sent everything {CLOSE_SECONDS:g} s after the end of the run"
        if self._dropped:
            return f"{self.name} is too slow, so that it does not get every step"
        return ""

    def send(
        self,
        event: str,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        kwargs: dict[str, Any],
    ) -> None:
        if self._failed:
            return
        try:
            self._events.put_nowait((event, (args, state, control), kwargs))
        except queue.Full:
            self._dropped += 1

    def finish(self) -> None:
        """Let the thread end after what waits; where there is no room to say so, the oldest record goes."""
        while True:
            try:
                self._events.put_nowait(None)
                return
            except queue.Full:
                self._dropped += 1
                with contextlib.suppress(queue.Empty):
                    self._events.get_nowait()

    def wait(self, seconds: float) -> float:
        """Wait for its thread to end; return how long that took."""
        begun = time.monotonic()
        self._thread.join(max(seconds, 0.0))
        self._late = self._thread.is_alive()
        return time.monotonic() - begun

    def _work(self) -> None:
        try:
            (kind,) = get_reporting_integration_callbacks([self.name])
            callback = kind()
            while (item := self._events.get()) is not None:
                event, arguments, kwargs = item
                getattr(callback, event)(*arguments, **kwargs)
        except BaseException as error:  # a tracker may even call sys.exit
            self._failed = clean_line(f"{type(error).__name__}: {error}", limit=200)
