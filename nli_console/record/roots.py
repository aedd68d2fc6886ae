"""Several folders with runs, read side by side: one that hangs or is missing keeps nobody from the others."""

import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Generic, TypeVar

from nli_console.opening import Root
from nli_console.record.access import read_only_reason
from nli_console.record.store import Store
from nli_console.record.summary import RunSummary
from nli_console.text import clean_line

PATIENCE = 10.0
"""Seconds that a command waits for a folder."""
_Answer = TypeVar("_Answer")


class Asked(Generic[_Answer]):
    """Work on a daemon thread of its own, so that whoever waits for it can stop waiting."""

    def __init__(self, work: Callable[[], _Answer], name: str) -> None:
        self.answer: _Answer | None = None
        self.error: Exception | None = None
        self._work = work
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.answer = self._work()
        except Exception as error:
            self.error = error

    def wait(self, until: float) -> bool:
        """Whether it is done by ``until`` (:func:`time.monotonic`)."""
        self._thread.join(max(until - time.monotonic(), 0.0))
        return not self._thread.is_alive()


class Placed:
    """Summaries with the root that they are of and whose they are; the same object for the same summary."""

    def __init__(self, root: Root, *, label: str, own: bool) -> None:
        self._root = root
        self._label = label
        self._own = own
        self._known: dict[str, tuple[RunSummary, RunSummary]] = {}

    def place(self, runs: Iterable[RunSummary]) -> list[RunSummary]:
        """May hang where the file system does."""
        # Below one's own folder runs are one's own, so that only that is looked at.
        own = self._own and not read_only_reason(self._root.path)
        if own and not self._label:
            return list(runs)
        before, self._known = self._known, {}
        for run in runs:
            held = before.get(run.id)
            if held is None or held[0] is not run:
                held = (
                    run,
                    replace(run, root=self._label, read_only="" if own else read_only_reason(run.path)),
                )
            self._known[run.id] = held
        return [placed for _, placed in self._known.values()]


def placed_of(roots: Sequence[Root]) -> list[Placed]:
    """One for each root; with a single root the runs need no label."""
    labels = [clean_line(root.label, limit=60) if len(roots) > 1 else "" for root in roots]
    return [
        Placed(root, label=label, own=place == 0)
        for place, (root, label) in enumerate(zip(roots, labels, strict=True))
    ]


def problem_of(root: Root) -> str:
    """Why a folder with runs cannot be read, in a sentence; empty where it can. May hang."""
    try:
        with os.scandir(root.path):
            return ""
    except OSError as error:
        return f"{described(root)}: {error.strerror}: {clean_line(root.path, limit=200)}"


def silence_of(root: Root) -> str:
    """``root server does not answer``."""
    return f"{described(root)} does not answer"


def described(root: Root) -> str:
    """``root bob``."""
    return f"root {clean_line(root.label, limit=60)}"


def merged(listings: Iterable[Iterable[RunSummary]]) -> list[RunSummary]:
    """The runs of several roots, newest id first; of two of the same id the one of the earlier root."""
    found: dict[str, RunSummary] = {}
    for runs in listings:
        for run in runs:
            found.setdefault(run.id, run)
    return sorted(found.values(), key=lambda run: run.id, reverse=True)


def read_roots(
    roots: Sequence[Root], patience: float = PATIENCE, then: Callable[[Sequence[RunSummary]], object] = len
) -> tuple[list[RunSummary], list[str]]:
    """Every run of ``roots``, newest first, and a sentence for each root that cannot be read.

    Args:
        patience: seconds to wait for all of them together.
        then: is given the runs of each root, on the thread that reads it.
    """

    def reading(root: Root, placed: Placed) -> Callable[[], tuple[list[RunSummary], str]]:
        def read() -> tuple[list[RunSummary], str]:
            store = Store(root.path)
            then(store.refresh().added)
            problem = "" if root is roots[0] and not Path(root.path).exists() else problem_of(root)
            return placed.place(store.runs), problem

        return read

    asked = [
        Asked(reading(root, placed), f"root-{root.label}")
        for root, placed in zip(roots, placed_of(roots), strict=True)
    ]
    until = time.monotonic() + patience
    listings: list[list[RunSummary]] = []
    notes: list[str] = []
    for root, each in zip(roots, asked, strict=True):
        if not each.wait(until):
            notes.append(silence_of(root))
        elif each.error is not None:
            raise each.error
        elif each.answer is not None:
            listings.append(each.answer[0])
            notes += [each.answer[1]] if each.answer[1] else []
    return merged(listings), notes
