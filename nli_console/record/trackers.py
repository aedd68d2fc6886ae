"""Which experiment trackers a run may report to, and whether they are there."""

import importlib.util
from collections.abc import Iterable

from nli_console.errors import ConsoleError
from nli_console.methods.fields import did_you_mean

TRACKERS: dict[str, tuple[str, ...]] = {
    "tensorboard": ("tensorboard", "tensorboardX"),
    "trackio": ("trackio",),
    "wandb": ("wandb",),
    "mlflow": ("mlflow",),
}
"""Name → modules, one of which must be importable."""

NONE = "none"


def is_installed(name: str) -> bool:
    """Whether this environment has the tracker; nothing of it is imported."""
    return any(importlib.util.find_spec(module) is not None for module in TRACKERS[name])


def check_trackers(names: Iterable[str], what: str = "--report-to") -> tuple[str, ...]:
    """The names, each once; ``none`` is the same as no name.

    Raises:
        ConsoleError: there is no such tracker; the message names the closest, and all of them.
    """
    wanted = tuple(dict.fromkeys(names))
    for name in wanted:
        if name not in TRACKERS and name != NONE:
            raise ConsoleError(
                f'{what} {name}: no tracker is called "{name}"{did_you_mean(name, TRACKERS)} '
                f"(trackers: {', '.join(TRACKERS)}, or {NONE})"
            )
    if NONE in wanted and len(wanted) > 1:
        raise ConsoleError(f"{what} {','.join(wanted)}: {NONE} excludes the others; give one or the other")
    return tuple(name for name in wanted if name != NONE)


def missing(names: Iterable[str]) -> list[str]:
    """A sentence for each tracker that is not installed here."""
    return [
        f"{name} is not installed, so that nothing is reported to it; pip install {name}"
        for name in names
        if not is_installed(name)
    ]
