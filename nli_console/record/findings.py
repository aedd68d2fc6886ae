"""What ``python -m nli_console.analysis`` finds out, as frozen values that both sides of its pipe share.

The process turns them into JSON with :func:`to_json`; whoever asked reads them back with :func:`of_json`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, TypeVar

from pydantic import TypeAdapter

from nli_console.record.summary import Accuracy
from nli_console.text import UNKNOWN, format_accuracy, format_count

SIGNIFICANT = 0.05
"""The p-value below which a difference is said to be shown."""

Which = Literal["errors", "disagreements", "lost", "won", "all"]
Order = Literal["loss", "row"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One place on a curve: neighbouring train records folded together, or one evaluation.

    ``step`` is the last optimiser step of it; ``epoch`` passes over the training rows; ``samples`` training
    rows seen so far; ``seconds`` since training began, pauses between attempts left out. Of a loss ``low``,
    ``value`` and ``high`` are minimum, mean and maximum of its ``n - nan`` finite values, in nats; of an
    accuracy the interval around it over ``n`` rows. Unknown is ``None``.
    """

    step: int
    epoch: float | None
    samples: float | None
    seconds: float | None
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 1
    nan: int = 0


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One run of a comparison. Every text is clean; unknown is ``None`` or empty.

    Attributes:
        title: its name, with the end of its id where another run of the comparison has the same name.
        problem: why the folder could not be read; then all but ``id``, ``title`` and ``path`` is empty.
        notes: what else is to be known, such as predictions that are missing.
        seconds: of all attempts together.
        losses: the training loss, at most a few hundred points; ``evaluations``: accuracy on the held-out
            rows.
        command: words that start the run again; ``environment``: versions of the libraries that matter,
            host and git commit.
    """

    id: str
    title: str
    path: str
    name: str = ""
    problem: str = ""
    notes: tuple[str, ...] = ()
    state: str = ""
    reason: str = ""
    method: str = ""
    model: str = ""
    data: str = ""
    preset: str | None = None
    seed: int | None = None
    started: float | None = None
    step: int | None = None
    accuracy: Mapping[str, Accuracy] = field(default_factory=dict)
    selection_accuracy: Accuracy | None = None
    seconds: float | None = None
    peak_memory_bytes: int | None = None
    peak_memory_kind: str = ""
    trainable_parameters: int | None = None
    total_parameters: int | None = None
    losses: tuple[CurvePoint, ...] = ()
    evaluations: tuple[CurvePoint, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that was asked for: a text per run, ``None`` where the run has no such setting.

    ``title`` is the name as forms show it, ``name`` its key in the record.
    """

    group: str
    name: str
    title: str
    unit: str
    values: tuple[str | None, ...]

    @property
    def heading(self) -> str:
        """``batch size (examples)``."""
        return f"{self.title} ({self.unit})" if self.unit and self.unit != self.title else self.title


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Two runs scored on the same rows of a split; ``a`` and ``b`` are places in the comparison.

    Attributes:
        both, only_a, only_b, neither: rows that both, one or none of them got right; they add up to ``n``.
        difference: accuracy of ``a`` less that of ``b``; ``low`` and ``high`` its 95 % bootstrap percentile
            interval.
        p: of McNemar's test, two-sided; ``exact`` says whether it is the binomial one, else ``statistic`` is
            chi-square with continuity correction.
        adjusted_p: ``p`` by Holm over all paired tests of the split.
    """

    split: str
    a: int
    b: int
    n: int
    both: int
    only_a: int
    only_b: int
    neither: int
    difference: float
    low: float
    high: float
    p: float
    adjusted_p: float
    exact: bool
    statistic: float | None = None

    @property
    def shown(self) -> bool:
        """Whether a difference can be shown."""
        return self.adjusted_p < SIGNIFICANT

    def sentence(self, titles: Sequence[str]) -> str:
        """``A is better than B by 1.3 points (95 %: 0.4 to 2.2), p = 0.004, n = 9,815``.

        Args:
            titles: of the runs of the comparison.
        """
        first, second = (self.a, self.b) if self.difference >= 0 else (self.b, self.a)
        sign = 1 if self.difference >= 0 else -1
        low, high = sorted((sign * self.low, sign * self.high))
        figures = (
            f"{_points(abs(self.difference))} points (95 %: {_points(low)} to {_points(high)}), "
            f"{self.p_text}, n = {format_count(self.n)}"
        )
        if self.shown:
            return f"{titles[first]} is better than {titles[second]} by {figures}"
        return f"no difference can be shown between {titles[first]} and {titles[second]}: {figures}"

    @property
    def p_text(self) -> str:
        """``p = 0.004``, with Holm's correction behind it where there is more than one test."""
        own, held = format_p(self.p), format_p(self.adjusted_p)
        return own if self.adjusted_p == self.p else f"{own} ({held.removeprefix('p ')} by Holm)"


