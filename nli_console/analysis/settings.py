"""What runs were asked for, side by side: specs as flat lists of settings with the names of the form."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.methods.evaluation import EVALUATE, EvaluationHyperparameters
from nli_console.methods.fields import FieldDescription, describe, format_value
from nli_console.record.findings import Setting
from nli_console.record.run_fields import BY_NAME
from nli_console.record.spec import RunSpec
from nli_console.text import clean_line, format_duration

_RUN: tuple[tuple[str, Callable[[RunSpec], Any]], ...] = (
    ("method", lambda spec: spec.method),
    ("evaluates", lambda spec: None if spec.evaluates is None else spec.evaluates.title),
    ("preset", lambda spec: spec.preset),
    ("model", lambda spec: spec.model_name),
    ("model place", lambda spec: spec.model if spec.model != spec.model_name else None),
    ("data", lambda spec: spec.data.name),
    ("data place", lambda spec: spec.data.source if spec.data.source != spec.data.name else None),
    ("fraction", lambda spec: spec.data.fraction),
    ("selection_rows", lambda spec: spec.data.selection_rows),
    ("splits", lambda spec: spec.data.evaluate_on or None),
    ("seed", lambda spec: spec.seed),
    ("time_limit", lambda spec: None if spec.time_limit is None else format_duration(spec.time_limit)),
    ("report_to", lambda spec: spec.report_to or None),
    ("stop_on", lambda spec: spec.guards.stop_on or None),
)
_LIMIT = 200


def side_by_side(specs: Sequence[RunSpec | None]) -> list[Setting]:
    """Every setting that any of the runs has, in the order of the form; of a run without a spec all are
    ``None``."""
    flat = [{} if spec is None else _flat(spec) for spec in specs]
    keys = dict.fromkeys(key for held in flat for key in held)
    groups = dict.fromkeys(group for group, _ in keys)
    known = _descriptions(specs)
    found = []
    for group in groups:
        for name in (name for held, name in keys if held == group):
            field = known.get(name) if group not in ("template", "environment") else None
            values = tuple(_text(held.get((group, name))) for held in flat)
            if any(value is not None for value in values):
                unit = field.unit if field is not None else ""
                found.append(Setting(group, name, name.replace("_", " "), unit, values))
    return found


def _flat(spec: RunSpec) -> dict[tuple[str, str], Any]:
    """(group, name) → value."""
    flat: dict[tuple[str, str], Any] = {("run", name): value(spec) for name, value in _RUN}
    described = _fields(spec.method)
    for name, value in spec.hyperparameters.items():
        field = described.get(name)
        flat[field.group if field is not None and field.group else "method", clean_line(name, limit=80)] = (
            value
        )
    if spec.template is not None:
        for name, value in spec.template.model_dump(exclude={"description", "source"}).items():
            for part, held in value.items() if isinstance(value, Mapping) else (("", value),):
                flat["template", f"{name} {part}".strip()] = held
    origin = spec.provenance
    for name, value in environment(spec).items():
        flat["environment", name] = value
    if origin.git_dirty:
        flat["environment", "uncommitted changes"] = True
    return flat


def environment(spec: RunSpec) -> dict[str, str]:
    """Versions, host, platform and commit, as recorded; clean."""
    origin = spec.provenance
    named = {"host": origin.host, "python": origin.python, "platform": origin.platform}
    named["git commit"] = origin.git_commit or ""
    named |= dict(sorted(origin.packages.items()))
    return {
        clean_line(name, limit=80): clean_line(text, limit=_LIMIT) for name, text in named.items() if text
    }


def _descriptions(specs: Sequence[RunSpec | None]) -> dict[str, FieldDescription]:
    found: dict[str, FieldDescription] = dict(BY_NAME)
    for spec in specs:
        if spec is not None:
            found |= _fields(spec.method)
    return found


def _fields(method: str) -> dict[str, FieldDescription]:
    """The declared hyperparameters of a method; none of one that this version does not know."""
    if method == EVALUATE:
        return {field.name: field for field in describe(EvaluationHyperparameters)}
    try:
        return {field.name: field for field in describe(registry.get(method).Hyperparameters)}
    except ConsoleError:
        return {}


def _text(value: Any) -> str | None:
    return None if value is None else clean_line(format_value(value), limit=_LIMIT)
