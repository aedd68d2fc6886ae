"""``nli-console methods`` and ``nli-console presets``."""

import dataclasses
import re
from typing import Annotated, Any

from cyclopts import App, Parameter

from nli_console.cli.context import Ctx
from nli_console.cli.options import Json
from nli_console.cli.output import note, pairs, say, say_json, table
from nli_console.methods import overview, presets, registry
from nli_console.methods.base import Method
from nli_console.methods.fields import describe, require
from nli_console.methods.presets import Preset


def methods(*, json: Json = False, context: Ctx) -> None:
    """List the methods: how many parameters each trains, what was reached with it, and where to start."""
    rows = overview.overview(context.settings.cache_dir)
    if json:
        say_json([row.to_json() | {"hyperparameters": _fields(row.method)} for row in rows])
        return
    lines = [line for row in rows for line in overview.cells(row)]
    say(table(overview.HEADER, lines, right=overview.RIGHT))
    say()
    say(pairs((row.method.name, row.method.summary) for row in rows))
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


def _fields(method: Method) -> list[dict[str, Any]]:
    return [dataclasses.asdict(field) for field in describe(method.Hyperparameters)]
