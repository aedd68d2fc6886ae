"""How a Python process of ours is started, and the environment of a worker."""

import os
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import nli_console
from nli_console.record.layout import ENVIRONMENT_TAG

_ROOT = Path(nli_console.__file__).resolve().parent.parent


def python_command(module: str, *arguments: str) -> tuple[list[str], dict[str, str]]:
    """Argv and environment that run ``module`` of this package with this interpreter.

    The current folder is kept off the import path (``-P``): a user's ``datasets/`` or ``evaluate.py`` beside
    the terminal must not stand in for a library. A checkout that is not installed is named in ``PYTHONPATH``
    instead.
    """
    environment = dict(os.environ)
    paths = [os.path.abspath(path) for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    if _ROOT.name not in ("site-packages", "dist-packages") and str(_ROOT) not in paths:
        paths.append(str(_ROOT))
    if paths:
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return [sys.executable, "-P", "-m", module, *arguments], environment


def code_stamp() -> str:
    """What changes when this package or an installed one is edited, updated or removed."""
    files = [path.stat() for path in sorted(Path(nli_console.__file__).parent.rglob("*.py"))]
    newest = max(status.st_mtime_ns for status in files)
    installed = os.stat(sysconfig.get_path("purelib")).st_mtime_ns
    return f"{len(files)} {sum(status.st_size for status in files)} {newest} {installed}"


def worker_environment(
    base: Mapping[str, str], extra: Mapping[str, str], run_dir: Path, gpus: list[str]
) -> dict[str, str]:
    """Environment of a worker: ``base``, then the user's ``extra``, then what a run depends on.

    ``gpus`` are the UUIDs it may use; none means the CPU. Exactly one is normal, because Trainer silently
    turns to DataParallel when it sees more.
    """
    environment = {**base, **extra}
    environment.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    environment[ENVIRONMENT_TAG] = str(run_dir)
    environment["PYTHONUNBUFFERED"] = "1"
    environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    environment["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    return environment
