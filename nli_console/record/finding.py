"""Finding runs again by what a person types. Reads names alone: no spec is checked here."""

import os
from collections.abc import Sequence
from pathlib import Path

from nli_console.errors import ConsoleError
from nli_console.record.files import read_json_or_none
from nli_console.record.layout import RUN_ID, RunLayout
from nli_console.text import clean_line

_CANDIDATES = 10


class UnknownRunError(ConsoleError):
    """No run fits what a person typed."""


def run_folders(root: Path) -> list[RunLayout]:
    """The run folders in ``root``, newest id first. Symlinks and names that are no ids are left out."""
    base = root.resolve()
    return [RunLayout(base / name) for name in run_ids(root)]


def run_ids(root: Path) -> list[str]:
    """The names of :func:`run_folders`; none when ``root`` cannot be read."""
    try:
        return listed_ids(root)
    except OSError:
        return []


def listed_ids(root: Path) -> list[str]:
    """:func:`run_ids` for who must tell an empty history from one that cannot be read just now.

    Raises:
        OSError: when ``root`` is there and cannot be read.
    """
    try:
        with os.scandir(root) as entries:
            names = [
                entry.name
                for entry in entries
                if RUN_ID.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(names, reverse=True)


def find_run(runs_dir: Path, prefix: str) -> RunLayout:
    """The run whose id is or uniquely begins with ``prefix``, else the one run of exactly that name.

    The text is compared and never used as a path.

    Raises:
        UnknownRunError: when no run fits.
        ConsoleError: when more than one run fits; the candidates are listed.
    """
    folders = run_folders(runs_dir)
    shown = clean_line(prefix, limit=80)
    if not prefix:
        raise ConsoleError("no run named: expected an id, the beginning of one, or a run's name")
    fitting = [layout for layout in folders if layout.id == prefix]
    fitting = fitting or [layout for layout in folders if layout.id.startswith(prefix)]
    fitting = fitting or [layout for layout in folders if prefix in _names(layout)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise UnknownRunError(
            f'no run "{shown}" in {clean_line(runs_dir, limit=300)}: expected the id, its start or the name '
            "of a run or group; `nli-console list` shows them"
        )
    raise ambiguous(prefix, [layout.id for layout in fitting], "runs")


def ambiguous(text: str, ids: Sequence[str], what: str) -> ConsoleError:
    """The error that ``text`` fits all of ``ids``, which are ``what``."""
    listed = "\n".join(f"  {clean_line(id, limit=80)}" for id in ids[:_CANDIDATES])
    more = f"\n  and {len(ids) - _CANDIDATES} more" if len(ids) > _CANDIDATES else ""
    shown = clean_line(text, limit=80)
    return ConsoleError(f'"{shown}" fits {len(ids)} {what}; give more of the id:\n{listed}{more}')


def _names(layout: RunLayout) -> set[object]:
    labels = read_json_or_none(layout.labels) or {}
    if labels.get("name"):
        return {labels["name"]}
    return {(read_json_or_none(layout.spec) or {}).get("name")}
