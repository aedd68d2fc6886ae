"""The hyperparameters of one method as rows under group titles, advanced ones folded away."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Static

from nli_console.methods.base import TrainingHyperparameters
from nli_console.methods.fields import FieldDescription, describe
from nli_console.tui.form import FieldLook, Form
from nli_console.tui.suggestions import suggests
from nli_console.tui.symbols import Symbols
from nli_console.tui.widgets.field_row import FieldRow

Suggest = Callable[[FieldDescription], Iterable[str]]
"""Names that a field completes what is typed to."""

_SHARED = frozenset(field.group for field in describe(TrainingHyperparameters))


class Fold(Static):
    """The line that says how many fields are folded away; a click unfolds them."""

    async def on_click(self, event: events.Click) -> None:
        await self.run_action("screen.advanced")


class MethodForm(Vertical):
    """Rows for the form's current method; made once per method and kept, so that nothing typed is lost.

    Advanced rows are made when they are to be seen for the first time.
    """

    DEFAULT_CSS = """
    MethodForm { height: auto; }
    MethodForm > .group { height: auto; }
    MethodForm .title { margin-top: 1; padding-left: 3; color: $muted; text-style: bold; }
    MethodForm.-folded .-advanced { display: none; }
    MethodForm.-folded .-advanced.-lifted { display: block; }
    MethodForm Fold { height: 1; margin: 1 0; padding-left: 3; color: $muted; pointer: pointer; }
    MethodForm Fold:hover { color: $accent; }
    """

    def __init__(self, form: Form, suggest: Suggest, symbols: Symbols, *, folded: bool) -> None:
        super().__init__(id=f"form-{form.method}", classes="-folded" if folded else "")
        self.method = form.method
        self._suggest = suggest
        self._symbols = symbols
        self._groups = _grouped(form.hyperparameter_fields())
        self._places: dict[str, str] = {}
        problems = form.problems()
        self._looks = {field.name: form.look(field.name, problems) for field in form.hyperparameter_fields()}
        self._advanced = len(self._advanced_fields())
        self._complete = not folded or any(
            _lifted(self._looks[field.name]) for field in self._advanced_fields()
        )

    @dataclass
    class Edited(Message):
        """The user changed a hyperparameter of ``method``, which may no longer be the current one."""

        method: str
        name: str
        text: str

    def compose(self) -> ComposeResult:
        for title, fields in self._groups.items():
            everything_advanced = all(field.advanced for field in fields)
            with Vertical(classes="group", id=f"group-{len(self._places)}"):
                self._places[title] = f"#group-{len(self._places)}"
                yield Static(
                    title, markup=False, classes="title -advanced" if everything_advanced else "title"
                )
                for field in fields:
                    if self._complete or not field.advanced:
                        yield self._row(field)
        if self._advanced:
            yield Fold(self._fold_text(), markup=False)

    def _row(self, field: FieldDescription) -> FieldRow:
        look = self._looks[field.name]
        names = partial(self._suggest, field) if suggests(field) and not field.choices else None
        row = FieldRow(field, look, self._symbols, suggestions=names, listed=suggests(field))
        self._classify(row, look)
        return row

    def _advanced_fields(self) -> list[FieldDescription]:
        return [field for fields in self._groups.values() for field in fields if field.advanced]

    def _make_complete(self) -> None:
        """Make the rows of the advanced fields; they are the last of their groups."""
        if self._complete or not self._places:
            return
        self._complete = True
        for title, fields in self._groups.items():
            self.query_one(self._places[title]).mount_all(
                [self._row(field) for field in fields if field.advanced]
            )

    @on(FieldRow.Edited)
    def _edited(self, event: FieldRow.Edited) -> None:
        event.stop()
        self.post_message(self.Edited(self.method, event.name, event.text))

    def rows(self) -> Iterator[FieldRow]:
        return iter(self.query(FieldRow))

    def show(self, form: Form, problems: dict[str, str], *, write: bool) -> None:
        """Repaint the rows that changed. A folded field that is wrong or was changed stays visible."""
        self._looks = {name: form.look(name, problems) for name in self._looks}
        if any(_lifted(self._looks[field.name]) for field in self._advanced_fields()):
            self._make_complete()
        for row in self.rows():
            look = self._looks[row.field.name]
            row.show(look, write=write)
            self._classify(row, look)

    def fold(self, folded: bool) -> None:
        if not folded:
            self._make_complete()
        self.set_class(folded, "-folded")
        for line in self.query(Fold):
            line.update(self._fold_text())

    @staticmethod
    def _classify(row: FieldRow, look: FieldLook) -> None:
        row.set_class(row.field.advanced, "-advanced")
        row.set_class(_lifted(look), "-lifted")

    def _fold_text(self) -> Content:
        folded = self.has_class("-folded")
        mark = self._symbols.folded if folded else self._symbols.unfolded
        words = f"{self._advanced} more, advanced fields" if folded else "fold the advanced fields away"
        return Content.assemble(f"{mark} {words}", ("  f3", "$accent"))


def _lifted(look: FieldLook) -> bool:
    """Whether a folded field is to be seen all the same."""
    return look.problem is not None or look.differs_from is not None


def _grouped(fields: tuple[FieldDescription, ...]) -> dict[str, list[FieldDescription]]:
    """Fields by group: the method's own groups first, plain fields before advanced ones."""
    groups: dict[str, list[FieldDescription]] = {}
    for field in sorted(fields, key=lambda field: field.group in _SHARED):
        groups.setdefault(field.group, []).append(field)
    return {title: sorted(members, key=lambda field: field.advanced) for title, members in groups.items()}
