"""The console's end of the engine: a process that knows torch, started when first asked, never waited for."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Condition, Event, Lock, Thread
from typing import Any

from nli_console.data.prompts import PromptTemplate
from nli_console.data.spec import DataSpec
from nli_console.methods.checks import DataFacts, PromptFacts
from nli_console.methods.padding import AUTO
from nli_console.methods.shapes import Task
from nli_console.supervisor.environment import python_command
from nli_console.text import clean_line

ENGINE_VARIABLE = "NLI_CONSOLE_ENGINE"
"""Replaces ``python -m nli_console.worker engine`` (split like a shell line): for tests."""

_STARTS = 2
"""Processes that one question may use up: a crash is answered with one restart."""


@dataclass(frozen=True)
class EngineQuestion:
    """What a form or a command wants to know. ``model`` is a folder or hub id, as a spec has it.

    With a ``template`` the rows are prompts behind ``shots`` demonstrations, padded with ``pad_token``;
    without one they are plain pairs. ``trains`` says whether training rows are read, or the reported ones
    alone.
    """

    model: str
    data: DataSpec | None
    seed: int = 1
    task: Task = "classifier"
    template: PromptTemplate | None = None
    pad_token: str = AUTO
    shots: int = 0
    trains: bool = True


@dataclass(frozen=True)
class EngineAnswer:
    """What is known so far; ``problem`` says in a sentence why there will be no more.

    Attributes:
        data: facts of the rows, ``None`` while they are not known.
        prompts: facts of the prompts that the rows become, where the question has a template.
        notes: sentences worth showing.
        done: whether this is the last answer to the question.
    """

    question: EngineQuestion
    data: DataFacts | None = None
    prompts: PromptFacts | None = None
    notes: tuple[str, ...] = ()
    problem: str | None = None
    done: bool = False


Tell = Callable[[EngineAnswer], None]


class Engine:
    """Asks the engine process on a daemon thread. The newest question wins: what it overtook is not told.

    Args:
        cache_dir: where shapes of models are kept.
    """

    def __init__(self, cache_dir: Path) -> None:
        self._cache_dir = cache_dir
        self._changed = Condition()
        self._waiting: tuple[EngineQuestion, Tell] | None = None
        self._closed = False
        self._thread: Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._process_lock = Lock()
        self._deadly: set[str] = set()
        self._asked = 0

    def ask(self, question: EngineQuestion, tell: Tell) -> None:
        """Hand a question in and return at once. ``tell`` is called on the engine's thread, once or more."""
        with self._changed:
            if self._closed:
                return
            self._waiting = (question, tell)
            if self._thread is None:
                self._thread = Thread(target=self._loop, name="console-engine", daemon=True)
                self._thread.start()
            self._changed.notify()

    def wait_for(self, question: EngineQuestion, timeout: float) -> EngineAnswer:
        """Ask and wait for the last answer; after ``timeout`` seconds for what is known until then."""
        over = Event()
        newest = EngineAnswer(question)

        def tell(answer: EngineAnswer) -> None:
            nonlocal newest
            newest = answer
            if answer.done:
                over.set()

        self.ask(question, tell)
        over.wait(timeout)
        return newest

    def close(self) -> None:
        """End the process and the thread without waiting for either."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        with self._process_lock:
            self._kill()

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting is not None or self._closed)
                if self._closed or self._waiting is None:
                    return
                question, tell = self._waiting
                self._waiting = None
            for answer in self._answers(question):
                if self._waiting is None and not self._closed:
                    tell(answer)

    def _answers(self, question: EngineQuestion) -> Iterator[EngineAnswer]:
        request = self._request(question)
        answer, reason = EngineAnswer(question), "it ended on this question before"
        if request not in self._deadly:
            for _ in range(_STARTS):
                try:
                    for record in self._exchange(request):
                        answer = _read(question, record, answer)
                        yield answer
                    return
                except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
                    reason = self._reason(error)
                if self._closed:
                    return
            self._deadly.add(request)
        yield EngineAnswer(
            question,
            answer.data,
            answer.prompts,
            answer.notes,
            f"the engine cannot answer ({reason}): checks that need the rows or the tokenizer are left out",
            done=True,
        )

    def _exchange(self, request: str) -> Iterator[dict[str, Any]]:
        """Send one question and yield its answers.

        Raises:
            OSError, EOFError: the process cannot be started, or has ended.
            ValueError: it says something that is no answer.
        """
        process = self._ready()
        assert process.stdin is not None
        assert process.stdout is not None
        self._asked += 1
        process.stdin.write(json.dumps({"id": self._asked, **json.loads(request)}).encode() + b"\n")
        process.stdin.flush()
        for line in process.stdout:
            record = json.loads(line)
            if record["id"] != self._asked:
                continue
            yield record
            if record["done"]:
                return
        raise EOFError

    def _ready(self) -> subprocess.Popen[bytes]:
        with self._process_lock:
            if self._closed:
                raise EOFError
            if self._process is None:
                argv, environment = python_command("nli_console.worker", "engine")
                if replaced := os.environ.get(ENGINE_VARIABLE):
                    argv = shlex.split(replaced)
                environment["CUDA_VISIBLE_DEVICES"] = ""
                self._process = subprocess.Popen(
                    argv,
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            return self._process

    def _reason(self, error: Exception) -> str:
        """Why the process is of no use any more, in words; it is gone afterwards."""
        with self._process_lock:
            process = self._process
            self._kill()
            self._process = None
        if process is None or isinstance(error, ValueError | KeyError | TypeError):
            return clean_line(f"{type(error).__name__}: {error}", limit=120)
        code = process.wait()
        return signal.Signals(-code).name if code < 0 else f"it ended with exit code {code}"

    def _kill(self) -> None:
        if self._process is not None:
            with contextlib.suppress(OSError):
                self._process.kill()

    def _request(self, question: EngineQuestion) -> str:
        data = None if question.data is None else question.data.model_dump(mode="json")
        return json.dumps(
            {
                "model": question.model,
                "task": question.task,
                "data": data,
                "seed": question.seed,
                "template": None if question.template is None else question.template.model_dump(mode="json"),
                "pad_token": question.pad_token,
                "shots": question.shots,
                "trains": question.trains,
                "cache_dir": str(self._cache_dir),
            },
            sort_keys=True,
        )


def _read(question: EngineQuestion, record: dict[str, Any], before: EngineAnswer) -> EngineAnswer:
    """An answer of the process; the last one only ends the question."""
    if record["done"]:
        return replace(before, question=question, problem=record.get("problem"), done=True)
    data = record["data"]
    if data is not None:
        lengths = data.get("lengths")
        data = DataFacts(**{**data, "lengths": None if lengths is None else tuple(lengths)})
    prompts = record.get("prompts")
    if prompts is not None:
        words = prompts.get("label_tokens") or {}
        tokens = {word: tuple(ids) for word, ids in words.items()}
        prompts = PromptFacts(**{**prompts, "label_tokens": tokens or None})
    notes = tuple(clean_line(note, limit=300) for note in record["notes"])
    return EngineAnswer(question, data, prompts, notes)
