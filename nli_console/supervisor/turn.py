"""Waiting for a slot: the devices, the others who wait, and what people asked of the queue."""

from collections.abc import Callable
from typing import Any

from nli_console.record.orders import Orders
from nli_console.supervisor.devices import Lookout, Wanted, holder_text
from nli_console.supervisor.lease import Lease, Waiter
from nli_console.supervisor.telemetry.readings import GpuReading

_FRONT = 0.0
"""The place of who goes past the queue: before every moment at which anybody began to wait."""


class Turn:
    """One waiter's turn. :meth:`look` until it gives a lease; ``waiting`` then says what is waited for.

    ``since`` (seconds since the epoch) is the place that the waiter has without orders.
    """

    def __init__(self, waiter: Waiter, lookout: Lookout, orders: Callable[[], Orders] | None = None) -> None:
        self.waiting: dict[str, Any] = {}
        """Fields of a ``waiting`` event: ``for``, ``obstacle``, ``holder``, ``place``, ``of``."""
        self._waiter = waiter
        self._lookout = lookout
        self._orders = orders
        self._since = waiter.since

    def look(self, reading: GpuReading) -> Lease | None:
        """Take a slot if it is this waiter's turn; ``None``: look again."""
        orders = Orders() if self._orders is None else self._orders()
        if not orders.start and (orders.held_by or orders.paused_by):
            self._waiter.stand_aside()
            self.waiting = _stopped(orders)
            return None
        since = self._since if orders.place is None else orders.place
        self._waiter.since = min(since, _FRONT) if orders.start else since
        wanted = self._lookout.look(reading)
        lease = self._waiter.take(wanted.slots, wanted.accepted)
        if lease is None and orders.start:
            # A slot that is free is taken at once; with leave also one beside those who have the device.
            every = self._lookout.beside(reading) if orders.beside else wanted.slots
            lease = self._waiter.take_any(every)
        if lease is None:
            self.waiting = _obstacle(wanted, *self._waiter.place())
        return lease


def _stopped(orders: Orders) -> dict[str, Any]:
    if orders.held_by:
        return {"for": f"its release: {orders.held_by} holds it back", "obstacle": "held"}
    return {"for": f"the queue, which {orders.paused_by} has paused", "obstacle": "paused"}


def _obstacle(wanted: Wanted, place: int, of: int) -> dict[str, Any]:
    fields: dict[str, Any] = {"for": wanted.target, "obstacle": wanted.obstacle, "place": place, "of": of}
    if wanted.slots and place > 1:
        # There is a free slot, and somebody older is about to take it.
        return {**fields, "obstacle": "order"}
    if wanted.holders:
        fields["holder"] = ", ".join(holder_text(holder) for holder in wanted.holders)
    return fields
