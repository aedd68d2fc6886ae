"""Launch: pick a method, edit its hyperparameters, see what would run, start it."""

from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.timer import Timer
from textual.widgets import Button, OptionList, Static
from textual.widgets.option_list import Option

from nli_console.data.prompts.catalogue import Catalogue as Templates
from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.methods.fields import FieldDescription, validate
from nli_console.methods.presets import Preset
from nli_console.record.spec import RunSpec
from nli_console.supervisor.preflight import Machine
from nli_console.tui import launching
from nli_console.tui.answer import Answer, Question, own_notes, question_of
from nli_console.tui.background import run
from nli_console.tui.form import Form
from nli_console.tui.keys import bindings
from nli_console.tui.messages import (
    Launched,
    LaunchRefused,
    OpenRun,
    PreflightAnswered,
    PresetSaved,
    PresetsRead,
    RunsDue,
)
from nli_console.tui.preflight import Preflight
from nli_console.tui.screens.base import ConsoleScreen
from nli_console.tui.screens.picker import Choosable, Picker
from nli_console.tui.status import Status
from nli_console.tui.suggestions import suggestions
from nli_console.tui.widgets.checks_panel import ChecksPanel, ChecksStrip
from nli_console.tui.widgets.field_row import FieldRow
from nli_console.tui.widgets.launch_form import METHOD, PRESET, LaunchForm, about_preset
from nli_console.tui.widgets.method_form import MethodForm

_EDITORS = "FieldRow TextInput, FieldRow Choice"
_SETTLE = 0.25
"""Seconds without an edit after which the preflight is asked."""
_START = "Launch  f5"


