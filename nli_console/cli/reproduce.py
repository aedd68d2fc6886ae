"""``nli-console reproduce``: every preset of a family as a run, and the report's table of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from nli_console.cli import exit_codes, listing
from nli_console.cli.context import Context, Ctx
from nli_console.cli.options import Json
from nli_console.cli.output import note, say, say_json, table
from nli_console.cli.plan import quick_look
from nli_console.cli.run import RunOptions, make_draft, start_runs
from nli_console.cli.watch import follow_each
from nli_console.data.check import check
from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.methods.presets import Preset
from nli_console.record.compose import compose
from nli_console.record.groups import Group
from nli_console.record.layout import RunLayout
from nli_console.record.reproduction import Recipe, chosen, figures, recipe, report_accuracy
from nli_console.record.seeds import parse_seeds
from nli_console.record.spec import RunSpec
from nli_console.record.store import Store
from nli_console.supervisor.preflight import refuse, sentence, settled
from nli_console.supervisor.reap import record_ends
from nli_console.text import UNKNOWN, format_accuracy, format_bytes, format_count, format_duration

HEADER = (
    "PRESET", "STATE", "ACCURACY", "REPORT", "TRAINABLE", "REPORT", "TIME", "REPORT", "PEAK MEMORY",
)  # fmt: skip
NOTE = (
    "REPORT is the report's figure for the column before it, its ± the 95 % interval on its own rows; "
    "TIME is of one run."
)
DEMO_NOTE = (
    "The demo's models and data are its own and tiny; "
    "the report's figures are of roberta-large and Llama-3-8B on MultiNLI."
)


@dataclass(frozen=True)
class Problem:
    """A preset that cannot be launched, and why."""

    preset: str
    text: str


def reproduce(
    family: Annotated[Literal["paper", "recommended", "demo"], Parameter(help="which family of presets")],
    *,
    only: Annotated[
        list[str] | None,
        Parameter(negative="", help="only these methods or presets, as lora,full; may be repeated"),
    ] = None,
    seeds: Annotated[
        str | None, Parameter(help="one run of each preset for every seed of 1,2,3 (default: the settings')")
    ] = None,
    report: Annotated[
        bool, Parameter(negative="", help="show the table of what there is, and start nothing")
    ] = False,
    force: Annotated[
        bool, Parameter(negative="", help="start every preset anew, also those that have finished")
    ] = False,
    detach: Annotated[bool, Parameter(negative="", help="return as soon as the runs are queued")] = False,
    json: Json = False,
    context: Ctx,
) -> int:
    """Run every preset of a family and compare with the report.

    Called again it starts only what is missing: a preset whose run, with the same model, data, values and
    seed, has finished or is on its way is not started again. One that failed or was stopped is started anew;
    `nli-console resume` goes on with it instead.
    """
    if report and (force or detach):
        raise ConsoleError(f"--report starts nothing; leave out {'--force' if force else '--detach'}")
    names = [name for text in only or () for name in text.replace(",", " ").split()]
    asked = (context.settings.values.defaults.seed,) if seeds is None else parse_seeds(seeds)
    again = _command(family, names, asked if seeds else ())
    wanted = [(preset, _spec(preset, asked[0], context)) for preset in chosen(family, names)]
    recipes = _look(wanted, asked, context)
    problems: list[Problem] = []
    code = exit_codes.OK
    if not report:
        layouts, problems = _start(recipes, force, context)
        if detach:
            if layouts and not json:
                say(f"{len(layouts)} runs are queued. The table: {again} --report\n")
        else:
            waiting = {run.id: run.layout for each in recipes for run in each.going}
            watched = follow_each(
                [*waiting.values(), *layouts],
                f"reproduce {family}",
                owner=True,
                quiet=json,
                again=again,
            )
            if watched.interrupted:
                return watched.code
            code = watched.code
        recipes = _look(wanted, asked, context)
    if json:
        say_json(
            {
                "family": family,
                "complete": not any(each.missing or each.going for each in recipes),
                "recipes": [each.to_json() for each in recipes],
                "problems": [{"preset": each.preset, "message": each.text} for each in problems],
            }
        )
    else:
        _show(family, recipes, again)
    return exit_codes.worst([code, exit_codes.FAILED if problems else exit_codes.OK])


def _command(family: str, names: Sequence[str], seeds: Sequence[int]) -> str:
    """What comes back to the same runs, and to no others."""
    command = f"nli-console reproduce {family}"
    command += f" --only {','.join(names)}" if names else ""
    return command + (f" --seeds {','.join(map(str, seeds))}" if seeds else "")


def _spec(preset: Preset, seed: int, context: Context) -> RunSpec:
    draft = make_draft(registry.get(preset.method), {}, RunOptions(preset=preset.name), context)
    return compose(replace(draft, seed=seed, name=preset.name), context.settings)


def _look(wanted: Sequence[tuple[Preset, RunSpec]], seeds: tuple[int, ...], context: Context) -> list[Recipe]:
    store = Store(context.runs_dir)
    record_ends(store.refresh().added)
    return [recipe(preset, spec, seeds, store.runs) for preset, spec in wanted]


def _start(recipes: Sequence[Recipe], force: bool, context: Context) -> tuple[list[RunLayout], list[Problem]]:
    """Queue what is missing; a preset that cannot be launched does not keep the others from it.

    Raises:
        ConsoleError: something was to be launched, and nothing could.
    """
    layouts: list[RunLayout] = []
    problems: list[Problem] = []
    if force or any(each.missing for each in recipes):
        context.notice()
    for each in recipes:
        seeds = each.seeds if force else each.missing
        if not seeds:
            continue
        try:
            specs = replace(each, spec=_checked(each, context)).specs(seeds)
            layouts += start_runs(specs, context).layouts
        except ConsoleError as error:
            problems.append(Problem(each.preset.name, str(error)))
    told = "\n".join(f"{each.preset} cannot be launched: {each.text}" for each in problems)
    if problems and not layouts:
        raise ConsoleError(told)
    if problems:
        note(told)
    return layouts, problems


def _checked(each: Recipe, context: Context) -> RunSpec:
    """The spec to submit, once the data and the checks before a launch have been looked at."""
    for told in check(each.spec.data).notes:
        note(f"{each.preset.name}: {told}")
    assessment = quick_look(each.spec, context)
    refuse(assessment)
    for finding in assessment.findings:
        if finding.severity == "warning":
            note(f"{each.preset.name}: warning [{finding.id}] {sentence(finding)}")
    return settled(each.spec)


def _show(family: str, recipes: Sequence[Recipe], again: str) -> None:
    say(table(HEADER, [_row(each) for each in recipes], right=range(2, len(HEADER))))
    say(f"\n{NOTE}")
    if any(isinstance(each.line, Group) for each in recipes):
        say(listing.SPREAD_NOTE)
    if family == "demo":
        say(DEMO_NOTE)
    if any(each.missing for each in recipes):
        say(f"What is missing is started by: {again}")


def _row(each: Recipe) -> tuple[Any, ...]:
    line, told, reported = each.line, figures(each.preset), report_accuracy(each.preset)
    several = isinstance(line, Group)
    state, accuracy = "not run", UNKNOWN
    if isinstance(line, Group):
        state, accuracy = line.state_summary, listing.spread_text(line.headline)
    elif line is not None:
        state, accuracy = line.state.state.value, listing.accuracy_text(listing.headline(line))
    if several and len(each.runs) < len(each.seeds):
        state += f", {len(each.seeds) - len(each.runs)} not run"
    return (
        each.preset.name,
        state,
        accuracy,
        UNKNOWN if reported is None else format_accuracy(*reported),
        format_count(None if line is None else line.trainable_parameters),
        format_count(None if told is None else told.trainable_parameters),
        format_duration(each.seconds),
        format_duration(None if told is None else told.seconds),
        format_bytes(None if line is None else line.peak_memory_bytes),
    )
