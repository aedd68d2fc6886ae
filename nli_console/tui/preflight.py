"""What there is to know before a run is launched, found out on a daemon thread."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from textual.message_pump import MessagePump

from nli_console.data.check import DataCheck, check
from nli_console.data.layouts import TRAIN
from nli_console.data.resolve import resolve_dataset, resolve_model
from nli_console.data.sample import HELD_OUT_LIMIT
from nli_console.data.spec import DataSpec
from nli_console.errors import ConsoleError
from nli_console.methods import estimate, registry, shapes
from nli_console.methods.base import Hyperparameters, TrainingHyperparameters
from nli_console.methods.checks import DataFacts, Finding, PromptFacts
from nli_console.methods.shapes import Task
from nli_console.record.compose import template_of
from nli_console.record.spec_io import check_runs_dir
from nli_console.record.speed import measured_speed
from nli_console.record.summary import RunSummary
from nli_console.settings import LoadedSettings
from nli_console.supervisor.engine import Engine, EngineAnswer, EngineQuestion
from nli_console.supervisor.launch import Survival, survival
from nli_console.supervisor.preflight import Machine, Recipe, assess, engine_question, pace_of
from nli_console.supervisor.warm_start import WarmKeeper
from nli_console.text import clean_line, format_bytes
from nli_console.tui.answer import Answer, Note, NoteKind, Question
from nli_console.tui.background import Latest
from nli_console.tui.messages import PreflightAnswered

PUBLISHED_ROWS = {
    "nyu-mll/multi_nli": 392_702,
    "nyu-mll/glue": 392_702,
    "stanfordnlp/snli": 549_367,
    "facebook/anli": 162_865,
}
"""Labelled training rows of well-known datasets, as their authors publish them (GLUE: its MNLI)."""


class Preflight:
    """Answers the newest question on a daemon thread; posts :class:`PreflightAnswered` to ``target``.

    What needs the rows or a tokenizer is asked of the engine; its answers lead to better ones of our own.

    Args:
        machine: what a run would compute on now.
        history: the runs of which a similar one tells how long this one takes.
    """

    def __init__(
        self,
        settings: LoadedSettings,
        target: MessagePump,
        machine: Callable[[], Machine] = Machine,
        history: Callable[[], Iterable[RunSummary]] = tuple,
    ) -> None:
        self._settings = settings
        self._thread = Latest(target, title="preflight")
        self._machine = machine
        self._history = history
        self._engine = Engine(settings.cache_dir)
        self._question: Question | None = None
        self._told: EngineAnswer | None = None
        self._rows = RowCounts()
        self._survival: Survival | None = None
        launch = settings.values.launch
        self.warm = WarmKeeper(launch.warm_worker, launch.environment, self._ask_again)

    def ask(self, question: Question) -> None:
        if self._question is not None:
            self.warm.touch()
        self._ask(question)

    def _ask_again(self) -> None:
        if self._question is not None:
            self._ask(self._question)

    def _ask(self, question: Question) -> None:
        self._question = question
        self._thread.submit(lambda: PreflightAnswered(self._answer_and_ask(question)))

    def stop(self) -> None:
        """Stop without waiting; the engine is ended."""
        self._thread.stop()
        self._engine.close()
        self.warm.close()

    def answer(self, question: Question) -> Answer:
        """Everything that can be said now. Reads files: call it on a thread."""
        return self._answer(question)[0]

    def _answer_and_ask(self, question: Question) -> Answer:
        answer, wanted = self._answer(question)
        if wanted is not None:
            self._engine.ask(wanted, self._engine_told)
        return answer

    def _engine_told(self, told: EngineAnswer) -> None:
        """Keep what the engine knows, and answer again where that is news."""
        known = self._told
        if known is not None and known.done and not told.done and told.question == known.question:
            return  # The way to an answer that is here already; should it differ, its end will tell.
        if told != known:
            self._told = told
            self._ask_again()

    def _answer(self, question: Question) -> tuple[Answer, EngineQuestion | None]:
        """The answer, and what the engine could add to it."""
        notes: list[Note] = []
        if waiting := self.warm.memory_bytes:
            taken = format_bytes(waiting)
            notes.append(Note("info", f"A worker waits with the libraries loaded, in {taken} of memory"))
        model = self._model(question, notes)
        spec, facts = self._data(question, notes)
        if model is None:
            return self._with_rows(Answer(question), question, facts, notes), None
        wanted = self._wanted(question, model, spec, notes)
        told = self._told if self._told is not None and self._told.question == wanted else None
        if told is not None and told.data is not None:
            facts = told.data
        answer = replace(Answer(question), counting=self._counting(model, wanted.task, told, notes))
        if told is not None and spec is not None:
            # What the hub's data lacks is known already: it is not downloaded for this.
            words = told.notes if spec.format != "hub" else ()
            notes += [Note("warning", text) for text in (*words, *([told.problem] if told.problem else ()))]
        prompts = None if told is None else told.prompts
        answer = self._with_checks(answer, question, wanted, facts, prompts, notes)
        return self._with_rows(answer, question, facts, notes), wanted

    def _wanted(
        self, question: Question, model: str, spec: DataSpec | None, notes: list[Note]
    ) -> EngineQuestion:
        method, hyperparameters = registry.get(question.method), question.hyperparameters
        if hyperparameters is None:
            return EngineQuestion(model, spec, question.seed, method.task)
        template = None
        try:
            template = template_of(hyperparameters.model_dump())
        except ConsoleError as error:
            notes.append(Note("error", str(error), "template"))
        recipe = Recipe(method, hyperparameters, model, question.model, template=template)
        return engine_question(recipe, spec, question.seed)

    def _with_rows(
        self, answer: Answer, question: Question, facts: DataFacts | None, notes: list[Note]
    ) -> Answer:
        rows = None if facts is None else facts.train_rows
        steps = None if rows is None else optimiser_steps(rows, question.hyperparameters)
        reported = None if facts is None or facts.evaluation is None else sum(facts.evaluation.values())
        notes = [*notes, *self._machine_notes()]
        return replace(answer, train_rows=rows, scored_rows=reported, steps=steps, notes=tuple(notes))

    # Model

    def _model(self, question: Question, notes: list[Note]) -> str | None:
        if not question.model:
            return None
        try:
            return resolve_model(question.model, self._settings)
        except ConsoleError as error:
            notes.append(Note("error", str(error), "model"))
            return None

    def _counting(self, model: str, task: Task, told: EngineAnswer | None, notes: list[Note]) -> bool:
        """Whether the engine is still to count the modules of a model not seen before."""
        if shapes.load(model, self._settings.cache_dir, task) is not None:
            return False
        if shapes.find_config(model) is None:
            notes.append(
                Note("info", "The model is downloaded when the run starts; its parameters are counted then")
            )
            return False
        return told is None or not told.done

    def _with_checks(
        self,
        answer: Answer,
        question: Question,
        wanted: EngineQuestion,
        facts: DataFacts | None,
        prompts: PromptFacts | None,
        notes: list[Note],
    ) -> Answer:
        if question.hyperparameters is None:
            return answer
        method = registry.get(question.method)
        name, ignored = clean_line(question.model), question.ignored
        recipe = Recipe(
            method, question.hyperparameters, wanted.model, name, ignored, template=wanted.template
        )
        machine = self._machine()
        speed = measured_speed(
            self._history(),
            method=method.name,
            model=question.model,
            data=question.data,
            device=machine.device,
            pace=pace_of(question.hyperparameters),
        )
        try:
            found = assess(recipe, self._settings, machine, data=facts, prompts=prompts, speed=speed)
        except ConsoleError as error:
            notes.append(_named(str(error), question.hyperparameters))
            return answer
        notes += [_note(finding, question.hyperparameters) for finding in found.findings]
        return replace(
            answer,
            trainable=None if found.counts is None else found.counts.trainable,
            total=None if found.counts is None else found.counts.total,
            memory=found.memory,
            seconds=found.seconds,
            findings=found.findings,
        )

    # Data

    def _data(self, question: Question, notes: list[Note]) -> tuple[DataSpec | None, DataFacts | None]:
        """The dataset, and what a quick look at it tells."""
        if not question.data:
            return None, None
        try:
            spec = resolve_dataset(question.data, self._settings, question.fraction).model_copy(
                update={"evaluate_on": question.evaluate_on, "evaluation_rows": question.evaluation_rows}
            )
            found = check(spec)
        except ConsoleError as error:
            notes.append(Note("error", str(error), "data"))
            return None, None
        if found.splits:
            splits = ", ".join(clean_line(name) for name in found.splits)
            notes.append(Note("ok", f"Data is readable: {splits}"))
        notes += [Note("info", note) for note in found.notes]
        rows = self._rows.count(spec, found)
        if rows is None:
            return spec, None
        trained = training_rows(rows, spec, only_train=set(found.splits) == {TRAIN})
        return spec, DataFacts(train_rows=trained)

    # Machine

    def _machine_notes(self) -> tuple[Note, ...]:
        if self._survival is None:
            self._survival = survival(self._settings.values.launch.survive_logout)
        kind: NoteKind = "ok" if self._survival.outlives_logout else "warning"
        notes = [Note(kind, self._survival.sentence)]
        try:
            check_runs_dir(self._settings.runs_dir, make=False)
        except ConsoleError as error:
            notes.insert(0, Note("error", str(error)))
        if self._settings.notice:
            notes.append(Note("info", self._settings.notice))
        return tuple(notes)


class RowCounts:
    """Rows of training files; a file is counted once for as long as it does not change."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int, int], int] = {}

    def count(self, spec: DataSpec, found: DataCheck) -> int | None:
        """Rows of the train split, as lines where the format allows it; ``None`` when only reading tells."""
        if spec.format == "hub":
            return PUBLISHED_ROWS.get(spec.source)
        look = found.splits.get(TRAIN)
        if look is None or look.rows is not None:
            return None if look is None else look.rows
        path = Path(spec.source) if Path(spec.source).is_file() else Path(spec.source) / spec.splits[TRAIN]
        if spec.format not in ("multinli", "jsonl") or not path.is_file() or path.suffix == ".zip":
            return None
        try:
            status = path.stat()
            key = (str(path), status.st_size, status.st_mtime_ns)
            if key not in self._known:
                self._known[key] = _lines(path)
        except OSError:
            return None
        return self._known[key]


