"""What was said so far, questions about pairs included, and the field for what is said next."""

from collections.abc import Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from nli_console.record.transcripts import Said
from nli_console.text import clean, clean_line
from nli_console.tui.chat_desk import Reply
from nli_console.tui.widgets.ink import Line
from nli_console.tui.widgets.painted import Lines
from nli_console.tui.widgets.reply_lines import answer_lines, figure_lines
from nli_console.tui.widgets.scroll_lines import ScrollLines, wrap
from nli_console.tui.widgets.text_box import TextBox

_WHO = {
    "user": ("you", "accent"),
    "pair": ("question", "accent"),
    "assistant": ("model", "state-running"),
    "system": ("system", "muted"),
}


class TalkPanel(Vertical):
    """A conversation; the newest turn is in sight until one scrolls away from it."""

    DEFAULT_CSS = """
    TalkPanel { height: 1fr; padding: 0 1; }
    TalkPanel #turns { height: 1fr; }
    TalkPanel #message { height: 4; margin-top: 1; }
    """

    def compose(self) -> ComposeResult:
        yield ScrollLines(follow=True, id="turns")
        yield Lines(id="talk-facts")
        yield TextBox(submits=True, id="message", placeholder="enter sends, ctrl+j breaks the line")

    @property
    def box(self) -> TextBox:
        return self.query_one("#message", TextBox)

    @property
    def text(self) -> str:
        """The conversation, without colours."""
        return self.query_one("#turns", ScrollLines).text

    def show(self, said: Sequence[Said], reply: Reply | None) -> None:
        """``reply`` is the last answer; while it goes on it is no turn yet."""
        going = reply if reply is not None and not reply.over else None
        self.query_one("#turns", ScrollLines).show(lambda width: _lines(said, going, width))
        about = None if reply is None or reply.side is not None else reply
        self.query_one("#talk-facts", Lines).show(figure_lines(about, max(self.size.width, 1)))


def _lines(said: Sequence[Said], going: Reply | None, width: int) -> list[Line]:
    lines: list[Line] = []
    for turn in said:
        name, ink = _WHO[turn.role]
        lines += [[(name, f"bold {ink}"), *_about(turn)], *_text(turn, width), []]
    if going is not None and going.side is None:
        lines += [[("model", "bold state-running")], *answer_lines(going, width)]
    if not lines:
        lines = [[("Nothing was said yet.", "muted")]]
    return lines


def _text(turn: Said, width: int) -> list[Line]:
    text = turn.text
    if turn.role == "pair":
        text = f"{turn.details.get('premise', '')}\n{turn.details.get('hypothesis', '')}"
    return [[(piece, "foreground")] for piece in wrap(clean(text), width)]


def _about(turn: Said) -> Line:
    if turn.role == "pair":
        return [("  " + clean_line(turn.details.get("template", ""), limit=60), "muted")]
    if turn.role == "assistant" and "label" in turn.details:
        return [("  read as " + clean_line(turn.details["label"] or "no label", limit=60), "muted")]
    return []
