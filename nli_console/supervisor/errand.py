"""A process that carries out one request of a command and tells how it goes: the console's end of it."""

import contextlib
import json
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel

from nli_console.errors import ConsoleError
from nli_console.supervisor.environment import python_command
from nli_console.text import clean, clean_line

LAST = ("done", "stopped", "error")
"""Events of which exactly one ends the others."""


class Errand:
    """``python -m MODULE WHAT`` with a request; leaving it ends the process, whatever it does.

    Start it from the main thread: the process dies with the thread that started it.
    """

    def __init__(
        self, module: str, what: str, request: BaseModel, environment: Mapping[str, str] | None = None
    ) -> None:
        """Raises ``ConsoleError`` where no process can be started."""
        argv, inherited = python_command(module, what)
        self._what = what
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the errand is left
        try:
            self._process = subprocess.Popen(
                argv,
                env={**inherited, **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                # Ctrl-C is the command's, which asks this process to stop.
                start_new_session=True,
            )
        except OSError as error:
            raise ConsoleError(f"no process can be started for {what}: {error.strerror}") from None
        with contextlib.suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.write(request.model_dump_json().encode())
            self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._errors.close()

    def stop(self) -> None:
        """Ask it to leave what it does in order, and to end."""
        self._process.terminate()

    def events(self) -> Iterator[dict[str, Any]]:
        """What it tells, its texts cleaned; the last one is ``done`` or ``stopped``.

        Raises:
            ConsoleError: what it complained of, or that it ended without a word.
        """
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event = _cleaned(json.loads(line)) if line.endswith(b"\n") else {}
            if event.get("event") == "error":
                raise ConsoleError(event["message"], exit_code=event.get("exit_code", 1))
            if event:
                yield event
            if event.get("event") in LAST:
                return
        code = self._process.wait()
        why = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        memory = "; the machine's memory may have run out" if code == -9 else ""
        raise ConsoleError(f"{self._what} was {why}{memory}{self._last_words()}", exit_code=1)

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read()[-10_000:].decode("utf-8", "replace").strip().splitlines()
        return f": {clean_line(lines[-1], limit=300)}" if lines else ""


def _cleaned(value: Any) -> Any:
    """Every text in what a process tells, at the boundary."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(part) for part in value]
    if isinstance(value, dict):
        return {clean_line(key): _cleaned(part) for key, part in value.items()}
    return value
