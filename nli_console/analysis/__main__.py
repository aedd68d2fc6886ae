"""``python -m nli_console.analysis``: reads predictions and curves for the console, in a process of its own.

Requests as JSON lines on stdin, each answered with JSON lines on stdout, the last of them of the kind ``end``
or ``error``. What was read for a request is kept for the next; when stdin ends the process ends.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nli_console.errors import ConsoleError
from nli_console.record.findings import Query, of_json, to_json
from nli_console.record.layout import RunLayout
from nli_console.record.secrets import scrub
from nli_console.text import clean_line

_TELL_EVERY = 0.1
"""Seconds between two reports of progress."""


class Server:
    """Answers requests, one after the other; ``answers`` is where they go."""

    def __init__(self, answers: Any) -> None:
        self._answers = answers
        self._told = 0.0
        self._explainers: dict[tuple[str, ...], Any] = {}

    def serve(self, line: str) -> None:
        """Answer one request. An error of any kind is an answer, too."""
        try:
            request = json.loads(line)
            HANDLERS[request["what"]](self, request)
            self.answer("end")
        except (BrokenPipeError, KeyboardInterrupt):
            raise
        except Exception as error:
            known = isinstance(error, ConsoleError)
            self.answer("error", text=str(error) if known else f"{type(error).__name__}: {clean_line(error)}")

    def answer(self, kind: str, **fields: Any) -> None:
        self._answers.write(json.dumps({"kind": kind, **fields}) + "\n")
        self._answers.flush()

    def progress(self, phase: str, done: int, total: int, unit: str) -> None:
        """Tell how far the work is, now and then."""
        if time.monotonic() - self._told >= _TELL_EVERY:
            self._told = time.monotonic()
            self.answer("progress", phase=phase, done=done, total=total, unit=unit)

    def compare(self, request: dict[str, Any]) -> None:
        """Request: ``runs``, absolute folders. Answer: ``comparison``."""
        from nli_console.analysis.comparison import compare

        self.answer("comparison", value=to_json(compare(_layouts(request), self.progress)))

    def export(self, request: dict[str, Any]) -> None:
        """Request: ``runs`` and ``format``. Answer: ``text``."""
        from nli_console.analysis.comparison import compare
        from nli_console.analysis.export import FORMATS

        write = FORMATS[request["format"]]
        # What is handed on may be older than the rule that no record holds a token.
        self.answer("text", value=scrub(write(compare(_layouts(request), self.progress))))

    def report(self, request: dict[str, Any]) -> None:
        """Request: ``runs``. Answer: ``text``, an HTML document."""
        from nli_console.analysis.report.document import report

        self.answer("text", value=report(_layouts(request), self.progress))

    def explain(self, request: dict[str, Any]) -> None:
        """Request: ``runs``, one or the one and the other, and ``query``. Answer: ``explanation``."""
        from nli_console.analysis.explain import Explainer

        key = tuple(request["runs"])
        if key not in self._explainers:
            self._explainers = {key: Explainer(*_layouts(request))}
        found = self._explainers[key].answer(of_json(Query, request["query"]), self.progress)
        self.answer("explanation", value=to_json(found))


HANDLERS: dict[str, Callable[[Server, dict[str, Any]], None]] = {
    "compare": Server.compare,
    "export": Server.export,
    "report": Server.report,
    "explain": Server.explain,
}
"""What a request may ask for."""


def main() -> int:
    """Answer requests until stdin ends."""
    # Libraries may print while they load, and the reader of stdout expects JSON alone.
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    server = Server(answers)
    try:
        for line in sys.stdin:
            server.serve(line)
        return 0
    except (BrokenPipeError, KeyboardInterrupt):
        # Without this Python would complain once more of the pipe while it ends.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), answers.fileno())
        return 1


def _layouts(request: dict[str, Any]) -> list[RunLayout]:
    return [RunLayout(Path(path)) for path in request["runs"]]


if __name__ == "__main__":
    sys.exit(main())
