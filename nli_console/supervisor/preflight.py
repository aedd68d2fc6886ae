"""Everything that can be said about a recipe before it is launched; both front ends show this."""

import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from nli_console.data.layouts import TRAIN
from nli_console.data.prompts import PromptTemplate
from nli_console.data.spec import LABELS, DataSpec
from nli_console.errors import ConsoleError
from nli_console.methods import registry, shapes
from nli_console.methods.base import (
    Hyperparameters,
    Method,
    ParameterCounts,
    TrainingHyperparameters,
    TrainingPlan,
)
from nli_console.methods.checks import (
    CheckContext,
    DataFacts,
    Finding,
    MachineFacts,
    ModelFacts,
    PromptFacts,
    TokenizerFacts,
    read_tokenizer,
    run_checks,
)
from nli_console.methods.estimate import (
    Compute,
    MemoryEstimate,
    checkpoint_bytes,
    optimiser_steps,
    peak_memory,
    run_seconds,
)
from nli_console.methods.evaluation import EvaluationHyperparameters
from nli_console.methods.fields import require
from nli_console.methods.lora import ALL_LINEAR, matching
from nli_console.methods.padding import AUTO
from nli_console.methods.prompting import ScoringHyperparameters
from nli_console.methods.scoring_estimate import Asked, scoring_memory
from nli_console.methods.shapes import ModelShapes
from nli_console.record.compose import hyperparameters_of
from nli_console.record.spec import Evaluated, RunSpec
from nli_console.record.speed import Speed
from nli_console.settings import LoadedSettings
from nli_console.supervisor import evaluation
from nli_console.supervisor.devices import allowed_gpus
from nli_console.supervisor.engine import EngineQuestion
from nli_console.supervisor.telemetry.readings import Gpu

_TARGETS_CHECK = "target_modules"


@dataclass(frozen=True)
class Machine:
    """What a run would compute on and write to. ``compute`` is ``None`` where nobody can say."""

    compute: Compute | None = None
    device: str = ""
    free_device_bytes: int | None = None
    free_disk_bytes: int | None = None


@dataclass(frozen=True)
class Recipe:
    """What is to be judged. ``model`` is a folder or hub id, ``model_name`` the user's word for it.

    Of an evaluation ``method`` is that of the weights, or one that makes such weights.
    """

    method: Method
    hyperparameters: Hyperparameters
    model: str
    model_name: str
    ignored: Collection[str] = ()
    template: PromptTemplate | None = None
    evaluates: Evaluated | None = None
    scores_own_training: bool = False
    """Whether it reports on the rows that its weights were trained on."""


@dataclass(frozen=True)
class Assessment:
    """What is known about a recipe; ``None`` is unknown. ``seconds`` is an estimate from ``speed``.

    ``rows``: of each reported split, where a run only scores them.
    """

    counts: ParameterCounts | None = None
    rows: Mapping[str, int] | None = None
    steps: int | None = None
    memory: MemoryEstimate | None = None
    speed: Speed | None = None
    seconds: float | None = None
    findings: tuple[Finding, ...] = ()
    machine: Machine = field(default_factory=Machine)

    @property
    def scored_rows(self) -> int | None:
        """Of all reported splits together, where a run only scores them."""
        return None if self.rows is None else sum(self.rows.values())

    @property
    def blocking(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.blocks]


def machine_of(gpus: Iterable[Gpu] | None, free_memory: int | None, free_disk: int | None) -> Machine:
    """The GPU that a run would get, or the CPU with the host's memory.

    ``gpus`` is ``None`` where nobody can say whether there is one; sizes are in bytes.
    """
    if gpus is None:
        return Machine(free_disk_bytes=free_disk)
    present = tuple(gpus)
    allowed = allowed_gpus(present, os.environ.get("CUDA_VISIBLE_DEVICES"))
    free = {gpu: _free(gpu) for gpu in present if gpu.uuid in allowed}
    if not free:
        return Machine("cpu", "cpu", free_memory, free_disk)
    best = max(free, key=lambda gpu: free[gpu] or 0)
    return Machine("gpu", best.name, free[best], free_disk)


def look_at_machine(gpus: Iterable[Gpu] | None, runs_dir: Path) -> Machine:
    """As :func:`machine_of`, with the memory and the disk of ``runs_dir`` read now."""
    return machine_of(gpus, psutil.virtual_memory().available, _free_disk(runs_dir))


