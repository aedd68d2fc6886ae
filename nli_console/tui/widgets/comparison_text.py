"""A comparison as lines for a width: figures and cost, paired tests in words, settings that differ."""

from collections.abc import Sequence
from string import ascii_uppercase

from nli_console.record.findings import ComparedRun, Comparison
from nli_console.record.summary import Accuracy
from nli_console.text import UNKNOWN, format_accuracy, format_bytes, format_count, format_duration
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.ink import Line, Span, fit_left, shorten
from nli_console.tui.widgets.live_text import split_name
from nli_console.tui.widgets.scroll_lines import heading, wrap

_TITLE = 32
_ACCURACY = 22
_COST = (("trainable", 13), ("time", 12), ("peak memory", 12))
_SETTING = 24
_VALUE = 12
"""Cells from which a value of a setting has a column of its own."""


def letter_of(place: int) -> str:
    """What the ``place``-th run is called: ``A``, ``B`` …"""
    return ascii_uppercase[place]


def ink_of(place: int) -> str:
    """The colour of the ``place``-th run."""
    return f"run-{place + 1}"


def comparison_lines(found: Comparison, width: int, symbols: Symbols) -> list[Line]:
    """All of it, the figures first."""
    lines = _figures(found, width, symbols)
    lines += [[], *_remarks(found, width)]
    lines += _tests(found, width, symbols)
    lines += [heading("Settings that differ")] if found.settings else []
    columns = (width - _SETTING) // max(len(found.runs), 1)
    lines += _setting_columns(found, columns) if columns >= _VALUE else _setting_lists(found, width)
    same = "1 other setting is" if found.same_settings == 1 else f"{found.same_settings} other settings are"
    return [*lines, [(f"{same} the same.", "muted")]]


# Figures


def _figures(found: Comparison, width: int, symbols: Symbols) -> list[Line]:
    columns = [(split_name(split), _ACCURACY) for split in found.splits]
    rest = width - 3 - sum(size for _, size in columns) - sum(size for _, size in _COST)
    if rest < 16:
        return _figure_blocks(found, width, symbols)
    title = min(rest, _TITLE)
    header = "".join(fit_left(name, size) for name, size in (*columns, *_COST))
    lines: list[Line] = [[(" " * (3 + title), "muted"), (header, "muted")]]
    for place, run in enumerate(found.runs):
        spans = [*_name(place), (shorten(run.title, title), "foreground")]
        spans += [
            (fit_left(_accuracy(run.accuracy.get(split), symbols, n=True), _ACCURACY), "bright")
            for split in found.splits
        ]
        spans += [
            (fit_left(text, size), "foreground") for (_, size), text in zip(_COST, _cost(run), strict=True)
        ]
        lines.append(spans)
    return lines


def _figure_blocks(found: Comparison, width: int, symbols: Symbols) -> list[Line]:
    """Some lines per run, where there is no room for a table."""
    lines: list[Line] = []
    for place, run in enumerate(found.runs):
        lines.append([*_name(place), (shorten(run.title, max(width - 3, 8)), "bold foreground")])
        lines += [
            [
                ("   " + shorten(split_name(split), 12), "muted"),
                (_accuracy(run.accuracy[split], symbols), "bright"),
                (f"  n = {format_count(run.accuracy[split].n)}", "muted"),
            ]
            for split in found.splits
            if split in run.accuracy
        ]
        trainable, time, peak = _cost(run)
        cost = f"   {trainable} trainable, {time}, {peak}"
        lines.append([(shorten(cost, width), "muted")])
    return lines


def _name(place: int) -> list[Span]:
    return [(f"{letter_of(place)}  ", f"bold {ink_of(place)}")]


def _accuracy(held: Accuracy | None, symbols: Symbols, *, n: bool = False) -> str:
    if held is None:
        return UNKNOWN
    text = format_accuracy(held.value, held.low, held.high).replace("±", symbols.minus_plus)
    return f"{text} {format_count(held.n):>6}" if n and held.n is not None and len(text) < 14 else text


def _cost(run: ComparedRun) -> tuple[str, str, str]:
    return (
        format_count(run.trainable_parameters),
        format_duration(run.seconds),
        format_bytes(run.peak_memory_bytes),
    )


def _remarks(found: Comparison, width: int) -> list[Line]:
    lines: list[Line] = []
    for place, run in enumerate(found.runs):
        said = [(run.problem, "error")] if run.problem else []
        if run.state != "finished" and not run.problem:
            said.append((f"{run.state}{f': {run.reason}' if run.reason else ''}", "warning"))
        for text, ink in [*said, *((note, "warning") for note in run.notes)]:
            lines += _hanging(_name(place), text, width, ink)
    return [*lines, []] if lines else []


# Tests


def _tests(found: Comparison, width: int, symbols: Symbols) -> list[Line]:
    lines: list[Line] = []
    letters = [letter_of(place) for place in range(len(found.runs))]
    for split in found.splits:
        # Titles may be long, and letters are what the curves have.
        said = [
            (test.sentence(letters), "bright" if test.shown else "foreground")
            for test in found.paired
            if test.split == split
        ]
        said += [
            (f"{letters[held.a]} and {letters[held.b]}: {held.why}", "warning")
            for held in found.refused
            if held.split == split
        ]
        if said:
            lines.append(heading(f"On the same rows of {split_name(split)}"))
            for text, ink in said:
                lines += _hanging([], text.replace("−", "-") if symbols.ascii else text, width, ink)
            lines.append([])
    return lines


def _hanging(lead: Sequence[Span], text: str, width: int, ink: str) -> list[Line]:
    """``text`` behind ``lead``, wrapped under itself."""
    pieces = wrap(text, max(width - 3, 8))
    return [
        [*(lead if index == 0 and lead else [("   " if lead else "", "muted")]), (piece, ink)]
        for index, piece in enumerate(pieces)
    ]


# Settings


def _setting_columns(found: Comparison, column: int) -> list[Line]:
    header: list[Span] = [(" " * _SETTING, "muted")]
    for place in range(len(found.runs)):
        header.append((shorten(letter_of(place), column), f"bold {ink_of(place)}"))
    lines: list[Line] = [header] if found.settings else []
    for setting in found.settings:
        spans: list[Span] = [(shorten(setting.heading, _SETTING - 1) + " ", "muted")]
        for value in setting.values:
            text = shorten(UNKNOWN if value is None else value or '""', column - 1) + " "
            spans.append((text, "muted" if value is None else "foreground"))
        lines.append(spans)
    return lines


def _setting_lists(found: Comparison, width: int) -> list[Line]:
    lines: list[Line] = []
    for setting in found.settings:
        lines.append([(shorten(setting.heading, width), "muted")])
        for place, value in enumerate(setting.values):
            text = UNKNOWN if value is None else value or '""'
            lines.append([("  ", "muted"), *_name(place), (shorten(text, max(width - 5, 8)), "foreground")])
    return lines
