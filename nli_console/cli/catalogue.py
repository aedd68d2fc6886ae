"""``nli-console methods`` and ``nli-console presets``."""

import dataclasses
import re
from typing import Annotated, Any

from cyclopts import App, Parameter

from nli_console.cli.context import Context, Ctx
from nli_console.cli.options import Json
from nli_console.cli.output import note, pairs, say, say_json, table
from nli_console.errors import ConsoleError
from nli_console.methods import presets, registry, shapes
from nli_console.methods.base import Method
from nli_console.methods.fields import describe, require
from nli_console.methods.presets import Preset
from nli_console.text import format_accuracy, format_count

REFERENCE_MODELS = ("roberta-large", "meta-llama/Meta-Llama-3-8B-Instruct")
"""Models whose architecture comes along, so that parameters are counted without a network."""


def methods(*, json: Json = False, context: Ctx) -> None:
    """List the methods: what each trains, and how many parameters of roberta-large or Llama-3-8B that is."""
    every = registry.methods().values()
    counted = {method.name: _reference_count(method, context) for method in every}
    if json:
        say_json([_method_json(method, counted[method.name]) for method in every])
        return
    rows = [
        (
            method.name,
            method.title,
            format_count(trainable),
            (model or "").rpartition("/")[2],
            format_accuracy(method.report_accuracy),
            method.summary,
        )
        for method in every
        for model, trainable in [counted[method.name]]
    ]
    header = ("METHOD", "TITLE", "TRAINABLE", "OF", "REPORT", "WHAT IT DOES")
    say(table(header, rows, right=(2, 4)))
    say("\nOptions of a method: nli-console run METHOD --help")


presets_app = App(name="presets", help="List the presets, or show one.")


@presets_app.default
def list_presets(*, json: Json = False, context: Ctx) -> None:
    """List the shipped presets and the user's own."""
    found = presets.scan(context.user_folder)
    for problem in found.problems:
        note(problem)
    if json:
        say_json([preset.model_dump(mode="json") for preset in found.presets])
        return
    rows = [
        (preset.name, preset.method, preset.model or "any", re.split(r"[:.;] ", preset.description)[0])
        for preset in found.presets
    ]
    say(table(("PRESET", "METHOD", "MODEL", "WHAT IT IS"), rows))
    say("\nOne in full: nli-console presets show NAME")


@presets_app.command
def show(name: Annotated[str, Parameter(help="such as paper/lora, or a saved one")], *, json: Json = False,
         context: Ctx) -> None:  # fmt: skip
    """Show every value of a preset, and which of them differ from the method's defaults."""
    preset = presets.load(name, user_folder=context.user_folder)
    if json:
        say_json(preset.model_dump(mode="json"))
        return
    say(pairs(_preset_pairs(preset)))
    model = registry.get(preset.method).Hyperparameters
    values = require(model, preset.hyperparameters)
    rows = [
        (
            field.option,
            field.format(getattr(values, field.name)),
            field.unit,
            "" if getattr(values, field.name) == field.default else f"default {field.format(field.default)}",
        )
        for field in describe(model)
    ]
    say()
    say(table(("OPTION", "VALUE", "UNIT", ""), rows))


def _preset_pairs(preset: Preset) -> list[tuple[str, object]]:
    items: list[tuple[str, object | None]] = [
        ("preset", preset.name),
        ("method", preset.method),
        ("description", preset.description),
        ("source", preset.source),
        ("model", preset.model),
        ("data", preset.data),
        ("fraction", preset.fraction),
    ]
    return [(key, value) for key, value in items if value not in (None, "")]


def _reference_count(method: Method, context: Context) -> tuple[str | None, int | None]:
    """The recommended preset's model and how much of it is trained; ``None`` where that is not known."""
    try:
        preset = presets.load(f"recommended/{method.name}", method.name)
        if preset.model not in REFERENCE_MODELS:
            return None, None
        found = shapes.load(preset.model, context.settings.cache_dir, method.task)
        if found is None:
            return None, None
        values = require(method.Hyperparameters, preset.hyperparameters)
        return preset.model, method.count(found, values).trainable
    except ConsoleError:
        return None, None


def _method_json(method: Method, counted: tuple[str | None, int | None]) -> dict[str, Any]:
    model, trainable = counted
    return {
        "name": method.name,
        "title": method.title,
        "summary": method.summary,
        "family": method.family,
        "product": method.product,
        "reference": method.reference,
        "report_accuracy": method.report_accuracy,
        "trainable_parameters": {} if model is None else {model: trainable},
        "hyperparameters": [dataclasses.asdict(field) for field in describe(method.Hyperparameters)],
    }
