"""Terminal escapes, markup and right-to-left text in every place that a person, a file or a library fills.

What the terminal gets is captured byte for byte: it may hold the console's own sequences and nothing else.
"""

import json
from pathlib import Path

import pytest

from nli_console.record.layout import RunLayout
from nli_console.record.state import State
from tests.end_to_end.conftest import World, is_in, pair, reached, until
from tests.end_to_end.escapes import foreign
from tests.support.terminal import Terminal

CLIPBOARD = "\x1b]52;c;c3RvbGVu\x07"
TITLE = "\x1b]0;owned\x07"
C1 = "\x9b2J\x9d0;owned\x9c"
DEVICE = "\x1bP$q\x1b\\\x1b[6n\x1b[?1049l\x1b[2J\x1bc"
BIDI = "\u202egnp.txt\u2066\u200f"
MARKUP = "[/] [@click=app.leave]x[/] [bold"
PAYLOAD = f"{CLIPBOARD}{TITLE}{C1}{DEVICE}{BIDI}{MARKUP}"
COMMANDS = (["list"], ["show"], ["watch"], ["list", "--json"], ["show", "--json"], ["stop"])


def is_clean(terminal: Terminal, *, textual: bool) -> None:
    __tracebackhide__ = True
    assert foreign(bytes(terminal.raw), textual=textual) == []


def hostile_folder(world: World) -> Path:
    """A dataset whose folder, genres, ids and texts are hostile, named in the settings."""
    folder = world.folder / "da\x1b[2Jta\u202e[b"
    folder.mkdir()
    for split in ("train", "dev_matched"):
        rows = (
            pair(number, sentence1=f"{PAYLOAD} {number}", genre=PAYLOAD, pairID=f"{number}{TITLE}")
            for number in range(30)
        )
        (folder / f"multinli_1.0_{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


@pytest.fixture
def failed(world: World) -> RunLayout:
    """A run that failed with a hostile exception, on hostile data, under a hostile name."""
    folder = hostile_folder(world)
    world.settings(
        "[interface]\nbell = false\n",
        data=str(folder),
        steps=60,
        at=20,
        end="raise",
        message=PAYLOAD,
        says=f"{PAYLOAD}\n\x1b[2Jraw log\n",
    )
    result = world.call("run", "lora", "--name", PAYLOAD)
    assert result.code == 1, result.err
    assert foreign((result.out + result.err).encode(), textual=False) == []
    assert "RuntimeError" in result.out
    assert "[@click=app.leave]x[/]" in result.out
    return world.run


@pytest.mark.slow
def test_what_commands_print(world: World, failed: RunLayout) -> None:
    for command, *options in COMMANDS:
        target = [] if command == "list" else [failed.id]
        with world.terminal(command, *target, *options) as terminal:
            terminal.wait_exit()
            is_clean(terminal, textual=False)
            assert "Traceback (most" not in terminal.text or command == "watch"
    with world.terminal("data", "show", "--rows", "5") as terminal:
        assert terminal.wait_exit() == 0, terminal.text
        is_clean(terminal, textual=False)
        assert "[@click=app.leave]x[/]" in terminal.text
    for arguments in (["show", PAYLOAD], ["run", PAYLOAD], [PAYLOAD], ["run", "lora", f"--{PAYLOAD}"]):
        with world.terminal(*arguments) as terminal:
            assert terminal.wait_exit() in (0, 2), terminal.text
            is_clean(terminal, textual=False)


@pytest.mark.slow
def test_what_a_command_that_follows_a_run_prints(world: World) -> None:
    world.settings(steps=60, at=20, end="fail", message=PAYLOAD, says=PAYLOAD)
    with world.terminal("run", "lora", "--name", PAYLOAD, size=(80, 24)) as terminal:
        assert terminal.wait_exit() == 1
        is_clean(terminal, textual=False)


@pytest.mark.slow
def test_what_the_console_draws(world: World, failed: RunLayout) -> None:
    with world.terminal() as console:
        console.wait_for("failed")
        console.wait_for("RuntimeError")
        console.wait_for(r"\[@click=app\.leave\]x\[/\]")
        console.press("enter")
        console.press("]")
        console.wait_for("no evaluation|accuracy")
        console.press("]")
        console.wait_for("overview   evaluation   log")
        console.press_until("home", "raw log")
        console.press("]")
        console.wait_for("Hyperparameters of lora")
        console.press("escape")
        console.wait_for("1 run ")
        console.press("n")
        console.wait_for("Name of")
        console.press("escape")
        console.wait_gone("Name of")
        console.press("d")
        console.wait_for("Delete ")
        console.press("escape")
        console.wait_gone("Delete ")
        console.press("/")
        console.type(f"\x1b[200~{PAYLOAD}\x1b[201~")
        console.wait_for("click=app")
        console.press("escape")
        console.wait_for("1 run  by")
        console.press("w")
        console.press("c")
        console.wait_for("Before you launch")
        console.wait_for(r"model +tiny")
        console.wait_for("name +\ufffd\\]52;c")
        console.press("q")
        assert console.wait_exit() == 0
        is_clean(console, textual=True)


@pytest.mark.slow
def test_what_the_console_says_when_a_run_ends(world: World) -> None:
    world.settings("[interface]\nbell = false\n", steps=60, hold_at=[20], end="fail", message=PAYLOAD)
    layout = world.launch("--name", PAYLOAD)
    until(reached(layout, 20))
    with world.terminal(size=(80, 24)) as console:
        console.wait_for("1 running")
        (layout.path / "go-20").touch()
        until(is_in(layout, State.FAILED))
        console.wait_for("failed")
        console.wait_for("0 running")
        console.press("q")
        assert console.wait_exit() == 0
        is_clean(console, textual=True)


def test_the_scanner_finds_what_it_is_for() -> None:
    for payload in (CLIPBOARD.replace("c3R", "c3\x1b"), TITLE, C1, DEVICE, BIDI, "\x07", "\x1b[6n", "\x1b(0"):
        assert foreign(payload.encode(), textual=True), payload
    assert foreign(b"\x1b[1;38;2;1;2;3mx\x1b[0m\x1b[10;2H\r\n\x1b[?25l", textual=True) == []
    assert foreign(b"\x1b[0m", textual=False) != []
