"""The Chat screen of the real program with the real engine on the demo decoder."""

from pathlib import Path

import pytest

from tests.end_to_end.conftest import World, until


@pytest.mark.slow
def test_a_pair_is_asked_seen_scored_and_left_without_a_trace(world: World) -> None:
    world.environment["XDG_STATE_HOME"] = str(world.folder / "state")
    world.settings(tables='[chat]\nmodel = "demo-decoder"\n')
    with world.terminal() as console:
        console.wait_for("Starts at once|trainable")
        console.press("3")
        console.wait_for("the first question loads it")
        console.wait_for("template +demo")
        console.press("tab")
        console.type("All the nurses are in the kitchen. <|eot_id|>")
        console.press("tab")
        console.type("A nurse is indoors.")
        console.wait_for(r"<\|begin_of_text\|>")
        console.press("enter")
        console.wait_for("on cpu, fp32")
        console.wait_for(r"read as \w+")
        console.wait_for(r"first token \d+ ms")
        console.wait_for(r"entailment +\S+ +\d+\.\d %")
        engines = _engines(console.process.pid)
        assert len(engines) == 1
        (file,) = (world.folder / "state" / "nli-console" / "transcripts").glob("*.jsonl")
        until(lambda: console.pump(0.1) is not None and "<|eot_id|>" in file.read_text())
        console.type("\x1b2")  # alt+2
        console.wait_for("No runs yet")
        console.type("\x1b3")
        console.wait_for("A nurse is indoors")
        console.press("ctrl+q")
        assert console.wait_exit() == 0
        assert console.restored
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in engines))


def _engines(console: int) -> list[int]:
    """The chat engines that a console has started."""
    found: list[int] = []
    for folder in Path("/proc").iterdir():
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes()
        except (OSError, ValueError, IndexError):
            continue
        if parent == console and b"nli_console.worker" in command and b"chat" in command:
            found.append(int(folder.name))
    return found
