"""``nli-console run METHOD``: a command per method, its options made from the method's hyperparameters."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from cyclopts import App, Group, Parameter

from nli_console.cli import history
from nli_console.cli.context import Context, Ctx
from nli_console.cli.options import parse_seed
from nli_console.cli.output import note, say, say_json
from nli_console.cli.plan import full_look, note_findings, quick_look, show_plan
from nli_console.cli.watch import follow
from nli_console.data.check import check
from nli_console.errors import ConsoleError
from nli_console.methods import presets, registry
from nli_console.methods.base import Method, TrainingHyperparameters
from nli_console.methods.defaults import default_method
from nli_console.methods.evaluation import EVALUATE
from nli_console.methods.fields import FieldDescription, describe, parse, require
from nli_console.methods.presets import Preset
from nli_console.record.compose import Draft, compose, members
from nli_console.record.groups import Found, make_group
from nli_console.record.layout import RunLayout
from nli_console.record.orders import paused_by
from nli_console.record.run_fields import BY_NAME, SCORING_FIELDS
from nli_console.record.seeds import parse_seeds, repeated
from nli_console.record.spec import RunSpec
from nli_console.record.spec_io import check_runs_dir
from nli_console.record.trackers import missing
from nli_console.supervisor.launch import start_all
from nli_console.supervisor.preflight import refuse, settled

run_app = App(
    name="run",
    help="Start a run of METHOD, or of the settings' default. Options: nli-console run METHOD --help",
)

_Text = str | None


@dataclass(frozen=True)
class RunOptions:
    """What every method's ``run`` understands beside its hyperparameters; texts as they were typed."""

    preset: _Text = None
    model: _Text = None
    data: _Text = None
    fraction: _Text = None
    evaluate_on: _Text = None
    evaluation_rows: _Text = None
    seed: _Text = None
    seeds: _Text = None
    repeat: _Text = None
    name: _Text = None
    time_limit: _Text = None
    ignore: list[str] | None = None
    report_to: _Text = None
    stop_on: _Text = None
    detach: bool = False
    watch: bool = False
    dry_run: bool = False
    json: bool = False


_DEFAULTS = {
    "model": "the preset's, then the settings'",
    "data": "the preset's, then the settings'",
    "time_limit": "none",
    "report_to": "the settings'",
    "stop_on": "the settings'",
}


def _asked(name: str) -> tuple[Any, str]:
    """An option that the form has, too."""
    field = BY_NAME[name]
    limits = f"; {field.bounds}" if field.bounds else ""
    default = f" (default: {_DEFAULTS[name]})" if name in _DEFAULTS else ""
    return _Text, f"{field.help}{limits}{default}"


COMMON: dict[str, tuple[Any, str]] = {
    "preset": (
        _Text,
        "paper, recommended, demo, or a saved one (default: demo for the demo models, else recommended)",
    ),
    "model": _asked("model"),
    "data": _asked("data"),
    "fraction": _asked("fraction"),
    "evaluate_on": _asked("evaluate_on"),
    "evaluation_rows": _asked("evaluation_rows"),
    "seed": (_Text, "seed of sampling, initialisation and order; 0…4294967295"),
    "seeds": (_Text, "a group of runs that differ in the seed alone, one for each of 1,2,3"),
    "repeat": (_Text, "the same, for this many seeds that follow one another from --seed on; 1…100"),
    "name": _asked("name"),
    "time_limit": _asked("time_limit"),
    "ignore": (
        list[str] | None,
        "id of a check that is not to block this run, as --dry-run names it; may be given several times",
    ),
    "report_to": _asked("report_to"),
    "stop_on": _asked("stop_on"),
    "detach": (bool, "return as soon as the run is launched"),
    "watch": (bool, "show its progress (the default); Ctrl-C detaches, twice within 3 s stops"),
    "dry_run": (bool, "check everything, show what would run, and start nothing"),
    "json": (
        bool,
        "print JSON and nothing else on stdout: the ended run or group, or the spec with --dry-run",
    ),
}


def start(method: Method, given: Mapping[str, Any], options: RunOptions, context: Context) -> int:
    """Compose, check, submit, launch and, unless detached, follow; returns the exit code.

    Raises:
        ConsoleError: any value, preset, model or dataset that cannot be used; nothing was started then.
    """
    draft = make_draft(method, given, options, context)
    seeds = chosen_seeds(options, draft.seed)
    return carry_out(compose(replace(draft, seed=seeds[0]), context.settings), seeds, options, context)


