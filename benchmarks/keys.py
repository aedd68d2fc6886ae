"""How long a key takes until its effect is on the terminal, with many runs in the history.

A real console in a real pseudo-terminal of 120×40. Each key is timed from its byte to its first repaint.
Budget: 50 ms with 10,000 runs. Also printed: the time until the history is listed.

    python benchmarks/keys.py [--runs 10000] [--presses 40] [--json]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.wire import START
from tests.support.fake_runs import make_run
from tests.support.terminal import Terminal

QUIET = 0.03
KEYS = {  # what: key
    "next row": "down",
    "next page": "pagedown",
    "last row": "end",
    "first row": "home",
    "sort": "s",
    "filter a letter": "7",
}
OPPOSITE = {"end": "home", "home": "end"}


def many_runs(root: Path, count: int) -> None:
    """One finished run, linked file by file into ``count`` folders."""
    first = make_run(root, "finished", steps=20, run_id="run-00000")
    entries = [(Path(folder).relative_to(first.path), files) for folder, _, files in os.walk(first.path)]
    for number in range(1, count):
        target = root / f"run-{number:05d}"
        for folder, files in entries:
            (target / folder).mkdir(mode=0o700)
            for name in files:
                os.link(first.path / folder / name, target / folder / name)


def time_key(terminal: Terminal, key: str) -> float:
    """Milliseconds from the key to its first repaint; the live view follows when the record has been read."""
    while terminal.pump(QUIET):
        continue
    begun = time.perf_counter()
    terminal.press(key)
    while not terminal.pump(0.002) and time.perf_counter() - begun < 1:
        continue
    return 1000 * (time.perf_counter() - begun - 0.002)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--presses", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nli-console-keys-") as folder:
        root = Path(folder) / "runs"
        many_runs(root, options.runs)
        begun = time.perf_counter()
        with Terminal([sys.executable, "-c", START, str(root), "run-00000"]) as terminal:
            terminal.wait_for(f"{options.runs:,} runs", timeout=120)
            found: dict[str, float] = {"seconds until listed": time.perf_counter() - begun}
            terminal.wait_for("smoothed", timeout=60)
            terminal.press("home")
            for what, key in KEYS.items():
                if what.startswith("filter"):
                    terminal.press("/")
                times = []
                for _ in range(options.presses if key in ("down", "pagedown") else 8):
                    if key in OPPOSITE:
                        # Pressed again it would change nothing.
                        terminal.press(OPPOSITE[key])
                    times.append(time_key(terminal, key))
                found[f"{what}, ms, median"] = statistics.median(times)
                found[f"{what}, ms, worst"] = max(times)
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print("\n".join(f"{what:32} {value:8.1f}" for what, value in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
