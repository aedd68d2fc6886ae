"""A chat whose events are waited for, and what is asked in it."""

import os
import select
import subprocess
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

from nli_console.data.chat import Dialogue, Generate, Load, Question, Request, Sampling
from nli_console.data.demo import demo_model_path
from nli_console.data.prompts import Turn, catalogue
from nli_console.supervisor import chat_events as events
from nli_console.supervisor.chat import Chat, is_last

PATIENCE = 120.0
MODEL = str(demo_model_path("decoder"))
LOAD = Load(model=MODEL, model_name="demo-decoder")
QUESTION = Question(
    template=catalogue.load("demo"),
    premise="All the nurses are in the kitchen.",
    hypothesis="A nurse is indoors.",
)
GENERATE = Generate(prompt=QUESTION)
# Drawn as if all tokens were equally likely, so that hardly one in a thousand ends the answer.
ENDLESS = Generate(
    prompt=Dialogue(turns=(Turn("user", "Tell me everything."),)),
    sampling=Sampling(max_new_tokens=2000, temperature=10.0, seed=3),
)
E = TypeVar("E")


class Talk:
    """A chat whose events are waited for."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[events.Event] = SimpleQueue()
        self.chat = Chat(self.queue.put)
        self.heard: list[events.Event] = []

    def forget(self) -> None:
        """What was heard so far is of no interest any more."""
        while not self.queue.empty():
            self.queue.get()
        self.heard.clear()

    def until(self, fits: Callable[[events.Event], bool]) -> events.Event:
        while True:
            try:
                event = self.queue.get(timeout=PATIENCE)
            except Empty:
                raise AssertionError(f"nothing more after {self.heard[-5:]}") from None
            self.heard.append(event)
            if fits(event):
                return event

    def next(self, kind: type[E]) -> E:
        event = self.until(lambda event: isinstance(event, kind | events.Failed))
        assert isinstance(event, kind), event
        return event

    def over(self, id: int) -> events.Event:
        return self.until(lambda event: is_last(event) and event.id == id)  # type: ignore[union-attr]

    def ask(self, request: Request) -> events.Event:
        return self.over(self.chat.ask(request))

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self.chat._process is not None
        assert self.chat._process._popen is not None
        return self.chat._process._popen


def gone(pid: int) -> bool:
    """Whether a process, which need not be a child, ends within the patience."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], PATIENCE)[0])
    finally:
        os.close(descriptor)
