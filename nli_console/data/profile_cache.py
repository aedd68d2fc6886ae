"""Profiles kept by content: a second look at an unchanged dataset is instant."""

import contextlib
import hashlib
import json
import os
import secrets
from pathlib import Path

from nli_console.data.files import READ_ERRORS, is_zip, split_files
from nli_console.data.profile import DataProfile
from nli_console.data.spec import DataSpec
from nli_console.errors import ConsoleError

VERSION = 1
"""Part of every key: raised when the figures change their meaning."""
KEPT = 100
_FOLDER = "profiles"
_NOT_READ = frozenset({"name", "fraction", "selection_rows", "evaluate_on", "evaluation_rows"})
"""Fields of a spec that change nothing in a profile but its title."""


def load(cache_dir: Path, key: str | None, name: str) -> DataProfile | None:
    """The profile kept under ``key``, called ``name``; or ``None``."""
    if key is None:
        return None
    path = _path(cache_dir, key)
    try:
        found = DataProfile.model_validate_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)
    return found.model_copy(update={"name": name})


def save(cache_dir: Path, key: str | None, profile: DataProfile) -> None:
    """Keep a profile; a cache that cannot be written is no error."""
    if key is None:
        return
    path = _path(cache_dir, key)
    temporary = path.with_name(f".{key}-{secrets.token_hex(4)}.tmp")
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            temporary.write_text(profile.model_dump_json(), encoding="utf-8")
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        _prune(path.parent)


def _path(cache_dir: Path, key: str) -> Path:
    return cache_dir / _FOLDER / f"{key}.json"


def key_of(spec: DataSpec, tokenizer: Path | None) -> str | None:
    """Digest of what a profile depends on: path, size and time of every file, and how they are read.

    ``None`` for a dataset of the hub, whose files are the hub library's. Take it before reading: what is read
    while a file changes is then never found again.
    """
    if spec.format == "hub":
        return None
    source = Path(spec.source)
    try:
        if is_zip(source):
            files = [source]
        else:
            folder = source if source.is_dir() else source.parent
            files = [
                folder / name for pattern in spec.splits.values() for name in split_files(source, pattern)
            ]
        stamps = [_stamp(path) for path in (*files, *([tokenizer] if tokenizer else ()))]
    except (ConsoleError, *READ_ERRORS):
        return None
    read_as = spec.model_dump(mode="json", exclude=set(_NOT_READ))
    return hashlib.sha256(json.dumps([VERSION, read_as, stamps]).encode()).hexdigest()[:32]


def _stamp(path: Path) -> list[str | int]:
    status = path.stat()
    return [str(path), status.st_size, status.st_mtime_ns]


def _prune(folder: Path) -> None:
    """Delete all but the profiles that were looked at last."""
    kept = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in kept[KEPT:]:
        path.unlink(missing_ok=True)
