"""A worker process: one attempt at a run, up to final.json. Imports torch as late as it can."""

import contextlib
import gc
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.methods.base import TrainingHyperparameters
from nli_console.methods.evaluation import EvaluationHyperparameters
from nli_console.methods.prompting import ScoringHyperparameters
from nli_console.record.compose import hyperparameters_of
from nli_console.record.evidence import read_final
from nli_console.record.files import patiently, write_json
from nli_console.record.layout import AttemptLayout, RunLayout
from nli_console.record.sources import verify
from nli_console.record.spec_io import load_spec
from nli_console.record.state import Reason
from nli_console.worker import checkpoints
from nli_console.worker.attempt import Attempt
from nli_console.worker.download import model_folder
from nli_console.worker.failures import reason_of, report
from nli_console.worker.figures import Figures
from nli_console.worker.guards import Guards
from nli_console.worker.recorder import Recorder
from nli_console.worker.stop import StopFlag, Stopped

_RESERVE = ".reserve"
_RESERVE_BYTES = 64 * 1024
"""Set aside at the start, so that a full disk still has room to say that it is full."""

_ENDING_PATIENCE = 60.0
"""Seconds that the last records and ``final.json`` wait for a file system that fails."""


def run(run_dir: Path, attempt: int, stop: StopFlag) -> int:
    """Run attempt number ``attempt`` of ``run_dir``; return the exit code.

    0 when ``final.json`` says completed or stopped, 1 after an error that it names.
    """
    started = time.monotonic()
    layout = RunLayout(run_dir.resolve())
    place = layout.attempt(attempt)
    figures = Figures()
    recorder: Recorder | None = None
    clean_up: Callable[[], None] | None = None
    completed = stopped = False
    reason: Reason | None = None
    try:
        _reserve(place)
        recorder = Recorder(place)
        clean_up, early = _work(Attempt(layout, attempt, recorder, figures, stop, Guards(recorder, stop)))
        completed, reason = True, early
    except Stopped:
        stopped, reason = True, stop.reason
    except Exception as error:
        reason = reason_of(error)
        if not isinstance(error, ConsoleError):
            report(error)
        print(f"failed ({reason.code}): {reason.detail}", file=sys.stderr, flush=True)
        _drop_unsealed(layout)
    _release(place)
    if recorder is not None:
        with contextlib.suppress(OSError):
            patiently(recorder.close, _ENDING_PATIENCE)
    final = figures.final(
        completed=completed, stopped=stopped, reason=reason, seconds=time.monotonic() - started
    )
    patiently(lambda: write_json(place.final, final), _ENDING_PATIENCE)
    if completed and clean_up is not None:
        with contextlib.suppress(OSError):
            clean_up()
    return 0 if completed or stopped else 1


def _work(attempt: Attempt) -> tuple[Callable[[], None] | None, Reason | None]:
    """What is to be done once final.json is written, and why training ended early."""
    layout, recorder, stop = attempt.layout, attempt.recorder, attempt.stop
    spec = load_spec(layout)
    attempt.guards.stop_on = frozenset(spec.guards.stop_on) - _heeded(attempt)
    hyperparameters = hyperparameters_of(spec).model_validate(spec.hyperparameters)
    layout.checkpoints.mkdir(mode=0o700, exist_ok=True)
    _one_device()
    if spec.evaluates is not None:
        recorder.phase("loading", detail=f"verifying {spec.evaluates.title}")
        verify(spec.evaluates)

    downloading = recorder.progress("downloading", "bytes", spec.model_name)
    folder = model_folder(spec.model, downloading, stop)
    stop.check()
    recorder.phase("loading", detail="importing torch")
    with stop.at_once():
        from nli_console.worker.evaluation_job import EvaluationJob
        from nli_console.worker.job import Job
        from nli_console.worker.scoring_job import ScoringJob

    # The libraries' million objects live as long as the process: the collector need not look at them.
    gc.freeze()
    stop.check()
    if spec.evaluates is not None:
        assert isinstance(hyperparameters, EvaluationHyperparameters)
        EvaluationJob(attempt, spec, spec.evaluates, hyperparameters, folder).run()
        return None, None
    method = registry.get(spec.method)
    if isinstance(hyperparameters, ScoringHyperparameters):
        ScoringJob(attempt, spec, method, hyperparameters, folder).run()
        return None, None
    assert isinstance(hyperparameters, TrainingHyperparameters)
    job = Job(attempt, spec, method, hyperparameters, folder)
    return job.clean_up, job.run()


def _heeded(attempt: Attempt) -> set[str]:
    """Guards that stopped an earlier attempt: who resumes it knows, and wants it to go on."""
    earlier = (read_final(attempt.layout.attempt(number)) for number in range(1, attempt.number))
    reasons = (final.reason for final in earlier if final is not None and final.reason is not None)
    return {reason.detail.partition(":")[0] for reason in reasons if reason.code == "guard"}


def _one_device() -> None:
    """A run uses one GPU; with more than one visible, the library would silently turn to DataParallel."""
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    os.environ["CUDA_VISIBLE_DEVICES"] = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")


def _reserve(place: AttemptLayout) -> None:
    with contextlib.suppress(OSError):
        (place.path / _RESERVE).write_bytes(bytes(_RESERVE_BYTES))


def _release(place: AttemptLayout) -> None:
    with contextlib.suppress(OSError):
        (place.path / _RESERVE).unlink(missing_ok=True)


def _drop_unsealed(layout: RunLayout) -> None:
    """Delete checkpoints whose saving was cut short: nothing can use them, and they take up the disk."""
    for checkpoint in checkpoints.listed(layout):
        if not (checkpoint.path / checkpoints.MANIFEST).exists():
            with contextlib.suppress(OSError):
                checkpoints.remove(checkpoint.path)
