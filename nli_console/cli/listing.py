"""``nli-console list``: the history as a table."""

from collections.abc import Container, Sequence
from typing import Annotated, TypeVar

from cyclopts import Parameter
from rich.cells import cell_len

from nli_console.cli.context import Ctx
from nli_console.cli.options import Json
from nli_console.cli.output import say, say_json, table, terminal_width
from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.methods.fields import did_you_mean
from nli_console.record.groups import Group, Spread, grouped, runs_of
from nli_console.record.history_fields import FIELDS, NUMERIC, HistoryField, Row, Vocabulary
from nli_console.record.matching import Query
from nli_console.record.query import QueryError, parse
from nli_console.record.state import State
from nli_console.record.store import Accuracy, RunSummary
from nli_console.record.summary import REPORTED, headline_split
from nli_console.supervisor.reap import record_ends
from nli_console.text import UNKNOWN, clean_line, format_accuracy, format_count, format_date, format_spread

SPREAD_NOTE = (
    "± of one run is the 95 % interval of its accuracy; of several runs it is the sample standard deviation."
)
USUAL = ("id", "name", "state", "accuracy", "trainable", "time", "memory", "started")
"""Columns of ``list`` that nobody chose."""
_EXPENDABLE = ("started", "memory", "trainable", "time", "root", "name")
"""Which of them goes first where a terminal is narrow: an id begins with the date, so the start does."""


def list_runs(
    *,
    filter: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="only runs that fit, such as 'method:lora accuracy>0.85 started:7d -state:failed'",
        ),
    ] = None,
    state: Annotated[
        list[State] | None, Parameter(negative="", help="only runs in this state; may be given several times")
    ] = None,
    method: Annotated[str | None, Parameter(help="only runs of this method")] = None,
    sort: Annotated[
        str | None,
        Parameter(
            allow_leading_hyphen=True,
            help="by this column, the largest first; with a minus the smallest first",
        ),
    ] = None,
    columns: Annotated[
        str | None, Parameter(help="these columns, with commas between; hyperparameters and splits are some")
    ] = None,
    limit: Annotated[
        int, Parameter(help="at most this many lines (with --json: runs), newest first; 0 means all")
    ] = 0,
    members: Annotated[bool, Parameter(negative="", help="also the runs of each group, below it")] = False,
    json: Json = False,
    context: Ctx,
) -> None:
    """List the runs, newest first, the pinned on top; runs that were launched together are one line."""
    if limit < 0:
        raise ConsoleError(f"--limit {limit}: must be 0 (all) or more")
    history = context.history(record_ends)
    if method is not None and all(run.method != method for run in history):
        # A method of another version may stand in the history; a name that is nowhere is a slip.
        registry.get(method)
    vocabulary = Vocabulary(tuple(history))
    query = _query(filter or "", vocabulary)
    order = None if sort is None else _field("--sort", sort.removeprefix("-"), vocabulary)
    shown = _columns(columns, vocabulary)
    runs = [
        run
        for run in history
        if (not state or run.state.state in state) and method in (None, run.method) and query.matches(run)
    ]
    if json:
        runs = _sorted(runs, order, sort)
        say_json([run.to_json() for run in (runs[:limit] if limit > 0 else runs)])
    elif runs:
        chosen = {run.id for run in runs}
        lines = [line for line in grouped(history) if any(run.id in chosen for run in runs_of(line))]
        lines = _sorted(lines, order, sort)
        lines.sort(key=lambda line: not any(run.pinned for run in runs_of(line)))
        say(history_table(lines[:limit] if limit > 0 else lines, chosen if members else (), shown))
    elif history:
        say("no run fits; `nli-console list` shows all")
    else:
        say(f"no runs in {context.runs_dir} yet; start one: nli-console demo, or nli-console run METHOD")


def _query(text: str, vocabulary: Vocabulary) -> Query:
    """Read a filter; the error shows it with a caret under what is wrong."""
    try:
        return parse(text, vocabulary)
    except QueryError as error:
        shown = clean_line(text[: error.start]), clean_line(text[error.start : error.end])
        before = cell_len(shown[0]) + (1 if text[: error.start].endswith(" ") and shown[0] else 0)
        caret = " " * before + "^" * max(cell_len(shown[1]), 1)
        raise ConsoleError(f"--filter: {error.problem}\n  {clean_line(text)}\n  {caret}") from None


def _field(option: str, name: str, vocabulary: Vocabulary) -> HistoryField:
    field = vocabulary.find(name)
    if field is None:
        raise ConsoleError(
            f'{option}: there is no column "{clean_line(name, limit=40)}"'
            f"{did_you_mean(name, vocabulary.names)} (columns: {', '.join(each.name for each in FIELDS)}, "
            "and every hyperparameter)"
        )
    return field


def _columns(text: str | None, vocabulary: Vocabulary) -> tuple[HistoryField, ...] | None:
    if text is None:
        return None
    words = [word for part in text.split(",") if (word := part.strip())]
    if not words:
        raise ConsoleError(
            "--columns: expected names with commas between, such as name,accuracy,learning_rate"
        )
    return tuple(dict.fromkeys(_field("--columns", word, vocabulary) for word in words))


