"""The rows that a run gets wrong, or answers otherwise than another run, and where its accuracy lies."""

import math
from dataclasses import replace
from functools import cached_property

import numpy

from nli_console.analysis.comparison import Progress
from nli_console.analysis.features import Features, mask_of, read_features, slices
from nli_console.analysis.predictions import (
    NO_LABEL,
    Predictions,
    accuracy_of,
    aligned,
    predicted_splits,
    read_predictions,
)
from nli_console.analysis.runs import ReadRun, read_run, titled
from nli_console.data.spec import LABELS
from nli_console.errors import ConsoleError
from nli_console.record.findings import Explanation, Query, ScoredRow
from nli_console.record.layout import RunLayout
from nli_console.text import clean_line


class Explainer:
    """One run, or one against another, read once for any number of queries."""

    def __init__(self, layout: RunLayout, against: RunLayout | None = None) -> None:
        """Raises ``ConsoleError`` when a folder cannot be read, or both are the same run."""
        if against is not None and against.path == layout.path:
            raise ConsoleError(f"{layout.id}: a run does not disagree with itself; name another one")
        runs = [read_run(held, curves=False) for held in (layout, against) if held is not None]
        for run in runs:
            if run.spec is None:
                raise ConsoleError(f"{run.layout.id}: {run.shown.problem}")
        self._runs = titled(runs)
        self._parts: dict[str, _Part] = {}

    @cached_property
    def splits(self) -> tuple[str, ...]:
        """Splits with predictions."""
        return predicted_splits(self._runs[0].layout)

    def answer(self, query: Query, progress: Progress | None = None) -> Explanation:
        """What ``query`` asks for.

        Raises:
            ConsoleError: there are no predictions, a filter cannot be meant, or the other run was scored on
                other rows.
        """
        split = query.split or next(iter(self.splits), "")
        if not split:
            state = self._runs[0].shown.state
            raise ConsoleError(
                f"{self._runs[0].layout.id}: has no predictions; it is {state}, and a run writes them at "
                "its final evaluation"
            )
        if split not in self.splits:
            raise ConsoleError(
                f'{self._runs[0].layout.id}: no predictions of "{clean_line(split, limit=80)}"; '
                f"it has {', '.join(map(clean_line, self.splits)) or 'none'}"
            )
        if query.which in ("disagreements", "lost", "won") and len(self._runs) < 2:
            raise ConsoleError(f"{query.which}: takes another run to compare with; name it with --against")
        part = self._parts.get(split)
        if part is None:
            part = self._parts[split] = _Part(self._runs, split, progress)
        return replace(part.answer(query), splits=self.splits)


class _Part:
    """One split of one run, or of two."""

    def __init__(self, runs: list[ReadRun], split: str, progress: Progress | None) -> None:
        self._runs = runs
        self.mine = read_predictions(runs[0].layout, split)
        self.other: Predictions | None = None
        if len(runs) > 1:
            read = read_predictions(runs[1].layout, split)
            specs = [run.spec.data if run.spec is not None else None for run in runs]
            try:
                self.other = aligned(self.mine, read, *specs)
            except ConsoleError as error:
                raise ConsoleError(f"{runs[0].shown.title} and {runs[1].shown.title}: {error}") from None
        self.features: Features | None = None
        self.notes: tuple[str, ...] = ()
        spec = runs[0].spec
        assert spec is not None
        tell = None if progress is None else _reading(progress)
        try:
            self.features = read_features(self.mine, spec.data, tell)
        except ConsoleError as error:
            self.notes = (f"without texts: {clean_line(error, limit=300)}",)

    def answer(self, query: Query) -> Explanation:
        mine, other = self.mine, self.other
        among = numpy.ones(len(mine), dtype=bool)
        for by, value in query.filters.items():
            among &= mask_of(by, value, mine, self.features)
        wanted = numpy.flatnonzero(among & self._which(query))
        total = len(wanted)
        if query.order == "loss":
            # Without a likelihood a row stands behind those that have one, in the order of the dataset.
            losses = numpy.nan_to_num(
                mine.losses[wanted], nan=-1.0, posinf=float(numpy.finfo(numpy.float32).max)
            )
            wanted = wanted[numpy.argsort(-losses, kind="stable")]
        right = None if other is None else other.correct
        return Explanation(
            split=mine.split,
            splits=(),
            title=self._runs[0].shown.title,
            total=total,
            n=int(among.sum()),
            accuracy=accuracy_of(mine.correct[among]),
            slices=tuple(slices(mine, self.features, among, right)),
            rows=tuple(self._row(int(place)) for place in wanted[: max(query.limit, 0)]),
            other_title=self._runs[1].shown.title if len(self._runs) > 1 else None,
            other=None if right is None else accuracy_of(right[among]),
            notes=self.notes,
        )

    def _which(self, query: Query) -> numpy.ndarray:
        mine, other = self.mine, self.other
        match query.which:
            case "all":
                return numpy.ones(len(mine), dtype=bool)
            case "disagreements" if other is not None:
                return mine.predicted != other.predicted
            case "lost" if other is not None:
                return ~mine.correct & other.correct
            case "won" if other is not None:
                return mine.correct & ~other.correct
            case _:
                return ~mine.correct

    def _row(self, place: int) -> ScoredRow:
        mine, other, features = self.mine, self.other, self.features
        loss = float(mine.losses[place])
        row = ScoredRow(
            row=place + 1,
            id=mine.ids[place].as_py() or "",
            gold=LABELS[mine.gold[place]],
            predicted=_name(mine.predicted[place]),
            genre=mine.genres[place].as_py(),
            scores=_scores(mine.scores[place]),
            loss=loss if math.isfinite(loss) else None,
        )
        if features is not None:
            row = replace(
                row,
                premise=features.premises[place],
                hypothesis=features.hypotheses[place],
                votes=features.votes[place],
                words=int(features.words[place]),
                negated=bool(features.negated[place]),
                overlap=float(features.overlap[place]),
            )
        if other is not None:
            row = replace(
                row,
                other_predicted=_name(other.predicted[place]),
                other_scores=_scores(other.scores[place]),
            )
        return row


def _reading(progress: Progress):
    return lambda done, total, unit: progress("reading the data", done, total, unit)


def _name(index: int) -> str | None:
    return None if index == NO_LABEL else LABELS[index]


def _scores(logs: numpy.ndarray) -> dict[str, float] | None:
    """Probabilities by label; ``None`` where none were measured."""
    if not numpy.isfinite(logs).any():
        return None
    return {label: float(share) for label, share in zip(LABELS, numpy.exp(logs), strict=True)}
