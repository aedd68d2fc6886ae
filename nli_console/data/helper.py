"""The console's side of ``python -m nli_console.data``: start it, read its answers, end it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from nli_console.data import profile_cache
from nli_console.data.browse import Filters, Found
from nli_console.data.layouts import TRAIN
from nli_console.data.profile import Cancelled, DataProfile, Progress
from nli_console.data.sample import HELD_OUT
from nli_console.data.spec import DataSpec
from nli_console.errors import ConsoleError
from nli_console.text import clean_line

_FOLDER = Path(__file__).parents[2]
"""Where the process starts: a module in the user's folder must not stand in for a library."""


class Helper:
    """One process for one request. Any thread may :meth:`close` it, also while answers are read."""

    def __init__(self, request: dict[str, Any]) -> None:
        """Start it.

        Raises:
            ConsoleError: no process can be started.
        """
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "nli_console.data"],
                cwd=_FOLDER,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as error:
            raise ConsoleError(f"no process can be started to read the data: {error.strerror}") from None
        self._closed = False
        with suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(request).encode())
            self._process.stdin.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        self._process.wait()

    def answers(self) -> Iterator[dict[str, Any]]:
        """Every answer as it comes; the last one is never of the kind ``progress`` or ``example``.

        Raises:
            ConsoleError: what the process complained of, or that it ended before it was done.
            Cancelled: it was closed.
        """
        assert self._process.stdout is not None
        last = ""
        for line in self._process.stdout:
            answer = json.loads(line) if line.endswith(b"\n") else {}
            last = answer.get("kind", "")
            if last == "error":
                raise ConsoleError(answer["text"])
            if last:
                yield answer
        if self._closed:
            raise Cancelled
        if last not in ("profile", "end"):
            code = self._process.wait()
            why = f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            raise ConsoleError(f"the process that reads the data was {why}; read it again")

    def close(self) -> None:
        """End the process; nobody waits."""
        self._closed = True
        self._process.kill()


def read_profile(
    spec: DataSpec,
    cache_dir: Path,
    tokenizer: Path | None = None,
    *,
    progress: Progress | None = None,
    started: Callable[[Helper], None] = lambda _: None,
) -> DataProfile:
    """The profile of a dataset: from the cache, else made by a process and kept.

    Args:
        started: gets the process, so that another thread can close it.

    Raises:
        ConsoleError: as :func:`nli_console.data.profile.profile`.
        Cancelled: the process was closed.
    """
    key = profile_cache.key_of(spec, tokenizer)
    known = profile_cache.load(cache_dir, key, spec.name)
    if known is not None:
        return known
    request = {
        "what": "profile",
        "spec": spec.model_dump(mode="json"),
        "tokenizer": None if tokenizer is None else str(tokenizer),
    }
    with Helper(request) as helper:
        started(helper)
        for answer in helper.answers():
            if answer["kind"] == "profile":
                found = DataProfile.model_validate(answer["profile"])
                profile_cache.save(cache_dir, key, found)
                return found
            if progress is not None:
                progress(answer["phase"], answer["done"], answer["total"], answer["unit"])
    raise ConsoleError(f"{clean_line(spec.name)} was not read")


def examples(spec: DataSpec, split: str, filters: Filters) -> Helper:
    """A process that answers with the examples that pass, and holds still while nobody reads them."""
    return Helper(
        {
            "what": "examples",
            "spec": spec.model_dump(mode="json"),
            "split": split,
            "filters": filters.model_dump(),
        }
    )


def read_genres(
    spec: DataSpec, split: str, started: Callable[[Helper], None] = lambda _: None
) -> tuple[str, ...]:
    """The genres of a split by name, raw, read by a process; ``started`` gets it, so that it can be closed.

    Raises:
        ConsoleError: as :func:`nli_console.data.read.read_split`.
        Cancelled: the process was closed.
    """
    request = {"what": "genres", "spec": spec.model_dump(mode="json"), "split": split}
    with Helper(request) as helper:
        started(helper)
        found: tuple[str, ...] = ()
        for answer in helper.answers():
            if answer["kind"] == "genres":
                found = tuple(answer["genres"])
        return found


def mistaken(spec: DataSpec, split: str, predictions: Path) -> Helper:
    """A process that answers as :func:`examples` does, with those that a run's predictions got wrong.

    ``split`` may be the part of train that a run held out.
    """
    return Helper(
        {
            "what": "mistakes",
            "spec": spec.model_dump(mode="json"),
            "split": TRAIN if split == HELD_OUT and split not in spec.splits else split,
            "predictions": str(predictions),
        }
    )


def found_of(answer: dict[str, Any]) -> Found:
    """The example of an answer of the kind ``example``."""
    return Found.model_validate(answer)
