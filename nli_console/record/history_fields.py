"""What the history knows of a run: one declaration for its columns, its order and its filter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Literal

from nli_console.record.accuracy import REPORTED, headline_split
from nli_console.record.groups import Group
from nli_console.record.summary import RunSummary
from nli_console.text import (
    UNKNOWN,
    clean_line,
    format_accuracy,
    format_bytes,
    format_count,
    format_date,
    format_duration,
    format_number,
)

Row = RunSummary | Group
"""What has a line of its own in the history: a run, or a group of runs."""

Kind = Literal[
    "text", "word", "words", "share", "count", "number", "bytes", "seconds", "moment", "setting"
]  # fmt: skip
"""``text`` may hold anything, ``word`` is one of a few; a ``setting`` is whatever a method declares."""

NUMERIC: frozenset[Kind] = frozenset({"share", "count", "number", "bytes", "seconds", "moment", "setting"})


@dataclass(frozen=True, slots=True)
class HistoryField:
    """One thing to show, to sort and to filter by.

    ``value`` is raw: a share of 1, bytes, seconds, seconds since the epoch; ``None`` where it is unknown.
    ``of_group`` is that of a group; without it the group's first run stands for all of them.
    """

    name: str
    title: str
    kind: Kind
    help: str
    value: Callable[[RunSummary], Any]
    of_group: Callable[[Group], Any] | None = None
    aliases: tuple[str, ...] = ()

    def of(self, row: Row) -> Any:
        """The raw value of a run or group."""
        if not isinstance(row, Group):
            return self.value(row)
        return self.value(row.runs[0]) if self.of_group is None else self.of_group(row)

    def order(self, row: Row) -> Any:
        """What rows are sorted by; ``None`` stands last. Values of one field can be compared."""
        value = self.of(row)
        if self.kind == "setting":
            return setting_order(value)
        if isinstance(value, str):
            return value.casefold() or None
        if isinstance(value, tuple):
            return tuple(word.casefold() for word in value) or None
        return value

    def text(self, row: Row) -> str:
        """The value as a cell shows it, clean."""
        value = self.of(row)
        return UNKNOWN if value is None or value in ("", ()) else clean_line(_FORMS[self.kind](value))


def setting_order(value: Any) -> tuple[int, Any] | None:
    """Numbers before texts, so that methods which mean different things by one name sort, too."""
    if value is None:
        return None
    if isinstance(value, (bool, int, float)):
        return 0, value
    return 1, setting_text(value).casefold()


def setting_text(value: Any) -> str:
    """A hyperparameter as the form shows it."""
    from nli_console.methods.fields import format_value

    return format_value(value)


_FORMS: Mapping[Kind, Callable[[Any], str]] = {
    "text": str,
    "word": str,
    "words": ", ".join,
    "share": format_accuracy,
    "count": format_count,
    "number": format_number,
    "bytes": format_bytes,
    "seconds": format_duration,
    "moment": format_date,
    "setting": setting_text,
}


def _mean(share: Callable[[RunSummary], float | None]) -> Callable[[Group], float | None]:
    def of(group: Group) -> float | None:
        known = [value for run in group.runs if (value := share(run)) is not None]
        return sum(known) / len(known) if known else None

    return of


def headline(run: RunSummary) -> float | None:
    """The accuracy that stands for a run."""
    split = headline_split(run.accuracy)
    return None if split is None else run.accuracy[split].value


def _group_headline(group: Group) -> float | None:
    return None if group.headline is None else group.headline.mean


def _on(split: str) -> Callable[[RunSummary], float | None]:
    return lambda run: run.accuracy[split].value if split in run.accuracy else None


def _on_group(split: str) -> Callable[[Group], float | None]:
    return lambda group: group.accuracy[split].mean if split in group.accuracy else None


def _asked(run: RunSummary) -> int | None:
    split = headline_split(run.accuracy)
    return None if split is None else run.accuracy[split].n


def _held_out(run: RunSummary) -> float | None:
    return None if run.selection_accuracy is None else run.selection_accuracy.value


def _begun(row: Row) -> float | None:
    """When a run started, or was submitted where it still waits: the newest stand together."""
    return row.submitted if row.started is None else row.started


def _same(attribute: str) -> dict[str, Any]:
    """An attribute that runs and groups both have."""
    return {"value": lambda run: getattr(run, attribute), "of_group": lambda row: getattr(row, attribute)}


FIELDS: tuple[HistoryField, ...] = (
    HistoryField("state", "state", "word", "queued, running, finished, failed, …",
                 lambda run: run.state.state.value, lambda group: group.state.value),
    HistoryField("name", "name", "text", "what the run is called", **_same("name")),
    HistoryField("method", "method", "word", "how it was trained or asked", **_same("method_title")),
    HistoryField("model", "model", "text", "as it was named", **_same("model")),
    HistoryField("data", "data", "text", "the dataset, as it was named", **_same("data")),
    HistoryField("preset", "preset", "text", "that it started from", lambda run: run.preset or ""),
    HistoryField("accuracy", "accuracy", "share", "on validation_matched, else on the first split reported",
                 headline, _group_headline, ("acc",)),
    HistoryField("split", "split", "text", "that the accuracy is of",
                 lambda run: headline_split(run.accuracy) or "",
                 lambda group: headline_split(group.accuracy) or ""),
    *(
        HistoryField(split.removeprefix("validation_"), split.removeprefix("validation_"), "share",
                     f"accuracy on {split}", _on(split), _on_group(split), (split,))
        for split in REPORTED
    ),
    HistoryField("held_out", "held out", "share", "accuracy on the rows held out of train", _held_out,
                 _mean(_held_out), ("selection",)),
    HistoryField("rows", "rows", "count", "how many rows the accuracy is of", _asked, None, ("n",)),
    HistoryField("trainable", "trainable", "count", "parameters that are trained",
                 **_same("trainable_parameters"), aliases=("trainable_parameters",)),
    HistoryField("parameters", "parameters", "count", "all parameters of the model",
                 lambda run: run.total_parameters, None, ("params", "total_parameters")),
    HistoryField("time", "time", "seconds", "of all attempts; of a group of all runs", **_same("seconds"),
                 aliases=("seconds",)),
    HistoryField("memory", "peak memory", "bytes", "the most that the worker held",
                 **_same("peak_memory_bytes"), aliases=("peak_memory_bytes", "peak_memory")),
    HistoryField("started", "started", "moment", "when it started, or was submitted while it waits", _begun,
                 _begun),
    HistoryField("submitted", "submitted", "moment", "when it was asked for", **_same("submitted")),
    HistoryField("seed", "seed", "count", "of sampling, initialisation and order", lambda run: run.seed),
    HistoryField("fraction", "fraction", "share", "share of the training rows", lambda run: run.fraction),
    HistoryField("loss", "loss", "number", "of training, at the end", lambda run: run.loss),
    HistoryField("step", "step", "count", "optimiser steps made", lambda run: run.step),
    HistoryField("steps", "steps", "count", "optimiser steps planned", lambda run: run.total_steps, None,
                 ("total_steps",)),
    HistoryField("attempts", "attempts", "count", "how often it was started", lambda run: run.attempts),
    HistoryField("tag", "tags", "words", "put there with t, or by `label --tag`", lambda run: run.tags,
                 lambda group: tuple(dict.fromkeys(tag for run in group.runs for tag in run.tags)),
                 ("tags",)),
    HistoryField("note", "notes", "text", "written with e, or by `label --note`", lambda run: run.notes, None,
                 ("notes",)),
    HistoryField("warning", "warnings", "words", "guards that were raised",
                 lambda run: tuple(guard.id for guard in run.guards),
                 lambda group: tuple(dict.fromkeys(guard.id for run in group.runs for guard in run.guards)),
                 ("warnings", "guard")),
    HistoryField("reason", "reason", "text", "why it is in its state", lambda run: run.reason,
                 lambda group: group.lead.reason),
    HistoryField("evaluates", "evaluates", "text", "what an evaluation scores", lambda run: run.evaluates),
    HistoryField("id", "id", "text", "the name of its folder", lambda run: run.id, lambda group: group.id),
    HistoryField("group", "group", "text", "id of the runs that were launched together",
                 lambda run: run.group or "", lambda group: group.id),
    HistoryField("root", "root", "text", "the runs folder, where several are read", lambda run: run.root),
)  # fmt: skip
"""What every run has, in the order of the lists."""

SHORT = {"lr": "learning_rate", "batch": "batch_size", "wd": "weight_decay"}
"""Short names of hyperparameters."""
_KNOWN = {name: field for field in FIELDS for name in (field.name, *field.aliases)}


@dataclass(frozen=True)
class Vocabulary:
    """The fields that a history can be filtered, sorted and shown by, and the values they have in it."""

    runs: tuple[RunSummary, ...] = ()
    _values: dict[str, list[str]] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def settings(self) -> tuple[str, ...]:
        """Hyperparameters that a run of the history has, by name."""
        found: set[str] = set()
        for run in self.runs:
            found.update(run.hyperparameters)
        return tuple(sorted(name for name in found if name.isidentifier() and name not in _KNOWN))

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Splits that a run was reported on and that have no field of their own."""
        found: set[str] = set()
        for run in self.runs:
            found.update(run.accuracy)
        return tuple(sorted(name for name in found if name not in _KNOWN))

    @cached_property
    def fields(self) -> tuple[HistoryField, ...]:
        """Every field: what all runs have, then further splits, then hyperparameters."""
        return (*FIELDS, *map(accuracy_on, self.splits), *map(setting, self.settings))

    def find(self, name: str) -> HistoryField | None:
        """The field of this name, alias or short name; hyperparameters of every method count, too."""
        key = name.casefold().replace("-", "_")
        key = SHORT.get(key, key)
        if key in _KNOWN:
            return _KNOWN[key]
        if key in self.splits:
            return accuracy_on(key)
        if key in self.settings or key in _declared():
            return setting(key)
        return None

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that :meth:`find` knows, for who mistyped one."""
        return (*_KNOWN, *SHORT, *self.splits, *sorted({*self.settings, *_declared()}))

    def values(self, known: HistoryField) -> list[str]:
        """The words or texts that runs have for a field, the most frequent first."""
        if known.name not in self._values:
            counts: dict[str, int] = {}
            for run in self.runs:
                for word in words_of(known, known.value(run)):
                    counts[word] = counts.get(word, 0) + 1
            self._values[known.name] = sorted(counts, key=lambda word: (-counts[word], word))
        return self._values[known.name]


def words_of(field: HistoryField, value: Any) -> tuple[str, ...]:
    """A raw value as the words that a filter compares: ``evaluate lora`` are two, a model's name is one."""
    if value is None or value == "":
        return ()
    if isinstance(value, tuple):
        return value
    text = clean_line(value if isinstance(value, str) else setting_text(value), limit=200)
    return tuple(text.split()) if field.kind == "word" else (text,)


def setting(name: str) -> HistoryField:
    """The field of a hyperparameter."""
    return HistoryField(
        name, name.replace("_", " "), "setting", "hyperparameter", lambda run: run.hyperparameters.get(name)
    )


def accuracy_on(split: str) -> HistoryField:
    """The field of the accuracy on a split."""
    return HistoryField(split, split, "share", f"accuracy on {split}", _on(split), _on_group(split))


@cache
def _declared() -> frozenset[str]:
    """The hyperparameters of every method; asked for only where no run knows a name."""
    from nli_console.methods.registry import methods

    return frozenset(name for method in methods().values() for name in method.Hyperparameters.model_fields)
