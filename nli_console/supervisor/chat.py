"""The console's end of a chat: a model in a process of its own, which is never waited for.

    chat = Chat(tell)                  # tell(event) is called on a thread of the chat
    chat.ask(load_request(…))          # → Waiting, Loading …, Loaded
    answer = chat.ask(Generate(…))     # → Fragment …, Answered
    chat.stop(answer)                  # → Answered with what there is, or Stopped
    chat.unload()                      # → Unloaded; all memory is free
    chat.close()

A process is started by the first request that needs one, and again after it has ended; it keeps nothing that
the caller does not have. Each request ends with exactly one event that is its last: see :data:`LAST`.
"""

import contextlib
import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

from nli_console.data.chat import Load, Quantisation, Request, Stop
from nli_console.data.resolve import resolve_model
from nli_console.settings import LoadedSettings
from nli_console.supervisor import chat_events as events
from nli_console.supervisor.aftermath import oom_kills
from nli_console.supervisor.chat_events import Event, Failed, Kind, Loaded, Unloaded, read_event
from nli_console.supervisor.environment import python_command
from nli_console.text import clean_line

CHAT_VARIABLE = "NLI_CONSOLE_CHAT"
"""Replaces ``python -m nli_console.worker chat`` (split like a shell line): for tests."""

LAST = (
    events.Loaded,
    events.Answered,
    events.Scored,
    events.Attached,
    events.Rendered,
    events.Demonstrated,
    events.Stopped,
    events.Failed,
)
"""Events that end a request; a :class:`~nli_console.supervisor.chat_events.Checked` does when it is over."""

Tell = Callable[[Event], None]


def load_request(
    name: str, settings: LoadedSettings, *, place: str | None = None, quantisation: Quantisation | None = None
) -> Load:
    """What loads the model called ``name`` as the settings want it.

    Args:
        place: folder or hub id of the model, where that is known; else it is looked up.
        quantisation: in place of the settings'.

    Raises:
        ConsoleError: there is no such model.
    """
    values = settings.values
    return Load(
        model=resolve_model(name, settings) if place is None else place,
        model_name=name,
        quantisation=quantisation or values.chat.quantisation,
        precision=values.chat.precision,
        cpu_slots=values.queue.cpu_slots,
        wait_for_foreign=values.queue.wait_for_foreign,
        idle_seconds=60 * values.chat.idle_minutes or None,
    )


def is_last(event: Event) -> bool:
    """Whether nothing more will be told about the request of this event."""
    return isinstance(event, LAST) or (isinstance(event, events.Checked) and event.over)


class Chat:
    """One model at a time, and whatever is asked of it. Every method returns at once, from any thread.

    Args:
        tell: called with every event, on a thread of the chat, never with two at the same time. It must not
            wait for a thread that waits for it.
        environment: extra variables of the process, as ``[launch]`` of the settings has them.
    """

    def __init__(self, tell: Tell, environment: Mapping[str, str] | None = None) -> None:
        self._tell_caller = tell
        self._environment = dict(environment or {})
        self._telling = Lock()
        self._lock = Lock()
        self._asked = 0
        self._closed = False
        self._process: _Process | None = None
        self._model: Load | None = None

    @property
    def model(self) -> Load | None:
        """What was asked to be loaded, once it is; ``None`` while there is no model."""
        return self._model

    def ask(self, request: Request) -> int:
        """Hand a request in; returns its id. A load takes the place of the model that is there."""
        with self._lock:
            self._asked += 1
            id = self._asked
            if self._closed:
                return id
            replaced = None
            if isinstance(request, Load) and self._process is not None and self._process.has_loaded:
                replaced, self._process, self._model = self._process, None, None
            if self._process is None:
                self._process = _Process(self._environment, self._heard, self._ended)
            self._process.send(id, request)
        if replaced is not None:
            replaced.end("replaced")
        return id

    def stop(self, id: int) -> None:
        """End a request as soon as it can be; one that has ended already is left alone."""
        with self._lock:
            if self._process is not None and self._process.is_pending(id):
                self._asked += 1
                self._process.send(self._asked, Stop(target=id))

    def unload(self) -> None:
        """End the process, whatever it is doing. What is pending ends as stopped."""
        with self._lock:
            process, self._process, self._model = self._process, None, None
        if process is not None:
            process.end("asked")

    def close(self) -> None:
        """:meth:`unload`, and tell nothing any more."""
        self._closed = True
        self.unload()

    def _heard(self, process: "_Process", event: Event, request: Request) -> None:
        if isinstance(event, Loaded) and isinstance(request, Load):
            with self._lock:
                if self._process is process:
                    self._model = request
        self._tell(event)

    def _ended(self, process: "_Process") -> None:
        with self._lock:
            if self._process is process:
                self._process = self._model = None
        # Nothing more is handed to it now.
        for event in process.last_words():
            self._tell(event)

    def _tell(self, event: Event) -> None:
        with self._telling:
            if not self._closed:
                self._tell_caller(event)


