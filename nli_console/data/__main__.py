"""``python -m nli_console.data``: reads a dataset for the console, in a process of its own.

One request as JSON on stdin, answers as JSON lines on stdout. So the console never loads pyarrow, a reading
of minutes never slows a key press, and ending it is ending a process.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nli_console.data.browse import Filters, genres_of, matching
from nli_console.data.mistakes import mistakes
from nli_console.data.profile import Cancelled, profile
from nli_console.data.rows import RowMapper
from nli_console.data.spec import DataSpec
from nli_console.errors import ConsoleError
from nli_console.text import clean_line

_TELL_EVERY = 0.1
"""Seconds between two reports of progress."""


def main() -> int:
    """Answer the request; 1 when the answer is an error, which is on stdout as ``{"kind": "error"}``."""
    # Libraries may print while they load, and the reader of stdout expects JSON alone.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)

    def answer(kind: str, **fields: Any) -> None:
        answers.write(json.dumps({"kind": kind, **fields}) + "\n")

    try:
        request = json.load(sys.stdin)
        spec = DataSpec.model_validate(request["spec"])
        if request["what"] == "profile":
            _profile(spec, request["tokenizer"], answer, answers.flush)
        else:
            _examples(spec, request, answer, answers.flush)
        answers.flush()
        return 0
    except (Cancelled, BrokenPipeError, KeyboardInterrupt):
        _forget(answers.fileno())
        return 1
    except Exception as error:
        text = (
            str(error) if isinstance(error, ConsoleError) else f"{type(error).__name__}: {clean_line(error)}"
        )
        with contextlib.suppress(BrokenPipeError):
            answer("error", text=text)
            answers.flush()
        return 1


def _profile(
    spec: DataSpec, tokenizer: str | None, answer: Callable[..., None], flush: Callable[[], None]
) -> None:
    parent = os.getppid()
    told = 0.0

    def progress(phase: str, done: int, total: int, unit: str) -> None:
        nonlocal told
        if time.monotonic() - told >= _TELL_EVERY:
            told = time.monotonic()
            answer("progress", phase=phase, done=done, total=total, unit=unit)
            flush()

    found = profile(
        spec,
        tokenizer=Path(tokenizer) if tokenizer else None,
        progress=progress,
        cancelled=lambda: os.getppid() != parent,
    )
    answer("profile", profile=found.model_dump(mode="json"))


def _examples(
    spec: DataSpec, request: dict[str, Any], answer: Callable[..., None], flush: Callable[[], None]
) -> None:
    """Every match, or every mistake, as fast as it is read: a full pipe holds the reading back; or genres."""
    split = request["split"]
    mapper = RowMapper(spec, split)
    told = time.monotonic()

    def progress(done: int, total: int, unit: str) -> None:
        answer("progress", phase="reading", done=done, total=total, unit=unit)
        flush()

    if request["what"] == "genres":
        answer("genres", genres=genres_of(spec, split, mapper, progress))
        answer("end", rows=mapper.rows, dropped=mapper.dropped)
        return
    if request["what"] == "mistakes":
        wanted = mistakes(spec, split, Path(request["predictions"]), mapper, progress)
    else:
        wanted = matching(spec, split, Filters.model_validate(request["filters"]), mapper, progress)
    for found in wanted:
        answer("example", **found.to_json())
        if time.monotonic() - told >= _TELL_EVERY:
            told = time.monotonic()
            flush()
    answer("end", rows=mapper.rows, dropped=mapper.dropped)


def _forget(descriptor: int) -> None:
    """Send what is still buffered nowhere; without this Python would complain once more while it ends."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)


if __name__ == "__main__":
    sys.exit(main())
