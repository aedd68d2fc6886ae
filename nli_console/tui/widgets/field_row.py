"""One field of a form: mark, label, editor, and what may be typed or what is wrong with what was."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Static

from nli_console.methods.fields import FieldDescription
from nli_console.text import clean_line
from nli_console.tui.form import FieldLook
from nli_console.tui.suggestions import Suggester
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.choice import YES_NO, Choice
from nli_console.tui.widgets.text_input import TextInput

_LABEL = 31
"""Cells before the editor, as in the style sheet below."""
_EDITOR = 11


class FieldRow(Widget):
    """The row of one field. It knows nothing of the form: it reports edits and shows a :class:`FieldLook`."""

    # Label and hint are drawn by the row itself: a form has many rows, and each widget costs at the start.
    DEFAULT_CSS = """
    FieldRow { height: auto; }
    FieldRow > TextInput, FieldRow > Choice { margin: 0 0 0 31; width: 11; }
    FieldRow > .problem { height: auto; padding: 0 1 0 3; color: $error; display: none; }
    FieldRow.-wrong > .problem { display: block; }
    FieldRow > .meaning { height: auto; padding: 0 1 0 32; color: $muted; display: none; }
    FieldRow.-told > .meaning { display: block; }
    FieldRow.-wide > TextInput, FieldRow.-wide > Choice { width: 24; }
    FieldRow.-long > TextInput, FieldRow.-long > Choice { width: 1fr; margin: 0 2 0 31; }
    FieldRow.-long.-listed > TextInput { margin: 0 4 0 31; }
    """
    ALLOW_SELECT = False

    # Nearer to the editors than the scrolling container, which would take these keys.
    BINDINGS = [
        Binding("up", "screen.field(-1)", show=False),
        Binding("down", "screen.field(1)", show=False),
    ]

    @dataclass
    class Edited(Message):
        """The user changed the text of a field."""

        name: str
        text: str

    @dataclass
    class Focused(Message):
        """The editor of a field got the focus."""

        name: str

    @dataclass
    class Asked(Message):
        """The user wants to choose a value from a list."""

        name: str

    @dataclass
    class Accepted(Message):
        """Enter was pressed in a field that has no list."""

        name: str

    def __init__(
        self,
        field: FieldDescription,
        look: FieldLook,
        symbols: Symbols,
        *,
        label: str | None = None,
        suggestions: Callable[[], Iterable[str]] | None = None,
        placeholder: str = "",
        listed: bool = False,
        classes: str = "",
    ) -> None:
        width = {"text": "-long", "list": "-long", "choice": "-wide"}.get(field.kind, "")
        super().__init__(classes=f"{classes} {width}")
        self.field = field
        self.look = look
        self.listed = listed or bool(field.choices or field.options)
        self.set_class(self.listed, "-listed")
        self._symbols = symbols
        self._label_text = label or field.name.replace("_", " ")
        self._suggestions = suggestions

        self._editor = self._make_editor(placeholder)
        self._mark()

    def _make_editor(self, placeholder: str) -> TextInput | Choice:
        if self.field.kind == "bool":
            return Choice(self.look.text, YES_NO, self._symbols)
        if self.field.kind == "choice":
            return Choice(self.look.text, self.field.choices, self._symbols)
        suggester = None if self._suggestions is None else Suggester(self._suggestions)
        return TextInput(self.look.text, suggester=suggester, placeholder=placeholder)

    def compose(self) -> ComposeResult:
        yield self._editor
        if self.look.problem is not None:
            yield self._line("problem")
        if self.look.meaning:
            yield self._line("meaning")

    def render(self) -> Content:
        width = max(self.size.width, 1)
        hint = Content("") if self.has_class("-wide") or self.has_class("-long") else self.hint()
        line = Content.assemble(
            " ", self._label().truncate(_LABEL - 1, ellipsis=True, pad=True), " " * (_EDITOR + 2), hint
        )
        if not self.listed or isinstance(self._editor, Choice):
            return line.truncate(width, ellipsis=True)
        # Text that may be chosen from a list ends in the sign of a choice, on the editor's own ground.
        ground = "$field-focus" if self.has_class("-here") else "$field"
        sign = Content.styled(f"{self._symbols.open} ", f"$muted on {ground}")
        return Content.assemble(line.truncate(max(width - 4, 0), pad=True), sign)

    @property
    def editor(self) -> TextInput | Choice:
        return self._editor

    def show(self, look: FieldLook, *, write: bool) -> None:
        """Repaint what changed. Without ``write`` the text under the user's cursor is left alone: what the
        form knows of it may be older than the last key."""
        if look.text != self._editor.value and (write or not self._editor.has_focus):
            with self.prevent(TextInput.Changed):
                self._editor.value = look.text
        if look == self.look:
            return
        told, self.look = self.look, look
        self.refresh()
        if look.problem != told.problem:
            self._tell("problem")
        if look.meaning != told.meaning:
            self._tell("meaning")
        self._mark()

    def _tell(self, what: str) -> None:
        for line in self.query(f".{what}").results(Static):
            line.update(self._told(what))
            return
        if self._told(what):
            self.mount(self._line(what))

    def _line(self, what: str) -> Static:
        """A line below the editor, made when there is something to say for the first time."""
        return Static(self._told(what), classes=what)

    def _told(self, what: str) -> Content:
        return Content(clean_line((self.look.problem if what == "problem" else self.look.meaning) or ""))

    def _label(self) -> Content:
        if self.look.problem is not None:
            mark, style = (self._symbols.error, "bold $error"), "$error"
        elif self.look.differs_from is not None:
            mark, style = (self._symbols.changed, "bold $accent"), "$accent"
        else:
            mark, style = (" ", ""), "$foreground"
        here = "bold " if self.has_class("-here") else ""
        return Content.assemble(mark, " ", (self._label_text, here + style))

    def _mark(self) -> None:
        wrong = self.look.problem is not None
        self.set_class(wrong, "-wrong")
        self.set_class(bool(self.look.meaning), "-told")
        self._editor.set_class(wrong, "-problem")

    def hint(self) -> Content:
        """What may be typed, or the preset's value where this one differs."""
        if self.look.differs_from is not None:
            return Content.styled(
                f"preset {clean_line(self.look.differs_from, limit=40) or 'empty'}", "$accent"
            )
        return Content.styled(self.range_text(), "$muted")

    def range_text(self) -> str:
        """Bounds and unit: ``1…1024 passes``."""
        bounds = "" if self.field.choices else self.field.bounds
        unit = "" if self.field.unit in self._label_text.split() else self.field.unit
        text = " ".join(part for part in (bounds, unit) if part)
        if self._symbols.ascii:
            text = text.replace("…", "..").replace("≥ ", ">=").replace("≤ ", "<=")
            text = text.replace("> ", ">").replace("< ", "<")
        return text

    @on(TextInput.Changed)
    def _typed(self, event: TextInput.Changed) -> None:
        event.stop()
        self.post_message(self.Edited(self.field.name, event.value))

    @on(Choice.Changed)
    def _chosen(self, event: Choice.Changed) -> None:
        event.stop()
        self.post_message(self.Edited(self.field.name, event.value))

    @on(Choice.Asked)
    def _asked(self, event: Choice.Asked) -> None:
        event.stop()
        self.post_message(self.Asked(self.field.name))

    @on(TextInput.Submitted)
    def _submitted(self, event: TextInput.Submitted) -> None:
        event.stop()
        self.post_message(self.Asked(self.field.name) if self.listed else self.Accepted(self.field.name))

    def on_descendant_blur(self) -> None:
        self.remove_class("-here")
        self.refresh()

    def on_descendant_focus(self) -> None:
        self.add_class("-here")
        self.refresh()
        self.post_message(self.Focused(self.field.name))