def carry_out(spec: RunSpec, seeds: Sequence[int], options: RunOptions, context: Context) -> int:
    """Check what was composed, then show it or start it, once per seed; returns the exit code.

    Raises:
        ConsoleError: options that contradict each other, or a dataset or recipe that cannot be used.
    """
    if options.detach and options.watch:
        raise ConsoleError("--detach and --watch contradict each other; give one of them")
    check_runs_dir(context.runs_dir, make=False)
    looked = check(spec.data, train=spec.evaluates is None)
    for sentence in looked.notes:
        note(sentence)
    if spec.report_to and not registry.get(spec.method).trains:
        note(f"{spec.method} trains nothing, so that nothing is reported to {', '.join(spec.report_to)}")
    else:
        for sentence in missing(spec.report_to):
            note(sentence)
    if options.dry_run:
        if len(seeds) > 1:
            note(f"{len(seeds)} runs, with the seeds {', '.join(map(str, seeds))}; the first of them:")
        return show_plan(spec, full_look(spec, context), as_json=options.json)
    assessment = quick_look(spec, context)
    refuse(assessment)
    note_findings(assessment)
    context.notice()
    found = start_runs(members(settled(spec), seeds), context)
    if options.detach:
        code = 0
        if not options.json:
            runs = "" if found.group is None else f" with {len(seeds)} runs"
            say(f"{found.id} is launched{runs}. Watch it: nli-console watch {found.id}")
    else:
        code = follow(found, owner=True, quiet=options.json)
    if options.json:
        runs = [history.read_run(layout) for layout in found.layouts]
        say_json(runs[0].to_json() if found.group is None else make_group(runs).to_json())
    return code


def start_runs(specs: Sequence[RunSpec], context: Context) -> Found:
    """Submit and launch a run, or the runs of a group.

    Raises:
        ConsoleError: not all could be started.
    """
    submitted: list[RunLayout] = []
    survive = context.settings.values.launch.survive_logout
    try:
        start_all(context.runs_dir, specs, survive, submitted.append)
    except KeyboardInterrupt:
        if submitted:
            runs = "" if len(specs) == 1 else f" with {len(submitted) - 1} runs before it"
            last = submitted[-1].id
            note(f"{last} was submitted already{runs}; how it is: nli-console show {last}")
        raise
    if by := paused_by(context.runs_dir):
        note(f"{by} has paused the queue, so it waits; nli-console queue resume lets it go on")
    return Found(tuple(submitted), specs[0].group)


def chosen_seeds(options: RunOptions, first: int) -> tuple[int, ...]:
    """The seeds that were asked for; ``first`` is that of a single run, and the first to ``--repeat``.

    Raises:
        ConsoleError: options that contradict each other, or no seeds.
    """
    if options.seeds is None:
        return (first,) if options.repeat is None else repeated(first, options.repeat)
    for other, what in ((options.seed, "--seed"), (options.repeat, "--repeat")):
        if other is not None:
            raise ConsoleError(f"--seeds and {what} contradict each other; give one of them")
    return parse_seeds(options.seeds)


def make_draft(method: Method, given: Mapping[str, Any], options: RunOptions, context: Context) -> Draft:
    """What the user gave; where nothing was given an explicit preset's choice, then the settings'."""
    defaults = context.settings.values.defaults
    chosen: Preset | None = None
    if options.preset is not None:
        chosen = presets.load(options.preset, method.name, context.user_folder)
    model = options.model or (chosen and chosen.model) or _default_model(method, defaults.model)
    data = options.data or (chosen and chosen.data) or defaults.data
    fraction = defaults.fraction if chosen is None or chosen.fraction is None else chosen.fraction
    preset = chosen or presets.default_for(method.name, model)
    return Draft(
        method=method.name,
        hyperparameters=given,
        preset=preset.name,
        model=model,
        data=data,
        fraction=given_value("fraction", options.fraction, fraction),
        evaluate_on=given_value("evaluate_on", options.evaluate_on, ()),
        evaluation_rows=given_value("evaluation_rows", options.evaluation_rows, 0),
        seed=defaults.seed if options.seed is None else parse_seed(options.seed),
        name=options.name or "",
        time_limit=given_value("time_limit", options.time_limit),
        launcher="cli",
        ignored_checks=tuple(options.ignore or ()),
        report_to=given_value("report_to", options.report_to),
        stop_on=given_value("stop_on", options.stop_on),
    )


