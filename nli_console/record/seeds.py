"""Seeds as a person writes them: one, or several for a group of runs that differ in nothing else."""

from collections.abc import Iterable

from nli_console.methods.fields import FieldError
from nli_console.record.summary import RunSummary

LIMIT = 100
"""Runs of one group: each waits in a process of its own."""
HIGHEST = 2**32 - 1
_EXPECTED = f"whole numbers from 0 to {HIGHEST}"


def parse_seeds(text: str) -> tuple[int, ...]:
    """The seeds of ``1`` or ``1,2,3``, in their order.

    Raises:
        FieldError: nothing there, no seed, the same seed twice, or more than :data:`LIMIT`.
    """
    words = text.replace(",", " ").split()
    if not words:
        raise FieldError("seeds", f"must be {_EXPECTED} with commas between, such as 1,2,3", text)
    seeds: list[int] = []
    for word in words:
        if not word.isascii() or not word.isdigit() or int(word) > HIGHEST:
            what = f'"{word}" is no seed; ' if len(words) > 1 else ""
            raise FieldError("seeds", f"{what}must be {_EXPECTED} with commas between", text)
        if int(word) in seeds:
            raise FieldError(
                "seeds", f"{int(word)} stands there twice; it would give the same run again", text
            )
        seeds.append(int(word))
    if len(seeds) > LIMIT:
        raise FieldError("seeds", f"must be at most {LIMIT} seeds, not {len(seeds)}", f"{words[0]},…")
    return tuple(seeds)


def repeated(first: int, text: str) -> tuple[int, ...]:
    """``--repeat N``: N seeds that follow one another, from ``first`` on.

    Raises:
        FieldError: ``text`` is no whole number from 1 to :data:`LIMIT`, or the seeds would get too large.
    """
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= LIMIT:
        raise FieldError("repeat", f"must be a whole number from 1 to {LIMIT}", text)
    last = first + int(text) - 1
    if last > HIGHEST:
        raise FieldError("repeat", f"the last seed would be {last}; it must be at most {HIGHEST}", text)
    return tuple(range(first, last + 1))


def next_seed(run: RunSummary, runs: Iterable[RunSummary]) -> int:
    """The first seed after that of ``run`` with which none of ``runs`` did the same."""
    used = {other.seed for other in runs if _recipe(other) == _recipe(run)}
    seed = run.seed or 0
    while True:
        seed = seed + 1 if seed < HIGHEST else 0
        if seed not in used:
            return seed


def _recipe(run: RunSummary) -> tuple[object, ...]:
    return run.method, run.model, run.data, run.fraction, run.hyperparameters, run.evaluates
