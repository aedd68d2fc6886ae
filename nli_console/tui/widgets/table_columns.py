"""Which columns the history shows, how wide each is at the moment, and the one that it is sorted by."""

from nli_console.record.history_fields import Vocabulary
from nli_console.tui.widgets.run_columns import (
    GAP,
    RunColumn,
    chosen_columns,
    find_column,
    fit,
    usual_columns,
)


class TableColumns:
    """The columns that somebody chose by name (``None``: the usual ones), as far as the runs know them."""

    def __init__(self, chosen: tuple[str, ...] | None) -> None:
        self.chosen = chosen
        self.shown: tuple[RunColumn, ...] = usual_columns()
        self._sorted_by = self.shown[-1]
        self._unfound = True
        self._fitted: list[tuple[RunColumn, int]] = []
        self._width = -1

    def choose(self, chosen: tuple[str, ...] | None, vocabulary: Vocabulary) -> None:
        self.chosen = chosen
        self._unfound = True
        self.look(vocabulary)

    def look(self, vocabulary: Vocabulary) -> None:
        """Find the columns again: those of hyperparameters appear with the first run that has them."""
        if self.chosen is None:
            several = any(run.root for run in vocabulary.runs)
            self.shown = usual_columns(several_roots=several)
        elif self._unfound:
            self.shown = chosen_columns(self.chosen, vocabulary)
            self._unfound = not {*self.chosen} <= {column.key for column in self.shown}
        self._width = -1

    def sorted_by(self, key: str, vocabulary: Vocabulary) -> RunColumn:
        """The column of ``key``, shown or not; one that no run knows any more keeps the order as it was."""
        if self._sorted_by.key != key:
            self._sorted_by = find_column(key, vocabulary) or self._sorted_by
        return self._sorted_by

    def fitted(self, width: int) -> list[tuple[RunColumn, int]]:
        """The columns that have room in ``width`` cells, with their widths."""
        if self._width != width:
            self._fitted, self._width = fit(width, self.shown), width
        return self._fitted

    def at(self, x: int) -> RunColumn | None:
        """The column in cell ``x``, with the gap behind it."""
        left = 0
        for column, width in self._fitted:
            if left <= x < left + width + GAP:
                return column
            left += width + GAP
        return None
