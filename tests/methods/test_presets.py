"""Shipped presets are valid, and the user's own are kept, refused or reported."""

import tomllib

import pytest

from nli_console.errors import ConsoleError
from nli_console.methods import fields, presets, registry


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "presets").mkdir()
    return tmp_path


def save(folder, name="mine", **changes):
    values = {"method": "lora", "hyperparameters": {"lora_r": 4, "target_modules": ("query",)}} | changes
    return presets.save(name, user_folder=folder, **values)


def test_every_method_has_each_family_and_all_are_valid():
    shipped = {preset.name: preset for preset in presets.available()}
    reported = {name for name, method in registry.methods().items() if method.report_accuracy is not None}
    wanted = {("paper", method) for method in reported}
    wanted |= {(family, method) for family in ("recommended", "demo") for method in registry.methods()}
    assert wanted == {(preset.family, preset.method) for preset in shipped.values()}
    for preset in shipped.values():
        fields.require(registry.get(preset.method).Hyperparameters, preset.hyperparameters)
        assert preset.description
        assert preset.source
        assert preset.shipped


def test_a_family_may_have_several_of_a_method_and_its_name_alone_means_the_first():
    names = [preset.name for preset in presets.available() if preset.method == "icl"]
    assert names == [
        "paper/icl_zero_shot", "paper/icl_one_shot", "recommended/icl", "recommended/icl_zero_shot",
        "demo/icl", "demo/icl_zero_shot",
    ]  # fmt: skip
    assert presets.load("paper/icl").name == presets.load("paper", "icl").name == "paper/icl_zero_shot"
    assert presets.load("paper/icl_one_shot", "icl").hyperparameters["template"] == "report-one-shot"
    assert presets.load("recommended", "icl").name == "recommended/icl"
    assert presets.names_of(presets.load("paper/icl")) == {"paper/icl", "paper/icl_zero_shot"}
    assert presets.names_of(presets.load("demo/icl_zero_shot")) == {"demo/icl_zero_shot"}
    with pytest.raises(ConsoleError, match='"paper/icl_one_shot" is for icl, not for lora'):
        presets.load("paper/icl_one_shot", "lora")


def test_what_stands_beside_is_a_preset_of_the_report():
    for preset in presets.available():
        if preset.beside is not None:
            assert presets.load(preset.beside, preset.method).report is not None


def test_the_papers_recipe_is_the_one_its_notebook_ran():
    lora = presets.load("paper", "lora")
    assert (lora.model, lora.fraction) == ("roberta-large", 0.1)
    values = lora.hyperparameters
    assert (values["learning_rate"], values["lora_alpha"], values["batch_size"]) == (3e-5, 0.5, 8)
    full = presets.load("paper", "full").hyperparameters
    assert full["batch_size"] * full["gradient_accumulation_steps"] == 16


def test_a_family_alone_needs_the_method():
    assert presets.load("recommended", "full").name == "recommended/full"
    with pytest.raises(ConsoleError, match='"recommended/full" is for full, not for lora'):
        presets.load("recommended/full", "lora")
    with pytest.raises(
        ConsoleError, match=r'"recomended/lora" does not exist; did you mean "recommended/lora"'
    ):
        presets.load("recomended/lora", "lora")


@pytest.mark.parametrize(
    ("model", "family"), [("demo-encoder", "demo"), ("roberta-large", "recommended"), ("x/y", "recommended")]
)
def test_the_default_depends_on_the_model(model, family):
    assert presets.default_for("lora", model).name == f"{family}/lora"


def test_a_saved_preset_is_found_again(folder):
    path = save(folder, description="a first try", model="bert-base-cased", fraction=0.5)
    preset = presets.load("mine", "lora", folder)
    assert path == folder / "presets" / "mine.toml"
    assert (preset.description, preset.model, preset.fraction) == ("a first try", "bert-base-cased", 0.5)
    assert fields.require(registry.get("lora").Hyperparameters, preset.hyperparameters).target_modules == (
        "query",
    )
    assert not preset.shipped
    assert [path.name for path in path.parent.iterdir()] == ["mine.toml"]


def test_a_taken_name_is_overwritten_only_when_told_so(folder):
    path = save(folder)
    before = path.read_bytes()
    with pytest.raises(ConsoleError, match='"mine" exists already'):
        save(folder, hyperparameters={"lora_r": 8})
    assert path.read_bytes() == before
    save(folder, hyperparameters={"lora_r": 8}, overwrite=True)
    assert tomllib.loads(path.read_text())["hyperparameters"] == {"lora_r": 8}


@pytest.mark.parametrize("name", ["", "../escape", "a/b", ".hidden", "paper", "x" * 65, "a\nb", "né"])
def test_a_name_that_could_be_a_path_is_refused(folder, name):
    with pytest.raises(ConsoleError, match="preset name"):
        save(folder, name)
    assert not list((folder / "presets").iterdir())


def test_values_that_are_not_valid_are_not_saved(folder):
    with pytest.raises(ConsoleError, match="--lora-r 0: must be at least 1"):
        save(folder, hyperparameters={"lora_r": 0})
    assert not list((folder / "presets").iterdir())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('method = "lora" "full"', "not valid TOML.*line 1"),
        (
            'method = "lora"\nhyperparametres = {}',
            'unknown key "hyperparametres"; did you mean "hyperparameters"',
        ),
        ('method = "lora"\nfraction = 2', "fraction: input should be less than or equal to 1"),
        ('method = "lora"\n[hyperparameters]\nlora_r = 0', "--lora-r 0: must be at least 1"),
        ('method = "magic"', 'method "magic" does not exist'),
        ("", "method: field required"),
        ("a = " + "[" * 5000, "not valid TOML"),
        ("#" * 70000, "larger than 64 KiB"),
    ],
)
def test_a_broken_preset_is_reported_and_the_rest_works(folder, text, problem):
    save(folder, "good")
    (folder / "presets" / "bad.toml").write_text(text)
    found = presets.scan(folder)
    assert [preset.name for preset in found.presets if not preset.shipped] == ["good"]
    assert len(found.problems) == 1
    with pytest.raises(ConsoleError, match=rf"bad\.toml: .*{problem}"):
        presets.load("bad", "lora", folder)


def test_bytes_that_are_no_text_are_reported(folder):
    (folder / "presets" / "bad.toml").write_bytes(b"method = \xff")
    assert "not valid TOML" in presets.scan(folder).problems[0]
