"""One row that was answered, and accuracy on slices, as lines for a width."""

from itertools import groupby

from nli_console.record.findings import Explanation, ScoredRow, Slice
from nli_console.record.summary import Accuracy
from nli_console.text import (
    UNKNOWN,
    clean,
    clean_line,
    format_accuracy,
    format_count,
    format_number,
)
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.evaluation_page import accuracy_bar
from nli_console.tui.widgets.example_table import LABEL_INKS
from nli_console.tui.widgets.ink import Line, Span, fit_left, shorten
from nli_console.tui.widgets.scroll_lines import heading, wrap

SHOWN_TEXT = 20_000
"""Characters of a premise or hypothesis that are shown."""
_BY = {
    "genre": "By genre",
    "gold": "By gold label",
    "length": "By words of the pair",
    "negation": "By negation in the hypothesis",
    "overlap": "By percent of its words in the premise",
    "votes": "By annotators' votes",
}
_LABEL = 14
_ACCURACY = 20
_COMPACT = 16
_ROWS = 8
_BAR = 24


def row_lines(row: ScoredRow, found: Explanation, width: int, symbols: Symbols) -> list[Line]:
    """Gold label, answers with probabilities, the texts and the votes."""
    about = [f"row {row.row:,}", clean_line(row.id, limit=80)]
    if row.genre:
        about.insert(0, clean_line(row.genre, limit=80))
    if row.loss is not None:
        about.append(f"loss {format_number(row.loss)}")
    lines: list[Line] = [[("gold ", "muted"), _label(row.gold), (f"   {'   '.join(about)}", "muted")]]
    lines += _answer(found.title, row.predicted, row.scores, row.gold, width, symbols)
    if found.other_title is not None:
        lines += _answer(found.other_title, row.other_predicted, row.other_scores, row.gold, width, symbols)
    if row.premise is None or row.hypothesis is None:
        return lines
    lines += [[], [("premise", "muted")]]
    lines += [[(piece, "foreground")] for piece in wrap(clean(row.premise, limit=SHOWN_TEXT), width)]
    lines += [[], [("hypothesis", "muted")]]
    lines += [[(piece, "bright")] for piece in wrap(clean(row.hypothesis, limit=SHOWN_TEXT), width)]
    facts: list[str] = []
    if row.words is not None:
        facts.append(f"{row.words} words")
    if row.overlap is not None:
        facts.append(f"{100 * row.overlap:.0f} % of the hypothesis' words are in the premise")
    if row.negated:
        facts.append("negated")
    lines += [[], *([(piece, "muted")] for piece in wrap(", ".join(facts), width))]
    if len(row.votes) > 1:
        counts = {vote: row.votes.count(vote) for vote in row.votes[:20]}
        said = ", ".join(f"{counts[vote]} {clean_line(vote, limit=40)}" for vote in counts)
        lines += [[(piece, "muted")] for piece in wrap(f"annotators: {said}", width)]
    return lines


def _answer(title: str, predicted: str | None, scores, gold: str, width: int, symbols: Symbols) -> list[Line]:
    right = predicted == gold
    mark = symbols.ok if right else symbols.error
    spans: list[Span] = [
        (f"{mark} ", "success" if right else "error"),
        (shorten(clean_line(title), min(max(width - 40, 12), 40)) + " ", "foreground"),
        _label(predicted),
    ]
    lines: list[Line] = [spans]
    if scores is not None:
        shares = "   ".join(f"{label} {100 * share:.1f} %" for label, share in scores.items())
        lines += [[(f"  {piece}", "muted")] for piece in wrap(shares, max(width - 2, 8))]
    return lines


def _label(name: str | None) -> Span:
    return (name or "no label"), f"bold {LABEL_INKS.get(name or '', 'warning')}"


def slice_lines(found: Explanation, width: int, symbols: Symbols) -> list[Line]:
    """Accuracy on every slice with its interval and n, one kind below the other."""
    lines: list[Line] = []
    if found.accuracy is not None:
        lines += _total(found.title, found.accuracy, width, symbols)
        if found.other_title is not None:
            lines += _total(found.other_title, found.other, width, symbols)
            columns = ("percent".rjust(_LABEL + _COMPACT), "the other".rjust(_COMPACT), "n".rjust(_ROWS))
            lines += [[], [("".join(columns), "muted")]]
    for by, held in groupby(found.slices, key=lambda part: part.by):
        lines += [[], heading(_BY.get(by, by))]
        lines += [_slice(part, width, symbols) for part in held]
    return lines


def _total(title: str, held: Accuracy | None, width: int, symbols: Symbols) -> list[Line]:
    spans: list[Span] = [
        (shorten(clean_line(title), min(max(width - 34, 8), 24)) + " ", "foreground"),
        (_accuracy(held, symbols), "bold bright"),
    ]
    return [[*spans, (f"  n = {format_count(held.n)}", "muted")] if held is not None else spans]


def _slice(part: Slice, width: int, symbols: Symbols) -> list[Span]:
    spans: list[Span] = [(shorten(part.value, _LABEL), "foreground")]
    if part.other is None:
        room = width - _LABEL - _ACCURACY - _ROWS
        if room >= 10:
            spans += [*accuracy_bar(part.accuracy, min(room - 1, _BAR), symbols), (" ", "muted")]
        spans.append((fit_left(_accuracy(part.accuracy, symbols), _ACCURACY), "bright"))
    else:
        spans.append((fit_left(_compact(part.accuracy), _COMPACT), "bright"))
        spans.append((fit_left(_compact(part.other), _COMPACT), "foreground"))
    return [*spans, (fit_left(format_count(part.accuracy.n), _ROWS), "muted")]


def _compact(held: Accuracy) -> str:
    """``96.9 (93–99)``, in percent."""
    if held.low is None or held.high is None:
        return f"{100 * held.value:.1f}"
    return f"{100 * held.value:.1f} ({100 * held.low:.0f}–{100 * held.high:.0f})"


def _accuracy(held: Accuracy | None, symbols: Symbols) -> str:
    if held is None:
        return UNKNOWN
    return format_accuracy(held.value, held.low, held.high).replace("±", symbols.minus_plus)
