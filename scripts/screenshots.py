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
from pathlib import Path

from nli_console.record.state import State
from nli_console.record.store import Store
from nli_console.settings import load_settings
from nli_console.tui.app import ConsoleApp

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "docs" / "screenshots"
SIZE = (120, 40)
FONT_FACE = re.compile(r"@font-face\s*\{.*?\}", re.DOTALL)


def console(*arguments: str, folder: Path) -> None:
    """One headless command, with its runs under ``folder``."""
    command = [sys.executable, "-m", "nli_console", *arguments, "--runs-dir", str(folder / "runs")]
    command += ["--settings", str(ROOT / "settings.toml")]
    subprocess.run(command, check=True, cwd=folder, stdin=subprocess.DEVNULL)


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


async def draw(folder: Path, live: str) -> None:
    settings = load_settings(ROOT / "settings.toml", folder / "runs")
    app = ConsoleApp(settings, select=live)
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause(4)
        save(app, "runs")
        await pilot.press("enter")
        await pilot.pause(3)
        save(app, "live")
        await pilot.press("escape", "1")
        await pilot.pause(6)
        save(app, "launch")


def main() -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="nli-console-") as name:
        folder = Path(name)
        os.environ["XDG_CONFIG_HOME"] = str(folder / "config")
        os.chdir(folder)
        console("run", "full", "--preset", "demo/full", "--name", "full, seed 1", folder=folder)
        console("run", "lora", "--preset", "demo/lora", "--name", "LoRA, seed 1", folder=folder)
        console(
            "run",
            "lora",
            "--preset",
            "demo/lora",
            "--seed",
            "2",
            "--name",
            "LoRA, seed 2",
            "--detach",
            folder=folder,
        )
        live = wait_until_training(folder, step=150)
        asyncio.run(draw(folder, live))
        console("stop", live, folder=folder)


if __name__ == "__main__":
    main()
