"""One reply: its title, the answer as it is written, what is read in it, and the label probabilities."""

from textual.app import ComposeResult
from textual.containers import Vertical

from nli_console.tui.chat_desk import Reply
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.painted import Lines
from nli_console.tui.widgets.reply_lines import answer_lines, bar_lines, fact_lines
from nli_console.tui.widgets.scroll_lines import ScrollLines


class ReplyPanel(Vertical):
    """Shows a :class:`Reply`; only what changed of it is painted again."""

    DEFAULT_CSS = """
    ReplyPanel { width: 1fr; height: 1fr; padding: 0 1; }
    ReplyPanel .answer { height: 1fr; min-height: 1; }
    """

    def __init__(self, symbols: Symbols, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._symbols = symbols
        self._reply: Reply | None = None
        self._title = "Answer"

    def compose(self) -> ComposeResult:
        yield Lines(rows=1, classes="reply-title")
        yield (answer := ScrollLines(follow=True))
        answer.add_class("answer")
        yield Lines(classes="facts")
        yield Lines(rows=5, classes="bars")

    def on_mount(self) -> None:
        self.show(None, "Answer")

    def on_resize(self) -> None:
        self.show(self._reply, self._title)

    def show(self, reply: Reply | None, title: str) -> None:
        self._reply, self._title = reply, title
        width = max(self.size.width, 1)
        lines = {"reply-title": [[(title, "bold bright")]], "facts": fact_lines(reply, width)}
        free = reply is not None and reply.side is None
        lines["bars"] = [] if free else bar_lines(reply, width, self._symbols)
        for name, shown in lines.items():
            self.query_one(f".{name}", Lines).show(shown)
        self.query_one(".answer", ScrollLines).show(lambda width: answer_lines(reply, width))

    @property
    def text(self) -> str:
        """All that is shown, without colours."""
        parts = [self.query_one(f".{name}", Lines).text for name in ("reply-title", "facts", "bars")]
        return "\n".join([parts[0], self.query_one(".answer", ScrollLines).text, *parts[1:]])
