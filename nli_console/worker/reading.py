"""The rows of a run, read with progress."""

from nli_console.data.sample import Prepared, prepare, prepare_evaluation
from nli_console.record.spec import RunSpec
from nli_console.worker.attempt import Attempt


def read_rows(attempt: Attempt, spec: RunSpec) -> Prepared:
    """The rows that ``spec`` asks for; of an evaluate-only run no training rows.

    Raises:
        ConsoleError: as :func:`prepare` or :func:`prepare_evaluation`.
        Stopped: a stop was asked for.
    """
    detail = f"reading {spec.data.name}"
    attempt.recorder.phase("loading", detail=detail)

    def progress(done: int, total: int, unit: str) -> None:
        attempt.recorder.phase("loading", done, total, unit, detail)
        attempt.stop.check()

    choose = prepare if spec.evaluates is None else prepare_evaluation
    return choose(spec.data, spec.seed, progress=progress)
