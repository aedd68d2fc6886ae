"""methods, presets and cache."""

from nli_console.methods import presets


def test_methods_tells_the_trainable_parameters_of_the_models_of_the_report(place):
    text = place.call("methods").out
    assert "355,362,819" in text
    assert "1,839,107" in text
    assert "41,943,040" in text
    assert "41,955,328" in text
    record = {method["name"]: method for method in place.call("methods", "--json").json}
    assert record["full"]["trainable_parameters"] == {"roberta-large": 355_362_819}
    llama = "meta-llama/Meta-Llama-3-8B-Instruct"
    assert record["qlora_classifier"]["trainable_parameters"] == {llama: 41_955_328}
    fields = {field["name"]: field for field in record["lora"]["hyperparameters"]}
    assert (fields["lora_r"]["minimum"], fields["lora_r"]["maximum"]) == (1, 1024)


def test_presets_lists_the_users_own_and_reports_a_broken_one(place):
    user_folder = place.folder / "XDG_CONFIG_HOME" / "nli-console"
    presets.save("mine", method="lora", hyperparameters={"lora_r": 4}, user_folder=user_folder)
    (user_folder / "presets" / "bad.toml").write_text("method = 1 2")
    result = place.call("presets")
    assert result.code == 0
    assert "mine" in result.out
    assert "bad.toml: not valid TOML" in result.err
    names = [preset["name"] for preset in place.call("presets", "--json").json]
    assert {"paper/full", "demo/lora", "mine"} <= set(names)


def test_a_preset_is_shown_with_what_differs_from_the_defaults(place):
    text = place.call("presets", "show", "paper/lora").out
    line = next(line for line in text.splitlines() if line.startswith("--lora-alpha"))
    assert "0.5" in line
    assert "default 16" in line
    assert place.call("presets", "show", "paper/lora", "--json").json["hyperparameters"]["lora_alpha"] == 0.5
    assert 'did you mean "paper/lora"' in place.call("presets", "show", "papr/lora").err


def test_the_cache_is_measured_and_cleared(place):
    folder = place.folder / "cache" / "tokenised"
    folder.mkdir(parents=True)
    (folder / "key.safetensors").write_bytes(b"x" * 2048)
    assert place.call("cache", "--json").json["bytes"] == 2048
    assert "2 KiB" in place.call("cache").out
    assert place.call("cache", "clear").out.strip() == "freed 2 KiB"
    assert place.call("cache", "--json").json["bytes"] == 0
