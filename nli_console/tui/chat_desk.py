"""What the chat pane has asked of its engine and what has come of it so far. Knows no widget, no thread."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from nli_console.data.chat import (
    Check,
    Demonstrate,
    Dialogue,
    Generate,
    Load,
    Prompt,
    Quantisation,
    Question,
    Render,
    Request,
    Sampling,
    Score,
)
from nli_console.data.prompts import PromptTemplate, Turn
from nli_console.data.spec import DataSpec, Example
from nli_console.record.trained_adapters import TrainedAdapter
from nli_console.supervisor import chat_events as events
from nli_console.supervisor.chat_events import Event

Part = Literal["model", "replies", "prompt", "shots", "check", "problem"]
"""What may have changed, for whoever draws it."""
Role = Literal["load", "answer", "score", "render", "shots", "check"]


class Engine(Protocol):
    """What the desk needs of a chat."""

    @property
    def model(self) -> Load | None: ...

    def ask(self, request: Request) -> int: ...

    def stop(self, id: int) -> None: ...

    def unload(self) -> None: ...


@dataclass(frozen=True)
class Model:
    """What is known of the model: ``load`` was asked for, ``told`` is the last that the engine said of it."""

    load: Load | None = None
    told: events.Waiting | events.Loading | events.Loaded | None = None

    @property
    def is_there(self) -> bool:
        return isinstance(self.told, events.Loaded)

    @property
    def is_coming(self) -> bool:
        return self.load is not None and not self.is_there


@dataclass(frozen=True)
class Side:
    """One way to ask: with a template, of the base model or of an adapter over it."""

    template: PromptTemplate
    adapter: TrainedAdapter | None = None

    @property
    def folder(self) -> str:
        """As requests name the adapter; empty for the base model."""
        return "" if self.adapter is None else str(self.adapter.folder)


@dataclass(frozen=True)
class Reply:
    """A question and what came of it.

    Attributes:
        gold: the right label, where it is known; else empty.
        pending: requests that have not ended.
        text: the answer as far as it is written.
        problem: why it came to nothing.
        rendered: what the model read, once that is known.
        place: among the replies to one question; 0 is the first.
    """

    side: Side | None
    prompt: Prompt
    gold: str
    sampling: Sampling
    model: str
    pending: frozenset[int] = frozenset()
    text: str = ""
    answered: events.Answered | None = None
    scored: events.Scored | None = None
    problem: str = ""
    stopped: bool = False
    rendered: events.Rendered | None = None
    place: int = 0

    @property
    def over(self) -> bool:
        return not self.pending


@dataclass(frozen=True)
class Problem:
    """What went wrong, in a sentence; ``smaller``: the model may fit with its weights in 4 bits."""

    text: str
    smaller: bool = False


class Desk:
    """The state of the pane, changed by what is asked and by what the engine tells.

    Attributes:
        shots: the demonstrations that were asked for last, ``None`` until they are there.
        rendered: what the model would read of the prompt that was rendered last.
        unsaid: why that could not be rendered; empty where it could.
        finished: replies that have ended and that nobody has taken yet.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._jobs: dict[int, tuple[Role, int]] = {}
        self._loading = 0
        self._quantisation: Quantisation = "none"
        """Of the model that was loaded last, or was to be."""
        self.model = Model()
        self.replies: list[Reply] = []
        self.shots: tuple[Example, ...] | None = ()
        self.rendered: events.Rendered | None = None
        self.unsaid = ""
        self.rendering = False
        self.checked: events.Checked | None = None
        self.problem: Problem | None = None
        self.finished: list[Reply] = []

    # -- asking ----------------------------------------------------------------------------------------------

    def ask(
        self, load: Load, prompts: Sequence[tuple[Side | None, Prompt]], sampling: Sampling, gold: str
    ) -> None:
        """Put prompts to the model one after another, and load it before where it is not there.

        Raises:
            ConsoleError: a prompt says nothing.
        """
        for _, prompt in prompts:
            prompt.refuse_empty()
        self._stop("check")
        self.cut()
        self.problem = None
        self._ensure(load)
        for place, (side, prompt) in enumerate(prompts):
            folder = "" if side is None else side.folder
            render = Render(
                model=load.model,
                model_name=load.model_name,
                prompt=prompt,
                max_new_tokens=sampling.max_new_tokens,
            )
            ids = [
                self._start("render", render, place),
                self._start("answer", Generate(prompt=prompt, sampling=sampling, adapter=folder), place),
            ]
            if isinstance(prompt, Question):
                ids.append(self._start("score", Score(prompt=prompt, adapter=folder), place))
            reply = Reply(side, prompt, gold, sampling, load.model_name, frozenset(ids), place=place)
            self.replies.append(reply)

    def cut(self) -> None:
        """End the replies that go on, with what there is of them, and begin without any."""
        self._stop("answer", "score")
        going = [reply for reply in self.replies if not reply.over]
        self.finished += [replace(reply, pending=frozenset(), stopped=True) for reply in going]
        self.replies = []

    def _ensure(self, load: Load) -> None:
        if self.model.load != load:
            self.model, self._quantisation = Model(load), load.quantisation
            self._loading = self._start("load", load)

    def load(self, load: Load) -> None:
        """Load a model in place of the one that is there."""
        self.problem = None
        self._ensure(load)

    def render(self, load: Load, prompt: Prompt, max_new_tokens: int) -> None:
        """Find out what the model would read; only the newest of these is answered."""
        request = Render(
            model=load.model, model_name=load.model_name, prompt=prompt, max_new_tokens=max_new_tokens
        )
        self._drop("render", -1)
        self.rendering = True
        self._start("render", request, -1)

    def demonstrate(self, data: DataSpec | None, count: int, seed: int) -> None:
        """Get demonstrations; none needs no data."""
        self._drop("shots")
        self.shots = ()
        if data is not None and count:
            self.shots = None
            self._start("shots", Demonstrate(data=data, shots=count, seed=seed))

    def check(self, load: Load, request: Check) -> None:
        """Score rows of a split, in the engine; told row by row in ``checked``."""
        self._stop("answer", "score", "check")
        self.problem, self.checked = None, None
        self._ensure(load)
        self._start("check", request)

    def stop(self) -> bool:
        """End what is being answered or checked, as soon as it can be; ``False`` when nothing was."""
        stopped = self._stop("answer", "score", "check", "load")
        if self.model.is_coming:
            # Who asks again before the engine has heard of it gets another load.
            self.model = Model()
        return stopped

    def _stop(self, *roles: Role) -> bool:
        ids = [id for id, (role, _) in self._jobs.items() if role in roles]
        for id in ids:
            self._engine.stop(id)
        return bool(ids)

    @property
    def busy(self) -> bool:
        return any(role in ("answer", "score", "check", "load") for role, _ in self._jobs.values())

    def is_pending(self, role: Role) -> bool:
        return any(each == role for each, _ in self._jobs.values())

    def unload(self) -> None:
        self._engine.unload()

    def _start(self, role: Role, request: Request, place: int = 0) -> int:
        id = self._engine.ask(request)
        self._jobs[id] = (role, place)
        return id

    def _drop(self, role: Role, place: int = 0) -> None:
        self._jobs = {id: job for id, job in self._jobs.items() if job != (role, place)}

    # -- hearing ---------------------------------------------------------------------------------------------

    def heard(self, told: Iterable[Event]) -> set[Part]:
        """Take in what the engine said; returns what has changed by it."""
        changed: set[Part] = set()
        for event in told:
            changed |= self._hear(event)
        return changed

    def _hear(self, event: Event) -> set[Part]:
        if isinstance(event, events.Unloaded):
            return self._unloaded(event)
        job = self._jobs.get(event.id)
        if job is None:
            return set()
        role, place = job
        last = not isinstance(event, events.Waiting | events.Loading | events.Fragment) and not (
            isinstance(event, events.Checked) and not event.over
        )
        if last:
            del self._jobs[event.id]
        match role:
            case "load":
                return self._model_told(event, event.id)
            case "render" if place < 0:
                return self._rendered(event)
            case "shots":
                return self._shown(event)
            case "check":
                return self._checked(event)
            case _:
                return self._answered(event, place, last)

    def _model_told(self, event: Event, id: int) -> set[Part]:
        if id != self._loading or self.model.load is None:
            return set()
        if isinstance(event, events.Waiting | events.Loading | events.Loaded):
            self.model = replace(self.model, told=event)
            return {"model"}
        if isinstance(event, events.Failed):
            self._fail(event)
        self.model = Model()
        return {"model", "problem"}

    def _rendered(self, event: Event) -> set[Part]:
        self.rendering = False
        if isinstance(event, events.Rendered):
            self.rendered, self.unsaid = event, ""
        elif isinstance(event, events.Failed):
            self.rendered, self.unsaid = None, event.message
        return {"prompt"}

    def _shown(self, event: Event) -> set[Part]:
        if isinstance(event, events.Demonstrated):
            self.shots = event.examples
        elif isinstance(event, events.Failed):
            self._fail(event)
        return {"shots", "problem"}

    def _checked(self, event: Event) -> set[Part]:
        if isinstance(event, events.Checked):
            self.checked = event
        elif isinstance(event, events.Failed):
            self._fail(event)
        return {"check", "problem"}

    def _answered(self, event: Event, place: int, last: bool) -> set[Part]:
        if place >= len(self.replies) or event.id not in self.replies[place].pending:  # type: ignore[union-attr]
            return set()
        reply, changed = self.replies[place], set[Part](("replies",))
        match event:
            case events.Fragment():
                reply = replace(reply, text=reply.text + event.text)
            case events.Answered():
                reply = replace(reply, text=event.text, answered=event)
            case events.Scored():
                reply = replace(reply, scored=event)
            case events.Rendered():
                reply = replace(reply, rendered=event)
                if place == 0:
                    self.rendered, self.unsaid = event, ""
                    changed.add("prompt")
            case events.Stopped():
                reply = replace(reply, stopped=True)
            case events.Failed():
                reply = replace(reply, problem=reply.problem or event.message)
                self._fail(event)
                changed.add("problem")
            case _:
                pass
        if last:
            reply = replace(reply, pending=reply.pending - {event.id})  # type: ignore[union-attr]
            if reply.over:
                self.finished.append(reply)
        self.replies[place] = reply
        return changed

    def _unloaded(self, event: events.Unloaded) -> set[Part]:
        self.model = Model()
        if event.reason == "idle":
            self.problem = Problem("The model was unloaded, because nobody had asked for a while.")
        elif event.message and self.problem is None:
            self.problem = Problem(event.message)
        return {"model", "problem", "replies"}

    def _fail(self, event: events.Failed) -> None:
        """The first problem counts: what stood behind a failed load says only that there is no model."""
        if self.problem is None or event.kind == "out_of_memory":
            smaller = event.kind == "out_of_memory" and self._quantisation != "nf4"
            self.problem = Problem(event.message, smaller)

    def take_finished(self) -> list[Reply]:
        """Replies that have ended since the last time."""
        finished, self.finished = self.finished, []
        return finished


def turns_of(reply: Reply) -> tuple[Turn, ...]:
    """The conversation with the answer, for a reply in a free one."""
    if not isinstance(reply.prompt, Dialogue):
        return ()
    return (*reply.prompt.turns, Turn("assistant", reply.text))
