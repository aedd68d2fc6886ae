"""A reply in words and bars: pure functions from what came of a question to coloured lines."""

from collections.abc import Mapping

from nli_console.data.spec import LABELS
from nli_console.supervisor import chat_events as events
from nli_console.text import clean, format_bytes, format_count, format_duration
from nli_console.tui.chat_desk import Model, Reply
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.ink import LABEL_INKS, Line, Span, fit_left, pack, shorten, width_of
from nli_console.tui.widgets.scroll_lines import wrap
from nli_console.tui.widgets.sparkline import progress_bar

ENDED = {
    "end": "ended by itself",
    "limit": "cut at max new tokens",
    "positions": "cut: no more positions",
    "stopped": "stopped",
}
_NAME = 14
_SHORT = {"entailment": "entail.", "neutral": "neutral", "contradiction": "contra."}
_SHORT_NAME = 8
_ROOMY = 48
"""Cells from which everything is said in full."""
_ONE_LINE, _TWO_LINES = 68, 36
"""Cells from which speed and end of an answer stand in one line, or in two."""


def model_line(model: Model, name: str, symbols: Symbols, width: int) -> Line:
    """What is loaded, where and how large; or what the load waits for, or how far it is.

    What does not fit into the width is left out as a whole, the least important first.
    """
    title: Span = (name, "bold foreground")
    told = model.told
    if model.load is None:
        return [title, ("  not loaded; the first question loads it", "muted")]
    stored = "" if model.load.quantisation == "none" else f", weights in {model.load.quantisation}"
    match told:
        case None:
            return [title, (f"  {symbols.busy} starting the engine", "state-running")]
        case events.Waiting():
            held = f", held by {told.holder}" if told.holder else ""
            return [title, (f"  {symbols.busy} waiting for {told.what}{held}", "warning")]
        case events.Loading():
            return [title, (f"  {symbols.busy} {told.step}{_progress(told)}", "state-running")]
        case events.Loaded():
            peak = told.peak_memory_bytes
            told_of = [
                f"{format_bytes(told.weights_bytes)} of weights on {told.device}, {told.precision}{stored}",
                # Pages of a mapped file count only once they were read: such a peak says nothing.
                *([f"peak {format_bytes(peak)}"] if peak and peak >= told.weights_bytes else []),
                f"{format_count(told.parameters)} parameters",
                f"slot {told.slot}",
            ]
            first: Line = [title, (f"  {symbols.ok} ", "success"), (told_of[0], "foreground")]
            parts: list[Line] = [first, *([(text, "foreground")] for text in told_of[1:])]
            return pack(parts, width)[0]


def _progress(told: events.Loading) -> str:
    if told.done is None or not told.total:
        return ""
    if told.unit == "bytes":
        return f"  {format_bytes(told.done)} of {format_bytes(told.total)}"
    return f"  {100 * told.done / told.total:.0f} %"


def answer_lines(reply: Reply | None, width: int) -> list[Line]:
    """What the model wrote, as far as it is there."""
    if reply is None:
        return [[("No question was asked yet.", "muted")]]
    lines: list[Line] = (
        [[(piece, "bright")] for piece in wrap(clean(reply.text), width)] if reply.text else []
    )
    if reply.problem:
        lines += [[(piece, "error")] for piece in wrap(reply.problem, width)]
    elif not reply.text:
        lines = [[("stopped before it wrote anything" if reply.stopped else "…", "muted")]]
    return lines


def fact_lines(reply: Reply | None, width: int) -> list[Line]:
    """How the parser reads the answer; as many lines for a width whether it is there or not."""
    return [_read_line(reply, width), *figure_lines(reply, width)]


