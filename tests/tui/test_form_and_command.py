"""What the form can ask for the command line can, and the reverse."""

import inspect

import pytest

from nli_console.cli import run as command
from nli_console.cli.context import Context
from nli_console.cli.globals import Globals
from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.methods.fields import validate
from nli_console.record.compose import Draft, compose, members
from nli_console.record.run_fields import RUN_FIELDS, SCORING_FIELDS
from nli_console.tui.form import Form
from nli_console.tui.launching import draft_of

OF_THE_CALL = {"detach", "watch", "dry_run", "json"}
"""Options that say what the command does with the run, not what the run is."""
OTHERWISE_IN_THE_FORM = {"preset": "f4", "ignore": "f9", "seed": "seeds", "repeat": "seeds"}
TYPED = {
    "model": "bert-base-uncased", "data": "stanfordnlp/snli", "fraction": "0.25", "seeds": "3,1,2",
    "time_limit": "2h30m", "name": "a try", "report_to": "wandb, mlflow", "stop_on": "nan_steps,grad_norm",
}  # fmt: skip
TYPED_FOR_SCORING = {"evaluate_on": "validation_matched, validation_mismatched", "evaluation_rows": "200"}


def options(method: str) -> set[str]:
    signature = inspect.signature(command._command(registry.get(method)))
    return set(signature.parameters) - {"context"} - OF_THE_CALL


@pytest.mark.parametrize("method", list(registry.methods()))
def test_form_and_command_line_have_the_same_fields(loaded, method):
    form = Form(loaded().values)
    form.method = method
    fields = {field.name for field in (*RUN_FIELDS, *form.hyperparameter_fields())}
    if form.current.trains:
        fields -= SCORING_FIELDS
    assert fields == options(method) - set(OTHERWISE_IN_THE_FORM)


@pytest.mark.parametrize("name", [None, *TYPED, *TYPED_FOR_SCORING])
def test_the_same_words_make_the_same_runs(loaded, name):
    settings = loaded(
        defaults={"report_to": ["tensorboard"], "model": "roberta-large", "data": "nyu-mll/multi_nli"},
        guards={"stop_on": ["one_class"]},
    )
    method = "icl" if name in TYPED_FOR_SCORING else "lora"
    given = {} if name is None else {name: (TYPED | TYPED_FOR_SCORING)[name]}
    form = Form(settings.values)
    form.method = method
    for field, text in given.items():
        form.edit(field, text)
    assert form.problems() == {}
    hyperparameters, _ = validate(form.current.Hyperparameters, form.hyperparameters())
    from_form = members(compose(draft_of(form, hyperparameters), settings), form.run_value("seeds"))

    context = Context(Globals())
    context.__dict__["settings"] = settings
    asked = command.RunOptions(**given)
    draft = command.make_draft(registry.get(method), {}, asked, context)
    from_command = members(compose(draft, settings), command.chosen_seeds(asked, draft.seed))

    assert [asking(spec) for spec in from_form] == [asking(spec) for spec in from_command]
    if name is not None:
        unedited = Form(settings.values)
        unedited.method = method
        values, _ = validate(unedited.current.Hyperparameters, unedited.hyperparameters())
        usual = members(compose(draft_of(unedited, values), settings), unedited.run_value("seeds"))
        assert [asking(spec) for spec in usual] != [asking(spec) for spec in from_form]


def asking(spec):
    """A spec without what is new in every submission."""
    fields = spec.model_dump(exclude={"id", "group", "submitted", "provenance"})
    return {**fields, "command": spec.provenance.command, "grouped": spec.group is not None}


def test_what_was_trained_is_reported_on_in_full(loaded):
    settings = loaded(defaults={"model": "roberta-large", "data": "nyu-mll/multi_nli"})
    form = Form(settings.values)
    form.method = "icl"
    form.edit("evaluation_rows", "200")
    form.edit("evaluate_on", "validation_matched")
    values, _ = validate(form.current.Hyperparameters, form.hyperparameters())
    few = compose(draft_of(form, values), settings)
    form.method = "lora"
    assert form.scored() == ((), 0)
    again = Form(settings.values)
    again.clone(few)
    assert again.scored() == (("validation_matched",), 200)
    with pytest.raises(ConsoleError, match="lora trains, and is reported on every validation row"):
        compose(Draft("lora", "roberta-large", "nyu-mll/multi_nli", evaluation_rows=200), settings)
    with pytest.raises(ConsoleError, match="demonstrations come from it"):
        compose(Draft("icl", "roberta-large", "nyu-mll/multi_nli", evaluate_on=("train",)), settings)
