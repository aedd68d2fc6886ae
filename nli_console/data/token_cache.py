"""The cache of tokenised data: one file per split, named by a digest of everything it depends on.

Files appear by rename and are never changed, so readers need no lock; reading one marks it as recently
used. Torch-free.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".safetensors"
_FOLDER = "tokenised"
_ABANDONED_AFTER = 24 * 3600.0
"""Seconds after which a temporary file is taken for the remains of a killed process."""


def folder(cache_dir: Path) -> Path:
    """Where the cache of ``cache_dir`` stands."""
    return cache_dir / _FOLDER


def size(cache_dir: Path) -> int:
    """Bytes that the cache takes; 0 when there is none."""
    return sum(status.st_size for _, status in _files(cache_dir))


def clear(cache_dir: Path) -> int:
    """Delete the cache and return how many bytes that freed. A run that has a file open keeps its copy."""
    freed = 0
    for path, status in _files(cache_dir):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
            freed += status.st_size
    return freed


def lookup(cache_dir: Path, key: str) -> Path | None:
    """The file of ``key``, marked as used now, or ``None``."""
    path = folder(cache_dir) / (key + SUFFIX)
    try:
        os.utime(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError:
        # A cache that may be read and not written still serves.
        return path
    return path


@contextmanager
def writing(cache_dir: Path, key: str) -> Iterator[Path]:
    """Yield a temporary path to write; it becomes the file of ``key`` when the block ends without an error.

    Of two writers of one key the second replaces an equal file, which is harmless.

    Raises:
        OSError: the folder cannot be made or the file not be renamed.
    """
    target = folder(cache_dir) / (key + SUFFIX)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = target.with_name(f".{key}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        temporary.chmod(0o600)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def evict(cache_dir: Path, limit: int, keep: frozenset[str] = frozenset()) -> int:
    """Delete the least recently used files until the cache takes at most ``limit`` bytes.

    Args:
        keep: keys that stay, whatever their size.

    Returns:
        Bytes freed.
    """
    now = time.time()
    files = sorted(_files(cache_dir), key=lambda item: item[1].st_mtime)
    total, freed = sum(status.st_size for _, status in files), 0
    for path, status in files:
        finished = path.suffix == SUFFIX
        if finished and (total <= limit or path.stem in keep):
            continue
        if not finished and now - status.st_mtime < _ABANDONED_AFTER:
            continue
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
        total -= status.st_size
        freed += status.st_size
    return freed


def _files(cache_dir: Path) -> list[tuple[Path, os.stat_result]]:
    found: list[tuple[Path, os.stat_result]] = []
    try:
        entries = list(folder(cache_dir).iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return found
    for path in entries:
        if path.suffix in (SUFFIX, ".tmp"):
            with contextlib.suppress(FileNotFoundError):
                found.append((path, path.lstat()))
    return found
