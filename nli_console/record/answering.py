"""Who answers single pairs: a run, one of its checkpoints, or weights of any origin; and how it is asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from nli_console.data.prompts import PromptTemplate
from nli_console.data.spec import DataSpec
from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.methods.evaluation import EvaluationHyperparameters
from nli_console.methods.fields import require
from nli_console.record.layout import PROMPT, RunLayout
from nli_console.record.secrets import scrub
from nli_console.record.sources import Source, find_source, named_run, of_run
from nli_console.record.spec import Evaluated, RunSpec
from nli_console.record.spec_io import load_spec
from nli_console.settings import LoadedSettings
from nli_console.text import clean_line


class Answerer(BaseModel):
    """A model and everything that decides its answers; complete, so that another process can load it.

    Attributes:
        title: for people: a run and perhaps its checkpoint, a folder or a hub id.
        evaluates: the weights; ``None`` where a method asks a model as it is, then ``method`` says which.
        hyperparameters: of :class:`EvaluationHyperparameters`, or of the method.
        data, seed: where a method's demonstrations come from.
        scored: folder of the likelihoods that a run has measured, for batch calibration.
        cpu_slots, wait_for_foreign: as ``[queue]`` of the settings.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    model: str
    model_name: str
    evaluates: Evaluated | None = None
    method: str | None = None
    hyperparameters: dict[str, Any]
    template: PromptTemplate | None = None
    data: DataSpec | None = None
    seed: int = 1
    scored: str | None = None
    cpu_slots: int = Field(default=1, ge=1)
    wait_for_foreign: bool = True


class Prediction(BaseModel):
    """What ``python -m nli_console.worker predict`` is asked: one pair, or a file of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    answerer: Answerer
    premise: str = ""
    hypothesis: str = ""
    input: str = ""
    output: str = ""
    overwrite: bool = False


@dataclass(frozen=True)
class Choice:
    """How an answerer is named: ``text`` is a run, a folder or a hub id; the rest is optional."""

    text: str
    checkpoint: str | None = None
    base: str | None = None
    batch_size: int | None = None
    label_order: tuple[str, ...] = ()


def find_answerer(choice: Choice, runs_dir: Path, settings: LoadedSettings) -> Answerer:
    """What ``choice`` names.

    Raises:
        ConsoleError: nothing of that name, or nothing in it that can answer.
    """
    layout = named_run(choice.text, runs_dir) if choice.text.strip() else None
    if layout is None:
        return _of_source(
            find_source(choice.text, runs_dir, settings, checkpoint=choice.checkpoint, base=choice.base),
            choice,
            settings,
        )
    if choice.base is not None:
        raise ConsoleError(f"--model {clean_line(choice.base)}: a run has its own base model; leave it out")
    spec = load_spec(layout)
    trains = spec.evaluates is None and registry.get(spec.method).product is not None
    if trains:
        return _of_source(of_run(layout, choice.checkpoint), choice, settings)
    if choice.checkpoint is not None:
        raise ConsoleError(
            f"--checkpoint {clean_line(choice.checkpoint)}: {layout.id} trained nothing, so it has none"
        )
    return _as_it_is(layout, spec, choice, settings)


def _of_source(source: Source, choice: Choice, settings: LoadedSettings) -> Answerer:
    evaluated = source.evaluated
    if evaluated.task == "causal" and source.template is None:
        raise ConsoleError(f"{evaluated.title} answers a prompt, and no {PROMPT} says which")
    values = {**source.values, **_asked(choice)}
    return _complete(
        settings,
        title=evaluated.title,
        model=source.model,
        model_name=source.model_name,
        evaluates=evaluated,
        hyperparameters=require(EvaluationHyperparameters, values).model_dump(mode="json"),
        template=source.template,
    )


def _as_it_is(layout: RunLayout, spec: RunSpec, choice: Choice, settings: LoadedSettings) -> Answerer:
    """Of an evaluation, what it evaluated; of a method that trains nothing, its model and its prompts."""
    kind = EvaluationHyperparameters if spec.evaluates else registry.get(spec.method).Hyperparameters
    if choice.label_order and spec.evaluates is None:
        raise ConsoleError(f"--label-order: {layout.id} asks for label words; leave it out")
    values = require(kind, {**spec.hyperparameters, **_asked(choice)}).model_dump(mode="json")
    return _complete(
        settings,
        title=layout.id,
        model=spec.model,
        model_name=spec.model_name,
        evaluates=spec.evaluates,
        method=None if spec.evaluates else spec.method,
        hyperparameters=values,
        template=spec.template,
        data=None if spec.evaluates else spec.data,
        seed=spec.seed,
        scored=str(layout.scored),
    )


def _asked(choice: Choice) -> dict[str, Any]:
    asked: dict[str, Any] = {} if choice.batch_size is None else {"batch_size": choice.batch_size}
    return {**asked, "label_order": choice.label_order} if choice.label_order else asked


def _complete(settings: LoadedSettings, **fields: Any) -> Answerer:
    queue = settings.values.queue
    fields["title"] = scrub(clean_line(fields["title"], limit=200))
    return Answerer(**fields, cpu_slots=queue.cpu_slots, wait_for_foreign=queue.wait_for_foreign)
