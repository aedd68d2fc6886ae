"""Before you launch: parameters, steps and findings, in full or as one line."""

import textwrap

from textual import events
from textual.content import Content
from textual.widgets import Static

from nli_console.text import UNKNOWN, clean, clean_line, format_bytes, format_count, format_duration
from nli_console.tui.answer import Answer, Note, NoteKind
from nli_console.tui.symbols import Symbols

_STYLES: dict[NoteKind, str] = {
    "ok": "$success",
    "info": "$muted",
    "busy": "$muted",
    "warning": "$warning",
    "error": "$error",
}


_ROOMY = 50
"""Cells of the strip from which the share of trainable parameters has room."""
_DECISIVE = ("trainable", "steps", "to score")
"""Figures that stand in the strip."""


class ChecksPanel(Static):
    """What is known about the run that the form would start; unknown is shown as unknown."""

    def __init__(self, symbols: Symbols) -> None:
        super().__init__(markup=False)
        self._symbols = symbols
        self._answer = Answer()
        self._fresh = True
        self._notes: list[Note] = []
        self._shown: Content | None = None

    def show(self, answer: Answer, notes: list[Note], *, fresh: bool = True) -> None:
        """``notes`` are the form's own, shown before the findings of ``answer``.

        Without ``fresh`` the figures are dimmed: the form has changed since they were found out.
        """
        self._answer, self._fresh = answer, fresh
        # What blocks the launch stands where it is seen without scrolling.
        self._notes = sorted([*notes, *answer.notes], key=lambda note: note.kind != "error")
        self._draw(self.size.width)

    def on_resize(self, event: events.Resize) -> None:
        self._draw(event.size.width)

    def _draw(self, width: int) -> None:
        lines = [
            Content.assemble((label.ljust(12), "$muted"), value)
            for label, value in numbers(self._answer, fresh=self._fresh)
        ]
        for note in self._notes:
            lines += [Content(""), note_lines(note, self._symbols, max(width, 20))]
        text = Content("\n").join(lines)
        # Contents are equal to Textual when only their colours differ.
        if self._shown is None or not self._shown.is_same(text):
            self._shown = text
            self.update(text)


class ChecksStrip(Static):
    """The same in two rows, for narrow terminals."""

    def __init__(self, symbols: Symbols) -> None:
        super().__init__(markup=False)
        self._symbols = symbols

    def show(self, answer: Answer, notes: list[Note], *, fresh: bool = True) -> None:
        """The figures that a launch is decided by, and the worst finding."""
        figures = [
            Content.assemble((f"{label} ", "$muted"), value)
            for label, value in numbers(answer, fresh=fresh, brief=self.size.width < _ROOMY)
            if label in _DECISIVE
        ]
        by_weight = list(_STYLES)[::-1]
        worst = sorted((*notes, *answer.notes), key=lambda note: by_weight.index(note.kind))
        lines = [Content("  ").join(figures)]
        if worst:
            more = f"f7 {len(worst) - 1} more  " if len(worst) > 1 else ""
            note = note_lines(Note(worst[0].kind, clean_line(worst[0].text)), self._symbols, 1000)
            lines.append(Content.assemble((more, "$accent"), note))
        self.update(Content("\n").join(lines), layout=False)


def numbers(answer: Answer, *, fresh: bool = True, brief: bool = False) -> list[tuple[str, Content]]:
    """Label and value of every figure; an ellipsis for each before the first answer is there.

    ``brief`` leaves the share of the trainable parameters out.
    """
    figures = _figures(answer, brief)
    if answer.question is None:
        return [(label, Content.styled("…", "$muted")) for label, _ in figures]
    if not fresh:
        return [(label, Content.styled(value.plain, "$muted")) for label, value in figures]
    return figures


def _figures(answer: Answer, brief: bool) -> list[tuple[str, Content]]:
    if answer.counting:
        trainable = total = Content.styled("counting…", "$muted")
    elif answer.trainable is None or not answer.total:
        trainable = total = Content.styled(UNKNOWN, "$muted")
    else:
        share = "" if brief else f"  {100 * answer.trainable / answer.total:.3g} %"
        trainable = Content.assemble((format_count(answer.trainable), "bold $bright"), (share, "$muted"))
        total = Content(format_count(answer.total))
    steps = Content.assemble((format_count(answer.steps), "bold $bright"))
    memory = Content(UNKNOWN if answer.memory is None else f"~ {format_bytes(answer.memory.peak)}")
    parts = {} if answer.memory is None else answer.memory.parts
    time = Content(UNKNOWN if answer.seconds is None else f"~ {format_duration(answer.seconds)}")
    cost = [
        ("memory", memory),
        *(
            (name, Content.styled(f"  {format_bytes(size)}", "$muted"))
            for name, size in parts.items()
            if size
        ),
        ("time", time),
    ]
    if not answer.trains:
        scored = Content.assemble((format_count(answer.scored_rows), "bold $bright"), (" rows", "$muted"))
        return [("parameters", total), ("to score", scored), *cost]
    rows = Content(format_count(answer.train_rows))
    return [("trainable", trainable), ("total", total), ("train rows", rows), ("steps", steps), *cost]


def note_lines(note: Note, symbols: Symbols, width: int) -> Content:
    """A finding behind its mark, wrapped to ``width`` cells under its own first word."""
    mark = {
        "ok": symbols.ok, "info": symbols.info, "busy": symbols.busy, "warning": symbols.warning,
        "error": symbols.error,
    }[note.kind]  # fmt: skip
    style = "$foreground" if note.kind in ("ok", "warning") else _STYLES[note.kind]
    text = clean(note.text).replace("±", symbols.minus_plus)
    wrapped = [line for part in text.splitlines() for line in textwrap.wrap(part, max(width - 2, 10)) or [""]]
    return Content.assemble((f"{mark} ", f"bold {_STYLES[note.kind]}"), ("\n  ".join(wrapped), style))
