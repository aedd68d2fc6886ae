"""Which rows the history has, and in which order: runs, groups of runs, and below an open group its runs."""

from collections.abc import Iterator, Sequence
from typing import Any

from nli_console.record.groups import Group, grouped, runs_of
from nli_console.record.history_fields import Row
from nli_console.record.matching import Query, haystack
from nli_console.record.store import RunSummary
from nli_console.tui.widgets.run_columns import RunColumn, is_pinned


class RunLines:
    """The rows of the history by their id; a group is one row, until it is opened.

    ``order`` holds the ids of the rows that pass the filter, ``positions`` the place of each in it.
    """

    def __init__(self) -> None:
        self.runs: dict[str, RunSummary] = {}
        self.order: list[str] = []
        self.positions: dict[str, int] = {}
        self.opened: set[str] = set()
        self._rows: dict[str, Row] = {}
        self._passing: dict[str, tuple[RunSummary, ...]] = {}
        self._within: dict[str, Group] = {}
        self._haystacks: dict[str, tuple[RunSummary, str]] = {}

    def __getitem__(self, id: str) -> Row:
        """The row with this id, of a run also when its group is closed."""
        return self._rows.get(id) or self.runs[id]

    def row(self, id: str | None) -> Row | None:
        return None if id is None else self._rows.get(id) or self.runs.get(id)

    def group_of(self, id: str) -> Group | None:
        """The group that has a row and holds the run with this id."""
        return self._within.get(id)

    def passing(self, row: Row) -> tuple[RunSummary, ...]:
        """The runs of a row that pass the filter."""
        return self._passing.get(row.id, ()) if isinstance(row, Group) else (row,)

    @property
    def listed(self) -> int:
        """How many runs pass the filter."""
        return sum(map(len, self._passing.values()))

    def in_order(self) -> list[RunSummary]:
        """The runs that pass the filter, as they stand, those of closed groups included."""
        return [run for id in self.order if id in self._rows for run in self.passing(self._rows[id])]

    def take(self, runs: Sequence[RunSummary], query: Query, column: RunColumn) -> bool | None:
        """Take over the newest summaries. ``None``: nothing changed; ``True``: no row can have moved."""
        before, after = self.runs, {run.id: run for run in runs}
        if len(before) == len(after) and all(before.get(id) is run for id, run in after.items()):
            return None
        known = {id: row for id, row in self._rows.items() if isinstance(row, Group)}
        rows = {row.id: row for row in grouped(runs, known)}
        changed = [row for id, row in rows.items() if self._rows.get(id) is not row]
        in_place = rows.keys() == self._rows.keys() and after.keys() == before.keys()
        in_place = in_place and all(self._stays(self._rows[row.id], row, query, column) for row in changed)
        self.runs, self._rows = after, rows
        self._within = {
            run.id: row for row in rows.values() if isinstance(row, Group) for run in row.runs
        }  # fmt: skip
        if in_place:
            for row in changed:
                self._passing[row.id] = self._filtered(row, query)
        return in_place

    def arrange(self, query: Query, column: RunColumn, descending: bool) -> None:
        """Filter and sort; what is pinned stands first, unknown values last, and the runs of a group in the
        order of submission."""
        known: list[tuple[Any, str]] = []
        unknown: list[str] = []
        self._passing = {}
        for row in self._rows.values():
            passing = self._filtered(row, query)
            if not passing:
                continue
            self._passing[row.id] = passing
            value = column.sort(row)
            if value is None:
                unknown.append(row.id)
            else:
                known.append((value, row.id))
        known.sort(reverse=descending)
        unknown.sort(reverse=descending)
        self.order = []
        sorted_ids = [*(id for _, id in known), *unknown]
        # A stable sort: the pinned among themselves keep the order that was asked for.
        sorted_ids.sort(key=lambda id: not is_pinned(self._rows[id]))
        for id in sorted_ids:
            self.order.append(id)
            if id in self.opened and isinstance(self._rows[id], Group):
                self.order += [run.id for run in self._passing[id]]
        self.positions = {id: place for place, id in enumerate(self.order)}

    def unprepared(self) -> Iterator[RunSummary]:
        """The runs whose text the filter has not read yet."""
        return iter([run for run in self.runs.values() if run.id not in self._haystacks])

    def prepare(self, run: RunSummary) -> str:
        """What the filter searches of a run."""
        held = self._haystacks.get(run.id)
        if held is None or held[0] is not run:
            held = self._haystacks[run.id] = (run, haystack(run))
        return held[1]

    def _filtered(self, row: Row, query: Query) -> tuple[RunSummary, ...]:
        return tuple(run for run in runs_of(row) if query.matches(run, self.prepare))

    def _stays(self, old: Row, new: Row, query: Query, column: RunColumn) -> bool:
        """Whether replacing ``old`` by ``new`` can neither move nor hide a row."""
        before = [run.id for run in self._passing.get(old.id, ())]
        if before != [run.id for run in self._filtered(new, query)] or is_pinned(old) != is_pinned(new):
            return False
        return column.sort(old) == column.sort(new)
