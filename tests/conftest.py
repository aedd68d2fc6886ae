"""What holds for every test: nothing of the user's is read, written or queued behind."""

import os
import tempfile
from pathlib import Path

import pytest

_FOLDER = tempfile.TemporaryDirectory(prefix="nli-tests-")

for _name in ("config", "cache", "state", "leases"):
    (Path(_FOLDER.name) / _name).mkdir(mode=0o700)
# Here and not in a hook: a test file named on the command line imports torch before any hook runs.
os.environ.update(
    {
        "XDG_CONFIG_HOME": f"{_FOLDER.name}/config",
        "XDG_CACHE_HOME": f"{_FOLDER.name}/cache",
        "XDG_STATE_HOME": f"{_FOLDER.name}/state",
        "NLI_CONSOLE_LEASE_DIR": f"{_FOLDER.name}/leases",
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        # Two test processes on two cores: one thread each, or they wait for one another.
        "OMP_NUM_THREADS": "1",
    }
)


def pytest_unconfigure(config: pytest.Config) -> None:
    _FOLDER.cleanup()