def _default_model(method: Method, model: str) -> str:
    """The settings' model; of the two demo models the one that the method works on, as in the form."""
    if not model.startswith("demo-"):
        return model
    return presets.default_for(method.name, model).model or model


def given_value(name: str, text: str | None, default: Any = None) -> Any:
    """The value of an option that the form has, too."""
    return default if text is None else parse(BY_NAME[name], text)


def _command(method: Method) -> Callable[..., int]:
    """The command of one method, with a signature made from its fields."""
    fields = describe(method.Hyperparameters)
    recommended = _recommended(method)
    others = SCORING_FIELDS if method.trains else frozenset[str]()

    def command(*, context: Context, **values: Any) -> int:
        given = {field.name: values[field.name] for field in fields if values.get(field.name) is not None}
        common = {name: values[name] for name in COMMON if values.get(name) is not None}
        return start(method, given, RunOptions(**common), context)

    signature = [
        common_parameter(name, kind, help) for name, (kind, help) in COMMON.items() if name not in others
    ]
    signature += [
        field_parameter(field, field.format(recommended.get(field.name, field.default))) for field in fields
    ]
    signature.append(inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=Ctx))
    command.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in signature}
    command.__name__ = method.name
    command.__doc__ = (
        f"{method.title}: {method.summary}.\n\nDefaults shown are those of recommended/{method.name}; "
        f"the demo models start from demo/{method.name}, and --preset names another start."
    )
    return command


def _recommended(method: Method) -> Mapping[str, Any]:
    try:
        preset = presets.load(f"recommended/{method.name}", method.name)
    except ConsoleError:
        return {}
    return require(method.Hyperparameters, preset.hyperparameters).model_dump()


def common_parameter(name: str, kind: Any, help: str) -> inspect.Parameter:
    """An option that is no hyperparameter; its value stays text."""
    flag = kind is bool
    parameter = Parameter(
        name=_option(name),
        help=help,
        group=Group("Run", sort_key=0),
        show_default=False,
        negative="" if flag else None,
    )
    annotation = Annotated[bool | None if flag else kind, parameter]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def field_parameter(field: FieldDescription, default: str) -> inspect.Parameter:
    """The option of a hyperparameter; ``default`` is what its help says of it."""
    limits = " ".join(part for part in (field.bounds, field.unit) if part)
    parameter = Parameter(
        name=field.option,
        help=f"{field.help}; {limits}" if limits else field.help,
        group=_group(field.group),
        show_default=lambda _: default,
        metavar=_METAVARS.get(field.kind),
    )
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[(bool if field.kind == "bool" else str) | None, parameter],
    )


# Values stay text until our own validation reads them, whose messages speak of the option.
_METAVARS = {"int": "INT", "float": "FLOAT", "choice": "CHOICE", "list": "NAMES", "text": "TEXT"}

_SHARED = list(dict.fromkeys(field.group for field in describe(TrainingHyperparameters)))


def _group(name: str) -> Group:
    """The method's own hyperparameters first, then the shared groups in their order."""
    title = name[:1].upper() + name[1:]
    return Group(title, sort_key=2 + _SHARED.index(name) if name in _SHARED else 1)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


for _method in registry.methods().values():
    run_app.command(_command(_method), name=_method.name)


@run_app.default
def _unknown(
    method: Annotated[str, Parameter(show=False)],
    *_: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
) -> None:
    """Start a run of METHOD; without METHOD, of the method that the settings name."""
    if method == EVALUATE:
        raise ConsoleError("evaluate is a command of its own: nli-console evaluate SOURCE")
    registry.get(method)


def with_default_method(argv: list[str], context: Context) -> list[str]:
    """``run --detach`` → ``run lora --detach``, by ``defaults.method`` of the settings."""
    asks_help = argv[1:2] in (["--help"], ["-h"])
    if argv[:1] != ["run"] or asks_help or (argv[1:] and not argv[1].startswith("-")):
        return argv
    method = default_method(context.settings).name
    note(f"method {method}, by the settings")
    return ["run", method, *argv[1:]]
