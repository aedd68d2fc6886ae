"""What a run is asked for beside its hyperparameters, declared once for the form and the command line."""

from collections.abc import Iterable

from nli_console.methods.fields import FieldDescription, FieldError, did_you_mean
from nli_console.record.seeds import parse_seeds
from nli_console.record.trackers import NONE, TRACKERS, is_installed, missing
from nli_console.text import format_duration, parse_duration, write_duration

GUARDS: dict[str, str] = {
    "loss_at_chance": "the loss stays at that of guessing",
    "one_class": "nearly all predictions are one label",
    "constant_logits": "the logits do not depend on the input",
    "grad_norm": "the gradient norm explodes",
    "nan_steps": "a step's loss is NaN or infinite",
    "invalid_answers": "more than 1 % of the written answers name no label",
}
"""Guard that may stop a run → what raises it (``docs/guards.md``)."""


def _read_limit(text: str) -> float | None:
    return None if text in ("", NONE) else parse_duration(text)


def _write_limit(seconds: float | None) -> str:
    return "" if seconds is None else write_duration(seconds)


def _tell_limit(seconds: float | None) -> str:
    return "" if seconds is None else f"stops with a checkpoint after {format_duration(seconds)}"


def _tell_seeds(seeds: tuple[int, ...]) -> str:
    return f"a group of {len(seeds)} runs, one for each seed" if len(seeds) > 1 else ""


def _read_trackers(text: str) -> tuple[str, ...]:
    return _names("report_to", text, TRACKERS, "tracker")


def _read_guards(text: str) -> tuple[str, ...]:
    return _names("stop_on", text, GUARDS, "guard")


def _names(field: str, text: str, known: Iterable[str], what: str) -> tuple[str, ...]:
    """The names between commas, each once; ``none`` is the same as no name."""
    wanted = tuple(dict.fromkeys(text.replace(",", " ").split()))
    for name in wanted:
        if name not in known and name != NONE:
            raise FieldError(
                field,
                f'no {what} is called "{name}"{did_you_mean(name, known)} '
                f"({what}s: {', '.join(known)}, or {NONE})",
                name,
            )
    if NONE in wanted and len(wanted) > 1:
        raise FieldError(field, f"{NONE} excludes the others; give one or the other", ",".join(wanted))
    return tuple(name for name in wanted if name != NONE)


def _read_splits(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.replace(",", " ").split()))


SCORING_FIELDS = frozenset({"evaluate_on", "evaluation_rows"})
"""Fields of a run that trains nothing: what was trained is reported on in full."""
TRAINING_FIELDS = frozenset({"report_to"})
"""Fields of a run that trains: trackers follow a training."""

RUN_FIELDS = (
    FieldDescription(
        "model", "--model", "text", "", help="a name from settings.toml, a hub id or a folder", group="run"
    ),
    FieldDescription(
        "data",
        "--data",
        "text",
        "",
        help="a name from settings.toml, a hub id, a folder, a zip or a file",
        group="run",
    ),
    FieldDescription(
        "fraction",
        "--fraction",
        "float",
        1.0,
        help="share of the training rows to use",
        group="run",
        minimum=0,
        minimum_exclusive=True,
        maximum=1,
    ),
    FieldDescription(
        "evaluate_on",
        "--evaluate-on",
        "list",
        (),
        help="splits that are scored, between commas; empty for all that are labelled but train",
        group="run",
        reader=_read_splits,
    ),
    FieldDescription(
        "evaluation_rows",
        "--evaluation-rows",
        "int",
        0,
        help="rows of each split that are scored, chosen by the seed; 0 for all",
        group="run",
        unit="rows",
        minimum=0,
    ),
    FieldDescription(
        "seeds",
        "--seeds",
        "text",
        (1,),
        help="seed of sampling, initialisation and order; several, such as 1,2,3, make a group of runs",
        group="run",
        reader=parse_seeds,
        meaning=_tell_seeds,
    ),
    FieldDescription(
        "time_limit",
        "--time-limit",
        "text",
        None,
        help="stop with a checkpoint after this time, such as 45m, 2h30m or 90 (seconds); none for no limit",
        group="run",
        reader=_read_limit,
        writer=_write_limit,
        meaning=_tell_limit,
    ),
    FieldDescription("name", "--name", "text", "", help="what the run is called", group="run"),
    FieldDescription(
        "report_to",
        "--report-to",
        "list",
        (),
        help=f"experiment trackers to report to as well: {', '.join(TRACKERS)}, or none",
        group="run",
        reader=_read_trackers,
        meaning=lambda names: "; ".join(missing(names)),
        options=lambda: {
            name: "installed here" if is_installed(name) else f"not installed; pip install {name}"
            for name in TRACKERS
        },
    ),
    FieldDescription(
        "stop_on",
        "--stop-on",
        "list",
        (),
        help="guards that stop the run, with a checkpoint, when they are raised, or none",
        group="run",
        reader=_read_guards,
        options=lambda: GUARDS,
    ),
)
"""In the order of the form."""
BY_NAME = {field.name: field for field in RUN_FIELDS}


def fields_of(trains: bool) -> tuple[FieldDescription, ...]:
    """The fields of a run by a method that trains something, or nothing."""
    others = SCORING_FIELDS if trains else TRAINING_FIELDS
    return tuple(field for field in RUN_FIELDS if field.name not in others)
