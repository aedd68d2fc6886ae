"""What a user reads about a hyperparameter, and what a wrong value is told."""

import pytest

from nli_console.errors import ConsoleError
from nli_console.methods import fields, registry
from nli_console.methods.fields import FieldError

FULL = registry.get("full").Hyperparameters
LORA = registry.get("lora").Hyperparameters


def described(model, name):
    return next(field for field in fields.describe(model) if field.name == name)


def messages(values, model=LORA):
    validated, errors = fields.validate(model, values)
    assert (validated is None) == bool(errors)
    return [str(error) for error in errors]


@pytest.mark.parametrize(
    ("name", "kind", "bounds", "unit", "default"),
    [
        ("learning_rate", "float", "> 0, ≤ 1", "", "3e-4"),
        ("batch_size", "int", "1…4096", "examples", "32"),
        ("max_steps", "int", "≥ 0", "steps", "0"),
        ("warmup", "float", "≥ 0, < 1", "", "0.06"),
        ("schedule", "choice", "linear, cosine or constant", "", "linear"),
        ("use_dora", "bool", "", "", "no"),
        ("target_modules", "list", "", "", "all-linear"),
        ("adam_epsilon", "float", "> 0, ≤ 1", "", "1e-8"),
    ],
)
def test_a_field_is_described_from_its_declaration(name, kind, bounds, unit, default):
    field = described(LORA, name)
    assert (field.kind, field.bounds, field.unit, field.format(field.default)) == (
        kind,
        bounds,
        unit,
        default,
    )
    assert field.option == "--" + name.replace("_", "-")
    assert field.help
    assert field.group


@pytest.mark.parametrize("model", [FULL, LORA])
def test_every_default_is_read_back_from_its_text(model):
    for field in fields.describe(model):
        assert fields.parse(field, field.format(field.default)) == field.default


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("learning_rate", " 3e-4 ", 3e-4),
        ("batch_size", "1e2", 100),
        ("use_dora", "Yes", True),
        ("use_dora", "off", False),
        ("schedule", "COSINE", "cosine"),
        ("target_modules", "query, value", ("query", "value")),
        ("target_modules", "query,value,query", ("query", "value", "query")),
    ],
)
def test_parse_reads_what_a_person_types(name, text, value):
    assert fields.parse(described(LORA, name), text) == value


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rate": "3"}, "--learning-rate 3: must be at most 1"),
        ({"learning_rate": 0}, "--learning-rate 0: must be more than 0"),
        ({"warmup": 1.0}, "--warmup 1: must be less than 1"),
        ({"batch_size": "0"}, "--batch-size 0: must be at least 1 examples"),
        ({"batch_size": "2.5"}, "--batch-size 2.5: must be a whole number"),
        ({"batch_size": True}, "--batch-size yes: must be a number"),
        ({"batch_size": ""}, "--batch-size '': must be a number"),
        ({"epochs": "1,5"}, "--epochs 1,5: must be a number; write the decimal point as a dot"),
        ({"epochs": "inf"}, "--epochs inf: must be a finite number"),
        ({"epochs": float("nan")}, "--epochs nan: must be a finite number"),
        ({"use_dora": "maybe"}, "--use-dora maybe: must be yes or no"),
        (
            {"schedule": "cosin"},
            '--schedule cosin: must be linear, cosine or constant; did you mean "cosine"?',
        ),
        (
            {"lerning_rate": 1},
            "--lerning-rate: is not a hyperparameter of this method; did you mean --learning-rate?",
        ),
        ({"zebra": 1}, "--zebra: is not a hyperparameter of this method"),
        (
            {"target_modules": "query/../value"},
            '--target-modules query/../value: "query/../value" is not a module name; '
            "write names such as query or attention.output.dense",
        ),
        (
            {"early_stopping_patience": 3, "evaluations": 0},
            "--early-stopping-patience 3: needs evaluations during training, but --evaluations is 0",
        ),
    ],
)
def test_a_wrong_value_is_told_in_words_of_the_option(values, message):
    assert messages(values) == [message]


def test_all_errors_come_at_once_and_each_knows_its_field():
    _, errors = fields.validate(LORA, {"learning_rate": "x", "lora_r": 0, "epochs": 2})
    assert [(error.name, error.problem) for error in errors] == [
        ("learning_rate", "must be a number"),
        ("lora_r", "must be at least 1"),
    ]
    with pytest.raises(ConsoleError) as raised:
        fields.require(LORA, {"learning_rate": "x", "lora_r": 0})
    assert len(str(raised.value).splitlines()) == 2


def test_a_record_survives_json():
    import json

    first = fields.require(LORA, {"target_modules": "query,value", "lora_alpha": 0.5, "epochs": 3})
    again = fields.require(LORA, json.loads(json.dumps(first.model_dump())))
    assert again == first


def test_parse_checks_bounds_too():
    with pytest.raises(FieldError, match="must be at most 4096 examples"):
        fields.parse(described(FULL, "batch_size"), "5000")


def test_an_unknown_method_names_the_closest():
    with pytest.raises(
        ConsoleError, match=r'"lorra" does not exist; did you mean "lora"\? \(methods: full, '
    ):
        registry.get("lorra")
