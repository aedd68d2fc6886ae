"""Comparing and explaining for the screens: a process reads, a daemon thread listens and posts messages."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread

from textual.message import Message
from textual.message_pump import MessagePump

from nli_console.record.findings import Comparison, Explanation
from nli_console.supervisor.analysis import Analysis, AnalysisClosed
from nli_console.tui.background import describe, post

Question = Callable[[Analysis, Callable[[str, int, int, str], None]], "Comparison | Explanation | str"]
"""Asks the process, given what tells of progress."""


@dataclass
class Answered(Message):
    """What the question ``job`` was answered with."""

    job: int
    value: Comparison | Explanation | str


@dataclass
class AnalysisProgress(Message):
    """How far the answer to the question ``job`` is."""

    job: int
    phase: str
    done: int
    total: int
    unit: str

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, AnalysisProgress) and message.job == self.job


@dataclass
class AnalysisFailed(Message):
    """The question ``job`` has no answer; the text may be untrusted."""

    job: int
    text: str


class Asking:
    """One process and the thread that asks it the newest question; what was overtaken is not asked.

    The process is kept for the next question, with what it has read; one that died is started again.
    """

    def __init__(self, target: MessagePump) -> None:
        self._target = target
        self._changed = Condition()
        self._waiting: tuple[int, Question] | None = None
        self._job = 0
        self._closed = False
        self._analysis: Analysis | None = None
        self._ended: list[Analysis] = []
        Thread(target=self._loop, name="console-analysis", daemon=True).start()

    def ask(self, question: Question) -> int:
        """Ask; returns the number that the messages about it carry."""
        with self._changed:
            self._job += 1
            self._waiting = (self._job, question)
            self._changed.notify()
            return self._job

    def cancel(self) -> None:
        """End the process and what it is at; the next question starts another. Nobody waits."""
        with self._changed:
            self._waiting = None
            if self._analysis is not None:
                self._analysis.close()
                self._forget(self._analysis)

    def close(self) -> None:
        """As :meth:`cancel`, for good."""
        self._closed = True
        self.cancel()
        with self._changed:
            self._changed.notify()

    def _loop(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._ended or self._closed)
                ended, self._ended = self._ended, []
                waiting, self._waiting = self._waiting, None
            for analysis in ended:
                # A process that is stuck in a file system may take a while to be gone.
                with analysis:
                    continue
            if self._closed:
                return
            if waiting is not None:
                post(self._target, self._answer(*waiting))

    def _answer(self, job: int, question: Question) -> Message | None:
        def tell(phase: str, done: int, total: int, unit: str) -> None:
            post(self._target, AnalysisProgress(job, phase, done, total, unit))

        try:
            return Answered(job, question(self._started(), tell))
        except AnalysisClosed:
            return None
        except Exception as error:
            with self._changed:
                if self._analysis is not None and not self._analysis.alive:
                    self._forget(self._analysis)
            return AnalysisFailed(job, describe(error))

    def _forget(self, analysis: Analysis) -> None:
        """Leave a process that has ended to the thread, which waits for it; called with the lock held."""
        self._analysis = None
        self._ended.append(analysis)
        self._changed.notify()

    def _started(self) -> Analysis:
        with self._changed:
            if self._closed:
                raise AnalysisClosed
            analysis = self._analysis
        if analysis is not None:
            return analysis
        # Starting takes a moment, in which nobody may have to wait for the lock.
        started = Analysis()
        with self._changed:
            self._analysis = started
            if self._closed:
                started.close()
                self._forget(started)
        return started
