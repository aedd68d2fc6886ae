"""What holds for every test: nothing of the user's is read, written or queued behind."""

import os
import tempfile
from pathlib import Path

import pytest

_FOLDERS = pytest.StashKey[tempfile.TemporaryDirectory]()


def pytest_configure(config: pytest.Config) -> None:
    """Set the environment before any test module, and so torch, is imported; processes inherit it."""
    folder = tempfile.TemporaryDirectory(prefix="nli-tests-")
    config.stash[_FOLDERS] = folder
    for name in ("config", "cache", "state", "leases"):
        (Path(folder.name) / name).mkdir(mode=0o700)
    os.environ.update(
        {
            "XDG_CONFIG_HOME": f"{folder.name}/config",
            "XDG_CACHE_HOME": f"{folder.name}/cache",
            "XDG_STATE_HOME": f"{folder.name}/state",
            "NLI_CONSOLE_LEASE_DIR": f"{folder.name}/leases",
            "HF_HUB_OFFLINE": "1",
            "HF_DATASETS_OFFLINE": "1",
            "TOKENIZERS_PARALLELISM": "false",
            # Two test processes on two cores: one thread each, or they wait for one another.
            "OMP_NUM_THREADS": "1",
        }
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[_FOLDERS].cleanup()
