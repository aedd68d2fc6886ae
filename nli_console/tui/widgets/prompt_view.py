"""The exact text that the model reads: control tokens marked, counted, and checked."""

import re
from collections.abc import Iterable

from rich.cells import cell_len, chop_cells
from textual.app import ComposeResult
from textual.containers import Vertical

from nli_console.supervisor.chat_events import Rendered
from nli_console.text import format_count
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.ink import Line, Span
from nli_console.tui.widgets.painted import Lines
from nli_console.tui.widgets.scroll_lines import ScrollLines, wrap

_WORDS = re.compile(r"\n| +|[^ \n]+")
_SEVERITY_INKS = {"error": "error", "warning": "warning"}


class PromptView(Vertical):
    """Shows a :class:`Rendered`, or why there is none."""

    DEFAULT_CSS = """
    PromptView { width: 1fr; height: 1fr; padding: 0 1; }
    """

    def __init__(self, symbols: Symbols, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._symbols = symbols

    def compose(self) -> ComposeResult:
        yield Lines([[("Prompt", "bold bright")]], rows=1, id="prompt-title")
        yield ScrollLines(id="prompt-text")

    def show(self, rendered: Rendered | None, problem: str, *, reading: bool) -> None:
        """``reading``: a newer prompt is being rendered; ``problem``: why it could not be."""
        title: list[Span] = [("Prompt", "bold bright")]
        if rendered is not None:
            limit = "" if rendered.positions is None else f" of {format_count(rendered.positions)}"
            title.append((f"  {format_count(rendered.tokens)} tokens{limit}", "foreground"))
            count = len(rendered.findings)
            noun = "finding" if count == 1 else "findings"
            title.append(
                (f"  {count} {noun}", "warning") if count else (f"  {self._symbols.ok} checks", "success")
            )
        if reading:
            title.append((f"  {self._symbols.busy}", "muted"))
        self.query_one("#prompt-title", Lines).show([title])
        text, symbols = self.query_one("#prompt-text", ScrollLines), self._symbols
        if rendered is not None:
            text.show(lambda width: prompt_lines(rendered, width, symbols))
        elif problem:
            text.show(lambda width: [[(piece, "error")] for piece in wrap(problem, width)])
        elif not reading:
            text.show(lambda _: [[("The exact text that the model reads stands here.", "muted")]])

    @property
    def text(self) -> str:
        """All that is shown, without colours."""
        return (
            f"{self.query_one('#prompt-title', Lines).text}\n"
            f"{self.query_one('#prompt-text', ScrollLines).text}"
        )


def prompt_lines(rendered: Rendered, width: int, symbols: Symbols) -> list[Line]:
    """Findings first, then the text; control tokens that act are bold and coloured, and a tab is a blank."""
    lines: list[Line] = []
    for finding in rendered.findings:
        ink = _SEVERITY_INKS.get(finding.severity, "muted")
        mark = symbols.error if finding.severity == "error" else symbols.warning
        pieces = wrap(f"{finding.message}; {finding.suggestion}", max(width - 2, 1))
        lines += [
            [((f"{mark} " if index == 0 else "  "), ink), (piece, ink)] for index, piece in enumerate(pieces)
        ]
    if lines:
        lines.append([])
    spans = (
        (piece.text.replace("\t", " "), "bold accent" if piece.special else "foreground")
        for piece in rendered.pieces
    )
    return lines + wrap_spans(spans, width)


def wrap_spans(spans: Iterable[Span], width: int) -> list[Line]:
    """Coloured text in lines of at most ``width`` cells, broken at blanks where possible."""
    lines: list[list[Span]] = [[]]
    used = 0
    for text, ink in spans:
        for word in _WORDS.findall(text):
            if word == "\n":
                lines.append([])
                used = 0
                continue
            for part in [word] if cell_len(word) <= width else chop_cells(word, max(width, 1)):
                if used + cell_len(part) > width:
                    lines.append([])
                    used = 0
                lines[-1].append((part, ink))
                used += cell_len(part)
    return list(lines)
