"""Submitting a run, and reading what was asked for."""

import grp
import os
import pwd
import re
import secrets
import stat
import time
from pathlib import Path

from pydantic import ValidationError

from nli_console.errors import ConsoleError
from nli_console.record.access import user_name
from nli_console.record.files import (
    FOLDER_MODE,
    RecordError,
    ensure_private_dir,
    read_json,
    write_json,
    write_json_once,
)
from nli_console.record.finding import UnknownRunError, ambiguous, find_run, run_folders, run_ids
from nli_console.record.layout import RUN_ID, SPEC_VERSION, RunLayout
from nli_console.record.spec import RunSpec
from nli_console.text import clean_line

__all__ = [
    "UnknownRunError", "ambiguous", "check_runs_dir", "find_run", "load_spec", "new_id", "run_folders",
    "run_ids", "submit",
]  # fmt: skip


def new_id(method: str, model_name: str, now: float | None = None, *, prefix: str = "") -> str:
    """An id such as ``20261123-140255-lora-roberta-large-3f2a``: local time, method, model, random hex.

    At most 63 characters of ``[a-z0-9-]``, safe as a folder name. ``now`` is in seconds since the epoch.
    A ``prefix`` tells the ids of other things from those of runs.
    """
    stamp = prefix + time.strftime("%Y%m%d-%H%M%S", time.localtime(now))
    model = _slug(model_name.rstrip("/").rpartition("/")[2])
    middle = f"{_slug(method)}-{model}".strip("-")[: 63 - len(stamp) - 6].strip("-")
    return f"{stamp}-{middle or 'run'}-{secrets.token_hex(2)}"


def submit(runs_dir: Path, spec: RunSpec) -> RunLayout:
    """Make the run folder of ``spec`` and write what was asked for. Nothing is started.

    ``mkdir`` is the uniqueness check, and ``spec.json``, written last and once, completes the submission.

    Raises:
        ConsoleError: when ``runs_dir`` cannot be used (see :func:`check_runs_dir`), the id is taken, or the
            disk is full.
    """
    if not RUN_ID.fullmatch(spec.id):
        raise ConsoleError(
            f'run id "{clean_line(spec.id, limit=80)}": expected a-z, 0-9 and -, at most 63 characters'
        )
    check_runs_dir(runs_dir)
    layout = RunLayout(runs_dir.resolve() / spec.id)
    try:
        layout.path.mkdir(mode=FOLDER_MODE)
        layout.attempts.mkdir(mode=FOLDER_MODE)
        layout.stop_request.parent.mkdir(mode=FOLDER_MODE)
        write_json(layout.labels, {"v": 1, "name": spec.name, "notes": "", "tags": [], "pinned": False})
        write_json_once(layout.spec, spec.model_dump(mode="json"))
    except FileExistsError:
        raise ConsoleError(f"{spec.id}: a run of this id is already in {clean_line(runs_dir)}") from None
    except OSError as error:
        raise ConsoleError(
            f"{clean_line(layout.path)}: the run cannot be written: {error.strerror}"
        ) from error
    return layout


def check_runs_dir(runs_dir: Path, *, make: bool = True) -> None:
    """Make ``runs_dir`` (0700) when it is missing, and refuse one that others could tamper with.

    Without ``make`` nothing is made: a missing one is refused where it could not be.

    Raises:
        ConsoleError: when it is no folder, not writable, another user's by a link, or writable by others.
    """
    name = clean_line(runs_dir, limit=300)
    if not os.path.lexists(runs_dir):
        if not make:
            _check_makeable(runs_dir, name)
            return
        ensure_private_dir(runs_dir)
    try:
        status = os.stat(runs_dir)
    except OSError as error:
        raise ConsoleError(f"runs_dir {name}: cannot be opened: {error.strerror}") from error
    if not stat.S_ISDIR(status.st_mode):
        raise ConsoleError(f"runs_dir {name}: not a folder; name another one with --runs-dir")
    if runs_dir.is_symlink() and status.st_uid != os.geteuid():
        raise ConsoleError(
            f"runs_dir {name}: a link to a folder of {user_name(status.st_uid)}; name one of your own"
        )
    if status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and not _private_group(status)):
        raise ConsoleError(
            f"runs_dir {name}: other users may write to it (mode {stat.S_IMODE(status.st_mode):04o}); "
            f"expected a folder that only you can change: chmod go-w {name}"
        )
    if not os.access(runs_dir, os.W_OK | os.X_OK):
        raise ConsoleError(
            f"runs_dir {name}: not writable for {user_name(os.geteuid())}; name another with --runs-dir"
        )


def _check_makeable(runs_dir: Path, name: str) -> None:
    above = next(folder for folder in runs_dir.parents if os.path.lexists(folder))
    shown = clean_line(above, limit=300)
    if not above.is_dir():
        raise ConsoleError(f"runs_dir {name}: {shown} is not a folder; name another one with --runs-dir")
    if not os.access(above, os.W_OK | os.X_OK):
        raise ConsoleError(
            f"runs_dir {name}: cannot be made: {shown} is not writable for {user_name(os.geteuid())}; "
            "name another with --runs-dir"
        )


def load_spec(layout: RunLayout) -> RunSpec:
    """Read ``spec.json``. A newer version is read as far as it is understood (``spec.version`` tells).

    Raises:
        RecordError: when it is missing, damaged, or lacks what every run has.
    """
    fields = read_json(layout.spec)
    if fields is None:
        raise RecordError(f"{layout.id}: spec.json is missing: the submission was interrupted")
    try:
        return RunSpec.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        newer = fields.get("version")
        hint = (
            f" (written by a newer version, {newer})"
            if isinstance(newer, int) and newer > SPEC_VERSION
            else ""
        )
        message = clean_line(first["msg"], limit=200)
        raise RecordError(
            f"{layout.id}: spec.json: {clean_line(place, limit=80)}: {message}{hint}"
        ) from error


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _private_group(status: os.stat_result) -> bool:
    """Whether the group is the user's own and has no other member: what a umask of 002 leaves behind."""
    try:
        user, group = pwd.getpwuid(os.geteuid()), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    return (
        status.st_uid == user.pw_uid and user.pw_gid == group.gr_gid and set(group.gr_mem) <= {user.pw_name}
    )
