"""The queue as a console sees it: who waits, in order, for what, and who has the devices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nli_console.record.evidence import Evidence, gather
from nli_console.record.layout import RunLayout
from nli_console.record.orders import Orders, paused_by, read_orders
from nli_console.record.processes import Processes
from nli_console.record.state import RunState, State, derive
from nli_console.record.waiting import Waiting
from nli_console.supervisor.devices import is_chat
from nli_console.supervisor.lease import Holder, Slots, Ticket


@dataclass(frozen=True, slots=True)
class Entry:
    """Somebody who waits. A chat has no ``layout``; ``ticket`` is ``None`` where nobody waits on this host.

    ``key`` orders the queue of this host. ``place`` counts from 1 over those that are not held; a run on
    another ``host`` has the place that it has there.
    """

    run_id: str
    layout: RunLayout | None
    key: float
    waiting: Waiting
    orders: Orders = field(default_factory=Orders)
    ticket: Ticket | None = None
    place: int | None = None
    host: str = ""
    began: float = 0.0

    @property
    def nobody(self) -> bool:
        """Whether a person must start it, because no supervisor waits for it any more."""
        return self.ticket is None and not self.host

    def to_json(self) -> dict[str, Any]:
        """As ``nli-console queue --json`` prints it."""
        return {
            "id": self.run_id,
            "path": None if self.layout is None else str(self.layout.path),
            "place": self.place,
            "since": self.key if self.ticket is not None else None,
            "held": bool(self.orders.held_by),
            "nobody_waits": self.nobody,
            "host": self.host or None,
            "pid": None if self.ticket is None else self.ticket.pid,
            "waits_for": self.waiting.target,
            "holder": self.waiting.holder or None,
            "obstacle": self.waiting.obstacle,
            "advice": self.waiting.advice or None,
        }


@dataclass(frozen=True, slots=True)
class Queue:
    """``entries`` in order, ``paused_by`` (empty: it is not), and the ``slots`` in use with who has them."""

    entries: tuple[Entry, ...]
    paused_by: str
    slots: Mapping[str, Holder]

    def find(self, layout: RunLayout) -> Entry | None:
        """The entry of a run."""
        return next((entry for entry in self.entries if _same(entry.layout, layout)), None)

    def to_json(self) -> dict[str, Any]:
        """As ``nli-console queue --json`` prints it."""
        return {
            "paused_by": self.paused_by or None,
            "slots": [
                {
                    "slot": slot,
                    "run": holder.run_id if holder.run_dir else None,
                    "chat": is_chat(holder),
                    "pid": holder.process.pid,
                }
                for slot, holder in self.slots.items()
            ],
            "waiting": [entry.to_json() for entry in self.entries],
        }


def read_queue(runs_dir: Path, layouts: Sequence[RunLayout]) -> Queue:
    """Everybody who waits on this host, then those of ``layouts`` that wait elsewhere or not at all.

    ``layouts`` are runs of ``runs_dir`` that may be queued. Runs of other folders wait for the same devices,
    so they are in it, too.

    Raises:
        ConsoleError: when the folder of leases cannot be used.
    """
    slots, table = Slots(), Processes()
    entries = [_of_ticket(ticket, table) for ticket in slots.waiting()]
    entries.sort(key=lambda entry: (entry.key, entry.run_id))
    waiting = [entry.layout for entry in entries]
    numbered: list[Entry] = []
    for entry in entries:
        place = None if entry.orders.held_by else 1 + sum(held.place is not None for held in numbered)
        numbered.append(replace(entry, place=place))
    for layout in layouts:
        if not any(_same(layout, other) for other in waiting):
            evidence = gather(layout, table)
            state = derive(evidence)
            if state.state is State.QUEUED:
                numbered.append(_elsewhere(layout, evidence, state))
    return Queue(tuple(numbered), paused_by(runs_dir), slots.held())


def _of_ticket(ticket: Ticket, table: Processes) -> Entry:
    if not ticket.run_dir:
        return Entry(ticket.run_id, None, ticket.since, Waiting("a slot"), ticket=ticket)
    layout = RunLayout(Path(ticket.run_dir))
    evidence = gather(layout, table)
    began = began_at(evidence)
    orders = read_orders(layout, began)
    key = ticket.since if orders.place is None or orders.start else orders.place
    waiting = _ordered(orders, layout.id) or evidence.waiting or Waiting("its turn", run_id=layout.id)
    return Entry(layout.id, layout, key, waiting, orders, ticket, began=began)


def _elsewhere(layout: RunLayout, evidence: Evidence, state: RunState) -> Entry:
    began = began_at(evidence)
    if state.resumable or evidence.own_host:
        text = state.reason.detail if state.reason is not None else "it was only just submitted"
        return Entry(layout.id, layout, began, Waiting(text, run_id=layout.id), began=began)
    orders = read_orders(layout, began)
    waiting = _ordered(orders, layout.id) or evidence.waiting or Waiting("its turn", run_id=layout.id)
    return Entry(
        layout.id, layout, began, waiting, orders, place=waiting.place, host=evidence.host, began=began
    )


def _ordered(orders: Orders, run_id: str) -> Waiting | None:
    """What stands in the way by request, known before the waiter has taken notice of it."""
    if orders.start:
        return None
    if orders.held_by:
        return Waiting(f"its release: {orders.held_by} holds it back", obstacle="held", run_id=run_id)
    if orders.paused_by:
        text = f"the queue, which {orders.paused_by} has paused"
        return Waiting(text, obstacle="paused", run_id=run_id)
    return None


def began_at(evidence: Evidence) -> float:
    """When the latest attempt began (seconds since the epoch); 0 when there is none."""
    started = (evidence.owner or {}).get("started")
    return float(started) if isinstance(started, (int, float)) else 0.0


def _same(one: RunLayout | None, other: RunLayout | None) -> bool:
    return one is not None and other is not None and one.path.resolve() == other.path.resolve()