class _Process:
    """One process of the engine, from its start to its end.

    The thread that starts it lives as long as it does: the kernel ties the process to that thread.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        heard: Callable[["_Process", Event, Request], None],
        ended: Callable[["_Process"], None],
    ) -> None:
        self._environment = environment
        self._heard = heard
        self._ended = ended
        self._lock = Lock()
        self._pending: dict[int, Request] = {}
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._popen: subprocess.Popen[bytes] | None = None
        self._reason: str | None = None
        self._end: tuple[str, Kind] | None = None
        self.has_loaded = False
        Thread(target=self._live, name="chat-engine", daemon=True).start()

    def send(self, id: int, request: Request) -> None:
        if not isinstance(request, Stop):
            with self._lock:
                self._pending[id] = request
        self.has_loaded |= isinstance(request, Load)
        self._lines.put(json.dumps({"id": id, **request.model_dump(mode="json")}).encode() + b"\n")

    def is_pending(self, id: int) -> bool:
        with self._lock:
            return id in self._pending

    def end(self, reason: str) -> None:
        """Kill it: nothing of a model stays behind a process that is gone."""
        with self._lock:
            self._reason = self._reason or reason
            if self._popen is not None:
                with contextlib.suppress(OSError):
                    self._popen.kill()

    def last_words(self) -> list[Event]:
        """What is to be told of every pending request, and of the process, once it has ended."""
        if self._reason in ("asked", "replaced"):
            over: list[Event] = [] if self._reason == "replaced" else [Unloaded("asked")]
            return [*map(events.Stopped, self._pending), *over]
        message, kind = self._end or ("", "crashed")
        message = clean_line(message, limit=400)
        failed = [Failed(id, message, kind) for id in self._pending]
        if kind != "not_loaded":
            return [*failed, Unloaded("crashed", message)]
        return [*failed, Unloaded("idle" if self._reason == "idle" else "failed")]

    # -- on its thread ---------------------------------------------------------------------------------------

    def _live(self) -> None:
        kills = oom_kills()
        try:
            popen = self._start()
        except OSError as error:
            self._end = (f"the chat engine cannot be started: {error}", "crashed")
            self._ended(self)
            return
        Thread(target=self._write, args=(popen,), name="chat-requests", daemon=True).start()
        assert popen.stdout is not None
        problem = ""
        for line in popen.stdout:
            try:
                self._hear(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                problem = f"it said what cannot be read ({type(error).__name__}: {error})"
                popen.kill()
                break
        popen.stdout.close()
        self._lines.put(None)
        code = popen.wait()
        self._end = self._verdict(code, problem, _rose(kills, oom_kills()))
        self._ended(self)

    def _start(self) -> subprocess.Popen[bytes]:
        argv, environment = python_command("nli_console.worker", "chat")
        if replaced := os.environ.get(CHAT_VARIABLE):
            argv = shlex.split(replaced)
        environment |= self._environment
        with self._lock:
            self._popen = subprocess.Popen(
                argv,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            if self._reason is not None:
                self._popen.kill()
            return self._popen

    def _write(self, popen: subprocess.Popen[bytes]) -> None:
        """On a thread of its own: a process that hangs does not read."""
        assert popen.stdin is not None
        with contextlib.suppress(OSError), popen.stdin:
            while (line := self._lines.get()) is not None:
                popen.stdin.write(line)
                popen.stdin.flush()

    def _hear(self, record: dict[str, Any]) -> None:
        id = record["id"]
        if id is None:
            if record["event"] == "unloaded":
                with self._lock:
                    self._reason = self._reason or record["reason"]
            return
        with self._lock:
            request = self._pending.get(id)
        if request is None or self._reason is not None:
            return
        event = read_event(request.op, id, record)
        if event is None:
            return
        if is_last(event):
            with self._lock:
                self._pending.pop(id, None)
        self._heard(self, event, request)

    def _verdict(self, code: int, problem: str, killed_for_memory: bool) -> tuple[str, Kind]:
        """What became of it, in words and by kind."""
        if self._reason == "idle":
            return "the model was unloaded, because nobody had asked for a while; load it again", "not_loaded"
        if code == 0 and not problem:
            # A load that failed has said why; what stood behind it has no model.
            return "no model is loaded; load one first", "not_loaded"
        why = problem or _in_words(code)
        if killed_for_memory or (code == -signal.SIGKILL and not problem):
            return (
                f"the chat engine {why}, as happens when the machine's memory runs out; load the model again "
                "in 4-bit (nf4), or a smaller one",
                "out_of_memory",
            )
        return f"the chat engine {why}; load the model again, what you wrote is kept", "crashed"


def _in_words(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _rose(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before
