"""``python -m nli_console.worker``, one task a process: see ``USAGE``."""

import logging
import sys
import warnings
from pathlib import Path

USAGE = (
    "usage: python -m nli_console.worker run RUN_DIR ATTEMPT | warm | shapes MODEL CACHE_DIR [TASK] | engine "
    "| chat | predict | package | probe"
)


def main(arguments: list[str]) -> int:
    """Dispatch to one task; everything heavy is imported by the task itself."""
    # What libraries will change is news to their callers; in a run's log it hides what matters to its user.
    warnings.simplefilter("ignore", FutureWarning)
    # On some CPUs bitsandbytes looks for a kernel package that nobody asked for, and warns of its absence.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    match arguments:
        case ["run", run_dir, attempt] if attempt.isdecimal() and Path(run_dir).is_dir():
            from nli_console.worker.stop import StopFlag

            stop = StopFlag()
            stop.install()
            from nli_console.worker.run import run

            return run(Path(run_dir), int(attempt), stop)
        case ["warm"]:
            from nli_console.worker.warm import main as warm

            return warm()
        case ["shapes", _, _, *_]:
            from nli_console.worker.shapes import main as shapes

            return shapes(arguments[1:])
        case ["engine"]:
            from nli_console.worker.engine import main as engine

            return engine()
        case ["chat"]:
            from nli_console.worker.chat.server import main as chat

            return chat()
        case ["predict"]:
            from nli_console.worker.predict import main as predict

            return predict()
        case ["package"]:
            from nli_console.worker.package import main as package

            return package()
        case ["probe"]:
            from nli_console.worker.probe import main as probe

            return probe()
    print(USAGE, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