_Line = TypeVar("_Line", bound=Row)


def _sorted(lines: list[_Line], field: HistoryField | None, sort: str | None) -> list[_Line]:
    """By raw values, unknown ones last; without a field as they are."""
    if field is None:
        return lines
    known = [line for line in lines if field.order(line) is not None]
    known.sort(key=field.order, reverse=not (sort or "").startswith("-"))
    return [*known, *(line for line in lines if field.order(line) is None)]


def history_table(
    lines: Sequence[RunSummary | Group],
    members: Container[str] = (),
    columns: Sequence[HistoryField] | None = None,
) -> str:
    """The history as a table: a line per run or group, and below a group those of its runs in ``members``."""
    several = any(run.root for line in lines for run in runs_of(line))
    names = (*USUAL[:2], "root", *USUAL[2:]) if several else USUAL
    fields = columns or [field for name in names if (field := Vocabulary().find(name)) is not None]
    rows: list[tuple[str, ...]] = []
    for line in lines:
        rows.append(_row(line, fields))
        if isinstance(line, Group):
            rows += [_row(run, fields, mark="└ ") for run in line.runs if run.id in members]
    width = terminal_width()
    place = {field.name: index for index, field in enumerate(fields)}
    ids = place.get("id")
    if ids is not None and width is not None and max((len(row[ids]) for row in rows), default=0) > width // 3:
        # Where there is little room, a beginning that is enough for every command stands for an id.
        every = [row[ids] for row in rows]
        rows = [(*row[:ids], _beginning(row[ids], every), *row[ids + 1 :]) for row in rows]
    expendable = [place[name] for name in _EXPENDABLE if name in place]
    if columns is not None:
        # Of columns that somebody chose the last go first.
        expendable = list(range(len(fields) - 1, 0, -1))
    text = table(
        [field.title.upper() for field in fields],
        rows,
        right=[index for index, field in enumerate(fields) if field.kind in NUMERIC - {"moment"}],
        width=width,
        expendable=expendable,
    )
    return f"{text}\n\n{SPREAD_NOTE}" if any(isinstance(line, Group) for line in lines) else text


def _beginning(id: str, ids: Sequence[str]) -> str:
    """The shortest beginning of ``id``, in whole words, that no other of ``ids`` has."""
    words = id.split("-")
    for count in range(2, len(words)):
        start = "-".join(words[:count])
        if sum(other.startswith(start) for other in ids) == 1:
            return start
    return id


def _row(line: RunSummary | Group, fields: Sequence[HistoryField], mark: str = "") -> tuple[str, ...]:
    return tuple(f"{mark}{_cell(line, field)}" if place == 0 else _cell(line, field)
                 for place, field in enumerate(fields))  # fmt: skip


def _cell(line: RunSummary | Group, field: HistoryField) -> str:
    several = isinstance(line, Group)
    match field.name:
        case "state":
            return line.state_summary if several else _state(line)
        case "accuracy":
            return spread_text(line.headline) if several else _headline_text(line)
        case "started":
            return format_date(line.started)
        case "name" if any(run.pinned for run in runs_of(line)):
            return f"{line.name} (pinned)"
        case _:
            return field.text(line)


def _headline_text(run: RunSummary) -> str:
    """The accuracy that stands for a run; behind it what it is of, where that is not plain."""
    split = headline_split(run.accuracy)
    if split is None:
        return UNKNOWN
    held = run.accuracy[split]
    parts = [accuracy_text(held)]
    if run.evaluates:
        parts.append(f"on {run.data} {split}")
    elif split not in REPORTED:
        parts.append(f"on {split}")
    if held.raw is not None:
        parts.append(f"(raw {100 * held.raw.value:.1f})")
    return " ".join(parts)


def _state(run: RunSummary) -> str:
    count = len(run.guards)
    notes = [f"{count} warning{'s' if count > 1 else ''}"] if count else []
    notes += ["newer version"] if run.newer else []
    place = f" {run.waiting.mark}" if run.waiting is not None and run.waiting.mark else ""
    return f"{run.state.state.value}{place}" + (f" ({', '.join(notes)})" if notes else "")


def headline(run: RunSummary) -> Accuracy | None:
    """The accuracy that stands for a run: on ``validation_matched`` if there, else the first reported."""
    split = headline_split(run.accuracy)
    return None if split is None else run.accuracy[split]


def accuracy_text(accuracy: Accuracy | None) -> str:
    """``86.4 ± 0.7 %``."""
    return UNKNOWN if accuracy is None else format_accuracy(accuracy.value, accuracy.low, accuracy.high)


def full_accuracy(accuracy: Accuracy) -> str:
    """``55.4 ± 3.1 % (n = 984), batch-calibrated, raw 51.7 ± 3.1 %``."""
    text = f"{accuracy_text(accuracy)} (n = {format_count(accuracy.n)})"
    return f"{text}, {accuracy.remark}" if accuracy.remark else text


def spread_text(spread: Spread | None) -> str:
    """``86.4 ± 0.3 % (3 runs)``."""
    return UNKNOWN if spread is None else format_spread(spread.mean, spread.deviation, spread.runs)
