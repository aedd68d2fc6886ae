"""``nli-console templates``: the prompt templates, one in full, and keeping one of your own."""

import re
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from nli_console.cli.context import Ctx
from nli_console.cli.options import Json
from nli_console.cli.output import note, pairs, say, say_json, table
from nli_console.cli.template_trial import try_template
from nli_console.data.prompts import PromptTemplate, catalogue

templates_app = App(name="templates", help="List the prompt templates, show, save or try one.")
templates_app.command(try_template, name="try")


@templates_app.default
def list_templates(*, json: Json = False, context: Ctx) -> None:
    """List the shipped prompt templates and the user's own."""
    found = catalogue.scan(context.user_folder)
    for problem in found.problems:
        note(problem)
    if json:
        say_json([_record(template, template.name in found.own) for template in found.templates])
        return
    rows = [
        (
            template.name,
            "own" if template.name in found.own else "shipped",
            template.format,
            ", ".join(word.strip() for word in template.words),
            re.split(r"[:.;] | \(", template.description)[0],
        )
        for template in found.templates
    ]
    say(table(("TEMPLATE", "FROM", "FORMAT", "LABEL WORDS", "WHAT IT IS"), rows))
    say("\nOne in full: nli-console templates show NAME")


@templates_app.command
def show(
    name: Annotated[str, Parameter(help="such as recommended, or a saved one")],
    *,
    json: Json = False,
    context: Ctx,
) -> None:
    """Show the whole text of a template."""
    template = catalogue.load(name, context.user_folder)
    if json:
        say_json(_record(template, name in catalogue.scan(context.user_folder).own))
        return
    words = ", ".join(f"{label} is {word.strip()}" for label, word in template.labels.items())
    rows = [
        ("template", template.name),
        ("description", template.description),
        ("source", template.source),
        ("format", template.format),
        ("label words", words),
        ("digest", template.digest[:12]),
    ]
    say(pairs(row for row in rows if row[1]))
    shot = template.shot if template.shot or not template.shots_are_turns else "(turns of their own)"
    for title, text in (
        ("system", template.system),
        ("user", template.user),
        ("answer", template.answer),
        ("a demonstration", shot),
    ):
        if text:
            say(f"\n--- {title}\n{text}")


@templates_app.command
def save(
    name: Annotated[str, Parameter(help="what to call it; one of a shipped name takes its place")],
    file: Annotated[Path, Parameter(help="a TOML file with its keys, as those of the package")],
    *,
    overwrite: Annotated[bool, Parameter(negative="", help="replace one of your own of this name")] = False,
    context: Ctx,
) -> None:
    """Check a template and keep it beside your settings, for runs and chats."""
    template = catalogue.read_file(file.expanduser()).model_copy(update={"name": name})
    path = catalogue.save(template, context.user_folder, overwrite=overwrite)
    say(f"saved as {name}: {path}")


def _record(template: PromptTemplate, own: bool) -> dict[str, object]:
    return {**template.model_dump(mode="json"), "own": own, "digest": template.digest}
