"""The rows of a run, read with progress."""

from nli_console.data.sample import Prepared, prepare
from nli_console.record.spec import RunSpec
from nli_console.worker.attempt import Attempt


def read_rows(attempt: Attempt, spec: RunSpec) -> Prepared:
    """The rows that ``spec`` asks for.

    Raises:
        ConsoleError: as :func:`prepare`.
        Stopped: a stop was asked for.
    """
    detail = f"reading {spec.data.name}"
    attempt.recorder.phase("loading", detail=detail)

    def progress(done: int, total: int, unit: str) -> None:
        attempt.recorder.phase("loading", done, total, unit, detail)
        attempt.stop.check()

    return prepare(spec.data, spec.seed, progress=progress)
