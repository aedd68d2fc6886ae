"""Keys that arrive together are handed out one at a time.

A slow line delivers what was typed in bursts. Textual forwards each key to the widget that is focused when it
arrives, while what the key before does (move the focus, open a field or a dialog) is still waiting in a
queue: of ``/done`` the ``d`` would ask to delete a run.
"""

import asyncio
from collections import deque
from contextlib import suppress

from textual import events
from textual.app import App, ScreenStackError
from textual.dom import DOMNode

_PATIENCE = 5.0
"""Seconds that a key gets before the next one is handed out anyway: a handler may wait for something."""
_GLANCE = 0.05
"""Seconds between two looks whether a widget that does not answer has closed."""
_ROUNDS = 4
"""A key bubbles up to the app, whose action posts messages, whose handlers move the focus."""

_Typed = events.Key | events.Paste


class KeysInOrder(App[int]):
    """An app that takes the next key or paste only when the one before has had its effect."""

    def __init__(self) -> None:
        super().__init__()
        self._typed: deque[_Typed] = deque()
        self._released: _Typed | None = None
        self._settling: asyncio.Task[None] | None = None

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, _Typed) or event.is_forwarded:
            await super().on_event(event)
            return
        if event is not self._released and self._settling is not None:
            self._typed.append(event)
            return
        self._released = None
        target = self.focused or self.screen
        await super().on_event(event)
        self._settling = asyncio.create_task(self._settle([target, *target.ancestors]))

    async def _settle(self, path: list[DOMNode]) -> None:
        """Wait until the queues from the focused widget up to the app have been worked off, then go on."""
        with suppress(TimeoutError, ScreenStackError):
            async with asyncio.timeout(_PATIENCE):
                for _ in range(_ROUNDS):
                    for pump in path:
                        await _worked_off(pump)
                    target = self.focused or self.screen
                    path = [target, *target.ancestors]
        if self._typed:
            self._released = self._typed.popleft()
            self.post_message(self._released)
        else:
            self._settling = None


async def _worked_off(pump: DOMNode) -> None:
    """Wait until ``pump`` has handled what is in its queue now, or has closed."""
    passed = asyncio.Event()
    if not pump.call_later(passed.set):
        return
    while not passed.is_set() and pump.is_running:
        with suppress(TimeoutError):
            await asyncio.wait_for(passed.wait(), _GLANCE)
