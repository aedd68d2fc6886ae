"""Checkpoints that count only with their manifest: seal, verify, choose, rotate.

``MANIFEST.json`` lists every file with its size and SHA-256 and is renamed in last, so a save that was cut
short, a file that was changed and a file that was added are all told apart from a whole checkpoint.
"""

import hashlib
import os
import shutil
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nli_console.record.files import RecordError, read_json, sync_folder, write_json
from nli_console.record.layout import CHECKPOINT_NAME, MANIFEST, RunLayout

PICKLED_ARGUMENTS = "training_args.bin"
"""Written by the library with every checkpoint: a pickle that may hold a token. Never kept, never read."""

RESUME_FILES = frozenset({"optimizer.pt", "scheduler.pt", "scaler.pt", "rng_state.pth"})
"""Needed to go on training and for nothing else."""

_SMALL = 64 * 1024 * 1024


@dataclass(frozen=True)
class Checkpoint:
    """A folder ``checkpoint-<step>``."""

    path: Path
    step: int


@dataclass(frozen=True)
class Verified:
    """The newest checkpoint that verifies, and why each newer one does not (name and reason)."""

    checkpoint: Checkpoint | None
    invalid: tuple[tuple[str, str], ...]


def listed(layout: RunLayout) -> list[Checkpoint]:
    """Every checkpoint folder, sealed or not, oldest first."""
    found: list[Checkpoint] = []
    try:
        entries = list(layout.checkpoints.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return found
    for path in entries:
        match = CHECKPOINT_NAME.fullmatch(path.name)
        if match and path.is_dir():
            found.append(Checkpoint(path, int(match[1])))
    return sorted(found, key=lambda checkpoint: checkpoint.step)


def checkpoint_at(layout: RunLayout, step: int) -> Checkpoint:
    """The checkpoint of ``step``, whether it is there or not."""
    return Checkpoint(layout.checkpoints / f"checkpoint-{step}", step)


def verified(layout: RunLayout, progress: Callable[[str], None] = lambda name: None) -> Verified:
    """The newest checkpoint to resume from; ``progress`` gets the name of each that is read.

    A folder that another user owns or that others may write to is refused: its files would be loaded.
    """
    invalid: list[tuple[str, str]] = []
    for checkpoint in reversed(listed(layout)):
        progress(checkpoint.path.name)
        problem = problem_of(checkpoint.path, resumable=True)
        if problem is None:
            return Verified(checkpoint, tuple(invalid))
        invalid.append((checkpoint.path.name, problem))
    return Verified(None, tuple(invalid))


def problem_of(folder: Path, *, resumable: bool = False) -> str | None:
    """Why ``folder`` is not a whole checkpoint that may be loaded, or ``None``. Reads and hashes every file.

    ``resumable`` asks for the optimiser state too, which goes when a run has finished.
    """
    try:
        problem = _unsafe(folder)
        if problem:
            return problem
        manifest = read_json(folder / MANIFEST)
        if manifest is None:
            return "it has no manifest: saving it was cut short"
        entries = manifest.get("files")
        if not isinstance(entries, dict):
            return "its manifest lists no files"
        present = set(_files(folder))
        if extra := sorted(present - set(entries)):
            return f"{extra[0]} is not in its manifest"
        for name, entry in sorted(entries.items()):
            if name not in present:
                return f"{name} is missing"
            if not isinstance(entry, dict) or (folder / name).stat().st_size != entry.get("size"):
                return f"{name} has another size than its manifest says"
        if (
            resumable
            and not {"optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"} <= present
        ):
            return "it has no optimiser state to go on from"
        for name, entry in sorted(entries.items()):
            if _sha256(folder / name) != entry.get("sha256"):
                return f"{name} does not match its checksum"
    except RecordError as error:
        return str(error)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    return None


def seal(folder: Path) -> None:
    """Delete the pickled arguments, flush every file to the disk and write the manifest.

    Raises:
        OSError: the disk is full or a file cannot be read; the folder then stays unsealed.
    """
    (folder / PICKLED_ARGUMENTS).unlink(missing_ok=True)
    files: dict[str, Any] = {}
    for name in _files(folder):
        path = folder / name
        path.chmod(0o600)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        files[name] = {"size": path.stat().st_size, "sha256": _sha256(path)}
    folder.chmod(0o700)
    write_json(folder / MANIFEST, {"v": 1, "files": files})
    sync_folder(folder.parent)


def drop_resume_files(folder: Path) -> None:
    """Delete the optimiser state of a finished run and write a manifest of what is left."""
    read = read_json(folder / MANIFEST)
    entries = dict((read or {}).get("files", {}))
    for name in RESUME_FILES & set(entries):
        (folder / name).unlink(missing_ok=True)
        del entries[name]
    write_json(folder / MANIFEST, {"v": 1, "files": entries})


def remove(folder: Path) -> None:
    """Delete a checkpoint, its manifest first: a deletion that is cut short leaves nothing that counts."""
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


class Sealer:
    """Seals checkpoints, large ones in a thread while training goes on, and rotates old ones away afterwards.

    Args:
        layout: of the run.
        keep: newest sealed checkpoints that stay.
        best: returns the step of the best checkpoint so far, which stays too, or ``None``.
    """

    def __init__(self, layout: RunLayout, keep: int, best: Callable[[], int | None]) -> None:
        self._layout = layout
        self._keep = keep
        self._best = best
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None

    def seal(self, checkpoint: Checkpoint) -> None:
        """Seal ``checkpoint``; returns at once for a large one. Waits for the one before.

        Raises:
            OSError: sealing this or the one before failed.
        """
        self.wait()
        protected = self._best()
        if sum((checkpoint.path / name).stat().st_size for name in _files(checkpoint.path)) < _SMALL:
            self._work(checkpoint, protected)
        else:
            self._thread = threading.Thread(target=self._guarded, args=(checkpoint, protected), name="seal")
            self._thread.start()

    def wait(self) -> None:
        """Wait until nothing is being sealed.

        Raises:
            OSError: sealing failed.
        """
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _guarded(self, checkpoint: Checkpoint, protected: int | None) -> None:
        try:
            self._work(checkpoint, protected)
        except BaseException as error:
            self._error = error

    def _work(self, checkpoint: Checkpoint, protected: int | None) -> None:
        seal(checkpoint.path)
        every = listed(self._layout)
        sealed = [item.step for item in every if (item.path / MANIFEST).is_file()]
        stay = {*sealed[-self._keep :], protected, checkpoint.step}
        for item in every:
            # An older one without a manifest is what a kill left of a save or of a deletion.
            abandoned = item.step not in sealed and item.step < checkpoint.step
            if abandoned or (item.step in sealed and item.step not in stay):
                remove(item.path)


def _files(folder: Path) -> list[str]:
    """Relative names of all files in ``folder``, the manifest and temporary files excluded."""
    names: list[str] = []
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or path.is_file():
            names.append(str(path.relative_to(folder)))
    return [name for name in names if name != MANIFEST and not name.startswith(f".{MANIFEST}.")]


def _unsafe(folder: Path) -> str | None:
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.lstat()
        name = "the folder" if path == folder else str(path.relative_to(folder))
        if stat.S_ISLNK(status.st_mode):
            return f"{name} is a symbolic link"
        if status.st_uid != os.getuid():
            return f"{name} belongs to another user"
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"{name} can be written to by others"
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
