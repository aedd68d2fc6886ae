"""What the Launch form holds, without any widget: texts, the preset they are measured against, what is wrong.

Only what the user changed is kept as an edit; every other field follows the preset, so that choosing another
method or preset loses nothing that was typed.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from nli_console.data.resolve import DEMO_MODELS, WELL_KNOWN_MODELS
from nli_console.errors import ConsoleError
from nli_console.methods import presets, registry
from nli_console.methods.base import Method
from nli_console.methods.defaults import method_to_begin_with
from nli_console.methods.fields import FieldDescription, FieldError, describe, parse, validate
from nli_console.methods.presets import Preset
from nli_console.record.groups import base_name
from nli_console.record.run_fields import RUN_FIELDS, fields_of
from nli_console.record.spec import RunSpec
from nli_console.settings import Settings, user_folder

_RUN_NAMES = tuple(field.name for field in RUN_FIELDS)
_PRESET_NAMES = ("model", "data", "fraction")
_REQUIRED = {"model": "name a model", "data": "name a dataset"}


@dataclass(frozen=True, slots=True)
class FieldLook:
    """How a field stands: its text, what is wrong with it, the preset's text where that differs, and what the
    text means where it alone may mislead."""

    text: str
    problem: str | None = None
    differs_from: str | None = None
    meaning: str = ""


class Form:
    """Texts and edits of all methods' forms; the current one is ``method``."""

    def __init__(self, settings: Settings) -> None:
        self._defaults = settings.defaults
        self._guards = settings.guards
        self._known_models = {*DEMO_MODELS, *WELL_KNOWN_MODELS, *settings.models}
        self._model = settings.defaults.model
        known = registry.methods()
        self.method = method_to_begin_with(settings).name
        self._run_edits: dict[str, str] = {}
        self._edits: dict[str, dict[str, str]] = {name: {} for name in known}
        self._chosen: dict[str, Preset] = {}
        self._refused: dict[str, str] = {}
        self._default_presets: dict[tuple[str, bool], Preset] = {}
        self._fields = {name: tuple(describe(method.Hyperparameters)) for name, method in known.items()}
        self._by_name = {
            name: {field.name: field for field in (*RUN_FIELDS, *fields)}
            for name, fields in self._fields.items()
        }

    @property
    def current(self) -> Method:
        return registry.get(self.method)

    def hyperparameter_fields(self) -> tuple[FieldDescription, ...]:
        """The current method's, in the order of declaration."""
        return self._fields[self.method]

    def field(self, name: str) -> FieldDescription:
        return self._by_name[self.method][name]

    @property
    def preset(self) -> Preset:
        """The chosen one, else what suits the last text that named a model: demo presets for demo models."""
        chosen = self._chosen.get(self.method)
        if chosen is not None:
            return chosen
        key = (self.method, self._model.startswith("demo-"))
        if key not in self._default_presets:
            self._default_presets[key] = presets.default_for(self.method, self._model)
        return self._default_presets[key]

    def accept_model(self, name: str) -> bool:
        """Take it that ``name`` is a model, as a text being typed may not be; whether the preset changes."""
        before = self.preset
        self._model = name.strip()
        return self.preset is not before

    def choose_preset(self, preset: Preset) -> None:
        """Measure the form against another preset (of any method); edited fields keep their text."""
        self.method = preset.method
        self._chosen[preset.method] = preset
        self._refused.clear()

    def baseline(self, name: str) -> str:
        """The text of a field nobody edited."""
        field = self.field(name)
        if name in _RUN_NAMES:
            chosen = self._chosen.get(self.method) if name in _PRESET_NAMES else None
            if name == "model" and chosen is None and self._defaults.model.startswith("demo-"):
                # There are two demo models, and each method works on one of them.
                chosen = self.preset
            value = getattr(chosen, name, None)
            return field.format(self._usual(field) if value is None else value)
        values = self.preset.hyperparameters
        return field.format(values.get(name, field.default))

    def _usual(self, field: FieldDescription) -> Any:
        """The settings' value of a field of the run."""
        match field.name:
            case "seeds":
                return (self._defaults.seed,)
            case "stop_on":
                return self._guards.stop_on
            case name:
                return getattr(self._defaults, name, field.default)

    def text(self, name: str) -> str:
        edits = self._edits_of(name)
        return edits[name] if name in edits else self.baseline(name)

    def edit(self, name: str, text: str, method: str | None = None) -> bool:
        """Take what the user typed; the core's objection to this field, if any, is forgotten.

        ``False`` when nothing changed, and for an echo of a form of another ``method`` than the current one.
        """
        if method not in (None, self.method) or text == self.text(name):
            return False
        self._refused.pop(name, None)
        if name == "model" and text.strip() in self._known_models:
            self.accept_model(text)
        edits = self._edits_of(name)
        if text == self.baseline(name):
            edits.pop(name, None)
        else:
            edits[name] = text
        return True

    def with_choice(self, name: str, value: str) -> str:
        """A field's text once ``value`` was chosen from its list: where it may hold several names, chosen
        once more is taken out again."""
        field = self.field(name)
        if field.options is None:
            return value
        try:
            chosen: tuple[str, ...] = parse(field, self.text(name))
        except FieldError:
            chosen = ()
        others = tuple(each for each in chosen if each != value)
        return field.format(others if len(others) < len(chosen) else (*chosen, value))

    def reset(self, name: str) -> None:
        """Back to the preset's value."""
        if name == "model":
            self.accept_model(self._defaults.model)
        self._edits_of(name).pop(name, None)
        self._refused.pop(name, None)

    def reset_all(self) -> None:
        """Every hyperparameter of this method back to the preset's value; the run's own fields stay."""
        self._edits[self.method].clear()
        self._refused.clear()

    def refuse(self, name: str, problem: str) -> bool:
        """Keep an objection from outside until the field is edited; ``False`` for a field not here."""
        if name not in self._by_name[self.method]:
            return False
        self._refused[name] = problem
        return True

    def forgive(self) -> None:
        """Forget all objections from outside: whoever raised them is about to judge again."""
        self._refused.clear()

    def changed(self, name: str) -> bool:
        """Whether the value (not merely its spelling) differs from the preset's."""
        if name not in self._edits_of(name):
            return False
        field = self.field(name)
        try:
            return parse(field, self.text(name)) != parse(field, self.baseline(name))
        except FieldError:
            return True

    def changes(self) -> list[str]:
        """Names of the fields that carry the mark of a difference from the preset."""
        return [
            field.name for field in (*RUN_FIELDS, *self.hyperparameter_fields()) if self._differs(field.name)
        ]

    def problems(self) -> dict[str, str]:
        """What is wrong, by field: unreadable values first, then conflicts between values, then refusals."""
        found: dict[str, str] = {}
        for field in (*fields_of(self.current.trains), *self.hyperparameter_fields()):
            text = self.text(field.name)
            if field.name in _REQUIRED and not text.strip():
                found[field.name] = _REQUIRED[field.name]
                continue
            try:
                parse(field, text)
            except FieldError as error:
                found[field.name] = error.problem
        if not any(name not in _RUN_NAMES for name in found):
            _, errors = validate(self.current.Hyperparameters, self.hyperparameters())
            found |= {error.name: error.problem for error in errors}
        return {**self._refused, **found}

    def look(self, name: str, problems: dict[str, str]) -> FieldLook:
        """How a field stands, given :meth:`problems`."""
        text, problem = self.text(name), problems.get(name)
        differs_from = self.baseline(name) if self._differs(name) else None
        return FieldLook(text, problem, differs_from, self._meaning(name) if problem is None else "")

    def in_preset(self, name: str) -> bool:
        """Whether a preset can say anything of the field."""
        return name in _PRESET_NAMES or name not in _RUN_NAMES

    def _differs(self, name: str) -> bool:
        return self.in_preset(name) and self.changed(name)

    def _meaning(self, name: str) -> str:
        field = self.field(name)
        return "" if field.meaning is None else field.meaning(parse(field, self.text(name)))

    def hyperparameters(self) -> dict[str, Any]:
        """The texts of all hyperparameters, for :func:`nli_console.methods.fields.validate`."""
        return {field.name: self.text(field.name) for field in self.hyperparameter_fields()}

    def run_value(self, name: str) -> Any:
        """A run field's value.

        Raises:
            FieldError: its text cannot be read.
        """
        return parse(self.field(name), self.text(name))

    def scored(self) -> tuple[tuple[str, ...], int]:
        """Which splits are scored and how many rows of each; of a method that trains, all of all.

        Raises:
            FieldError: one of the two cannot be read.
        """
        if self.current.trains:
            return (), 0
        return self.run_value("evaluate_on"), self.run_value("evaluation_rows")

    def clone(self, spec: RunSpec) -> str:
        """Fill the form with what a run was asked to be, and say against what its differences are marked.

        Raises:
            ConsoleError: its method does not exist here.
        """
        registry.get(spec.method)
        self.method = spec.method
        self._refused.clear()
        self._edits[self.method].clear()
        self._chosen.pop(self.method, None)
        # Before any edit: a preset may bring another model and data, against which edits are measured.
        if spec.preset is not None:
            with suppress(ConsoleError):
                self._chosen[self.method] = presets.load(spec.preset, spec.method, user_folder())
        values = {
            "model": spec.model_name,
            "data": spec.data.name,
            "fraction": spec.data.fraction,
            "evaluate_on": spec.data.evaluate_on,
            "evaluation_rows": spec.data.evaluation_rows,
            "seeds": (spec.seed,),
            "time_limit": spec.time_limit,
            "name": spec.name if spec.group is None else base_name(spec.name, spec.seed),
            "report_to": spec.report_to,
            "stop_on": spec.guards.stop_on,
        }
        for name, value in values.items():
            self.edit(name, self.field(name).format(value))
        self.accept_model(spec.model_name)
        fields = self._by_name[self.method]
        for name, value in spec.hyperparameters.items():
            if name in fields:
                self.edit(name, fields[name].format(value))
        missing = "" if spec.preset in (None, self.preset.name) else f"; its preset {spec.preset} is not here"
        count = len(self.changes())
        fields_differ = "nothing differs" if not count else "1 field differs" if count == 1 else \
            f"{count} fields differ"  # fmt: skip
        return f"Cloned {spec.name}: {fields_differ} from {self.preset.name}{missing}."

    def _edits_of(self, name: str) -> dict[str, str]:
        return self._run_edits if name in _RUN_NAMES else self._edits[self.method]
