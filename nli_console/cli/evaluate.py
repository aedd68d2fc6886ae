"""``nli-console evaluate SOURCE``: score weights that exist already, as a run like any other."""

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated, Any

from cyclopts import Group, Parameter

from nli_console.cli.context import Context, Ctx
from nli_console.cli.options import parse_seed
from nli_console.cli.run import COMMON, RunOptions, carry_out, common_parameter, field_parameter, given_value
from nli_console.errors import ConsoleError
from nli_console.methods.evaluation import EvaluationHyperparameters
from nli_console.methods.fields import describe
from nli_console.record.compose import EvaluationDraft, compose_evaluation
from nli_console.record.sources import find_source

_FIELDS = describe(EvaluationHyperparameters)
_OWN: dict[str, tuple[Any, str]] = {
    "checkpoint": (
        str | None,
        "of a run, a kept checkpoint in place of what it made: N, best or last",
    ),
    "model": (str | None, "base model of an adapter, where another is meant than its configuration names"),
    "data": (
        str | None,
        "a name from [datasets], a hub id, a folder, a zip or a file (default: the run's, or the settings')",
    ),
    "split": (
        list[str] | None,
        "split to report on; or several, separated by commas (default: every labelled one but train)",
    ),
    "fraction": (str | None, "share of the rows of each split; > 0, ≤ 1"),
    "seed": (str | None, "seed of the choice of rows where --fraction is below 1; 0…4294967295"),
}
_SHARED = ("name", "time_limit", "ignore", "detach", "watch", "dry_run", "json")
_OPTIONS = {**_OWN, **{name: COMMON[name] for name in _SHARED}}


def start(source: str, values: dict[str, Any], context: Context) -> int:
    """Compose, check, submit, launch and, unless detached, follow; returns the exit code.

    Args:
        values: options as they were typed; those that were not are ``None`` or missing.

    Raises:
        ConsoleError: a source, dataset or value that cannot be used; nothing was started then.
    """
    given = {name: value for name, value in values.items() if value is not None}
    defaults = context.settings.values.defaults
    found = find_source(
        _elsewhere(source, context),
        context.runs_dir,
        context.settings,
        checkpoint=given.get("checkpoint"),
        base=given.get("model"),
    )
    seed = given.get("seed")
    draft = EvaluationDraft(
        found,
        {field.name: given[field.name] for field in _FIELDS if field.name in given},
        data=given.get("data"),
        splits=tuple(name for text in given.get("split", ()) for name in text.replace(",", " ").split()),
        fraction=given_value("fraction", given.get("fraction"), 1.0),
        seed=defaults.seed if seed is None else parse_seed(seed),
        name=given.get("name", ""),
        time_limit=given_value("time_limit", given.get("time_limit")),
        ignored_checks=tuple(given.get("ignore", ())),
    )
    spec = compose_evaluation(draft, context.settings)
    shared = {name: given[name] for name in ("detach", "watch", "dry_run", "json") if name in given}
    return carry_out(spec, (spec.seed,), RunOptions(**shared), context)


def _elsewhere(source: str, context: Context) -> str:
    """The folder of a run that stands in another root than one's own; anything else as it was named."""
    if len(context.roots) > 1 and source.strip():
        with suppress(ConsoleError):
            found = context.find(source)
            if found.group is None and found.layouts[0].path.parent != context.runs_dir.resolve():
                return str(found.layouts[0].path)
    return source


def _command() -> Callable[..., int]:
    """The command, with a signature made from the declarations."""

    def evaluate(source: str, /, *, context: Context, **values: Any) -> int:
        """Evaluate a run, one of its checkpoints, or any classifier or adapter; it is a run like any other.

        SOURCE is a run (its id, a unique beginning of it, its name or its folder), a folder
        with a classifier or a PEFT adapter, or the hub id of a classifier, such as
        FacebookAI/roberta-large-mnli. Of a run the defaults are what its own evaluation did:
        the same rows then give the same figures.
        """
        return start(source, values, context)

    what = Annotated[str, Parameter(help="a run, a folder, or a hub id", group=Group("Run", sort_key=0))]
    signature = [inspect.Parameter("source", inspect.Parameter.POSITIONAL_ONLY, annotation=what)]
    signature += [common_parameter(name, kind, help) for name, (kind, help) in _OPTIONS.items()]
    for field in _FIELDS:
        plain = field.format(field.default)
        signature.append(field_parameter(field, f"a run's own, else {plain}" if plain else "by the source"))
    signature.append(inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=Ctx))
    evaluate.__signature__ = inspect.Signature(signature)  # type: ignore[attr-defined]
    evaluate.__annotations__ = {parameter.name: parameter.annotation for parameter in signature}
    return evaluate


evaluate = _command()
