"""Draw the pictures of the README: real demo runs, the real console, exported as SVG.

Run with `make screenshots` (about four minutes on two cores): two demo runs are trained to the end in a
temporary runs folder, a third one is drawn while it trains.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from textual.pilot import Pilot

from nli_console.record.state import State
from nli_console.record.store import Store
from nli_console.settings import load_settings
from nli_console.tui.app import ConsoleApp
from nli_console.tui.screens.compare import CompareScreen

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "docs" / "screenshots"
SIZE = (120, 40)
Shows = Callable[..., Callable[[], bool]]
FONT_FACE = re.compile(r"@font-face\s*\{.*?\}", re.DOTALL)


def console(*arguments: str, folder: Path, check: bool = True) -> None:
    """One headless command, with its runs under ``folder``."""
    command = [sys.executable, "-m", "nli_console", *arguments, "--runs-dir", str(folder / "runs")]
    command += ["--settings", str(ROOT / "settings.toml")]
    subprocess.run(command, check=check, cwd=folder, stdin=subprocess.DEVNULL)


def wait_until_training(folder: Path, *, step: int, seconds: float = 300) -> str:
    """The id of the live run, once it has made ``step`` steps."""
    store, deadline = Store([folder / "runs"]), time.monotonic() + seconds
    while time.monotonic() < deadline:
        store.refresh()
        for run in store.runs:
            if run.state.state is State.RUNNING and (run.step or 0) >= step:
                return run.id
        time.sleep(0.5)
    raise SystemExit("the demo run did not start training in time")


def save(app: ConsoleApp, name: str) -> None:
    """Write the screen as ``docs/screenshots/NAME.svg``, with the reader's own monospace font."""
    svg = FONT_FACE.sub("", app.export_screenshot(title="nli-console"))
    (OUTPUT / f"{name}.svg").write_text(svg.replace("Fira Code", "DejaVu Sans Mono"), encoding="utf-8")
    print(f"docs/screenshots/{name}.svg")


async def until(pilot: Pilot[int], condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait for what another thread or process brings, then for the screen to show it."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("the screen did not get there in time")
        await pilot.pause(0.1)
    await pilot.pause(0.5)


def text_of(app: ConsoleApp) -> str:
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


async def draw(folder: Path, live: str, finished: Sequence[str]) -> None:
    settings = load_settings(ROOT / "settings.toml", folder / "runs")
    app = ConsoleApp(settings, select=live)

    def shows(*texts: str) -> Callable[[], bool]:
        return lambda: all(text in text_of(app) for text in texts)

    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, shows("training", "smoothed"))
        await pilot.pause(3)
        save(app, "runs")
        await pilot.press("enter")
        await pilot.pause(3)
        save(app, "live")
        await pilot.press("escape")
        app.selected_run = finished[0]
        await until(pilot, shows("finished"))
        await pilot.press("enter", "right_square_bracket")
        await until(pilot, shows("macro"))
        save(app, "evaluation")
        await pilot.press("escape")
        for run in finished:
            app.selected_run = run
            await pilot.pause(1)
            await pilot.press("space")
        await pilot.press("C")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.found)
        await pilot.pause(2)
        save(app, "compare")
        await pilot.press("escape")
        await draw_launch(app, pilot, shows)
        await draw_data(app, pilot, shows)
        # The model that is talked to needs the slot that the run holds.
        await asyncio.to_thread(console, "stop", live, folder=folder)
        await until(pilot, lambda: not app.status.running)
        await draw_chat(app, pilot, shows)


async def draw_launch(app: ConsoleApp, pilot: Pilot[int], shows: Shows) -> None:
    await pilot.press("1")
    await until(pilot, shows("memory", "total"))
    await pilot.pause(6)
    save(app, "launch")


async def draw_data(app: ConsoleApp, pilot: Pilot[int], shows: Shows) -> None:
    await pilot.press("4", "enter")
    await until(pilot, shows("Genres", "premise"))
    await pilot.pause(3)
    save(app, "data")


async def draw_chat(app: ConsoleApp, pilot: Pilot[int], shows: Shows) -> None:
    await pilot.press("3")
    await until(pilot, shows("the first question loads it"))
    await pilot.press(
        "tab", *_keys("All the nurses are in the kitchen."), "tab", *_keys("A nurse is indoors.")
    )
    await until(pilot, shows("<|begin_of_text|>"))
    await pilot.press("enter")
    await until(pilot, shows("read as", "first token"))
    await until(pilot, lambda: text_of(app).count(" %") >= 3)
    save(app, "chat")


def _keys(text: str) -> list[str]:
    """The names of the keys that type ``text``."""
    return [{" ": "space", ".": "full_stop"}.get(character, character) for character in text]


def main() -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="nli-console-") as name:
        folder = Path(name)
        for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            os.environ[variable] = str(folder / variable)
        os.chdir(folder)
        lora = ("run", "lora", "--preset", "demo/lora")
        console("run", "full", "--preset", "demo/full", "--name", "full, seed 1", folder=folder)
        console(*lora, "--name", "LoRA, seed 1", folder=folder)
        finished = Store([folder / "runs"])
        finished.refresh()
        # Long enough to be drawn while it trains.
        longer = ("--seed", "2", "--epochs", "20", "--evaluations", "36", "--name", "LoRA, seed 2")
        console(*lora, *longer, "--detach", folder=folder)
        live = wait_until_training(folder, step=400)
        try:
            asyncio.run(draw(folder, live, [run.id for run in finished.runs]))
        finally:
            console("stop", live, folder=folder, check=False)


if __name__ == "__main__":
    main()
