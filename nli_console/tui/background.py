"""Work that may hang (file systems, NVML, subprocesses) on daemon threads that post messages.

Textual waits for its own thread workers when it quits; a daemon thread never delays quitting. The work
returns a message (or ``None``), which is posted to a widget, a screen or the app; it must not touch widgets.
"""

from collections.abc import Callable
from threading import Condition, Event, Thread

from textual._context import NoActiveAppError
from textual.message import Message
from textual.message_pump import MessagePump

from nli_console.errors import ConsoleError
from nli_console.tui.messages import Failure

Work = Callable[[], Message | None]


def describe(error: Exception) -> str:
    """What a person reads about an exception: the console's own sentences, or type and text of another's."""
    return str(error) if isinstance(error, ConsoleError) else f"{type(error).__name__}: {error}"


def post(target: MessagePump, message: Message | None) -> None:
    """Post from any thread; nothing happens when the app is gone meanwhile."""
    if message is None:
        return
    try:
        target.post_message(message)
    except (NoActiveAppError, RuntimeError):  # the app is gone: nobody is left to tell
        return


def run(work: Work, target: MessagePump, *, title: str) -> None:
    """Do ``work`` once on a daemon thread and post what it returns, or a :class:`Failure`."""

    def body() -> None:
        try:
            message = work()
        except Exception as error:
            message = Failure(title, describe(error))
        post(target, message)

    Thread(target=body, name=f"console-{title}", daemon=True).start()


class Poller:
    """Do ``work`` every ``interval`` seconds and after :meth:`poke`; the same failure is told once."""

    def __init__(self, work: Work, target: MessagePump, interval: float, *, title: str) -> None:
        self._work = work
        self._target = target
        self._interval = interval
        self._title = title
        self._due = Event()
        self._started = False
        self._stopped = False

    def start(self) -> None:
        """Begin; nothing happens when it has begun."""
        if self._started:
            return
        self._started = True
        Thread(target=self._loop, name=f"console-{self._title}", daemon=True).start()

    def poke(self) -> None:
        """Do not wait for the rest of the interval."""
        self._due.set()

    def stop(self) -> None:
        """Stop after the work in progress, without waiting for it."""
        self._stopped = True
        self._due.set()

    def _loop(self) -> None:
        told = ""
        while not self._stopped:
            try:
                message = self._work()
                told = ""
            except Exception as error:
                text = describe(error)
                message = None if text == told else Failure(self._title, text)
                told = text
            post(self._target, message)
            self._due.wait(self._interval)
            self._due.clear()


class Latest:
    """One daemon thread that does the newest work handed in; what was overtaken meanwhile is dropped."""

    def __init__(self, target: MessagePump, *, title: str) -> None:
        self._target = target
        self._title = title
        self._waiting: Work | None = None
        self._changed = Condition()
        self._stopped = False
        Thread(target=self._loop, name=f"console-{title}", daemon=True).start()

    def submit(self, work: Work) -> None:
        with self._changed:
            self._waiting = work
            self._changed.notify()

    def stop(self) -> None:
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._stopped)
                if self._stopped:
                    return
                work, self._waiting = self._waiting, None
            try:
                message = work() if work else None
            except Exception as error:
                message = Failure(self._title, describe(error))
            post(self._target, message)
