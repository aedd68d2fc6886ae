"""run: what is merged, checked, shown and started, and how it ends."""

import pytest

from nli_console.methods import presets
from nli_console.record.spec_io import load_spec


def plan(place, *arguments):
    result = place.call("run", *arguments, "--dry-run", "--json")
    assert result.code == 0, result.err
    assert place.runs == []
    return result.json


def test_dry_run_prints_the_spec_with_exact_counts_and_starts_nothing(place):
    spec = plan(place, "lora", "--target-modules", "query,dense", "--lora-r", "8")
    assert spec["trainable_parameters"] == 3_805_187
    assert spec["hyperparameters"]["target_modules"] == ["query", "dense"]
    assert (spec["model_name"], spec["data"]["name"]) == ("tiny", "pairs")
    text = place.call("run", "lora", "--dry-run").out
    assert "nothing was started" in text


def test_options_override_the_preset_and_the_preset_the_defaults(place):
    spec = plan(place, "lora", "--preset", "paper", "--model", "tiny", "--data", "pairs", "--epochs", "2")
    values = spec["hyperparameters"]
    assert (values["lora_alpha"], values["epochs"]) == (0.5, 2)
    assert spec["changed"] == {"epochs": 2}
    assert spec["data"]["fraction"] == 0.1
    assert spec["preset"] == "paper/lora"


def test_without_a_preset_the_recommended_one_holds(place):
    assert plan(place, "lora")["preset"] == "recommended/lora"


def test_without_a_method_the_settings_decide(place):
    assert plan(place, "--lora-r", "4")["method"] == "lora"
    path = place.folder / "settings.toml"
    path.write_text(path.read_text().replace("[defaults]", '[defaults]\nmethod = "full"'))
    result = place.call("run", "--dry-run", "--json")
    assert result.json["method"] == "full"
    assert "method full, by the settings" in result.err


def test_the_users_own_preset_is_found(place):
    user_folder = place.folder / "XDG_CONFIG_HOME" / "nli-console"
    presets.save("mine", method="lora", hyperparameters={"lora_r": 4}, user_folder=user_folder)
    assert plan(place, "lora", "--preset", "mine")["hyperparameters"]["lora_r"] == 4


def test_every_option_of_a_run_is_recorded(place):
    spec = plan(
        place, "lora", "--name", "a try", "--seed", "7", "--fraction", "0.5", "--time-limit", "2h30m",
        "--use-dora", "--no-select-best", "--schedule", "cosine",
    )  # fmt: skip
    assert (spec["name"], spec["seed"], spec["data"]["fraction"], spec["time_limit"]) == (
        "a try",
        7,
        0.5,
        9000,
    )
    values = spec["hyperparameters"]
    assert (values["use_dora"], values["select_best"], values["schedule"]) == (True, False, "cosine")


def test_trackers_come_from_the_option_or_the_settings(place):
    assert plan(place, "lora")["report_to"] == []
    named = plan(place, "lora", "--report-to", "mlflow, wandb")
    assert named["report_to"] == ["mlflow", "wandb"]
    assert plan(place, *named["provenance"]["command"][2:])["report_to"] == ["mlflow", "wandb"]
    settings = place.folder / "settings.toml"
    content = settings.read_text()
    assert "[defaults]\n" in content
    settings.write_text(content.replace("[defaults]\n", '[defaults]\nreport_to = ["tensorboard"]\n'))
    assert plan(place, "lora")["report_to"] == ["tensorboard"]
    assert plan(place, "lora", "--report-to", "none")["report_to"] == []


def test_the_recorded_command_asks_for_the_same_again(place):
    first = plan(
        place, "lora", "--use-dora", "--lora-r", "4", "--name", "two words", "--target-modules", "query"
    )
    command = first["provenance"]["command"]
    assert command[:3] == ["nli-console", "run", "lora"]
    again = plan(place, *command[2:])
    assert again["hyperparameters"] == first["hyperparameters"]
    assert again["name"] == "two words"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learning-rate", "3"], "--learning-rate 3: must be at most 1"),
        (["--learning-rate", "-1"], "--learning-rate -1: must be more than 0"),
        (["--batch-size", "2.5"], "--batch-size 2.5: must be a whole number"),
        (
            ["--schedule", "cosin"],
            '--schedule cosin: must be linear, cosine or constant; did you mean "cosine"?',
        ),
        (["--fraction", "10%"], "--fraction 10%: must be a number, such as 0.1"),
        (["--fraction", "0"], "--fraction 0: must be more than 0"),
        (["--seed", "-1"], "--seed -1: must be a whole number from 0 to 4294967295"),
        (["--time-limit", "soon"], "--time-limit soon: expected a time above zero"),
        (["--time-limit", "0"], "--time-limit 0: expected a time above zero"),
        (["--target-modules", "values"], '"values" matches no module of model; did you mean "value"?'),
        (["--preset", "papper"], 'preset "papper" does not exist'),
        (["--model", "./nowhere"], "nowhere"),
        (["--data", "./nowhere"], "nowhere"),
        (
            ["--report-to", "wandbb"],
            '--report-to wandbb: no tracker is called "wandbb"; did you mean "wandb"?',
        ),
        (["--report-to", "none,wandb"], "none excludes the others"),
        (["--detach", "--watch"], "--detach and --watch contradict each other"),
    ],
)
def test_a_value_that_cannot_be_used_is_told_and_nothing_starts(place, arguments, message):
    result = place.call("run", "lora", *arguments)
    assert result.code == 2
    assert message in result.err
    assert place.runs == []


def test_all_wrong_options_are_told_at_once(place):
    result = place.call("run", "lora", "--learning-rate", "3", "--lora-r", "0")
    assert result.err.splitlines() == [
        "--learning-rate 3: must be at most 1",
        "--lora-r 0: must be at least 1",
    ]


def test_help_shows_bounds_units_and_defaults(place):
    text = " ".join(place.call("run", "lora", "--help").out.replace("│", " ").split())
    for said in (
        "1…1024",
        "8…8192 tokens",
        "[default: 3e-4]",
        "> 0, ≤ 1",
        "--no-use-dora",
        "linear, cosine or",
    ):
        assert said in text
    assert "context" not in text


def test_a_finished_run_ends_with_0_and_its_json_alone_on_stdout(place):
    result = place.call("run", "lora", "--json", "--name", "quick")
    assert result.code == 0, result.err
    assert result.json["state"] == "finished"
    assert result.json["name"] == "quick"
    (layout,) = place.runs
    assert load_spec(layout).method == "lora"


def test_a_run_that_fails_says_why_and_ends_with_1(place):
    place.write_settings(steps=5, end="fail", message="the loss exploded")
    result = place.call("run", "full")
    assert result.code == 1
    assert "failed" in result.out
    assert "nli-console show" in result.out


def test_detach_returns_at_once_and_stop_and_resume_work(place):
    place.write_settings(steps=100_000, step_seconds=0.01)
    result = place.call("run", "lora", "--detach")
    assert result.code == 0
    (layout,) = place.runs
    assert f"nli-console watch {layout.id}" in result.out
    assert layout.id in place.call("stop", layout.id).out
    assert place.call("watch", layout.id).code == 3
    assert place.call("resume", layout.id).code == 0
    assert place.call("stop", layout.id).code == 0
    assert place.call("watch", layout.id).code == 3
    assert len(list(layout.attempts.iterdir())) == 2
