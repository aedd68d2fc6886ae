"""Bad input: what is wrong, with its name, its value and the next step; exit code 2, no traceback, no run."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import World, pair
from tests.support.fake_runs import make_run


def wrong(world: World, *arguments: str, **options: object) -> str:
    """The complaint of a command that must refuse."""
    before = world.runs
    result = world.call(*arguments, **options)
    assert result.code == 2, result
    assert result.out == ""
    assert "Traceback" not in result.err
    assert "\x1b" not in result.err
    assert world.runs == before
    return result.err


def write_rows(folder: Path, *lines: bytes) -> None:
    """Replace the training file: ten good rows, then ``lines``."""
    good = b"".join(json.dumps(pair(number)).encode() + b"\n" for number in range(10))
    (folder / "multinli_1.0_train.jsonl").write_bytes(good + b"".join(line + b"\n" for line in lines))


def columns(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_text(json.dumps({"text_a": "x", "text_b": "y", "gold_label": "neutral"}) + "\n")


def empty(folder: Path) -> None:
    (folder / "multinli_1.0_dev_matched.jsonl").write_text("")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('runs_dir = "runs"\n[queue\n', ["settings.toml", "line 2"]),
        ('runs_dir = "runs"\n[queue]\ncpu_slot = 1\n', ["line 3", "cpu_slot", 'did you mean "cpu_slots"?']),
        ("[queue]\ncpu_slots = 0\n", ["line 2", "cpu_slots = 0", "1"]),
        ("[interface]\nsmoothing = nan\n", ["line 2", "smoothing"]),
    ],
)
def test_settings_that_are_not_valid(world: World, text: str, words: list[str]) -> None:
    (world.folder / "settings.toml").write_text(text)
    said = wrong(world, "list")
    with world.terminal() as console:
        assert console.wait_exit() == 2
        assert console.restored
        on_screen = "".join(console.text.split())
    for word in words:
        assert word in said
        assert word.replace(" ", "") in on_screen


def test_settings_that_are_not_there(world: World) -> None:
    said = wrong(world, "--settings", "nowhere/settings.toml", "list")
    assert "nowhere/settings.toml" in said


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (columns, ["no column for the premise", "text_a, text_b", "[datasets.pairs.columns]"]),
        (empty, ["validation_matched", "no rows", "name another file"]),
        (
            lambda folder: write_rows(folder, json.dumps(pair(0, gold_label="maybe")).encode()),
            ["multinli_1.0_train.jsonl", "line 11", '"maybe"', "entailment, neutral, contradiction"],
        ),
        (
            lambda folder: write_rows(folder, b'{"sentence1": "caf\xe9"}'),
            ["line 11", "0xe9", "not valid UTF-8", "convert the file"],
        ),
        (
            lambda folder: write_rows(folder, b'{"sentence1": "' + b"x" * 10_000_000 + b'"}'),
            ["line 11", "longer than 1.0 MiB", "remove the row"],
        ),
        (lambda folder: [path.unlink() for path in folder.iterdir()], ["pairs", "no files"]),
    ],
    ids=["wrong columns", "empty split", "unknown label", "invalid UTF-8", "10 MB line", "empty folder"],
)
def test_data_that_cannot_be_used(world: World, prepare: Callable[[Path], object], words: list[str]) -> None:
    prepare(world.folder / "pairs")
    said = wrong(world, "run", "lora")
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "./no-such-model"], ["no-such-model", "there is no folder"]),
        (["--model", "./pairs"], ["pairs", "config.json"]),
        (["--model", "tinyy"], ["tinyy", 'did you mean "tiny"?']),
        (["--data", "./no-such-data"], ["no-such-data"]),
        (["--data", "piars"], ["piars", "pairs"]),
        (["--preset", "paper/loro"], ["paper/loro", 'did you mean "paper/lora"?']),
        (["--batch-size", "0", "--epochs", "many"], ["--batch-size 0: must be at least 1", "--epochs many"]),
        (["--lora-rank", "8"], ["--lora-rank"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) and value[0].startswith("--") else "",
)
def test_a_run_that_cannot_be(world: World, arguments: list[str], words: list[str]) -> None:
    said = wrong(world, "run", "lora", *arguments)
    for word in words:
        assert word in said


def test_a_method_that_does_not_exist(world: World) -> None:
    assert 'method "lroa" does not exist; did you mean "lora"?' in wrong(world, "run", "lroa")


@pytest.mark.parametrize(
    ("command", "hostile"),
    [
        *((command, "../elsewhere/precious") for command in ("show", "watch", "stop", "resume", "delete")),
        ("restore", "../../elsewhere/precious"),
        ("delete", ".."),
        ("delete", "20260101-a/../../elsewhere/precious"),
    ],
)
def test_an_id_is_never_a_path(world: World, command: str, hostile: str) -> None:
    outside = make_run(world.folder / "elsewhere", "finished", steps=5, run_id="precious")
    make_run(world.runs_dir, "finished", steps=5, run_id="20260101-a")
    (world.runs_dir / ".trash").mkdir(mode=0o700)
    assert f'"{hostile}"' in wrong(world, command, hostile)
    assert outside.spec.exists()


def test_an_id_that_fits_two_runs_or_none(world: World) -> None:
    for number in "ab":
        make_run(world.runs_dir, "finished", steps=5, run_id=f"20260101-{number}")
    said = wrong(world, "delete", "2026")
    assert "fits 2 runs; give more of the id" in said
    assert "20260101-a" in said
    assert "`nli-console list` shows them" in wrong(world, "stop", "2025")
    assert len(world.runs) == 2


def test_a_runs_folder_that_others_may_write_to(world: World) -> None:
    world.runs_dir.mkdir()
    world.runs_dir.chmod(0o777)
    assert "chmod go-w" in wrong(world, "run", "lora")


@pytest.mark.parametrize("place", ["read-only", "file"])
def test_a_runs_folder_that_cannot_be_written(world: World, place: str) -> None:
    """Root may write everywhere, so a file system that refuses stands in for missing rights."""
    folder = world.folder / "locked"
    if place == "file":
        folder.write_text("")
    else:
        folder.mkdir(mode=0o700)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "ro,mode=0700", "runs", folder], capture_output=True, check=False
        )
        if mounted.returncode:
            pytest.skip("a file system can only be mounted by root")
    try:
        said = wrong(world, "run", "lora", "--runs-dir", str(folder))
        assert str(folder) in said
        assert "--runs-dir" in said
        assert world.call("list", "--runs-dir", str(folder)).code == (2 if place == "file" else 0)
    finally:
        if os.path.ismount(folder):
            subprocess.run(["umount", "-l", folder], check=True)


def test_the_form_tells_of_a_runs_folder_that_cannot_be_written(world: World) -> None:
    with world.terminal("--runs-dir", "/proc/1/nli-console-runs") as console:
        console.wait_for("runs_dir /proc/1/nli-")
        assert "Starts at once" not in console.text
        console.press("f5")
        console.wait_for("Not launched|not launched|nli-console-runs")
        console.press("q")
        assert console.wait_exit() == 0
