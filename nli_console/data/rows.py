"""From a row of any file to an :class:`Example`: which columns, which label, which id."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nli_console.data.files import shown_names
from nli_console.data.spec import LABELS, DataSpec, Example
from nli_console.errors import ConsoleError
from nli_console.settings import Columns
from nli_console.text import clean_line

CANDIDATES: Mapping[str, tuple[str, ...]] = {
    "premise": ("premise", "sentence1", "context"),
    "hypothesis": ("hypothesis", "sentence2"),
    "label": ("gold_label", "label"),
    "id": ("pairID", "uid", "id", "idx"),
    "genre": ("genre",),
    "annotator_labels": ("annotator_labels",),
}
"""Column names that are recognised without a column map, the first that is there wins."""

REQUIRED = ("premise", "hypothesis", "label")
NO_LABEL = frozenset({None, "", "-", "-1", -1})
HUB_ORDER = LABELS
"""What 0, 1 and 2 mean in MultiNLI, GLUE MNLI, SNLI and ANLI as the hub distributes them."""

_KNOWN_INTEGERS = (
    frozenset({"promptID", "pairID", "premise", "hypothesis", "genre", "label", "premise_binary_parse"}),
    frozenset({"premise", "hypothesis", "label", "idx"}),
)
_SHORT = {"e": 0, "n": 1, "c": 2}


class NoLabelsError(ConsoleError):
    """A split without any gold label, such as the public test sets of GLUE."""


def find_columns(available: Sequence[str], spec: DataSpec, place: str) -> Columns:
    """Which of the ``available`` columns hold what: the map of the settings, else the well-known names.

    Raises:
        NoLabelsError: there is no column of labels.
        ConsoleError: there is no premise or hypothesis, or a mapped column is not there.
    """
    if spec.columns is not None:
        wanted = spec.columns.model_dump(exclude_none=True)
        found = {role: name for role, name in wanted.items() if name in available}
        looked_for = {role: (name,) for role, name in wanted.items()}
        required: Iterable[str] = wanted
    else:
        found = {
            role: name
            for role, names in CANDIDATES.items()
            if (name := next((name for name in names if name in available), None)) is not None
        }
        looked_for = dict(CANDIDATES)
        required = REQUIRED
    for role in required:
        if role not in found:
            kind = NoLabelsError if role == "label" else ConsoleError
            raise kind(
                f"{place}: no column for the {role.replace('_', ' ')}: "
                f"looked for {', '.join(looked_for[role])}; "
                f"the columns are {shown_names(list(available), 20)}. "
                f"Write in settings.toml [datasets.{settings_key(spec)}.columns] and there "
                + ", ".join(f'{role} = "…"' for role in REQUIRED)
            )
    return Columns(**{"id": None, **found})


def settings_key(spec: DataSpec) -> str:
    """The name to write after ``datasets.`` in a hint."""
    return spec.name if re.fullmatch(r"[\w-]+", spec.name) else "NAME"


def known_integers(columns: Sequence[str]) -> Sequence[str] | None:
    """:data:`HUB_ORDER` when the columns are exactly those of a dataset whose order is known."""
    names = set(columns)
    known = names == _KNOWN_INTEGERS[1] or _KNOWN_INTEGERS[0] <= names
    return HUB_ORDER if known else None


class LabelTable:
    """Label names, and what else may stand for them, to indices into :data:`LABELS`.

    Args:
        spec: its ``labels`` are looked up first.
        class_names: what the integers 0, 1, 2 … are called; without them an integer is unknown.
    """

    def __init__(self, spec: DataSpec, class_names: Sequence[str] | None = None) -> None:
        self._spec = spec
        self._table: dict[Any, int | None] = {}
        for name, label in _SHORT.items():
            self._table[name] = label
        for label, name in enumerate(LABELS):
            self._table[name] = label
        for value, name in enumerate(class_names or ()):
            if name.casefold() in self._table:
                self._table[value] = self._table[name.casefold()]
        self._table.update(dict.fromkeys(NO_LABEL))
        for value, name in (spec.labels or {}).items():
            if name not in LABELS:
                raise ConsoleError(
                    f'labels of {clean_line(spec.name)}: "{clean_line(value)}" = "{clean_line(name)}": '
                    f"expected one of {', '.join(LABELS)}"
                )
            self._table[value] = LABELS.index(name)
            self._table.setdefault(value.strip().casefold(), LABELS.index(name))
            if re.fullmatch(r"-?\d{1,18}", value):
                self._table[int(value)] = LABELS.index(name)

    def index(self, value: Any, file: str, row: str) -> int | None:
        """Index of the label, or ``None`` for a row without a gold label.

        Raises:
            ConsoleError: the value is unknown.
        """
        # True equals 1 and would be looked up as such.
        if not isinstance(value, bool):
            try:
                return self._table[value]
            except (KeyError, TypeError):
                pass
        if isinstance(value, float) and value != value:
            return None
        if isinstance(value, (str, bool, int, float)) and str(value).strip().casefold() in self._table:
            return self._table[str(value).strip().casefold()]
        raise ConsoleError(f"{file}, {row}: {self._unknown(value)}")

    def _unknown(self, value: Any) -> str:
        where = f"settings.toml [datasets.{settings_key(self._spec)}]"
        shown = clean_line(value, limit=60)
        if re.fullmatch(r"-?\d{1,18}", shown):
            return (
                f"label {shown} is a number, and nothing says which label it means; "
                f'write in {where} labels = {{ "0" = "…", "1" = "…", "2" = "…" }} with the names '
                + ", ".join(LABELS)
            )
        return (
            f'label "{shown}" is unknown; expected {", ".join(LABELS)}, or "-" where there is none. '
            f'If it means one of them, write in {where} labels = {{ "{shown}" = "…" }}'
        )


class RowMapper:
    """Makes the examples of one split, one row after the other, and counts the rows without a gold label."""

    def __init__(self, spec: DataSpec, split: str) -> None:
        self.dropped = 0
        self.rows = 0
        self._spec = spec
        self._split = split
        self._labels = LabelTable(spec)
        self._ids: set[str] = set()
        self._premises: dict[str, str] = {}
        self._annotators: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._genres: dict[str, str] = {}

    def name_integers(self, class_names: Sequence[str] | None) -> None:
        """Say what the integer labels of the next rows are called."""
        self._labels = LabelTable(self._spec, class_names)

    def example(
        self,
        file: str,
        row: str,
        premise: Any,
        hypothesis: Any,
        label: Any,
        id: Any = None,
        genre: Any = None,
        annotator_labels: Any = None,
    ) -> Example | None:
        """The example of one row, or ``None`` when it has no gold label.

        Args:
            file: name of the file for messages.
            row: ``line 12`` or ``row 12``, for messages.

        Raises:
            ConsoleError: a text is missing, or the label is unknown.
        """
        self.rows += 1
        index = self._labels.index(label, file, row)
        if index is None:
            self.dropped += 1
            return None
        if not (premise and hypothesis and type(premise) is str and type(hypothesis) is str):
            raise _bad_text(file, row, premise, hypothesis)
        return Example(
            self._unique(id),
            # Three rows share a premise in MultiNLI: one copy of the text is kept.
            self._premises.setdefault(premise, premise),
            hypothesis,
            index,
            None if genre is None else self._genres.setdefault(str(genre), str(genre)),
            self._annotated(annotator_labels) if annotator_labels else (),
        )

    def _unique(self, value: Any) -> str:
        name = f"{self._split}-{self.rows}" if value is None or value == "" else str(value)
        if name in self._ids:
            copy = 2
            while f"{name}#{copy}" in self._ids:
                copy += 1
            name = f"{name}#{copy}"
        self._ids.add(name)
        return name

    def _annotated(self, value: Any) -> tuple[str, ...]:
        labels = tuple(map(str, value)) if isinstance(value, (list, tuple)) else tuple(str(value).split())
        return self._annotators.setdefault(labels, labels)


def _bad_text(file: str, row: str, premise: Any, hypothesis: Any) -> ConsoleError:
    role, value = ("hypothesis", hypothesis) if isinstance(premise, str) and premise else ("premise", premise)
    if value is None or value == "":
        return ConsoleError(f"{file}, {row}: the {role} is missing; add it or remove the row")
    kind = type(value).__name__
    return ConsoleError(
        f"{file}, {row}: the {role} is of type {kind} ({clean_line(value, limit=40)}); expected a text"
    )
