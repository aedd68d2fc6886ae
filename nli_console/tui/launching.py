"""What the Launch screen does away from the event loop: read and save presets, and start a run."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nli_console.data.prompts import catalogue
from nli_console.methods import presets
from nli_console.methods.base import Hyperparameters, Method
from nli_console.methods.checks import Finding
from nli_console.methods.fields import FieldDescription, FieldError
from nli_console.record.compose import Draft, compose, members
from nli_console.record.run_fields import RUN_FIELDS
from nli_console.record.spec import RunSpec
from nli_console.settings import LoadedSettings, user_folder
from nli_console.supervisor import launch as launcher
from nli_console.supervisor.preflight import Machine, assess, machine_of, recipe_of, refuse, settled
from nli_console.supervisor.warm_start import WarmStart
from nli_console.tui import status
from nli_console.tui.background import describe
from nli_console.tui.form import Form
from nli_console.tui.messages import Launched, LaunchRefused, PresetSaved, PresetsRead
from nli_console.tui.screens.picker import Choosable
from nli_console.tui.screens.prompt import Prompt

_PRESET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SUBJECT = re.compile(r"(?:--(?P<option>[a-z0-9-]+)|[a-z_]+\.(?P<field>[a-z0-9_]+)|(?P<word>[a-z_]+))\b")


@dataclass(frozen=True, slots=True)
class PresetRecord:
    """What a preset of the user's own holds."""

    method: str
    hyperparameters: dict[str, Any]
    model: str
    data: str
    fraction: float

    @classmethod
    def of(cls, form: Form, hyperparameters: Hyperparameters) -> "PresetRecord":
        """Take the form's values.

        Raises:
            FieldError: the fraction cannot be read.
        """
        return cls(
            form.method,
            hyperparameters.model_dump(),
            form.text("model").strip(),
            form.text("data").strip(),
            form.run_value("fraction"),
        )


def read_presets() -> PresetsRead:
    """Presets and prompt templates, shipped ones and the user's own."""
    found, templates = presets.scan(user_folder()), catalogue.scan(user_folder())
    return PresetsRead(tuple(found.presets), templates, (*found.problems, *templates.problems))


def preset_name_problem(name: str, taken: Collection[str]) -> str | None:
    """What is wrong with a name for a preset of the user's own."""
    if not _PRESET_NAME.fullmatch(name):
        return "Up to 64 letters, digits, dots, dashes and underscores, beginning with a letter or digit."
    if name in taken or name in presets.FAMILIES:
        return f"{name} exists already; choose another name."
    return None


def ask_preset_name(method: Method, taken: Collection[str]) -> Prompt:
    """A dialog for the name of a preset of the user's own."""
    return Prompt(
        "Save as your preset",
        f"Saves model, data, fraction and all hyperparameters of {method.title}.",
        check=lambda text: preset_name_problem(text, taken),
    )


def save_preset(name: str, record: PresetRecord) -> PresetSaved:
    """Save a preset of the user's own.

    Raises:
        ConsoleError: it cannot be written, or the name is taken.
    """
    presets.save(
        name,
        method=record.method,
        hyperparameters=record.hyperparameters,
        user_folder=user_folder(),
        model=record.model,
        data=record.data,
        fraction=record.fraction,
    )
    return PresetSaved(name)


def draft_of(form: Form, hyperparameters: Hyperparameters, ignored: tuple[str, ...] = ()) -> Draft:
    """What the form asks for; ``ignored`` are checks that are not to block it.

    Raises:
        FieldError: a field of the run cannot be read.
    """
    evaluate_on, evaluation_rows = form.scored()
    return Draft(
        method=form.method,
        hyperparameters=hyperparameters.model_dump(),
        preset=form.preset.name,
        model=form.text("model").strip(),
        data=form.text("data").strip(),
        fraction=form.run_value("fraction"),
        seed=form.run_value("seeds")[0],
        name=form.text("name").strip(),
        time_limit=form.run_value("time_limit"),
        launcher="tui",
        ignored_checks=ignored,
        evaluate_on=evaluate_on,
        evaluation_rows=evaluation_rows,
        report_to=form.run_value("report_to"),
        stop_on=form.run_value("stop_on"),
    )


def launch(
    draft: Draft,
    seeds: Sequence[int],
    settings: LoadedSettings,
    machine: Machine,
    warm: WarmStart | None = None,
) -> Launched | LaunchRefused:
    """Compose, submit and start a run, or a group of one for each seed.

    Whatever goes wrong is said, beside the field that it names.
    """
    try:
        return start(compose(draft, settings), settings, machine, seeds, warm)
    except Exception as error:
        if warm is not None:
            warm.close()
        return refusal(describe(error), draft)


def start(
    spec: RunSpec,
    settings: LoadedSettings,
    machine: Machine,
    seeds: Sequence[int] | None = None,
    warm: WarmStart | None = None,
) -> Launched:
    """Judge, submit and start what was composed: once, or as a group with a run for each seed.

    The first run takes ``warm``, a supervisor that waits with its worker.

    Raises:
        ConsoleError: a check refuses it, or it cannot be started.
    """
    refuse(assess(recipe_of(spec), settings, machine))
    runs = members(settled(spec), seeds or (spec.seed,))
    started = launcher.start_all(settings.runs_dir, runs, settings.values.launch.survive_logout, warm=warm)
    return Launched(started[0].id)


def machine_of_reading(seen: status.Machine) -> Machine:
    """What a run would compute on, by the readings of the status line."""
    host = seen.host
    free = None if host is None else host.host_memory_total_bytes - host.host_memory_used_bytes
    return machine_of(seen.gpus, free, None if host is None else host.disk_free_bytes)


def devices_of_reading(seen: status.Machine) -> tuple[bool, tuple[str, ...] | None]:
    """What of a reading decides on what a run would compute: whether there is one, and the GPUs by UUID."""
    return seen.host is not None, None if seen.gpus is None else tuple(gpu.uuid for gpu in seen.gpus)


def to_choose(form: Form, field: FieldDescription, offered: Mapping[str, str]) -> list[Choosable]:
    """A field's suggestions as rows; the names that a field of several holds are marked."""
    chosen: tuple[str, ...] = ()
    if field.options is not None:
        with suppress(FieldError):
            chosen = form.run_value(field.name)
    return [
        Choosable(value, value, about, "chosen" if value in chosen else "")
        for value, about in offered.items()
    ]


def ignorable(findings: Iterable[Finding]) -> list[Choosable]:
    """Findings as rows to choose from, with the reason why each matters."""
    return [
        Choosable(
            finding.id, finding.message, finding.reason, "ignored" if finding.ignored else finding.severity
        )
        for finding in findings
    ]


def refusal(text: str, draft: Draft) -> LaunchRefused:
    """Sort the lines of an error by the form field that each begins with."""
    known = {field.name for field in RUN_FIELDS} | set(draft.hyperparameters)
    placed: list[tuple[str, str]] = []
    rest: list[str] = []
    for line in text.splitlines():
        name = subject(line)
        if name is not None and name in known:
            placed.append((name, line))
        else:
            rest.append(line)
    return LaunchRefused(tuple(placed), "\n".join(rest))


def subject(line: str) -> str | None:
    """The field that a line is about: ``--lora-r 0: …``, ``lora.target_modules: …``, ``model "x": …``."""
    match = _SUBJECT.match(line)
    if match is None:
        return None
    return (match["option"] or match["field"] or match["word"]).replace("-", "_")
