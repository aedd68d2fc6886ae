"""The thread-safe end of a chat: what its threads tell is collected, and handed over a few times a second."""

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from time import monotonic

from textual.message import Message
from textual.message_pump import MessagePump
from textual.timer import Timer

from nli_console.data.chat import Load, Request
from nli_console.supervisor.chat import Chat
from nli_console.supervisor.chat_events import Checked, Event, Fragment, Loading
from nli_console.tui.background import post

_MORE = (Fragment, Loading, Checked)
"""Events that come in long rows; one that ends a check may wait a moment, too."""
TAKE_EVERY = 0.1
"""Seconds between two repaints while an answer is written: each one is bytes on the wire."""


@dataclass
class ChatTold(Message):
    """The engine said something; take it with :meth:`ChatLink.take`."""


class ChatLink:
    """A :class:`Chat` whose events wait until the event loop takes them.

    ``target`` gets a :class:`ChatTold` when the first of them arrives, and no other before it took them.
    """

    def __init__(self, target: MessagePump, environment: Mapping[str, str]) -> None:
        self._target = target
        self._lock = Lock()
        self._events: list[Event] = []
        self._chat = Chat(self._tell, environment)
        self._taken = 0.0
        self._going = 0
        """Id of the request of which more was taken last."""
        self._timer: Timer | None = None

    @property
    def model(self) -> Load | None:
        return self._chat.model

    def ask(self, request: Request) -> int:
        return self._chat.ask(request)

    def stop(self, id: int) -> None:
        self._chat.stop(id)

    def unload(self) -> None:
        self._chat.unload()

    def close(self) -> None:
        """End the engine; nothing is told any more."""
        self._chat.close()

    def too_early(self) -> bool:
        """Whether there is only more of what was taken just now; then :class:`ChatTold` comes a little later.

        The first piece of an answer never waits.
        """
        wait = self._taken + TAKE_EVERY - monotonic()
        with self._lock:
            more = all(isinstance(event, _MORE) and event.id == self._going for event in self._events)
        if wait <= 0 or not more:
            return False
        if self._timer is None:
            self._timer = self._target.set_timer(wait, self._later)
        return True

    def _later(self) -> None:
        self._timer = None
        self._target.post_message(ChatTold())

    def take(self) -> list[Event]:
        """What was told since the last time, in order; pieces of an answer that follow each other are one."""
        self._taken = monotonic()
        with self._lock:
            events, self._events = self._events, []
        joined: list[Event] = []
        for event in events:
            if isinstance(event, _MORE):
                self._going = event.id
            last = joined[-1] if joined else None
            if isinstance(event, Fragment) and isinstance(last, Fragment) and last.id == event.id:
                joined[-1] = Fragment(event.id, last.text + event.text)
            else:
                joined.append(event)
        return joined

    def _tell(self, event: Event) -> None:
        with self._lock:
            first = not self._events
            self._events.append(event)
        if first:
            post(self._target, ChatTold())
