"""A token planted in environment, arguments and settings is found nowhere in what is left or shown."""

import contextlib
import json
from pathlib import Path

import pytest

from nli_console.record.compose import Draft, compose
from nli_console.record.files import read_json, write_json
from nli_console.record.labels import read_labels
from nli_console.record.layout import RunLayout
from nli_console.record.log_tail import read_log
from nli_console.record.spec_io import submit
from nli_console.settings import load_settings
from nli_console.worker import run as worker
from nli_console.worker.stop import StopFlag
from tests.cli.conftest import Place
from tests.cli.conftest import place as place
from tests.support.fake_reports import write_guards, write_report
from tests.support.fake_runs import make_run

TOKEN = "hf_" + "Kq7ZtR2mWx" * 4
KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c"
PLANTED = {"HF_TOKEN": TOKEN, "HUGGING_FACE_HUB_TOKEN": TOKEN, "WANDB_API_KEY": KEY}


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)


def holding_a_secret(folder: Path) -> list[str]:
    """Files below ``folder`` that hold a planted secret, as ``grep -r`` would find them."""
    return [
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(secret.encode() in path.read_bytes() for secret in (TOKEN, KEY))
    ]


def test_a_worker_that_fails_with_a_token_in_its_error_records_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault: a library puts the token into its exception, and that into the traceback."""
    (tmp_path / "settings.toml").write_text('cache_dir = "cache"\n')
    settings = load_settings(tmp_path / "settings.toml", tmp_path / "runs")
    run = submit(tmp_path / "runs", compose(Draft("lora", "demo-encoder", "demo", name=TOKEN), settings))

    def refuse(*_: object) -> Path:
        raise RuntimeError(f"401 for https://user:{KEY}@hub with Authorization: Bearer {TOKEN}\nkey={KEY}")

    monkeypatch.setattr(worker, "model_folder", refuse)
    place = run.attempt(1)
    place.path.mkdir(mode=0o700)
    with place.console_log.open("w") as log, contextlib.redirect_stderr(log), contextlib.redirect_stdout(log):
        assert worker.run(run.path, 1, StopFlag()) == 1
    assert json.loads(place.final.read_bytes())["reason"]["detail"].startswith("RuntimeError: 401 for")
    assert "Traceback" in place.console_log.read_text()
    assert holding_a_secret(tmp_path / "runs") == []


def test_commands_neither_record_nor_print_a_token(place: Place) -> None:
    """Fault: tokens on the command line and in the environment of a whole life of a run."""
    said = [place.call("run", "lora", "--name", f"try {TOKEN}", "--json")]
    assert said[0].code == 0, said[0].err
    (run,) = place.runs
    assert holding_a_secret(place.runs_dir) == []
    with run.attempt(1).console_log.open("a") as log:
        log.write(f"a library says: token {TOKEN} and WANDB_API_KEY={KEY}\n")
    for arguments in (["list", "--json"], ["show", run.id], ["show", run.id, "--json"], ["watch", run.id]):
        said.append(place.call(*arguments))
    for answer in said:
        assert TOKEN not in answer.out + answer.err
        assert KEY not in answer.out + answer.err
    assert not any(secret in line for line in shown_log(run) for secret in (TOKEN, KEY))


def test_what_is_exported_holds_no_token(place: Place) -> None:
    """Fault: an older record holds a token in its name, its reason and a warning; then it is handed on."""
    run = make_run(place.runs_dir, "failed", steps=5, reason=("exception", f"401 for {TOKEN}"))
    write_guards(run, ("nan_steps", "warning", f"seen with {TOKEN}"))
    write_report(run)
    labels = read_json(run.labels) or {}
    write_json(run.labels, {**labels, "name": f"try {TOKEN}"})
    with run.attempt(1).console_log.open("a") as log:
        log.write(f"token {TOKEN} and WANDB_API_KEY={KEY}\n")
    other = make_run(place.runs_dir, steps=5)
    exports = place.folder / "exports"
    exports.mkdir()
    for arguments in (
        ["export", run.id, other.id, "--format", "json", "--output", str(exports / "runs.json")],
        ["report", run.id, "--output", str(exports / "report.html")],
        ["card", run.id],
    ):
        answer = place.call(*arguments)
        assert answer.code == 0, answer.err
        assert TOKEN not in answer.out + answer.err
    assert len(list(exports.iterdir())) == 2
    assert holding_a_secret(exports) == []


def test_what_a_person_writes_about_a_run_holds_no_token(place: Place) -> None:
    """Fault: a token is pasted into the name, the notes or a tag of a run."""
    run = make_run(place.runs_dir, steps=5)
    said = place.call(
        "label", run.id, "--name", f"with {TOKEN}", "--note", f"WANDB_API_KEY={KEY}\nkept", "--tag", TOKEN
    )
    assert said.code == 0, said.err
    assert TOKEN not in said.out
    assert holding_a_secret(place.runs_dir) == []
    labels = read_labels(run)
    assert labels.name == "with [hidden]"
    assert labels.notes == "WANDB_API_KEY=[hidden]\nkept"
    assert labels.tags == ("[hidden]",)


def shown_log(run: RunLayout) -> list[str]:
    lines = read_log(run.attempt(1).console_log)
    assert any("[hidden]" in line for line in lines)
    return lines


@pytest.mark.parametrize(
    "settings",
    [
        f'[launch]\nenvironment = {{ HF_TOKEN = "{TOKEN}" }}',
        f'[launch]\nenvironment = {{ MY_API_KEY = "{KEY}" }}',
        f'[interface]\non_finish = ["curl", "--token", "{KEY}"]',
    ],
)
def test_a_token_in_the_settings_starts_nothing(place: Place, settings: str) -> None:
    """Fault: a token in settings.toml, which would be recorded with every run."""
    path = place.folder / "settings.toml"
    path.write_text(path.read_text().partition("[launch]")[0] + settings)
    answer = place.call("run", "lora", "--detach")
    assert answer.code == 2
    assert "looks like a secret" in answer.err
    assert TOKEN not in answer.err
    assert KEY not in answer.err
    assert place.runs == []


def test_no_environment_is_recorded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: any variable at all may be a secret: none is recorded."""
    monkeypatch.setenv("INNOCENT_NAME", "s3cr3t-but-unnamed-9917")
    assert place.call("run", "lora").code == 0
    found = [p for p in place.runs_dir.rglob("*") if p.is_file() and b"s3cr3t-but-unnamed" in p.read_bytes()]
    assert found == []
