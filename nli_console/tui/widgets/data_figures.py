"""The figures of a dataset as lines: pure functions from a profile to coloured text."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from nli_console.data.browse import Found
from nli_console.data.profile import DataProfile, Lengths, SplitProfile
from nli_console.statistics import wilson
from nli_console.text import clean_line, format_accuracy, format_count
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.ink import LABEL_INKS, Line, Span, fit_left, shorten
from nli_console.tui.widgets.scroll_lines import field, heading, wrap
from nli_console.tui.widgets.sparkline import progress_bar

_CHART_ROWS = 5
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_NAME = 15
_PERCENT = 8
_GENRES_DRAWN = 20


@dataclass(frozen=True)
class Look:
    """What the figures are drawn for: a split, and the ``max_length`` that cuts."""

    split: str
    max_length: int | None
    model: str
    note: str
    symbols: Symbols


def figures(profile: DataProfile, look: Look, width: int) -> list[Line]:
    """All figures: the splits, and one of them in detail."""
    lines = _splits(profile, look, width)
    split = profile.split(look.split)
    if split is None:
        return lines
    lines += [[], heading(clean_line(split.name))]
    if split.problem:
        return [*lines, *([(piece, "error")] for piece in wrap(clean_line(split.problem), width))]
    lines += _counts(split.labels, split.rows, width, look.symbols, LABEL_INKS)
    if split.majority is not None:
        lines.append([(f"a constant answer gets {100 * split.majority[1]:.1f} %", "muted")])
    if split.genres:
        lines += [[], heading("Genres")]
        drawn = dict(list(split.genres.items())[:_GENRES_DRAWN])
        lines += _counts(drawn, split.rows, width, look.symbols, {})
        rest = len(split.genres) - len(drawn)
        if rest or split.other_genres:
            left = split.rows - sum(drawn.values())
            lines.append([(f"{left:,} rows of {rest:,} more genres", "muted")])
    lines += [[], *_lengths(split, look, width)]
    if split.agreement:
        lines += [[], heading("Annotators, most votes first")]
        lines += _counts(split.agreement, sum(split.agreement.values()), width, look.symbols, {})
    lines += [[], *_leaks(split, width, look.symbols)]
    return [*lines, [], *_hypotheses(split, width)]


def _splits(profile: DataProfile, look: Look, width: int) -> list[Line]:
    name = max(width - 2 - 11 - 10, 10)
    lines: list[Line] = [
        [("  " + shorten("split", name) + fit_left("rows", 11) + fit_left("dropped", 10), "muted")]
    ]
    for split in profile.splits:
        here = split.name == look.split
        mark = look.symbols.pointer if here else " "
        title = (f"{mark} {shorten(clean_line(split.name), name)}", "bold bright" if here else "foreground")
        if split.problem:
            lines.append([title, (fit_left("not readable", 21), "error")])
            continue
        ink = "foreground" if split.dropped else "muted"
        lines.append(
            [
                title,
                (fit_left(f"{split.rows:,}", 11), "foreground"),
                (fit_left(f"{split.dropped:,}", 10), ink),
            ]
        )
    if any(split.dropped for split in profile.splits):
        lines.append([("  dropped: rows without a gold label", "muted")])
    return lines


def _counts(
    counts: Mapping[str, int], total: int, width: int, symbols: Symbols, inks: Mapping[str, str]
) -> list[Line]:
    """A bar per name, the largest count over the whole width, and shares of ``total``."""
    most = max(counts.values(), default=0)
    name = min(max(map(len, counts), default=0), _NAME)
    number = max(len(f"{most:,}"), 5)
    bar = max(width - name - number - _PERCENT - 2, 0)
    return [
        [
            (shorten(clean_line(title), name) + " ", "foreground"),
            *_bar(count / most if most else 0.0, bar, symbols, inks.get(title, "chart-line")),
            (" " + fit_left(f"{count:,}", number), "foreground"),
            (fit_left(f"{100 * count / total:.1f} %" if total else "", _PERCENT), "muted"),
        ]
        for title, count in counts.items()
    ]


def _bar(share: float, width: int, symbols: Symbols, ink: str) -> list[Span]:
    text = progress_bar(share, width, ascii_only=symbols.ascii)
    full = text.rstrip("-─")
    return [(full, ink), (text[len(full) :], "line")]


def _lengths(split: SplitProfile, look: Look, width: int) -> list[Line]:
    lengths, unit, whose = split.words, "words", ""
    if split.tokens is not None and split.tokens.n:
        lengths, unit, whose = split.tokens, "tokens", f" of {clean_line(look.model, limit=40)}"
    lines: list[Line] = [heading(f"Length of a pair in {unit}{whose}")]
    limit = look.max_length if unit == "tokens" else None
    lines += histogram(lengths, limit, width, look.symbols)
    facts = (
        f"mean {lengths.mean:.1f}, half up to {lengths.quantile(0.5)}, "
        f"95 % up to {lengths.quantile(0.95)}, longest {lengths.longest:,}"
    )
    lines += [[(piece, "foreground")] for piece in wrap(facts, width)]
    if limit is not None:
        lines += _truncated(lengths, limit, width)
    if look.note:
        lines += [[(piece, "muted")] for piece in wrap(f"no tokens: {look.note}", width)]
    return lines


def _truncated(lengths: Lengths, limit: int, width: int) -> list[Line]:
    over, n = lengths.over(limit), lengths.n
    sampled = "" if n == lengths.of else f", a sample of {n:,}"
    if not over:
        text, ink = f"max length {limit} cuts none of {lengths.of:,}{sampled}", "success"
    else:
        share = f"{100 * over / n:.2f} %"
        text, ink = f"max length {limit} cuts {share}: {over:,} of {n:,}{sampled and ' sampled'}", "warning"
    return [[(piece, ink)] for piece in wrap(text, width)]


def histogram(lengths: Lengths, limit: int | None, width: int, symbols: Symbols) -> list[Line]:
    """Columns of lengths; those past ``limit`` in a warning colour, and ``limit`` marked on the axis.

    The axis ends at twice the 99 % quantile or the longest row; the last column holds everything beyond.
    """
    if not lengths.n or width < 10:
        return []
    top = max(min(lengths.longest, 2 * lengths.quantile(0.99)), 1)
    step = max(ceil((top + 1) / width), 1)
    bins = [0] * min(ceil((top + 1) / step), width)
    for length, count in lengths.counts.items():
        bins[min(length // step, len(bins) - 1)] += count
    # Short texts have fewer lengths than cells: columns of several cells fill the width.
    wide = max(width // len(bins), 1)
    most = max(bins)
    lines: list[Line] = []
    for row in range(_CHART_ROWS - 1, -1, -1):
        spans: list[Span] = []
        for place, count in enumerate(bins):
            cut = limit is not None and place * step > limit
            spans.append((_cell(count / most, row, symbols) * wide, "warning" if cut else "chart-line"))
        lines.append(spans)
    axis = ("-" if symbols.ascii else "─") * (len(bins) * wide)
    ticks: list[str] = [" "] * (len(bins) * wide)
    for share in (0, 0.25, 0.5, 0.75):
        place = int(share * len(bins))
        _write(ticks, place * wide, str(place * step))
    last = f"{(len(bins) - 1) * step}{'+' if lengths.longest > top else ''}"
    _write(ticks, len(ticks) - len(last), last)
    marked: list[Span] = [(axis, "line")]
    if limit is not None and limit // step < len(bins):
        at = min(limit // step * wide, len(axis) - 1)
        marked = [(axis[:at], "line"), ("^" if symbols.ascii else "▲", "warning"), (axis[at + 1 :], "line")]
    return [*lines, marked, [("".join(ticks), "muted")]]


def _cell(share: float, row: int, symbols: Symbols) -> str:
    """The cell ``row`` rows above the axis of a column ``share`` as high as the chart."""
    eighths = round(share * _CHART_ROWS * 8)
    if share > 0:
        eighths = max(eighths, 1)
    held = min(max(eighths - 8 * row, 0), 8)
    if symbols.ascii:
        return "#" if held >= 4 or (row == 0 and held) else " "
    return _EIGHTHS[held]


def _write(cells: list[str], at: int, text: str) -> None:
    if at >= 0 and at + len(text) <= len(cells) and all(cell == " " for cell in cells[at : at + len(text)]):
        cells[at : at + len(text)] = text


def _leaks(split: SplitProfile, width: int, symbols: Symbols) -> list[Line]:
    lines: list[Line] = [heading("What could mislead")]
    indent = 26
    lines += field("pairs twice in this split", format_count(split.repeated), width, indent=indent)
    if split.pairs_in_train is not None:
        ink = "warning" if split.pairs_in_train else "foreground"
        lines += field(
            "pairs also in train", format_count(split.pairs_in_train), width, ink=ink, indent=indent
        )
        value = format_count(split.premises_in_train)
        ink = "warning" if split.premises_in_train else "foreground"
        lines += field("premises also in train", value, width, ink=ink, indent=indent)
    if split.hypothesis_only is not None:
        share = split.hypothesis_only
        value = format_accuracy(share.value, *wilson(share.count, share.n)).replace("±", symbols.minus_plus)
        lines += field("right by hypothesis alone", f"{value} of {share.n:,}", width, indent=indent)
    return lines


def _hypotheses(split: SplitProfile, width: int) -> list[Line]:
    lines: list[Line] = [
        heading("Hypotheses"),
        [
            (
                " " * _NAME + fit_left("words", 7) + fit_left("negated", 10) + fit_left("in premise", 12),
                "muted",
            )
        ],
    ]
    for label, words in split.hypothesis_words.items():
        lines.append(
            [
                (shorten(label, _NAME), LABEL_INKS.get(label, "foreground")),
                (fit_left(f"{words:.1f}", 7), "foreground"),
                (fit_left(f"{100 * split.negated[label]:.1f} %", 10), "foreground"),
                (fit_left(f"{100 * split.shared[label]:.1f} %", 12), "foreground"),
            ]
        )
    return lines


def example_text(found: Found, width: int, symbols: Symbols) -> list[Line]:
    """One example in full, with the votes of its annotators. Its texts are clean."""
    about: list[Span] = [(found.label, f"bold {LABEL_INKS.get(found.label, 'foreground')}")]
    if found.genre is not None:
        about.append((f"   {found.genre}", "foreground"))
    about.append((f"   row {found.row:,}   {found.id}", "muted"))
    lines: list[Line] = [about, [], [("premise", "muted")]]
    lines += [[(piece, "foreground")] for piece in wrap(found.premise, width)]
    lines += [[], [("hypothesis", "muted")]]
    lines += [[(piece, "bright")] for piece in wrap(found.hypothesis, width)]
    if len(found.votes) > 1:
        counts = {vote: found.votes.count(vote) for vote in found.votes}
        most_first = sorted(counts, key=lambda vote: -counts[vote])
        lines += [[], [(f"{len(found.votes)} annotators", "muted")]]
        bar = min(max(width - _NAME - 5, 0), 24)
        lines += [
            [
                (shorten(vote, _NAME) + " ", "foreground"),
                *_bar(counts[vote] / len(found.votes), bar, symbols, LABEL_INKS.get(vote, "chart-line")),
                (fit_left(str(counts[vote]), 4), "foreground"),
            ]
            for vote in most_first
        ]
    return lines