def recipe_of(spec: RunSpec) -> Recipe:
    """What the checks judge of a spec."""
    return Recipe(
        registry.get(spec.method) if spec.evaluates is None else evaluation.maker(spec.evaluates),
        require(hyperparameters_of(spec), spec.hyperparameters),
        spec.model,
        spec.model_name,
        frozenset(spec.ignored_checks),
        spec.template,
        spec.evaluates,
        spec.evaluates is not None
        and spec.evaluates.trained_on == spec.data.source
        and TRAIN in spec.data.evaluate_on,
    )


def settled(spec: RunSpec) -> RunSpec:
    """The spec as it is submitted: what an ignored check found is left out of it."""
    recipe = recipe_of(spec)
    known = shapes.load(spec.model, Path(spec.cache_dir), recipe.method.task)
    values = settle(recipe, known).model_dump(mode="json")
    return spec if values == spec.hyperparameters else spec.model_copy(update={"hyperparameters": values})


def settle(recipe: Recipe, known: ModelShapes | None) -> Hyperparameters:
    """The hyperparameters that a run gets: an ignored target name that matches nothing is left out.

    A recipe with no name that matches stays as it is, and its errors with it.
    """
    names = getattr(recipe.hyperparameters, "target_modules", None)
    if known is None or not names or _TARGETS_CHECK not in recipe.ignored or names == (ALL_LINEAR,):
        return recipe.hyperparameters
    kept = tuple(name for name in names if any(not known.in_head(module) for module in matching(known, name)))
    if not kept or kept == names:
        return recipe.hyperparameters
    return recipe.hyperparameters.model_copy(update={"target_modules": kept})


def engine_question(recipe: Recipe, data: DataSpec | None, seed: int) -> EngineQuestion:
    """What the engine is to find out about a recipe."""
    chosen = recipe.hyperparameters
    pad_token, shots = getattr(chosen, "pad_token", AUTO), getattr(chosen, "shots", 0)
    trains = recipe.evaluates is None
    return EngineQuestion(
        recipe.model, data, seed, recipe.method.task, recipe.template, pad_token, shots, trains
    )


def assess(
    recipe: Recipe,
    settings: LoadedSettings,
    machine: Machine,
    *,
    data: DataFacts | None = None,
    prompts: PromptFacts | None = None,
    speed: Speed | None = None,
) -> Assessment:
    """Count, estimate and check. Reads the model's small files; call it off the event loop.

    Raises:
        ConsoleError: the method cannot count the recipe for a reason that no check names.
    """
    method = recipe.method
    known = shapes.load(recipe.model, settings.cache_dir, method.task)
    config = _config(recipe.model)
    tokenizer = _tokenizer(recipe.model)
    asked = recipe.hyperparameters
    hyperparameters = settle(recipe, known)
    evaluated = recipe.evaluates
    if evaluated is None:
        counts, plan, refusal = _count(method, known, hyperparameters)
    else:
        counts, plan, refusal = evaluation.counts(method, known, evaluated), None, None
    if prompts is not None and evaluated is not None:
        prompts = replace(prompts, training_hash=evaluated.prompt)
    elif prompts is not None:
        prompts = _as_asked(prompts, method, asked)
    trained = asked if isinstance(asked, TrainingHyperparameters) else None
    keep = settings.values.checkpoints.keep
    context = CheckContext(
        method=method,
        hyperparameters=asked,
        labels=LABELS,
        scores_own_training=recipe.scores_own_training,
        template_format=None if recipe.template is None else recipe.template.format,
        shapes=known,
        plan=plan,
        model=_model_facts(config, known, recipe.model_name),
        tokenizer=tokenizer,
        data=data,
        prompts=prompts,
        machine=MachineFacts(machine.free_disk_bytes, machine.free_device_bytes, machine.device),
        checkpoint_bytes=None
        if counts is None or trained is None
        else checkpoint_bytes(counts.trainable, trained.optimizer),
        # The newest, the best where one is chosen, and the one that is being written.
        checkpoints=0 if trained is None else keep + 1 + trained.select_best,
    )
    if isinstance(asked, EvaluationHyperparameters):
        memory = None
        if evaluated is not None and counts is not None and machine.compute is not None:
            memory = evaluation.memory(context, asked, evaluated, counts.total, machine.compute, config)
    else:
        memory = _memory(context, hyperparameters, machine, config, data)
    findings = tuple(run_checks(_with_memory(context, memory), recipe.ignored))
    if refusal is not None and not any(finding.blocks for finding in findings):
        raise refusal
    steps = samples = rows = None
    if trained is not None and data is not None and data.train_rows is not None:
        steps = optimiser_steps(data.train_rows, trained)
        samples = steps * trained.batch_size * trained.gradient_accumulation_steps
    elif trained is None and data is not None and data.evaluation is not None:
        rows = data.evaluation
        samples = sum(rows.values())
    seconds = None
    if samples is not None and speed is not None:
        seconds = run_seconds(samples, speed.samples_per_second, speed.other_seconds)
    return Assessment(counts, rows, steps, memory, speed, seconds, findings, machine)


