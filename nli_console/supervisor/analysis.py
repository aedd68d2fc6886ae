"""The console's side of ``python -m nli_console.analysis``: start it, ask it, end it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from nli_console.errors import ConsoleError
from nli_console.record.findings import Comparison, Explanation, Query, of_json, to_json
from nli_console.record.layout import RunLayout

_FOLDER = Path(__file__).parents[2]
"""Where the process starts: a module in the user's folder must not stand in for a library."""

Progress = Callable[[str, int, int, str], None]
"""Called with phase, done, total and unit."""
T = TypeVar("T")


class AnalysisClosed(Exception):
    """The process was ended on purpose while it was asked."""


class Analysis:
    """One process, asked one question after the other. Any thread may :meth:`close` it, also meanwhile."""

    def __init__(self) -> None:
        """Start it.

        Raises:
            ConsoleError: no process can be started.
        """
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nli_console.analysis"],
                cwd=_FOLDER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise ConsoleError(f"no process can be started to analyse runs: {error.strerror}") from None
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                # What was not sent when it was ended is sent nowhere.
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process; nobody waits."""
        self._closed = True
        self._process.kill()

    def compare(self, runs: Sequence[RunLayout], progress: Progress | None = None) -> Comparison:
        """2 to 8 runs side by side.

        Raises:
            ConsoleError: what the process complained of, or that it ended before it was done.
            AnalysisClosed: it was closed.
        """
        return of_json(Comparison, self.ask({"what": "compare", "runs": _paths(runs)}, progress))

    def export(self, runs: Sequence[RunLayout], format: str, progress: Progress | None = None) -> str:
        """A comparison as ``markdown``, ``latex``, ``csv`` or ``json``; raises as :meth:`compare`."""
        return self.ask({"what": "export", "runs": _paths(runs), "format": format}, progress)

    def report(self, runs: Sequence[RunLayout], progress: Progress | None = None) -> str:
        """One run, or a comparison of up to 8, as an HTML document; raises as :meth:`compare`."""
        return self.ask({"what": "report", "runs": _paths(runs)}, progress)

    def explain(
        self,
        run: RunLayout,
        query: Query,
        *,
        against: RunLayout | None = None,
        progress: Progress | None = None,
    ) -> Explanation:
        """The rows of a split that ``query`` asks for; raises as :meth:`compare`."""
        runs = [run] if against is None else [run, against]
        request = {"what": "explain", "runs": _paths(runs), "query": to_json(query)}
        return of_json(Explanation, self.ask(request, progress))

    def ask(self, request: dict[str, Any], progress: Progress | None = None) -> Any:
        """The ``value`` of the last answer that has one, for whatever the process understands."""
        value = None
        for answer in self._answers(request):
            match answer["kind"]:
                case "progress" if progress is not None:
                    progress(answer["phase"], answer["done"], answer["total"], answer["unit"])
                case "error":
                    raise ConsoleError(answer["text"])
                case _:
                    value = answer.get("value", value)
        return value

    def _answers(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            raise self._ended() from None
        for line in self._process.stdout:
            answer = json.loads(line) if line.endswith(b"\n") else {}
            if answer.get("kind") == "end":
                return
            if answer:
                yield answer
        raise self._ended()

    def _ended(self) -> Exception:
        if self._closed:
            return AnalysisClosed()
        code = self._process.wait()
        why = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return ConsoleError(f"the process that analyses runs was {why}; ask again")


def _paths(runs: Sequence[RunLayout]) -> list[str]:
    return [str(run.path.absolute()) for run in runs]
