"""Which experiment trackers a run may report to, and whether they are there."""

import importlib.util
from collections.abc import Iterable

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


def missing(names: Iterable[str]) -> list[str]:
    """A sentence for each tracker that is not installed here."""
    return [
        f"{name} is not installed, so that nothing is reported to it; pip install {name}"
        for name in names
        if not is_installed(name)
    ]