@dataclass(frozen=True, slots=True)
class RefusedTest:
    """Two runs that cannot be tested against one another on a split, and why."""

    split: str
    a: int
    b: int
    why: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs side by side.

    Attributes:
        splits: those that any run reports, the validation sets first.
        settings: those that differ; ``same_settings`` counts the others.
    """

    runs: tuple[ComparedRun, ...]
    splits: tuple[str, ...]
    settings: tuple[Setting, ...]
    same_settings: int
    paired: tuple[PairedTest, ...]
    refused: tuple[RefusedTest, ...]

    @property
    def titles(self) -> tuple[str, ...]:
        return tuple(run.title for run in self.runs)


@dataclass(frozen=True, slots=True)
class Query:
    """Which rows of a split are wanted; an empty filter always holds.

    Attributes:
        split: empty for the first that the run has predictions for.
        which: what the run got wrong, what the two runs answer differently, what only the other (``lost``) or
            only this run (``won``) got right, or every row.
        predicted: a label, or ``none`` for an answer that names no label.
        length: words of premise and hypothesis, such as ``16-25``, ``61-`` or ``-15``.
        negation: whether the hypothesis holds a word of negation, ``yes`` or ``no``.
        overlap: percent of the hypothesis' distinct words that its premise has, too, such as ``75-100``.
        votes: how annotators voted, such as ``4-1``.
        contains: text in premise, hypothesis or id, whatever its case.
        order: by falling loss, or as in the dataset.
    """

    split: str = ""
    which: Which = "errors"
    genre: str = ""
    gold: str = ""
    predicted: str = ""
    length: str = ""
    negation: str = ""
    overlap: str = ""
    votes: str = ""
    contains: str = ""
    order: Order = "loss"
    limit: int = 100

    @property
    def filters(self) -> dict[str, str]:
        """The filters that are not empty, by name."""
        return {name: value for name in FILTERS if (value := getattr(self, name))}


FILTERS = ("genre", "gold", "predicted", "length", "negation", "overlap", "votes", "contains")
"""Names of the filters of a :class:`Query`."""
SLICED = ("genre", "gold", "length", "negation", "overlap", "votes")
"""Those by which accuracy is sliced, in the order of showing."""


@dataclass(frozen=True, slots=True)
class ScoredRow:
    """One row as a run answered it, and perhaps another run. The texts are raw: clean them before showing.

    ``row`` counts from 1 in the predictions; ``scores`` are the probabilities of the labels, ``None`` where
    none were measured; ``loss`` is the negative log-likelihood of the gold label in nats. What depends on the
    data is ``None`` or empty when it could not be read.
    """

    row: int
    id: str
    gold: str
    predicted: str | None
    genre: str | None = None
    scores: Mapping[str, float] | None = None
    loss: float | None = None
    premise: str | None = None
    hypothesis: str | None = None
    votes: tuple[str, ...] = ()
    words: int | None = None
    negated: bool | None = None
    overlap: float | None = None
    other_predicted: str | None = None
    other_scores: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Slice:
    """Accuracy on the rows that share something, such as ``genre`` ``fiction``; the value is a filter, too.

    ``other`` is that of the run against which it was asked.
    """

    by: str
    value: str
    accuracy: Accuracy
    other: Accuracy | None = None

    @property
    def text(self) -> str:
        return format_accuracy(self.accuracy.value, self.accuracy.low, self.accuracy.high)


@dataclass(frozen=True, slots=True)
class Explanation:
    """What :class:`ScoredRow` values come with.

    Attributes:
        split, splits: that was looked at, and all that the run has predictions for.
        title, other_title: of the run and of the one against which it was asked, if any.
        total: rows that the query fits, also those beyond its limit, among ``n`` that pass its filters.
        accuracy, other: on those ``n``, ``None`` when there are none.
        slices: of those ``n``.
        notes: what could not be read, in words.
        rows: at most as many as the query's limit.
    """

    split: str
    splits: tuple[str, ...]
    title: str
    total: int
    n: int
    accuracy: Accuracy | None
    slices: tuple[Slice, ...]
    rows: tuple[ScoredRow, ...] = ()
    other_title: str | None = None
    other: Accuracy | None = None
    notes: tuple[str, ...] = ()

    def sentence(self, which: Which) -> str:
        """``332 of 984 rows are wrong``."""
        rows = f"{format_count(self.total)} of {format_count(self.n)} rows"
        mine, other = self.title, self.other_title or UNKNOWN
        return {
            "errors": f"{rows} are wrong",
            "disagreements": f"{rows} are answered differently",
            "lost": f"{rows} are right by {other} alone",
            "won": f"{rows} are right by {mine} alone",
            "all": rows,
        }[which]


def format_p(p: float) -> str:
    """``p = 0.004``, ``p = 0.31``, ``p < 0.001``."""
    if p < 0.001:
        return "p < 0.001"
    return f"p = {p:.3f}" if p < 0.1 else f"p = {p:.2f}"


def format_points(difference: float) -> str:
    """A difference of accuracies in points: ``+1.3``, ``−0.4``."""
    text = _points(difference)
    return text if text.startswith("−") or text == "0.0" else f"+{text}"


def format_predicted(label: str | None) -> str:
    """A predicted label, or a word for an answer that names none."""
    return UNKNOWN if label is None else label


def to_json(value: Any) -> Any:
    """A value of this module as what :mod:`json` writes."""
    return _adapter(type(value)).dump_python(value, mode="json")


def of_json(kind: type[T], value: Any) -> T:
    """What :func:`to_json` gave, as a ``kind`` again.

    Raises:
        ValueError: it is something else.
    """
    return _adapter(kind).validate_python(value)


def _points(value: float) -> str:
    text = f"{100 * abs(value):.1f}"
    return f"−{text}" if value < 0 and text != "0.0" else text


@cache
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(kind)
