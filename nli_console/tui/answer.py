"""What is known about a run that the form would start, and in which words the form tells it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from nli_console.methods import registry
from nli_console.methods.base import Hyperparameters
from nli_console.methods.checks import Finding
from nli_console.methods.estimate import MemoryEstimate
from nli_console.methods.fields import FieldError, validate
from nli_console.record.state import State
from nli_console.record.summary import RunSummary
from nli_console.tui.form import Form

NoteKind = Literal["ok", "info", "busy", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Note:
    """One finding, in a sentence."""

    kind: NoteKind
    text: str
    field: str | None = None
    """The form field that it is about, if one."""


@dataclass(frozen=True)
class Question:
    """What the form says now. ``hyperparameters`` is ``None`` while they are not valid."""

    method: str
    model: str
    data: str
    fraction: float
    hyperparameters: Hyperparameters | None
    seed: int = 1
    ignored: frozenset[str] = frozenset()
    evaluate_on: tuple[str, ...] = ()
    evaluation_rows: int = 0


def question_of(form: Form, ignored: frozenset[str]) -> Question:
    """What a form says; beside a fraction or seeds that cannot be read, model and data alone."""
    hyperparameters, _ = validate(form.current.Hyperparameters, form.hyperparameters())
    try:
        fraction, seed, scored = form.run_value("fraction"), form.run_value("seeds")[0], form.scored()
    except FieldError:
        fraction, seed, scored, hyperparameters = 1.0, 1, ((), 0), None
    model, data = form.text("model").strip(), form.text("data").strip()
    return Question(form.method, model, data, fraction, hyperparameters, seed, ignored, *scored)


@dataclass(frozen=True)
class Answer:
    """What is known about ``question``; ``None`` is unknown, ``counting`` means parameters follow.

    ``scored_rows`` are those of all reported splits. ``memory`` is the estimated peak, ``seconds`` the
    estimated time; ``notes`` tell of ``findings``. ``kept``: the figures are of an earlier question.
    """

    question: Question | None = None
    trainable: int | None = None
    total: int | None = None
    counting: bool = False
    train_rows: int | None = None
    scored_rows: int | None = None
    steps: int | None = None
    memory: MemoryEstimate | None = None
    seconds: float | None = None
    findings: tuple[Finding, ...] = ()
    notes: tuple[Note, ...] = ()
    kept: bool = False

    @property
    def sound(self) -> bool:
        """Whether there is something to count: hyperparameters that are valid, a model and data."""
        wrong = any(note.kind == "error" and note.field in ("model", "data") for note in self.notes)
        return self.question is not None and self.question.hyperparameters is not None and not wrong

    @property
    def names_a_model(self) -> bool:
        """Whether the model asked about is there, or can be downloaded."""
        wrong = any(note.kind == "error" and note.field == "model" for note in self.notes)
        return self.question is not None and self.question.model != "" and not wrong

    @property
    def trains(self) -> bool:
        """Whether what is asked about trains anything."""
        return self.question is None or registry.get(self.question.method).trains

    def after(self, before: "Answer") -> "Answer":
        """This answer; where a mistake leaves nothing to count, with the figures known before it."""
        if self.sound or self.counting or before.question is None or self.question is None:
            return self
        if before.question.method != self.question.method:
            return self
        figures = {name: getattr(before, name) for name in _FIGURES}
        return replace(self, **figures, kept=True)


_FIGURES = ("trainable", "total", "train_rows", "scored_rows", "steps", "memory", "seconds")


def own_notes(form: Form, answer: Answer, runs: Iterable[RunSummary], slots: int, paused: bool) -> list[Note]:
    """What the form tells beside the notes of ``answer``; nothing of a start that will be refused."""
    notes = form_notes(form)
    if any(note.kind == "error" for note in (*notes, *answer.notes)):
        return notes
    in_line = (run for run in runs if run.waiting is None or run.waiting.obstacle != "held")
    return [*notes, queue_note((run.state.state for run in in_line), slots, paused)]


def form_notes(form: Form) -> list[Note]:
    """What the form itself tells, without a file or a process."""
    notes = []
    problems = form.problems()
    if problems:
        count = "One field needs" if len(problems) == 1 else f"{len(problems)} fields need"
        names = ", ".join(name.replace("_", " ") for name in problems)
        notes.append(Note("error", f"{count} attention: {names}"))
    changes = len(form.changes())
    if changes:
        noun = "value differs" if changes == 1 else "values differ"
        notes.append(Note("info", f"{changes} {noun} from {form.preset.name}"))
    return notes


def queue_note(states: Iterable[State], slots: int, paused: bool = False) -> Note:
    """When the run would start, by the states of the others; ``slots`` runs may use the CPU at once."""
    if paused:
        return Note("info", "Waits until the queue goes on: it is paused (p in Runs)")
    states = list(states)
    queued = states.count(State.QUEUED)
    working = sum(state in (State.STARTING, State.RUNNING, State.STALLED, State.STOPPING) for state in states)
    if queued:
        return Note("info", f"Waits behind {queued} queued {'run' if queued == 1 else 'runs'}")
    if working >= slots:
        return Note("info", f"Waits until {'the' if working == 1 else 'one'} running run has ended")
    return Note("ok", "Starts at once")