def figure_lines(reply: Reply | None, width: int) -> list[Line]:
    """How fast an answer came and how it ended: one to three lines, by the width alone."""
    rows = 1 if width >= _ONE_LINE else 2 if width >= _TWO_LINES else 3
    answered = None if reply is None else reply.answered
    texts: list[str] = []
    if answered is not None:
        texts = [f"first token {seconds(answered.first_token_seconds)}"]
        if answered.tokens_per_second is not None:
            texts.append(f"{answered.tokens_per_second:.1f} tokens/s")
        noun = "token" if answered.tokens == 1 else "tokens"
        texts.append(f"{answered.tokens} {noun}, {ENDED[answered.ended]}")
    nothing: list[Line] = [[]] * rows
    return [*pack([[(text, "muted")] for text in texts], width), *nothing][:rows]


def _read_line(reply: Reply | None, width: int) -> Line:
    if reply is None or reply.answered is None or reply.side is None:
        return []
    label = reply.answered.label
    judged = _judged(label, reply.gold, compact=width < _ROOMY)
    read: Line = [(label or "no label", f"bold {LABEL_INKS.get(label or '', 'warning')}"), *judged]
    whole: Line = [("read as ", "muted"), *read]
    return whole if width_of(whole) <= width else read


def seconds(value: float | None) -> str:
    """A short time with a resolution that tells one model from another."""
    return format_duration(value) if value is None or value >= 1 else f"{1000 * value:.0f} ms"


def _judged(label: str | None, gold: str, *, compact: bool = False) -> list[Span]:
    if not gold:
        return []
    if label == gold:
        return [("  right", "success")]
    return [("  wrong" if compact else f"  wrong, it is {gold}", "error")]


def bar_lines(reply: Reply | None, width: int, symbols: Symbols) -> list[Line]:
    """The label probabilities, raw and calibrated, and whether text and scores agree: five lines."""
    compact = width < _ROOMY
    name_width = _SHORT_NAME if compact else _NAME
    room = max((width - name_width) // 2, 8)
    lines: list[Line] = [
        [
            (shorten("" if compact else "probability", name_width), "muted"),
            (shorten("raw", room), "muted"),
            (shorten("calibrated" if room > len("calibrated") else "calibr.", room), "muted"),
        ]
    ]
    scored = None if reply is None else reply.scored
    for label in LABELS:
        gold = reply is not None and reply.gold == label
        name = _SHORT[label] if compact else label
        spans: list[Span] = [(shorten(name, name_width), "bold foreground" if gold else "foreground")]
        for shares in (None, None) if scored is None else (scored.raw, scored.calibrated):
            spans += _bar(label, shares, room, symbols, compact=compact)
        lines.append(spans)
    return [*lines, _verdict(reply, compact=compact)]


def _bar(
    label: str, shares: Mapping[str, float] | None, room: int, symbols: Symbols, *, compact: bool
) -> list[Span]:
    if shares is None:
        return [(shorten("–", room), "muted")]
    best = max(shares, key=lambda name: shares[name]) == label
    figure = f"{100 * shares[label]:.0f} %" if compact else f"{100 * shares[label]:.1f} %"
    width, gap = (6, 1) if compact else (8, 2)
    bar = max(room - width - gap, 0)
    return [
        (progress_bar(shares[label], bar, ascii_only=symbols.ascii), LABEL_INKS[label] if best else "muted"),
        (fit_left(figure, width), "bold bright" if best else "foreground"),
        (" " * gap, "foreground"),
    ]


def _verdict(reply: Reply | None, *, compact: bool) -> Line:
    if reply is None or reply.scored is None:
        return []
    raw, calibrated = (
        max(LABELS, key=lambda name: each[name]) for each in (reply.scored.raw, reply.scored.calibrated)
    )
    said = None if reply.answered is None else reply.answered.label
    if said is not None and said != raw:
        whole = f"The answer says {said}; the likeliest label is {raw}."
        return [("text and scores disagree" if compact else whole, "warning")]
    if raw != calibrated:
        whole = f"Calibration turns {raw} into {calibrated}."
        return [(f"calibrated: {calibrated}" if compact else whole, "warning")]
    judged = _judged(raw, reply.gold, compact=compact)
    return [("likeliest ", "muted"), (raw, f"bold {LABEL_INKS[raw]}"), *judged]
