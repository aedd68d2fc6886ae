"""Where a run comes from: versions, host and git commit. Never the environment, never a token."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from nli_console.record.processes import host_name
from nli_console.record.secrets import scrub_arguments
from nli_console.record.spec import Provenance

PACKAGES = (
    "nli-console",
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "bitsandbytes",
    "datasets",
    "evaluate",
    "tokenizers",
    "safetensors",
    "numpy",
    "pydantic",
)
_GIT_SECONDS = 2.0


def collect(
    command: list[str], *, launcher: str, settings_path: Path | None = None, cwd: Path | None = None
) -> Provenance:
    """The provenance of a run that ``command`` repeats. ``cwd``'s git checkout is named when it is one."""
    commit, dirty = _git(Path.cwd() if cwd is None else cwd)
    return Provenance(
        command=scrub_arguments(command),
        launcher=launcher,
        python=platform.python_version(),
        platform=platform.platform(),
        host=host_name(),
        packages=package_versions(),
        git_commit=commit,
        git_dirty=dirty,
        settings_path=None if settings_path is None else str(settings_path),
    )


def package_versions() -> dict[str, str]:
    """Installed versions of what decides a result, read from metadata; nothing is imported."""
    versions: dict[str, str] = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _git(folder: Path) -> tuple[str | None, bool | None]:
    """Commit of ``folder``'s checkout and whether tracked files differ; ``None`` where git does not say."""
    commit = _ask_git(folder, "rev-parse", "--verify", "HEAD")
    if not commit:
        return None, None
    changes = _ask_git(folder, "status", "--porcelain", "--untracked-files=no")
    return commit.strip(), None if changes is None else bool(changes.strip())


def _ask_git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_GIT_SECONDS,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
