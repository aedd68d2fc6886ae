"""The rows that a run answered, a line each: what was right, what was said, and how sure it was of it."""

from nli_console.record.findings import ScoredRow
from nli_console.text import UNKNOWN, clean_line
from nli_console.tui.widgets.example_table import LABEL_INKS, SHORT_LABELS
from nli_console.tui.widgets.ink import Span, fit_left, shorten
from nli_console.tui.widgets.row_table import RowTable

_ROOMY = 76
"""Cells from which a line has the row number and the genre."""
_LABEL, _GENRE = 7, 11


class ErrorTable(RowTable[ScoredRow]):
    """Row number, loss, gold label, prediction, perhaps that of another run, genre and hypothesis."""

    def header(self, two: bool) -> list[Span]:
        """What stands in the columns; ``two`` with the answer of another run."""
        roomy = self.size.width >= _ROOMY
        names = [*([("row", 7, fit_left)] if roomy else []), ("loss", 5, fit_left), ("gold", _LABEL, shorten)]
        names.append(("said", _LABEL, shorten))
        if two:
            names.append(("other", _LABEL, shorten))
        if roomy:
            names.append(("genre", _GENRE, shorten))
        return [("".join(fit(name, size) + "  " for name, size, fit in names) + "hypothesis", "muted")]

    def line_of(self, row: ScoredRow, width: int, selected: bool) -> list[Span]:
        roomy = width >= _ROOMY
        plain = "foreground" if selected else "muted"
        spans: list[Span] = []
        if roomy:
            spans.append((fit_left(f"{row.row:,}", 7) + "  ", plain))
        loss = UNKNOWN if row.loss is None else f"{row.loss:.2f}"
        spans += [(fit_left(loss, 5) + "  ", plain), _label(row.gold), ("  ", plain), _label(row.predicted)]
        if row.other_predicted is not None or row.other_scores is not None:
            spans += [("  ", plain), _label(row.other_predicted)]
        if roomy:
            spans.append(("  " + shorten(row.genre or "", _GENRE), plain))
        text = row.hypothesis if row.hypothesis is not None else row.id
        return [*spans, ("  " + clean_line(text, limit=width), "bright" if selected else "foreground")]


def _label(name: str | None) -> Span:
    text = "none" if name is None else SHORT_LABELS.get(name, name)
    return shorten(text, _LABEL), LABEL_INKS.get(name or "", "warning")
