"""``python -m nli_console.worker chat``: a language model to talk to, for one console.

Requests come as lines on standard input, events go out as lines (:mod:`nli_console.data.chat`). What needs
the model is done in order on the main thread; prompts are rendered beside it on another. The process leaves,
and with it the model and its slot, when it is told to unload, when nobody has asked for a while, when its
standard input closes, and when its parent dies.
"""

import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any

from nli_console.data.chat import Demonstrate, Load, Render, Request, Stop, Unload, read_request
from nli_console.errors import ConsoleError
from nli_console.text import clean, clean_line
from nli_console.worker.chat.channel import Channel
from nli_console.worker.stop import StopFlag, Stopped

RENEW = 60.0
"""Seconds between two signs of life in the slot's file."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class _Job:
    id: int
    request: Any
    flag: StopFlag


_Queue = SimpleQueue[_Job]


def main() -> int:
    """Answer until there is a reason to leave."""
    _tie_to_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # A library that asks at its import whether there is a GPU must not settle which ones this process sees.
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    # What a library prints must not stand between the answers.
    answers = os.dup(1)
    os.dup2(2, 1)
    return Server(Channel(answers)).run()


class Server:
    """The requests of one console."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._models: _Queue = SimpleQueue()
        self._texts: _Queue = SimpleQueue()
        self._lock = Lock()
        self._jobs: dict[int, _Job] = {}
        self._libraries = Lock()
        self._desk: Any = None
        self._writer: Any = None
        self._idle: float | None = None
        self._asked = time.monotonic()

    def run(self) -> int:
        for name, target in (("listen", self._listen), ("texts", self._write_texts)):
            Thread(target=target, name=f"chat-{name}", daemon=True).start()
        while True:
            try:
                job = self._models.get(timeout=self._rest())
            except Empty:
                if self._desk is not None:
                    self._desk.renew()
                if self._rest() <= 0:
                    self._channel.say(None, "unloaded", reason="idle")
                    self._leave()
                continue
            if isinstance(job.request, Load):
                self._idle = job.request.idle_seconds
            self._do(job, self._on_model)
            self._asked = time.monotonic()
            if self._desk is not None and self._desk.committed and self._desk.model is None:
                # A device that was taken once cannot be exchanged: the next try starts a new process.
                self._channel.say(None, "unloaded", reason="failed")
                self._leave()

    # -- requests --------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        for line in sys.stdin.buffer:
            self._asked = time.monotonic()
            id: int | None = None
            try:
                record = json.loads(line)
                if not isinstance(record, dict) or type(record.get("id")) is not int:
                    raise ValueError("expected an object with a whole number as its id")
                id = number = int(record.pop("id"))
                self._take(number, read_request(record))
            except ValueError as error:
                text = f"the request cannot be read: {clean_line(error, limit=200)}"
                self._channel.say(id, "error", kind="refused", message=text)
            except ConsoleError as error:
                self._channel.say(id, "error", kind="refused", message=clean(error))
        # Nobody is left to answer, whatever is being computed.
        self._leave()

    def _take(self, id: int, request: Request) -> None:
        if isinstance(request, Unload):
            self._channel.say(id, "done")
            self._channel.say(None, "unloaded", reason="asked")
            self._leave()
        elif isinstance(request, Stop):
            self._stop(request.target)
            self._channel.say(id, "done")
        else:
            job = _Job(id, request, StopFlag())
            with self._lock:
                if id in self._jobs:
                    raise ConsoleError(f"the request cannot be read: id {id} is still in use")
                self._jobs[id] = job
            queue = self._texts if isinstance(request, Render | Demonstrate) else self._models
            queue.put(job)

    def _stop(self, target: int) -> None:
        with self._lock:
            job = self._jobs.get(target)
        if job is None:
            return
        job.flag.requested = True
        if isinstance(job.request, Load) and self._desk is not None and self._desk.deaf:
            # The libraries cannot be interrupted while they read weights.
            self._channel.say(target, "stopped")
            self._channel.say(None, "unloaded", reason="asked")
            self._leave()

    # -- work ------------------------------------------------------------------------------------------------

    def _write_texts(self) -> None:
        while True:
            self._do(self._texts.get(), self._on_text)

    def _on_text(self, job: _Job) -> dict[str, Any]:
        if self._writer is None:
            with self._libraries:
                from nli_console.worker.chat.texts import Texts
            self._writer = Texts()
        return self._writer.do(job.request)

    def _on_model(self, job: _Job) -> dict[str, Any]:
        tell = partial(self._channel.say, job.id)
        if self._desk is None:
            if isinstance(job.request, Load):
                tell("loading", step="starting")
            with self._libraries:
                from nli_console.worker.chat.desk import Desk
            self._desk = Desk()
        return self._desk.do(job.request, tell, job.flag)

    def _do(self, job: _Job, work: Callable[[_Job], dict[str, Any]]) -> None:
        try:
            job.flag.check()
            fields = work(job)
            self._forget(job)
            self._channel.say(job.id, "done", **fields)
        except Stopped:
            self._forget(job)
            self._channel.say(job.id, "stopped")
        except Exception as error:
            self._forget(job)
            self._channel.say(job.id, "error", **_problem(error, self._quantisation(job)))
            if self._desk is not None:
                self._desk.recover()

    def _quantisation(self, job: _Job) -> str:
        """Of the model that a request is about."""
        if isinstance(job.request, Load):
            return job.request.quantisation
        model = None if self._desk is None else self._desk.model
        return "none" if model is None else model.request.quantisation

    def _forget(self, job: _Job) -> None:
        with self._lock:
            self._jobs.pop(job.id, None)

    # -- the end ---------------------------------------------------------------------------------------------

    def _rest(self) -> float:
        """Seconds until something is to be done without being asked."""
        if self._idle is None:
            return RENEW
        return min(RENEW, max(self._asked + self._idle - time.monotonic(), 0.0))

    def _leave(self) -> None:
        """At once, from whichever thread: what the process holds goes with it."""
        os._exit(0)


def _problem(error: Exception, quantisation: str) -> dict[str, str]:
    """What went wrong in words, and of which kind it is."""
    from nli_console.worker.chat.desk import NotLoadedError
    from nli_console.worker.failures import reason_of, report

    if isinstance(error, ConsoleError):
        return {
            "kind": "not_loaded" if isinstance(error, NotLoadedError) else "refused",
            "message": clean(error),
        }
    reason = reason_of(error)
    if reason.code in ("cuda_oom", "host_oom"):
        where = "the GPU" if reason.code == "cuda_oom" else "the machine"
        advice = "load a smaller model" if quantisation == "nf4" else "load the model in 4-bit (nf4)"
        return {
            "kind": "out_of_memory",
            "message": f"{where} has not enough memory for this; {advice}, or ask with a shorter prompt",
        }
    report(error)
    return {"kind": "failed", "message": reason.detail}


def _tie_to_parent() -> None:
    """Die with the thread that started this process, also while a library holds the interpreter's lock."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
