"""The checks, and what comes out of them."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from nli_console.errors import ConsoleError
from nli_console.methods.checks.facts import CheckContext
from nli_console.methods.fields import did_you_mean

Severity = Literal["error", "warning"]
Shown = Literal["error", "warning", "note"]

_ORDER: dict[str, int] = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Problem:
    """What a check found: the thing, its value and what was expected; then what to do about it.

    ``field`` is the hyperparameter (or ``model``, ``data``) that the fix would change.
    """

    message: str
    suggestion: str
    field: str | None = None


Look = Callable[[CheckContext], Iterable[Problem]]


@dataclass(frozen=True)
class Check:
    """One thing that can be wrong with a recipe.

    Attributes:
        id: what ``--ignore`` takes.
        severity: an error blocks the launch, a warning informs.
        title: what is looked at, in a few words.
        reason: why it matters.
        look: yields a :class:`Problem` for each thing that is wrong; nothing where facts are missing.
    """

    id: str
    severity: Severity
    title: str
    reason: str
    look: Look


@dataclass(frozen=True)
class Finding:
    """A problem in one recipe. An ignored one is a note and blocks nothing."""

    id: str
    severity: Shown
    message: str
    reason: str
    suggestion: str
    field: str | None = None
    ignored: bool = False

    @property
    def blocks(self) -> bool:
        return self.severity == "error"

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "severity": self.severity,
            "message": self.message,
            "reason": self.reason,
            "suggestion": self.suggestion,
            "field": self.field,
            "ignored": self.ignored,
        }


CHECKS: dict[str, Check] = {}
"""Id → check, in the order of the files in which they are declared."""


def check(id: str, severity: Severity, title: str, reason: str) -> Callable[[Look], Look]:
    """Declare the decorated function as the check ``id``."""

    def declare(look: Look) -> Look:
        CHECKS[id] = Check(id, severity, title, reason, look)
        return look

    return declare


def run_checks(context: CheckContext, ignored: Collection[str] = ()) -> list[Finding]:
    """Everything that is wrong with a recipe as far as it is known: errors, warnings, then ignored ones."""
    found = [
        finding for check in CHECKS.values() for finding in _findings(check, context, check.id in ignored)
    ]
    return sorted(found, key=lambda finding: _ORDER[finding.severity])


def check_ignored(ids: Iterable[str]) -> tuple[str, ...]:
    """The ids of checks to be ignored, each once.

    Raises:
        ConsoleError: there is no such check; the message names the closest, and all of them.
    """
    wanted = tuple(dict.fromkeys(ids))
    for id in wanted:
        if id not in CHECKS:
            raise ConsoleError(
                f'--ignore {id}: no check is called "{id}"{did_you_mean(id, CHECKS)} '
                f"(checks: {', '.join(CHECKS)})"
            )
    return wanted


def _findings(check: Check, context: CheckContext, ignored: bool) -> Iterator[Finding]:
    for problem in check.look(context):
        yield Finding(
            check.id,
            "note" if ignored else check.severity,
            problem.message,
            check.reason,
            problem.suggestion,
            problem.field,
            ignored,
        )
