"""From the command line to an exit code: opens the console or runs a command; errors become sentences.

Kept free of the command-line library, so that a bare ``nli-console`` opens at once.
"""

import gc
import io
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from nli_console.cli.exit_codes import BROKEN_PIPE, FAILED, INTERRUPTED
from nli_console.cli.globals import Globals, split_globals
from nli_console.errors import ConsoleError
from nli_console.text import clean, clean_line


def run(argv: list[str]) -> int:
    """Run ``nli-console ARGV``; every exception ends as a message on stderr and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that is not UTF-8 shows a question mark instead of ending the command.
            stream.reconfigure(errors="replace")
    try:
        options, rest = split_globals(argv)
        code = open_console(options) if not rest else _command(options, rest)
        sys.stdout.flush()
        return code
    except ConsoleError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader is gone; without this Python would complain once more while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        where = _write_traceback()
        problem = clean_line(f"{type(error).__name__}: {error}", limit=300)
        _complain(f"nli-console failed unexpectedly: {problem}. The details are in {where}")
        return FAILED


def open_console(options: Globals, select: str | None = None) -> int:
    """Open the console and return its exit code.

    Raises:
        ConsoleError: stdin or stdout is not a terminal, or the settings are not valid.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise ConsoleError(
            "the console needs a terminal; without one use a command such as `nli-console list` "
            "(`nli-console --help` shows all)"
        )
    # Nothing that is made until the first frame becomes garbage; the console turns the collector on again.
    gc.disable()
    from nli_console.opening import open_settings

    settings = open_settings(options.settings, options.runs_dir, options.more_roots)
    from nli_console.tui.app import run_console

    return run_console(settings, select=select)


def _command(options: Globals, rest: list[str]) -> int:
    from nli_console.cli.app import dispatch

    return dispatch(options, rest)


def _complain(message: str) -> None:
    try:
        print(clean(message), file=sys.stderr, flush=True)
    except OSError:
        return


def _write_traceback() -> str:
    """Write the exception being handled to a log of the user's and return its path."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    name = f"error-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    for folder in (Path(state) / "nli-console", Path(tempfile.gettempdir())):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError:
            continue
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"nli-console {' '.join(sys.argv[1:])}\n\n{traceback.format_exc()}")
        return clean_line(folder / name)
    return "no file, because none could be written"
