import pytest

from nli_console.methods import presets
from nli_console.settings import Defaults, Settings
from nli_console.tui.form import Form


@pytest.fixture
def form():
    return Form(Settings(defaults=Defaults(method="lora", model="roberta-large", data="nyu-mll/multi_nli")))


def test_an_unedited_form_holds_the_recommended_values(form):
    assert form.preset.name == "recommended/lora"
    assert form.text("target_modules") == "query,value"
    assert form.text("model") == "roberta-large"
    assert form.problems() == {}
    assert form.changes() == []


def test_the_demo_preset_follows_a_demo_model(form):
    form.edit("model", "demo-encoder")
    assert form.preset.name == "demo/lora"
    assert form.text("max_length") == "64"


def test_a_model_that_is_being_typed_leaves_the_preset_alone(form):
    form.edit("model", "demo-encoder")
    for text in ("demo-encodr", "emo-encoder", "/demo-encoder", ""):
        form.edit("model", text)
        assert form.preset.name == "demo/lora"
    form.edit("model", "./my-model")
    assert form.accept_model("./my-model"), "it was found, so it is what the preset has to suit"
    assert form.preset.name == "recommended/lora"
    form.edit("model", "my-modl")
    assert form.preset.name == "recommended/lora"
    form.reset("model")
    assert form.preset.name == "recommended/lora"


def test_the_demo_model_follows_the_method():
    form = Form(Settings(defaults=Defaults(method="lora", model="demo-encoder", data="demo")))
    form.method = "icl"
    assert form.text("model") == "demo-decoder"
    assert form.changes() == []
    form.method = "lora"
    assert form.text("model") == "demo-encoder"


def test_a_changed_field_shows_what_the_preset_has(form):
    form.edit("learning_rate", "1e-4")
    look = form.look("learning_rate", form.problems())
    assert (look.text, look.problem, look.differs_from) == ("1e-4", None, "3e-4")


def test_every_marked_field_is_counted(form):
    form.edit("fraction", "0.1")
    form.edit("lora_r", "16")
    form.edit("seeds", "7")
    assert form.changes() == ["fraction", "lora_r"]


def test_another_spelling_of_the_same_value_is_no_change(form):
    form.edit("learning_rate", "0.0003")
    assert form.changes() == []


def test_reset_brings_the_preset_value_back(form):
    form.edit("lora_r", "64")
    form.reset("lora_r")
    assert form.text("lora_r") == "8"
    assert form.changes() == []


def test_switching_methods_keeps_what_was_typed_in_each(form):
    form.edit("lora_r", "64")
    form.method = "full"
    form.edit("learning_rate", "2e-5")
    form.method = "lora"
    assert form.text("lora_r") == "64"
    assert form.text("learning_rate") == "3e-4"
    form.method = "full"
    assert form.text("learning_rate") == "2e-5"


def test_a_chosen_preset_sets_model_data_and_fraction_but_keeps_edits(form):
    form.edit("lora_r", "64")
    form.choose_preset(presets.load("paper/lora", "lora"))
    assert form.text("fraction") == "0.1"
    assert form.text("learning_rate") == "3e-5"
    assert form.text("lora_r") == "64"
    assert form.changes() == ["lora_r"]


def test_wrong_texts_are_named_and_kept(form):
    form.edit("learning_rate", "fast")
    form.edit("fraction", "2")
    form.edit("model", "  ")
    problems = form.problems()
    assert problems["learning_rate"] == "must be a number"
    assert problems["fraction"] == "must be at most 1"
    assert problems["model"] == "name a model"
    assert form.text("learning_rate") == "fast"


def test_an_objection_of_the_core_stays_until_the_field_is_edited(form):
    assert form.refuse("model", "there is no such folder")
    assert form.problems()["model"] == "there is no such folder"
    form.edit("model", "roberta-base")
    assert form.problems() == {}


def test_an_objection_to_a_field_of_another_method_is_not_kept(form):
    form.method = "full"
    assert not form.refuse("lora_r", "too large")


def test_an_echo_of_another_methods_form_changes_nothing(form):
    assert not form.edit("learning_rate", "0.5", "full")
    assert form.changes() == []


def test_clone_fills_in_what_a_run_was_asked_to_be(form):
    from tests.support.fake_runs import make_spec

    spec = make_spec(seed=7, name="better", hyperparameters={"lora_r": 4, "learning_rate": 1e-4})
    form.clone(spec)
    assert (form.text("seeds"), form.text("name"), form.text("lora_r")) == ("7", "better", "4")
    assert form.text("model") == spec.model_name
    assert form.text("learning_rate") == "1e-4"
