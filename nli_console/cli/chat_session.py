"""A chat for a command: asks, waits for the last event, and says what happens meanwhile on stderr."""

from collections.abc import Callable
from queue import SimpleQueue
from types import TracebackType
from typing import TypeVar

from nli_console.cli.exit_codes import FAILED, USAGE
from nli_console.cli.output import note
from nli_console.data.chat import Demonstrate, Load, Request
from nli_console.data.spec import DataSpec, Example
from nli_console.errors import ConsoleError
from nli_console.settings import LoadedSettings
from nli_console.supervisor.chat import Chat, is_last
from nli_console.supervisor.chat_events import (
    Demonstrated,
    Event,
    Failed,
    Fragment,
    Loaded,
    Loading,
    Stopped,
    Waiting,
)
from nli_console.text import format_bytes, format_count, format_duration

E = TypeVar("E")


class ChatSession:
    """Use as a context manager: leaving it, by Ctrl-C too, ends the engine and frees its device at once."""

    def __init__(self, settings: LoadedSettings) -> None:
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._chat = Chat(self._events.put, settings.values.launch.environment)
        self._early: dict[int, Event] = {}

    def __enter__(self) -> "ChatSession":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._chat.close()

    def start(self, request: Request) -> int:
        """Ask and do not wait."""
        return self._chat.ask(request)

    def wait(self, id: int, kind: type[E], seen: Callable[[Event], None] | None = None) -> E:
        """The last event of a request; the others go to ``seen``.

        Raises:
            ConsoleError: the request came to nothing.
        """
        event = self._early.pop(id, None)
        while event is None:
            found = self._events.get()
            if getattr(found, "id", None) == id:
                if is_last(found):
                    event = found
                elif seen is not None:
                    seen(found)
            elif is_last(found):
                self._early[found.id] = found  # type: ignore[union-attr]  # an event that ends a request has its id
        if isinstance(event, Failed):
            raise ConsoleError(event.message, exit_code=USAGE if event.kind == "refused" else FAILED)
        if isinstance(event, Stopped) or not isinstance(event, kind):
            raise ConsoleError("the chat was stopped", exit_code=FAILED)
        return event

    def shots(self, data: DataSpec | None, count: int, seed: int) -> tuple[Example, ...]:
        """``count`` demonstrations from ``data``; none needs no data.

        Raises:
            ConsoleError: the training rows cannot be read, or are too few.
        """
        if data is None or not count:
            return ()
        request = Demonstrate(data=data, shots=count, seed=seed)
        return self.wait(self.start(request), Demonstrated).examples

    def load(self, request: Load) -> Loaded:
        """Load a model, saying what is waited for.

        Raises:
            ConsoleError: it cannot be loaded.
        """
        told = ""

        def seen(event: Event) -> None:
            nonlocal told
            text = ""
            if isinstance(event, Waiting):
                text = f"waiting for {event.what}" + (f", held by {event.holder}" if event.holder else "")
            elif isinstance(event, Loading) and event.unit == "bytes":
                text = f"downloading {request.model_name}: {format_bytes(event.total)}"
            elif isinstance(event, Loading) and event.step == "loading the weights":
                text = f"loading {request.model_name}"
            if text and text != told:
                note(text)
                told = text

        loaded = self.wait(self.start(request), Loaded, seen)
        note(
            f"{request.model_name} on {loaded.device} in {format_duration(loaded.seconds)}: "
            f"{format_count(loaded.parameters)} parameters, {loaded.precision}"
            f"{'' if request.quantisation == 'none' else ', weights in ' + request.quantisation}, "
            f"{format_bytes(loaded.weights_bytes)}"
        )
        return loaded


def fragments(write: Callable[[str], None]) -> Callable[[Event], None]:
    """What :meth:`ChatSession.wait` hands the pieces of an answer to."""

    def seen(event: Event) -> None:
        if isinstance(event, Fragment):
            write(event.text)

    return seen
