"""The examples of a split, a line each, read no further than somebody scrolls."""

from nli_console.data.browse import Found
from nli_console.text import clean_line
from nli_console.tui.widgets.ink import Span, fit_left, shorten
from nli_console.tui.widgets.row_table import RowTable

LABEL_INKS = {"entailment": "success", "neutral": "secondary", "contradiction": "error"}
SHORT_LABELS = {"entailment": "entail", "neutral": "neutral", "contradiction": "contra"}
_ROOMY = 70
"""Cells from which a line has the whole label and the genre."""
_GENRE = 12


class ExampleTable(RowTable[Found]):
    """Row number, label, genre and hypothesis."""

    def line_of(self, row: Found, width: int, selected: bool) -> list[Span]:
        numbers = max(len(f"{self.examples[-1].row:,}"), 4)
        roomy = width >= _ROOMY
        label = row.label if roomy else SHORT_LABELS.get(row.label, row.label)
        spans: list[Span] = [
            (fit_left(f"{row.row:,}", numbers) + "  ", "foreground" if selected else "muted"),
            (shorten(label, 13 if roomy else 7) + "  ", LABEL_INKS.get(row.label, "foreground")),
        ]
        if roomy and row.genre is not None:
            spans.append((shorten(row.genre, _GENRE) + "  ", "foreground" if selected else "muted"))
        text = clean_line(row.hypothesis, limit=width)
        return [*spans, (text, "bright" if selected else "foreground")]
