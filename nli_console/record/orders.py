"""What people ask of the queue: small files that whoever waits reads again and again, on any host.

``runs/.queue-paused.json`` keeps every run of that folder from starting while it is there. Below ``control/``
of a run, ``hold.json`` keeps that run alone back, ``place.json`` gives it another place, and ``start.json``
lets it go past the queue. Like a request to stop, those three are for one attempt: what is older than the
attempt was meant for another.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nli_console.errors import ConsoleError
from nli_console.record.files import ensure_private_dir, read_json_or_none, write_json
from nli_console.record.layout import RunLayout
from nli_console.text import clean_line

PAUSE = ".queue-paused.json"
HOLD, PLACE, START = "control/hold.json", "control/place.json", "control/start.json"


@dataclass(frozen=True, slots=True)
class Orders:
    """What was asked of one attempt that waits.

    ``paused_by`` and ``held_by`` are names, empty when nobody did. ``place`` (seconds since the epoch) stands
    in for the time since when it waits. ``start`` goes past the queue; ``beside`` also onto a device that is
    in use.
    """

    paused_by: str = ""
    held_by: str = ""
    place: float | None = None
    start: bool = False
    beside: bool = False


def read_orders(layout: RunLayout, since: float) -> Orders:
    """The orders for the attempt that began at ``since`` (seconds since the epoch)."""
    hold, place, start = (_newer(layout.at(name), since) for name in (HOLD, PLACE, START))
    asked = (place or {}).get("place")
    return Orders(
        paused_by(layout.path.parent),
        "" if hold is None else _who(hold),
        float(asked) if isinstance(asked, (int, float)) and not isinstance(asked, bool) else None,
        start is not None,
        (start or {}).get("beside") is True,
    )


def paused_by(runs_dir: Path) -> str:
    """Who paused the queue of this folder; empty when it is not paused."""
    path = runs_dir / PAUSE
    record = read_json_or_none(path)
    # Whoever damaged the file still meant that nothing is to start.
    return _who(record or {}) if record is not None or os.path.lexists(path) else ""


def pause(runs_dir: Path, by: str) -> None:
    """Let nothing more start in this folder until :func:`unpause`; it outlives every console.

    Raises:
        ConsoleError: when it cannot be written.
    """
    _write(runs_dir / PAUSE, by)


def unpause(runs_dir: Path) -> bool:
    """Take the pause back; ``False`` when there was none.

    Raises:
        ConsoleError: when it cannot be removed.
    """
    return _remove(runs_dir / PAUSE)


def hold(layout: RunLayout, by: str, since: float) -> None:
    """Keep the attempt that began at ``since`` from starting.

    Raises:
        ConsoleError: when it cannot be written.
    """
    _write(Path(layout.at(HOLD)), by, since)


def release(layout: RunLayout) -> bool:
    """Take a hold back; ``False`` when there was none.

    Raises:
        ConsoleError: when it cannot be removed.
    """
    return _remove(Path(layout.at(HOLD)))


def move(layout: RunLayout, by: str, since: float, place: float) -> None:
    """Give the attempt that began at ``since`` another place.

    Raises:
        ConsoleError: when it cannot be written.
    """
    _write(Path(layout.at(PLACE)), by, since, place=place)


def start(layout: RunLayout, by: str, since: float, *, beside: bool) -> None:
    """Let the attempt that began at ``since`` go past the queue.

    Raises:
        ConsoleError: when it cannot be written.
    """
    _write(Path(layout.at(START)), by, since, beside=beside)


def _write(path: Path, by: str, since: float = 0.0, **fields: Any) -> None:
    # A clock that was set back must not make an order look older than the attempt it is for.
    record = {"v": 1, "t": max(time.time(), since), "by": clean_line(by, limit=80), **fields}
    try:
        ensure_private_dir(path.parent)
        write_json(path, record)
    except OSError as error:
        raise ConsoleError(f"{path}: cannot be written: {error.strerror}; free space, ask again") from error


def _remove(path: Path) -> bool:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConsoleError(
            f"{path}: cannot be removed: {error.strerror}; check the folder's owner"
        ) from error
    return True


def _newer(path: str, since: float) -> dict[str, Any] | None:
    record = read_json_or_none(Path(path))
    t = (record or {}).get("t")
    return record if isinstance(t, (int, float)) and t >= since else None


def _who(record: dict[str, Any]) -> str:
    return clean_line(record.get("by") or "somebody", limit=80)