class LaunchScreen(ConsoleScreen):
    """The form and what there is to know before it becomes a run."""

    mode = "launch"
    key_group = "launch"
    BINDINGS = bindings("launch")
    AUTO_FOCUS = "#methods OptionList"
    CSS_PATH = "launch.tcss"
    form: Form
    _preflight: Preflight
    _presets: ClassVar[tuple[Preset, ...]] = ()
    _templates: ClassVar[Templates] = Templates([], [])

    def body(self) -> ComposeResult:
        self.form = Form(self.shell.settings.values)
        symbols = self.shell.symbols
        with Horizontal(id="launch"):
            with Vertical(id="methods"):
                yield Static("Method", markup=False, classes="heading")
                yield OptionList(
                    *(Option(Content(method.title), id=name) for name, method in registry.methods().items()),
                    markup=False,
                )
                yield Static(id="about", markup=False)
            yield LaunchForm(self.form, self._suggestions, symbols)
            with Vertical(id="checks"):
                yield Static("Before you launch", markup=False, classes="heading")
                with VerticalScroll(can_focus=False):
                    yield ChecksPanel(symbols)
                yield Button(_START, classes="launch", compact=True)
        with Horizontal(id="strip"):
            yield ChecksStrip(symbols)
            yield Button(_START, classes="launch", compact=True)

    def on_mount(self) -> None:
        self._answer = Answer()
        self._busy = False
        self._settling: Timer | None = None
        self._ignored: frozenset[str] = frozenset()
        self._preflight = Preflight(
            self.shell.settings, self, self._machine_now, lambda: list(self.shell.runs)
        )
        self._devices = launching.devices_of_reading(self.shell.status.machine)
        self.watch(self.app, "runs", self._show_checks, init=False)
        self.watch(self.app, "status", self._machine_read, init=False)
        self._read_presets()
        self._show_method()

    def on_unmount(self) -> None:
        self._preflight.stop()

    # What the form shows

    def _show_method(self) -> None:
        """Bring the current method's rows to the front, making them when they were never shown."""
        method = self.form.current
        options = self.query_one("#methods OptionList", OptionList)
        with options.prevent(OptionList.OptionHighlighted):
            options.highlighted = options.get_option_index(method.name)
        about = Content.assemble((method.summary, "$foreground"), "\n\n", (method.reference, "$muted"))
        self.query_one("#about", Static).update(about)
        self.fields.show_method()
        if self._answer.question is not None and self._answer.question.method != method.name:
            self._answer = Answer()
        self._show_fields(write=True)
        self._ask()

    @property
    def fields(self) -> LaunchForm:
        return self.query_one(LaunchForm)

    def _show_fields(self, *, write: bool = False) -> None:
        names = [preset.name for preset in self._own_presets()]
        self.fields.show(self.form.problems(), names, write=write)
        self._show_checks()

    def _show_checks(self, *_: object) -> None:
        slots, paused = self.shell.settings.values.queue.cpu_slots, self.shell.status.paused
        notes = own_notes(self.form, self._answer, self.shell.runs, slots, paused)
        fresh = self._answer.question == self._question() and not self._answer.kept
        for panel in (self.query_one(ChecksPanel), self.query_one(ChecksStrip)):
            panel.show(self._answer, notes, fresh=fresh)

    # What the user does with it

    @on(OptionList.OptionHighlighted, "#methods OptionList")
    def _method_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        if event.option_index == event.option_list.highlighted:
            self._use_method(event.option.id or "")

    @on(OptionList.OptionSelected, "#methods OptionList")
    def _method_chosen(self) -> None:
        self.action_field(1)

    def _use_method(self, name: str) -> None:
        if name in registry.methods() and name != self.form.method:
            self.form.method = name
            self._show_method()

    @on(FieldRow.Edited)
    def _edited(self, event: FieldRow.Edited) -> None:
        if event.name == "method":
            self._use_method(event.text)
        elif event.name == "preset":
            self._use_preset(event.text)
        else:
            self._edit(event.name, event.text, self.form.method)

    @on(MethodForm.Edited)
    def _hyperparameter_edited(self, event: MethodForm.Edited) -> None:
        self._edit(event.name, event.text, event.method)

    def _edit(self, name: str, text: str, method: str) -> None:
        if self.form.edit(name, text, method):
            self._show_fields()
            self._ask()

    @on(FieldRow.Accepted)
    def _next_field(self) -> None:
        self.action_field(1)

    @on(FieldRow.Asked)
    def _choose_value(self, event: FieldRow.Asked) -> None:
        name = event.name
        if name == "preset":
            self.action_preset()
            return
        if name == "method":
            rows = [Choosable(m.name, m.title, m.summary) for m in registry.methods().values()]
            current = self.form.method
        else:
            field, current = self.form.field(name), self.form.text(name)
            rows = launching.to_choose(self.form, field, self._suggestions(field))
        self.app.push_screen(
            Picker(name.replace("_", " "), rows, current=current), lambda value: self._picked(name, value)
        )

    def _picked(self, name: str, value: str | None) -> None:
        if value is not None:
            if name not in (METHOD.name, PRESET.name):
                value = self.form.with_choice(name, value)
            self._edited(FieldRow.Edited(name, value))
            self._show_fields(write=True)

    def _suggestions(self, field: FieldDescription) -> Mapping[str, str]:
        return suggestions(self.shell.settings.values, self.form.current, field, self._templates)

    def action_field(self, by: int) -> None:
        if by > 0:
            self.focus_next(_EDITORS)
        else:
            self.focus_previous(_EDITORS)

    def action_choose(self) -> None:
        row = self.fields.focused_row()
        if row is not None and row.listed:
            self._choose_value(FieldRow.Asked(row.field.name))

    def action_advanced(self) -> None:
        self.fields.toggle_advanced()

    def action_reset(self) -> None:
        row = self.fields.focused_row()
        if row is None or row.field in (METHOD, PRESET):
            self.shell.tell("Go to a field first: this sets one field back to the preset's value.")
            return
        self.form.reset(row.field.name)
        self._show_fields(write=True)
        self._ask()

    def action_reset_all(self) -> None:
        self.form.reset_all()
        self._show_fields(write=True)
        self._ask()

    def action_checks(self) -> None:
        self.toggle_class("-checks")

    def peel(self) -> bool:
        if self.has_class("-checks"):
            self.remove_class("-checks")
            return True
        if self.fields.focused_row() is not None and self.query_one("#methods").display:
            self.query_one("#methods OptionList").focus()
            return True
        return False

    # Presets

    def _own_presets(self) -> list[Preset]:
        return [preset for preset in self._presets if preset.method == self.form.method]

    def _read_presets(self) -> None:
        run(launching.read_presets, self, title="presets")

    @on(PresetsRead)
    def _presets_read(self, event: PresetsRead) -> None:
        event.stop()
        self._presets, self._templates = event.presets, event.templates  # type: ignore[misc]
        for problem in event.problems:
            self.shell.tell(problem, title="preset or template left out", severity="warning")
        self._show_fields()

    def action_preset(self) -> None:
        rows = [Choosable(preset.name, preset.name, about_preset(preset)) for preset in self._own_presets()]
        picker = Picker(f"Presets for {self.form.current.title}", rows, current=self.form.preset.name)
        self.app.push_screen(picker, lambda value: self._picked("preset", value))

    def _use_preset(self, name: str) -> None:
        preset = next((preset for preset in self._own_presets() if preset.name == name), None)
        if preset is not None:
            self.form.choose_preset(preset)
            self._show_method()

    def action_save(self) -> None:
        hyperparameters, errors = validate(self.form.current.Hyperparameters, self.form.hyperparameters())
        if hyperparameters is None:
            self.shell.tell(str(errors[0]), title="cannot be saved yet", severity="warning")
            return
        record = launching.PresetRecord.of(self.form, hyperparameters)

        def save(name: str | None) -> None:
            if name is not None:
                run(lambda: launching.save_preset(name, record), self, title="save preset")

        taken = {preset.name for preset in self._presets}
        self.app.push_screen(launching.ask_preset_name(self.form.current, taken), save)

    @on(PresetSaved)
    def _saved(self, event: PresetSaved) -> None:
        event.stop()
        self.shell.tell(f"Saved as {event.name}; it is in the list of presets now.")
        self._read_presets()

    # Preflight and launch

    def _ask(self) -> None:
        """Ask the preflight when the typing has settled."""
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(_SETTLE, self._ask_now)

    def _ask_now(self) -> None:
        self._preflight.ask(self._question())

    def _question(self) -> Question:
        return question_of(self.form, self._ignored)

    def _machine_read(self, status: Status) -> None:
        """An answer may have been made before there was a reading, or for a GPU that is gone."""
        devices = launching.devices_of_reading(status.machine)
        if devices != self._devices:
            self._devices = devices
            self._ask()

    def _machine_now(self) -> Machine:
        """Called from another thread, too: the status is only ever replaced as a whole."""
        return launching.machine_of_reading(self.shell.status.machine)

    def action_ignore(self) -> None:
        """Choose a finding that is not to count, or is to count again."""
        rows = launching.ignorable(self._answer.findings)
        if not rows:
            self.shell.tell("No check has anything to say about this form.")
            return

        def toggle(id: str | None) -> None:
            if id is not None:
                self._ignored ^= {id}
                self._ask_now()

        self.app.push_screen(Picker("Ignore a check, or stop ignoring it", rows), toggle)

    @on(PreflightAnswered)
    def _answered(self, event: PreflightAnswered) -> None:
        event.stop()
        if event.answer.question != self._question():
            return  # The form has changed since; the answer to what it says now is on its way.
        if event.answer.names_a_model and self.form.accept_model(self.form.text("model")):
            self._ask()  # Another preset suits this model: its values have to be judged.
        self._answer = event.answer.after(self._answer)
        self.form.forgive()
        for note in event.answer.notes:
            if note.kind == "error" and note.field is not None:
                self.form.refuse(note.field, note.text)
        self._show_fields()

    @on(Button.Pressed, "Button.launch")
    def _pressed(self) -> None:
        self.action_launch()

    def action_launch(self) -> None:
        if self._busy:
            return
        problems = self.form.problems()
        if problems:
            name, problem = next(iter(problems.items()))
            self._show_fields()
            self.fields.go_to(name)
            named = problem.startswith(name)
            self.shell.tell(problem if named else f"{name.replace('_', ' ')}: {problem}", severity="warning")
            return
        hyperparameters, _ = validate(self.form.current.Hyperparameters, self.form.hyperparameters())
        if hyperparameters is None:
            return
        self._set_busy(True)
        draft = launching.draft_of(self.form, hyperparameters, tuple(sorted(self._ignored)))
        settings, machine = self.shell.settings, self._machine_now()
        seeds, warm = self.form.run_value("seeds"), self._preflight.warm.take()
        run(lambda: launching.launch(draft, seeds, settings, machine, warm), self, title="launch")

    @on(Launched)
    def _launched(self, event: Launched) -> None:
        event.stop()
        self._set_busy(False)
        self.form.reset("name")
        self._show_fields(write=True)
        self.post_message(RunsDue())
        self.post_message(OpenRun(event.run_id))

    @on(LaunchRefused)
    def _refused(self, event: LaunchRefused) -> None:
        event.stop()
        self._set_busy(False)
        shown = [name for name, problem in event.problems if self.form.refuse(name, problem)]
        self._show_fields()
        if shown:
            self.fields.go_to(shown[0])
        if event.text:
            self.shell.tell(event.text, title="Not started", severity="error")

    def _set_busy(self, busy: bool) -> None:
        self._busy = busy
        for button in self.query("Button.launch").results(Button):
            button.label = "Starting" if busy else _START

    def clone(self, spec: RunSpec) -> None:
        """Fill the form with what a run was asked to be."""
        try:
            self.shell.tell(self.form.clone(spec))
        except ConsoleError as error:
            self.shell.tell(str(error), severity="error")
            return
        self._ignored = frozenset(spec.ignored_checks)
        self._show_method()