def training_rows(rows: int, spec: DataSpec, *, only_train: bool) -> int:
    """Rows trained on out of ``rows``, by the rules of :func:`nli_console.data.sample.prepare`."""
    held_out = min(HELD_OUT_LIMIT, rows // 10) if only_train else 0
    rest = rows - held_out - min(spec.selection_rows, rows // 10)
    return rest if spec.fraction >= 1 else max(1, round(spec.fraction * rest))


def optimiser_steps(rows: int, hyperparameters: Hyperparameters | None) -> int | None:
    """Optimiser steps over ``rows`` training rows; unknown while the form is not valid or nothing trains."""
    if not isinstance(hyperparameters, TrainingHyperparameters):
        return None
    return estimate.optimiser_steps(rows, hyperparameters)


def _lines(path: Path) -> int:
    count, last = 0, b"\n"
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            count += block.count(b"\n")
            last = block[-1:]
    return count + (last != b"\n")


def _named(text: str, hyperparameters: Hyperparameters) -> Note:
    """An error of the core, tied to the field that it names: ``lora.target_modules: …``."""
    head, colon, rest = text.partition(": ")
    name = head.rpartition(".")[2]
    if colon and name in type(hyperparameters).model_fields:
        return Note("error", rest, name)
    return Note("error", text)


def _note(finding: Finding, hyperparameters: Hyperparameters) -> Note:
    """A finding as a note that begins with its word and its id, and says how what blocks is overridden."""
    word = "ignored" if finding.ignored else finding.severity
    kind: NoteKind = "info" if finding.severity == "note" else finding.severity
    override = ", or f9 to launch all the same" if finding.blocks else ""
    known = finding.field in type(hyperparameters).model_fields or finding.field in ("model", "data")
    return Note(
        kind,
        f"{word} {finding.id}: {finding.message}. Try: {finding.suggestion}{override}",
        finding.field if known else None,
    )
