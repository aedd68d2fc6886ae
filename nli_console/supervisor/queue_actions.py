"""What a person may do to the queue from any console: pause it, hold, move and start single runs.

Each function returns in a sentence what happens now.
"""

import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from nli_console.errors import ConsoleError
from nli_console.record import orders
from nli_console.record.access import require_access
from nli_console.record.evidence import Evidence, gather, latest_attempt
from nli_console.record.layout import RunLayout
from nli_console.record.state import RunState, State, derive
from nli_console.supervisor import actions
from nli_console.supervisor.launch import Survive
from nli_console.supervisor.queue_list import Entry, began_at, read_queue

Where = Literal["first", "up", "down"]
_GAP = 0.001
"""Seconds between two places of which one must be made."""
IN_USE = ("slot", "chat", "foreign")
"""Obstacles past which a run is only started beside somebody."""


def user_name() -> str:
    """Who asks, for the record."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def pause(runs_dir: Path) -> str:
    """Let no run of this folder start until :func:`unpause`; those that run go on.

    Raises:
        ConsoleError: when it cannot be written.
    """
    if by := orders.paused_by(runs_dir):
        return f"the queue is paused already, by {by}; `nli-console queue resume` lets it go on"
    orders.pause(runs_dir, user_name())
    return "the queue is paused: nothing new starts, what runs goes on; `nli-console queue resume` ends that"


def unpause(runs_dir: Path) -> str:
    """Let runs start again.

    Raises:
        ConsoleError: when the pause cannot be removed.
    """
    return "the queue goes on" if orders.unpause(runs_dir) else "the queue was not paused"


def hold(layout: RunLayout) -> str:
    """Keep one waiting run back; others pass it.

    Raises:
        ConsoleError: when the run does not wait, or it cannot be written.
    """
    evidence, _ = _waiting(layout, "held")
    orders.hold(layout, user_name(), began_at(evidence))
    return f"{layout.id} is held back; `nli-console queue release {layout.id}` lets it wait its turn again"


def release(layout: RunLayout) -> str:
    """Take the hold on a run back.

    Raises:
        ConsoleError: when the run does not wait, or the hold cannot be removed.
    """
    _waiting(layout, "released")
    return f"{layout.id} waits its turn again" if orders.release(layout) else f"{layout.id} was not held"


def move(layout: RunLayout, where: Where) -> str:
    """Give a waiting run the first place, or exchange it with the one before or behind it.

    Raises:
        ConsoleError: when the run does not wait here, has that place already, or it cannot be written.
    """
    evidence, _ = _waiting(layout, "moved")
    if not evidence.own_host:
        raise ConsoleError(
            f"{layout.id}: waits on {evidence.host}, whose queue is not to be seen from here; move it there"
        )
    queue = read_queue(layout.path.parent, [])
    own = queue.find(layout)
    if own is None:
        raise ConsoleError(f"{layout.id}: has left the queue just now; `nli-console show {layout.id}`")
    others = [held for held in queue.entries if held is not own and not held.orders.held_by]
    before = sum((held.key, held.run_id) < (own.key, own.run_id) for held in others)
    target = {"first": 0, "up": before - 1, "down": before + 1}[where]
    if not 0 <= target <= len(others) or (where == "first" and before == 0):
        raise ConsoleError(f"{layout.id}: is {'last' if where == 'down' else 'first'} in the queue already")
    place = _room(others, target)
    orders.move(layout, user_name(), own.began, place)
    return f"{layout.id} has place {target + 1} of {len(others) + 1} in the queue"


def start(layout: RunLayout, *, beside: bool = False, survive: Survive = "auto") -> str:
    """Start a queued run past all others, although the queue is paused, or although nobody waits for it.

    With ``beside`` also on a device that is in use: as one run more on the CPU, or on a busy GPU.

    Raises:
        ConsoleError: when the run is not queued, its device is in use and ``beside`` is not given, or it
            cannot be started.
    """
    require_access(layout, "started now")
    evidence, state = _look(layout)
    if state.state is State.QUEUED and state.resumable:
        try:
            actions.resume(layout, survive)
        except ConsoleError:
            # Another console that was faster has done what was asked for.
            if latest_attempt(layout) == evidence.attempt:
                raise
        evidence, state = _look(layout)
        if state.state is not State.QUEUED:
            return f"{layout.id} starts"
    elif state.state is not State.QUEUED:
        raise ConsoleError(_refusal(layout, evidence, state, "started now"))
    held = evidence.waiting
    if not beside and held is not None and held.obstacle in IN_USE:
        use = f"{held.target}, which {held.holder} has" if held.holder else held.target
        raise ConsoleError(
            f"{layout.id}: waits for {use}; `nli-console queue start {layout.id} --beside` starts it beside "
            f"that, `nli-console queue first {layout.id}` as the next one"
        )
    orders.start(layout, user_name(), began_at(evidence), beside=beside)
    return f"{layout.id} starts now" if beside else f"{layout.id} starts as soon as a slot is free"


def _room(others: Sequence[Entry], target: int) -> float:
    """A place between two neighbours; where there is none, those ahead of it are moved forward."""
    behind = others[target].key if target < len(others) else None
    ahead = others[target - 1].key if target > 0 else None
    if behind is None:
        return _GAP if ahead is None else ahead + _GAP
    if ahead is None:
        return behind - _GAP
    middle = (ahead + behind) / 2
    if ahead < middle < behind:
        return middle
    place = bound = behind - _GAP
    for held in reversed(others[:target]):
        if held.key < bound:
            break
        bound -= _GAP
        if held.layout is not None:
            orders.move(held.layout, user_name(), held.began, bound)
    return place


def _waiting(layout: RunLayout, verb: str) -> tuple[Evidence, RunState]:
    """A run that somebody waits for.

    Raises:
        ConsoleError: it is not queued, or nobody waits.
    """
    require_access(layout, verb)
    evidence, state = _look(layout)
    if state.state is not State.QUEUED:
        raise ConsoleError(_refusal(layout, evidence, state, verb))
    if state.resumable:
        raise ConsoleError(
            f"{layout.id}: nobody waits to start it, so it cannot be {verb}; "
            f"`nli-console queue start {layout.id}` starts it"
        )
    return evidence, state


def _refusal(layout: RunLayout, evidence: Evidence, state: RunState, verb: str) -> str:
    text = f"{layout.id}: is {state.state}, and only a run that waits in the queue can be {verb}"
    if state.state is State.UNREACHABLE:
        return f"{text}; look on {evidence.host or 'its host'}"
    return f"{text}; `nli-console resume {layout.id}` starts it again" if state.resumable else text


def _look(layout: RunLayout) -> tuple[Evidence, RunState]:
    evidence = gather(layout)
    return evidence, derive(evidence)
