"""The transcript of a chat: what is said is kept as it happens, opened again, exported and copied."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from textual.message import Message
from textual.message_pump import MessagePump

from nli_console.data.chat import Dialogue, Question
from nli_console.data.prompts import Turn
from nli_console.errors import ConsoleError
from nli_console.record import transcripts
from nli_console.record.transcripts import Listed, Said, Transcript
from nli_console.tui.chat_desk import Reply
from nli_console.tui.chat_work import Scribe


@dataclass
class TranscriptsListed(Message):
    """The conversations that can be opened."""

    found: tuple[Listed, ...]


@dataclass
class TranscriptOpened(Message):
    """A conversation was read."""

    transcript: Transcript


@dataclass
class MarkdownMade(Message):
    """The conversation as Markdown: in the file ``path``, or to be copied where there is none."""

    text: str
    path: Path | None


class ChatRecord:
    """One conversation at a time. Files are written on a thread, in order; failures are told to ``target``.

    Attributes:
        said: every turn so far.
    """

    def __init__(self, target: MessagePump) -> None:
        self._scribe = Scribe(target)
        self._transcript: Transcript | None = None
        self.said: list[Said] = []

    def begin(self) -> None:
        """Another conversation; the one before stays saved."""
        self._close()
        self._transcript, self.said = None, []

    def go_on(self, transcript: Transcript) -> None:
        """Continue one that was opened."""
        self._close()
        self._transcript, self.said = transcript, list(transcript.turns)

    def _close(self) -> None:
        if self._transcript is not None:
            self._do(self._transcript.close)

    def add(self, said: Said, model: str) -> None:
        """Keep a turn."""
        self.said.append(said)
        if self._transcript is None:
            self._transcript = transcripts.begin(model)
        transcript = self._transcript
        self._do(lambda: transcript.append(said))

    def ask(self, reply: Reply) -> None:
        """Keep a question about a pair before it is answered: what ends the console then does not lose it."""
        if isinstance(reply.prompt, Question):
            self.add(_question(reply, reply.prompt), reply.model)

    def add_reply(self, reply: Reply) -> None:
        """Keep an answer. The same pair put otherwise beside it is kept as a question of its own."""
        if not reply.text and reply.scored is None:
            return
        if reply.place:
            self.ask(reply)
        self.add(_answer(reply), reply.model)

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The free conversation: questions about pairs and their answers are left out."""
        turns: list[Turn] = []
        free = False
        for said in self.said:
            free = said.role == "user" or (free and said.role == "assistant")
            if said.role != "pair" and (free or said.role == "system"):
                turns.append(Turn(said.role, said.text))
        return tuple(turns)

    def list(self) -> None:
        """:class:`TranscriptsListed` follows."""
        self._scribe.do(lambda: TranscriptsListed(tuple(transcripts.listed())))

    def open(self, id: str) -> None:
        """:class:`TranscriptOpened` follows."""
        self._scribe.do(lambda: TranscriptOpened(transcripts.reopen(id)))

    def markdown(self, path: Path | None) -> None:
        """:class:`MarkdownMade` follows; with ``path`` it is written there, which must not exist."""
        transcript = self._transcript
        if transcript is not None:
            self._scribe.do(lambda: _made(transcript, path))

    @property
    def id(self) -> str:
        """Of the conversation; empty before anything was said."""
        return "" if self._transcript is None else self._transcript.id

    def _do(self, work: Callable[[], None]) -> None:
        self._scribe.do(lambda: work())


def _made(transcript: Transcript, path: Path | None) -> MarkdownMade:
    text = transcripts.to_markdown(transcript)
    if path is not None:
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise ConsoleError(f"{path}: cannot be written ({error.strerror}); choose another path") from None
    return MarkdownMade(text, path)


def _question(reply: Reply, question: Question) -> Said:
    details = {
        "premise": question.premise,
        "hypothesis": question.hypothesis,
        "gold": reply.gold,
        "template": question.template.name,
        "shots": [shot.id for shot in question.shots],
    }
    return Said(
        "pair", question.template.text(question.premise, question.hypothesis, question.shots), details
    )


def _answer(reply: Reply) -> Said:
    adapter = None if reply.side is None else reply.side.adapter
    details: dict[str, object] = {
        "model": reply.model,
        "adapter": "" if adapter is None else adapter.run_id,
        "sampling": reply.sampling.model_dump(),
        "stopped": reply.stopped,
    }
    if reply.rendered is not None:
        details["prompt"] = reply.rendered.marked
    if reply.answered is not None:
        details |= {"tokens": reply.answered.tokens, "seconds": reply.answered.seconds}
        if not isinstance(reply.prompt, Dialogue):
            details["label"] = reply.answered.label
    if reply.scored is not None:
        details |= {"raw": dict(reply.scored.raw), "calibrated": dict(reply.scored.calibrated)}
    return Said("assistant", reply.text, details)
