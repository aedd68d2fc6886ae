"""What holds for every test: nothing of the user's is read, written or queued behind."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import warm_engine as warm

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


@pytest.fixture(scope="session")
def warm_engine() -> Iterator[str]:
    """A command for ``ENGINE_VARIABLE``: engines that share the seconds which loading torch takes."""
    path = Path(_FOLDER.name) / f"engines-{os.getpid()}"
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.warm_engine", str(path)],
        stdin=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
    )
    while not path.exists():
        assert server.poll() is None
    yield warm.command(path)
    server.kill()
    server.communicate()


_LONGEST_FIRST = ("end_to_end", "supervisor", "tui", "cli", "worker")
"""Folders whose files take longest begin first: a long file at the end would leave the other cores idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def rank(item: pytest.Item) -> int:
        folder = item.path.parent.name
        return _LONGEST_FIRST.index(folder) if folder in _LONGEST_FIRST else len(_LONGEST_FIRST)

    items.sort(key=rank)


def pytest_unconfigure(config: pytest.Config) -> None:
    _FOLDER.cleanup()
