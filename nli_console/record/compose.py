"""From what a person asked for to a complete, checked run spec."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from nli_console.data.layouts import TRAIN
from nli_console.data.prompts import PromptTemplate, catalogue
from nli_console.data.resolve import resolve_dataset, resolve_model
from nli_console.data.sample import HELD_OUT
from nli_console.data.spec import DataSpec
from nli_console.errors import ConsoleError
from nli_console.methods import presets, registry
from nli_console.methods.base import Hyperparameters, Method
from nli_console.methods.checks import check_ignored
from nli_console.methods.evaluation import EVALUATE, EvaluationHyperparameters
from nli_console.methods.fields import describe, option_of, require
from nli_console.record.groups import GROUP_PREFIX, base_name, member_name
from nli_console.record.labels import NAME_LIMIT
from nli_console.record.layout import PROMPT
from nli_console.record.provenance import collect
from nli_console.record.secrets import scrub, scrub_arguments
from nli_console.record.sources import Source
from nli_console.record.spec import Provenance, RunSpec
from nli_console.record.spec_io import new_id
from nli_console.settings import Guards, LoadedSettings, user_folder
from nli_console.text import clean_line, write_duration


@dataclass(frozen=True)
class Draft:
    """What a form or a command line asks for.

    ``hyperparameters`` are texts or values, all or a part; the rest comes from ``preset``, then from the
    method's defaults. ``time_limit`` is in seconds. ``launcher`` is cli, tui or demo. ``ignored_checks``
    are ids of checks that are not to block the launch. Of a method that trains nothing, ``evaluate_on``
    are the splits that are scored (empty means all that are labelled but train), and ``evaluation_rows``
    how many rows of each, chosen by the seed (0 means all). ``report_to`` names experiment trackers and
    ``stop_on`` guards that stop the run; ``None`` means those of the settings.
    """

    method: str
    model: str
    data: str
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    preset: str | None = None
    fraction: float = 1.0
    seed: int = 1
    name: str = ""
    time_limit: float | None = None
    launcher: str = "cli"
    ignored_checks: tuple[str, ...] = ()
    evaluate_on: tuple[str, ...] = ()
    evaluation_rows: int = 0
    report_to: tuple[str, ...] | None = None
    stop_on: tuple[str, ...] | None = None


def compose(draft: Draft, settings: LoadedSettings, *, now: float | None = None) -> RunSpec:
    """The spec of a new run: everything resolved, absolute and validated. Nothing is written.

    ``now`` is in seconds since the epoch.

    Raises:
        ConsoleError: for an unknown method, preset, model, dataset or check, a hyperparameter that cannot be
            used, or a secret in the settings that the run would record. Errors of options have a line each.
    """
    moment = time.time() if now is None else now
    method = registry.get(draft.method)
    chosen = None if draft.preset is None else presets.load(draft.preset, method.name, user_folder())
    base: dict[str, Any] = {} if chosen is None else dict(chosen.hyperparameters)
    values = require(method.Hyperparameters, {**base, **draft.hyperparameters}).model_dump(mode="json")
    preset = require(method.Hyperparameters, base).model_dump(mode="json")
    trackers = settings.values.defaults.report_to if draft.report_to is None else draft.report_to
    return _complete(
        settings,
        draft.launcher,
        id=new_id(method.name, draft.model, moment),
        name=scrub(clean_line(draft.name, limit=NAME_LIMIT)) or f"{method.name} {short_name(draft.model)}",
        method=method.name,
        hyperparameters=values,
        changed={name: value for name, value in values.items() if value != preset[name]},
        preset=None if chosen is None else chosen.name,
        template=template_of(values),
        model=resolve_model(draft.model, settings),
        model_name=clean_line(draft.model, limit=200),
        data=_scored_data(draft, method, settings),
        seed=draft.seed,
        ignored_checks=list(check_ignored(draft.ignored_checks)),
        submitted=moment,
        time_limit=draft.time_limit,
        report_to=list(trackers),
        guards=_guards(draft, settings),
    )


def _scored_data(draft: Draft, method: Method, settings: LoadedSettings) -> DataSpec:
    """The dataset, and what of it is reported on: all of it by a method that trains."""
    for option, value in (
        ("--evaluate-on", ",".join(draft.evaluate_on)),
        ("--evaluation-rows", draft.evaluation_rows),
    ):
        if value and method.trains:
            raise ConsoleError(
                f"{option} {value}: {method.name} trains, and is reported on every validation row; leave "
                "it out, or score some rows later with nli-console evaluate"
            )
    if TRAIN in draft.evaluate_on:
        raise ConsoleError(
            f"--evaluate-on {TRAIN}: demonstrations come from it; name a validation split, or leave it out"
        )
    return resolve_dataset(draft.data, settings, draft.fraction).model_copy(
        update={"evaluate_on": draft.evaluate_on, "evaluation_rows": draft.evaluation_rows}
    )


@dataclass(frozen=True)
class EvaluationDraft:
    """What a form or a command line asks to evaluate.

    ``hyperparameters`` are as in :class:`Draft`; what is left out follows from the source. ``data`` is the
    run's own where it is ``None``, or the settings' for a source that is no run; ``splits`` are all that are
    reported on where they are empty, of which ``fraction`` is the share of the rows.
    """

    source: Source
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    data: str | None = None
    splits: tuple[str, ...] = ()
    fraction: float = 1.0
    seed: int = 1
    name: str = ""
    time_limit: float | None = None
    launcher: str = "cli"
    ignored_checks: tuple[str, ...] = ()


def compose_evaluation(
    draft: EvaluationDraft, settings: LoadedSettings, *, now: float | None = None
) -> RunSpec:
    """The spec of a new evaluate-only run. Nothing is written.

    Raises:
        ConsoleError: for an unknown dataset, template or check, or a hyperparameter that cannot be used.
    """
    moment, source = time.time() if now is None else now, draft.source
    values = require(EvaluationHyperparameters, {**source.values, **draft.hyperparameters})
    plain = require(EvaluationHyperparameters, source.values).model_dump(mode="json")
    asked = values.model_dump(mode="json")
    template = catalogue.load(values.template, user_folder()) if values.template else source.template
    evaluated = source.evaluated
    if evaluated.task == "causal" and template is None:
        raise ConsoleError(
            f"{evaluated.title} answers a prompt, and no {PROMPT} says which; name its template with "
            "--template"
        )
    what = f"{evaluated.method} {short_name(source.model_name)}" if evaluated.method else evaluated.name
    return _complete(
        settings,
        draft.launcher,
        id=new_id(EVALUATE, what, moment),
        name=scrub(clean_line(draft.name, limit=NAME_LIMIT)) or f"{EVALUATE} {short_name(what)}",
        method=EVALUATE,
        evaluates=evaluated,
        hyperparameters=asked,
        changed={name: value for name, value in asked.items() if value != plain[name]},
        template=template,
        model=source.model,
        model_name=source.model_name,
        data=_evaluated_data(draft, settings),
        seed=draft.seed,
        ignored_checks=list(check_ignored(draft.ignored_checks)),
        submitted=moment,
        time_limit=draft.time_limit,
    )


def _evaluated_data(draft: EvaluationDraft, settings: LoadedSettings) -> DataSpec:
    """The dataset with the splits to report on; of training rows alone, those that training held out."""
    own = draft.source.data
    if draft.data is None and own is not None:
        data = own.model_copy(update={"fraction": draft.fraction, "evaluate_on": ()})
    else:
        named = draft.data or settings.values.defaults.data
        data = resolve_dataset(named, settings, draft.fraction)
    splits = tuple(dict.fromkeys(draft.splits))
    if not splits and set(data.splits) == {TRAIN}:
        # Without validation rows a run reports on a tenth of its own; of other data all rows are new.
        splits = (HELD_OUT if draft.data is None and own is not None else TRAIN,)
    return data.model_copy(update={"evaluate_on": splits})


def _complete(settings: LoadedSettings, launcher: str, **asked: Any) -> RunSpec:
    """The spec of what was ``asked``, with what the settings say of every run."""
    _refuse_secrets(settings)
    try:
        spec = RunSpec(
            **{"guards": settings.values.guards, **asked},
            cache_dir=str(settings.cache_dir),
            checkpoints=settings.values.checkpoints,
            cache=settings.values.cache,
            queue=settings.values.queue,
            telemetry=settings.values.telemetry,
            on_finish=settings.values.interface.on_finish,
            environment=settings.values.launch.environment,
        )
    except ValidationError as error:
        lines = [_problem(problem["loc"], problem["msg"]) for problem in error.errors(include_url=False)]
        raise ConsoleError("\n".join(lines)) from None
    return spec.model_copy(update={"provenance": _provenance(spec, launcher, settings)})


def members(spec: RunSpec, seeds: Sequence[int]) -> list[RunSpec]:
    """``spec`` once per seed, in a group of their own; one seed makes one run and no group.

    Everything but the seed is the same, the choice of training rows included as far as the seed leaves it.
    """
    if len(seeds) == 1:
        return [_member(spec, seeds[0], id=spec.id, name=spec.name)]
    group = new_id(spec.method, spec.model_name, spec.submitted, prefix=GROUP_PREFIX)
    made: list[RunSpec] = []
    for place, seed in enumerate(seeds):
        id = spec.id
        while any(id == other.id for other in made):
            id = new_id(spec.method, spec.model_name, spec.submitted)
        name = member_name(spec.name, seed)
        # A millisecond apart, so that the queue and every list keep the order of the seeds.
        made.append(
            _member(spec, seed, id=id, name=name, group=group, submitted=spec.submitted + place / 1000)
        )
    return made


def again(spec: RunSpec, name: str, seed: int, settings: LoadedSettings, *, launcher: str = "tui") -> RunSpec:
    """A recorded run once more, with another seed and the settings of today; in the group of the first.

    ``name`` is what the run is called now.

    Raises:
        ConsoleError: the settings hold a secret that the run would record.
    """
    moment = time.time()
    kept = ("method", "evaluates", "hyperparameters", "changed", "preset", "template", "model", "model_name",
            "data", "ignored_checks", "time_limit", "report_to", "guards", "group")  # fmt: skip
    return _complete(
        settings,
        launcher,
        **{field: getattr(spec, field) for field in kept},
        id=new_id(spec.method, spec.model_name, moment),
        name=member_name(base_name(name, spec.seed), seed),
        seed=seed,
        submitted=moment,
    )


def _member(spec: RunSpec, seed: int, **changes: Any) -> RunSpec:
    changed = spec.model_copy(update={"seed": seed, **changes})
    command = scrub_arguments(equivalent_command(changed))
    return changed.model_copy(update={"provenance": spec.provenance.model_copy(update={"command": command})})


def equivalent_command(spec: RunSpec) -> list[str]:
    """The ``nli-console run …`` that asks for the same again: the preset, and what differs from it."""
    if spec.evaluates is not None:
        command = ["nli-console", EVALUATE, spec.evaluates.name]
        if spec.evaluates.step is not None:
            command += ["--checkpoint", str(spec.evaluates.step)]
        if spec.evaluates.kind == "adapter":
            command += ["--model", spec.model_name]
        command += ["--data", spec.data.name]
        for split in spec.data.evaluate_on:
            command += ["--split", split]
    else:
        command = ["nli-console", "run", spec.method]
        if spec.preset is not None:
            command += ["--preset", spec.preset]
        command += ["--model", spec.model_name, "--data", spec.data.name]
        if spec.data.evaluate_on:
            command += ["--evaluate-on", ",".join(spec.data.evaluate_on)]
        if spec.data.evaluation_rows:
            command += ["--evaluation-rows", str(spec.data.evaluation_rows)]
    if spec.data.fraction != 1:
        command += ["--fraction", repr(spec.data.fraction)]
    command += ["--seed", str(spec.seed), "--name", spec.name]
    if spec.time_limit is not None:
        command += ["--time-limit", write_duration(spec.time_limit)]
    for ignored in spec.ignored_checks:
        command += ["--ignore", ignored]
    if spec.report_to:
        command += ["--report-to", ",".join(spec.report_to)]
    if spec.guards.stop_on:
        command += ["--stop-on", ",".join(spec.guards.stop_on)]
    several = spec.preset is None and spec.evaluates is None
    named = spec.hyperparameters if several else spec.changed
    for described in describe(hyperparameters_of(spec)):
        if described.name in named:
            command += described.arguments(named[described.name])
    return command


def hyperparameters_of(spec: RunSpec) -> type[Hyperparameters]:
    """The class that ``spec.hyperparameters`` are of.

    Raises:
        ConsoleError: there is no such method.
    """
    if spec.evaluates is not None:
        return EvaluationHyperparameters
    return registry.get(spec.method).Hyperparameters


def template_of(hyperparameters: Mapping[str, Any]) -> PromptTemplate | None:
    """The prompt template that ``hyperparameters`` name; ``None`` where the method uses none.

    The spec holds its text and not only its name: a resumed run goes on with the same words, whatever becomes
    of the user's file.

    Raises:
        ConsoleError: there is no template of that name.
    """
    name = hyperparameters.get("template")
    return None if name is None else catalogue.load(name, user_folder())


def _guards(draft: Draft, settings: LoadedSettings) -> Guards:
    if draft.stop_on is None:
        return settings.values.guards
    return Guards.model_validate({"stop_on": list(draft.stop_on)})


def _provenance(spec: RunSpec, launcher: str, settings: LoadedSettings) -> Provenance:
    return collect(equivalent_command(spec), launcher=launcher, settings_path=settings.path)


def _refuse_secrets(settings: LoadedSettings) -> None:
    """A run records its worker's extra variables and its ``on_finish``, so neither may hold a token."""
    place = clean_line(settings.path or "settings")
    for name, value in settings.values.launch.environment.items():
        if scrub(f"{name}={value}") != f"{name}={value}":
            raise ConsoleError(
                f"{place}: launch.environment.{clean_line(name, limit=80)} looks like a secret, and every "
                "run would record it; take it out and export it in the shell instead: workers inherit it"
            )
    command = settings.values.interface.on_finish
    if scrub_arguments(command) != command:
        raise ConsoleError(
            f"{place}: interface.on_finish holds what looks like a secret, and every run would record it; "
            "let the command read it from a file or a variable instead"
        )


def short_name(model: str) -> str:
    return clean_line(model.rstrip("/").rpartition("/")[2], limit=60)


def _problem(place: tuple[int | str, ...], message: str) -> str:
    text = clean_line(message, limit=200)
    return f"{option_of(str(place[0]) if place else 'run')}: {text[:1].lower()}{text[1:]}"
