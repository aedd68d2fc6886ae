"""The form of a launch: what every run needs, the hyperparameters, and a line that explains the field."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from nli_console.methods import registry
from nli_console.methods.fields import FieldDescription
from nli_console.methods.presets import Preset
from nli_console.record.run_fields import RUN_FIELDS, fields_of
from nli_console.text import clean_line
from nli_console.tui.form import FieldLook, Form
from nli_console.tui.suggestions import suggests
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.choice import Choice
from nli_console.tui.widgets.field_row import FieldRow
from nli_console.tui.widgets.method_form import MethodForm, Suggest

METHOD = FieldDescription("method", "METHOD", "choice", "", "how the model learns", "run", choices=("",))
PRESET = FieldDescription("preset", "--preset", "choice", "", "values to start from", "run", choices=("",))
_PLACEHOLDERS = {
    "name": "from method and model", "time_limit": "none", "report_to": "none", "stop_on": "none",
    "evaluate_on": "all that are labelled",
}  # fmt: skip
"""What an empty field means."""


class LaunchForm(Vertical):
    """Rows over a :class:`Form`. It shows; the screen decides what an edit means."""

    DEFAULT_CSS = """
    LaunchForm { padding-top: 1; }
    LaunchForm #form-title { padding-left: 3; }
    LaunchForm #fields { height: 1fr; }
    LaunchForm #field-help { height: 3; padding: 1 3 0 3; text-overflow: ellipsis; }
    """

    def __init__(self, form: Form, suggest: Suggest, symbols: Symbols) -> None:
        super().__init__()
        self.form = form
        self._suggest = suggest
        self._symbols = symbols
        self._folded = True
        self._method_row = self._row(METHOD, FieldLook(form.method), classes="-method-row -long", listed=True)
        self._preset_row = self._row(PRESET, FieldLook(form.preset.name), classes="-long", listed=True)
        problems = form.problems()
        self._rows: list[FieldRow] = []
        for field in RUN_FIELDS:
            self._rows.append(
                self._row(
                    field,
                    form.look(field.name, problems),
                    suggestions=partial(suggest, field) if field.options is None else None,
                    listed=suggests(field),
                    placeholder=_PLACEHOLDERS.get(field.name, ""),
                )
            )
        self._methods: dict[str, MethodForm] = {}

    def _row(
        self,
        field: FieldDescription,
        look: FieldLook,
        *,
        suggestions: Callable[[], Iterable[str]] | None = None,
        placeholder: str = "",
        listed: bool = False,
        classes: str = "",
    ) -> FieldRow:
        return FieldRow(
            field,
            look,
            self._symbols,
            suggestions=suggestions,
            placeholder=placeholder,
            listed=listed,
            classes=classes,
        )

    def compose(self) -> ComposeResult:
        yield Static(id="form-title", markup=False, classes="heading")
        with VerticalScroll(id="fields", can_focus=False):
            yield self._method_row
            yield self._preset_row
            yield from self._rows
            yield self._section()
        yield Static(id="field-help", markup=False)

    def show_method(self) -> None:
        """Bring the current method's rows to the front; they are made once, so that nothing typed is lost."""
        method = self.form.current
        makes = "trains nothing" if method.product is None else f"makes {_article(method.product)}"
        kind = f"  on {_article(method.family)}, {makes}"
        self.query_one("#form-title", Static).update(
            Content.assemble(method.title, (kind, "not bold $muted"))
        )
        if method.name not in self._methods:
            self.query_one("#fields", VerticalScroll).mount(self._section())
        for name, section in self._methods.items():
            section.display = name == method.name
        for row in self._rows:
            row.display = row.field in fields_of(method.trains)

    def _section(self) -> MethodForm:
        made = MethodForm(self.form, self._suggest, self._symbols, folded=self._folded)
        self._methods[self.form.method] = made
        return made

    def show(self, problems: dict[str, str], presets: Sequence[str], *, write: bool) -> None:
        """Repaint what changed; ``presets`` are the names that the current method can start from.

        ``write`` replaces the text of the focused field, too: the user asked for another value of it.
        """
        for row, choices, value in (
            (self._method_row, tuple(registry.methods()), self.form.method),
            (self._preset_row, tuple(presets) or (self.form.preset.name,), self.form.preset.name),
        ):
            if isinstance(row.editor, Choice):
                row.editor.choices = choices
            row.show(FieldLook(value), write=write)
        for row in self._rows:
            row.show(self.form.look(row.field.name, problems), write=write)
        section = self._methods.get(self.form.method)
        if section is not None:
            section.show(self.form, problems, write=write)

    def toggle_advanced(self) -> None:
        self._folded = not self._folded
        for section in self._methods.values():
            section.fold(self._folded)

    def focused_row(self) -> FieldRow | None:
        """The row whose editor has the focus."""
        focused = self.screen.focused
        if focused is None:
            return None
        return next((node for node in focused.ancestors if isinstance(node, FieldRow)), None)

    def go_to(self, name: str) -> None:
        """Focus the editor of a field of the run or of the current method."""
        section = self._methods.get(self.form.method)
        for row in (*self._rows, *(section.rows() if section is not None else ())):
            if row.field.name == name:
                # A row that was only just made can be focused when it has been mounted.
                self.call_after_refresh(row.editor.focus)

    def on_descendant_blur(self) -> None:
        self.call_after_refresh(self._explain_nothing)

    def _explain_nothing(self) -> None:
        """The line below the form belongs to the field that has the focus."""
        if self.is_attached and self.focused_row() is None:
            self.query_one("#field-help", Static).update("", layout=False)

    @on(FieldRow.Focused)
    def _explain(self, event: FieldRow.Focused) -> None:
        line = self.query_one("#field-help", Static)
        if event.name == METHOD.name:
            line.update(Content(self.form.current.summary), layout=False)
        elif event.name == PRESET.name:
            line.update(Content(clean_line(about_preset(self.form.preset))), layout=False)
        else:
            field = self.form.field(event.name)
            row = self.focused_row()
            facts = [field.option, row.range_text() if row else ""]
            if self.form.in_preset(field.name):
                facts.append(f"preset {clean_line(self.form.baseline(field.name)) or 'empty'}")
            if row is not None and row.listed:
                facts.append("f2 lists")
            facts_line = (" · ".join(filter(None, facts)), "$muted")
            line.update(Content.assemble(field.help, "\n", facts_line), layout=False)


def about_preset(preset: Preset) -> str:
    """What a preset is for, and where its values are from."""
    source = f" ({preset.source})" if preset.source else ""
    return f"{preset.description or 'your own preset'}{source}"


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"
