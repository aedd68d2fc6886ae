import json
from pathlib import Path

import pytest

from nli_console.errors import ConsoleError
from nli_console.record.compose import Draft, compose, equivalent_command
from nli_console.record.log_tail import LogTail, read_log
from nli_console.record.secrets import HIDDEN, scrub, scrub_arguments
from nli_console.settings import load_settings

TOKEN = "hf_" + "aB3dE5gH7j" * 4
WANDB = "0123456789abcdef" * 2 + "01234567"


@pytest.mark.parametrize(
    "text",
    [
        f"using {TOKEN} now",
        f"HF_TOKEN={TOKEN}",
        f"wandb login {WANDB}",
        f"WANDB_API_KEY={WANDB}",
        f'"api_key": "{WANDB}"',
        f"Authorization: Bearer {WANDB}",
        f"https://user:{WANDB}@host/x",
        "sk-ant-" + "aB3dE5gH7j" * 4,
        "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
    ],
)
def test_secrets_are_hidden(text: str) -> None:
    hidden = scrub(text)
    assert HIDDEN in hidden
    assert not any(part in hidden for part in (TOKEN, WANDB, "wJalr", "sk-ant"))


@pytest.mark.parametrize(
    "text",
    [
        "loss 0.6931, 12,270 steps",
        f"commit {WANDB}",
        "the token embeddings of roberta-large/model.safetensors are tied",
        "pad_token_id=128001 eos_token=<|end_of_text|>",
        "https://huggingface.co/FacebookAI/roberta-large",
        "tokenizer_class: RobertaTokenizerFast",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert scrub(text) == text


def test_a_token_that_stands_alone_behind_its_option_is_hidden() -> None:
    assert scrub_arguments(["run", "--token", "short", "--seed", "1"]) == [
        "run",
        "--token",
        HIDDEN,
        "--seed",
        "1",
    ]


def test_a_pad_token_is_no_secret() -> None:
    command = ["run", "qlora_sft", "--pad-token", "<|reserved_special_token_0|>"]
    assert scrub_arguments(command) == command


def test_the_end_of_a_log_is_clean_scrubbed_and_folded(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(
        b"step 1%\rstep 50%\rstep 100%\n\x1b[31mred\x1b[0m \x1b]52;c;aGk=\x07text\n"
        + f"token {TOKEN}\r\n".encode()
        + b"\xff\xfe not utf-8\nhalf"
    )
    tail = LogTail(path)
    assert tail.read()
    assert list(tail.lines)[:3] == ["step 100%", "red text", f"token {HIDDEN}"]
    assert tail.current == "half"
    assert not any("\x1b" in line for line in tail.lines)
    with path.open("ab") as stream:
        stream.write(b" a line\nnext\n")
    tail.read()
    assert list(tail.lines)[-2:] == ["half a line", "next"]
    assert not tail.read()
    assert read_log(path, 1) == ["next"]


def test_a_huge_log_is_read_from_its_end(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(b"x" * 10_000_000 + b"\n" + b"".join(b"line %d\n" % n for n in range(20_000)))
    tail = LogTail(path, size=4096)
    tail.read()
    assert tail.lines[-1] == "line 19999"
    assert all(line.startswith("line ") for line in tail.lines)
    path.write_bytes(b"new\n")
    tail.read()
    assert list(tail.lines) == ["new"]


def settings_of(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(f'cache_dir = "cache"\n{text}', encoding="utf-8")
    return path


def test_a_spec_is_complete_and_its_command_says_what_differs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    settings = load_settings(settings_of(tmp_path, ""), tmp_path / "runs")
    draft = Draft("lora", "demo-encoder", "demo", {"learning_rate": "2e-3"}, preset="demo", seed=7)
    spec = compose(draft, settings)
    assert spec.changed == {"learning_rate": 2e-3}
    assert spec.preset == "demo/lora"
    assert spec.hyperparameters["batch_size"] > 0
    assert Path(spec.model).is_absolute()
    assert Path(spec.data.source).is_absolute()
    command = equivalent_command(spec)
    assert command[:5] == ["nli-console", "run", "lora", "--preset", "demo/lora"]
    assert command[-2:] == ["--learning-rate", "0.002"]
    assert spec.provenance.command == command
    assert TOKEN not in json.dumps(spec.model_dump(mode="json"))


def test_a_token_in_the_name_is_not_recorded(tmp_path: Path) -> None:
    settings = load_settings(settings_of(tmp_path, ""), tmp_path / "runs")
    spec = compose(Draft("lora", "demo-encoder", "demo", name=f"try {TOKEN}"), settings)
    assert TOKEN not in json.dumps(spec.model_dump(mode="json"))


@pytest.mark.parametrize(
    "text",
    [
        f'[launch]\nenvironment = {{ HF_TOKEN = "{TOKEN}" }}',
        f'[interface]\non_finish = ["curl", "--token", "{WANDB}"]',
    ],
)
def test_a_secret_in_the_settings_is_refused_before_it_is_recorded(tmp_path: Path, text: str) -> None:
    settings = load_settings(settings_of(tmp_path, text), tmp_path / "runs")
    with pytest.raises(ConsoleError, match="looks like a secret") as caught:
        compose(Draft("lora", "demo-encoder", "demo"), settings)
    assert TOKEN not in str(caught.value)


def test_every_error_of_a_draft_speaks_of_its_option(tmp_path: Path) -> None:
    settings = load_settings(settings_of(tmp_path, ""), tmp_path / "runs")
    with pytest.raises(ConsoleError) as caught:
        compose(Draft("lora", "demo-encoder", "demo", {"epochs": "-1", "batch_size": 0}), settings)
    assert [line.split()[0] for line in str(caught.value).splitlines()] == ["--epochs", "--batch-size"]
    with pytest.raises(ConsoleError, match="--seed"):
        compose(Draft("lora", "demo-encoder", "demo", seed=-1), settings)