def pace_of(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """Hyperparameters that runs must share for one to tell how long the other takes."""
    if isinstance(hyperparameters, ScoringHyperparameters | EvaluationHyperparameters):
        return hyperparameters.pace()
    return {}


def refuse(assessment: Assessment) -> None:
    """Raise what blocks the launch, a line each.

    Raises:
        ConsoleError: at least one finding is an error.
    """
    if assessment.blocking:
        raise ConsoleError("\n".join(sentence(finding) for finding in assessment.blocking))


def sentence(finding: Finding) -> str:
    """A finding in one line: what is wrong, what to do, and how to override it."""
    override = f" (or --ignore {finding.id})" if finding.blocks else ""
    return f"{finding.message}; {finding.suggestion}{override}"


def _count(
    method: Method, known: ModelShapes | None, hyperparameters: Hyperparameters
) -> tuple[ParameterCounts | None, TrainingPlan | None, ConsoleError | None]:
    if known is None:
        return None, None, None
    try:
        return method.count(known, hyperparameters), method.plan(known, hyperparameters), None
    except ConsoleError as error:
        return None, None, error


def _as_asked(prompts: PromptFacts, method: Method, hyperparameters: Hyperparameters) -> PromptFacts:
    """The facts of rendered prompts, with what the recipe says of how they are used."""
    if method.trains:
        # What is trained on is what is scored: one renderer makes both.
        return replace(prompts, training_hash=prompts.evaluation_hash)
    generates = getattr(hyperparameters, "scorer", "") == "generation"
    return replace(
        prompts,
        max_new_tokens=getattr(hyperparameters, "max_new_tokens", None) if generates else None,
        first_token_only=method.task == "masked",
    )


def _memory(
    context: CheckContext,
    hyperparameters: Hyperparameters,
    machine: Machine,
    config: dict[str, Any],
    data: DataFacts | None,
) -> MemoryEstimate | None:
    """At the width of the longest pair where it is known, else, for training, at the maximum length."""
    width = context.longest_input
    if context.shapes is None or context.plan is None or machine.compute is None or width is None:
        return None
    if data is not None and data.longest is not None:
        width = min(width, data.longest)
    if isinstance(hyperparameters, ScoringHyperparameters):
        if data is None or data.longest is None:
            # Their maximum is a bound far above what prompts have, and would warn of memory that none takes.
            return None
        return scoring_memory(
            context.shapes,
            context.plan,
            hyperparameters,
            _asked(context, width),
            compute=machine.compute,
            masked=context.method.task == "masked",
            config=config,
        )
    if not isinstance(hyperparameters, TrainingHyperparameters):
        return None
    return peak_memory(
        context.shapes, context.plan, hyperparameters, width, compute=machine.compute, config=config
    )


def _asked(context: CheckContext, width: int) -> Asked:
    """The prompts of a batch; until some were rendered nothing is known to be shared."""
    prompts = context.prompts
    words = [] if prompts is None or prompts.label_tokens is None else prompts.label_tokens.values()
    generated = context.value("max_new_tokens") if context.generates else 0
    return Asked(
        width + generated,
        shared=0 if prompts is None else prompts.shared_tokens or 0,
        word=max(map(len, words), default=1),
        generated=generated,
    )


def _with_memory(context: CheckContext, memory: MemoryEstimate | None) -> CheckContext:
    return replace(context, memory=memory)


def _config(model: str) -> dict[str, Any]:
    path = shapes.find_config(model)
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path is not None else {}
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _tokenizer(model: str) -> TokenizerFacts | None:
    path = shapes.find_config(model)
    return None if path is None else read_tokenizer(path.parent)


def _model_facts(config: dict[str, Any], known: ModelShapes | None, name: str) -> ModelFacts | None:
    content = config or (None if known is None else known.config)
    return None if content is None else ModelFacts.from_config(content, name)


def _free(gpu: Gpu) -> int | None:
    if gpu.total_bytes is None or gpu.used_bytes is None:
        return None
    return gpu.total_bytes - gpu.used_bytes


def _free_disk(folder: Path) -> int | None:
    """Of the file system that ``folder`` stands on, or will stand on; ``None`` where that keeps no files."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        usage = psutil.disk_usage(str(folder))
    except OSError:
        return None
    return usage.free if usage.total else None
