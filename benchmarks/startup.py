"""How long the console takes to its first usable frame, against a Textual program that says hello.

Both start in a real pseudo-terminal of 120×40, in turns. Usable: for hello its greeting, for the console the
status line, the key bar and the form (or, opened on a run, the rows of the history). Printed are medians of
elapsed time and of processor time, and their ratios to hello. Budgets: at most 2 × with 1,000 runs, 3 × with
10,000.

    python benchmarks/startup.py [--runs 1000 10000] [--rounds 7] [--json]
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.keys import many_runs
from tests.support.terminal import Terminal

HELLO = """
from textual.app import App
from textual.widgets import Static
class Hello(App):
    def compose(self):
        yield Static("Hello, world")
Hello().run()
"""
CONSOLE = "import sys; from nli_console.__main__ import main; sys.exit(main())"


@dataclass(frozen=True)
class Program:
    """What is started, and the texts that stand in its first usable frame."""

    name: str
    argv: Sequence[str]
    shown: tuple[bytes, ...]


def first_frame(program: Program, root: Path, *, settle: float = 0.0) -> tuple[float, float]:
    """Elapsed seconds and processor seconds until everything that makes the frame usable was sent.

    ``settle`` seconds are then given to what the program does next.
    """
    begun = time.perf_counter()
    with Terminal(program.argv, cwd=root, env={"PYTHONDONTWRITEBYTECODE": ""}) as terminal:
        process = psutil.Process(terminal.process.pid)
        missing = list(program.shown)
        got = bytearray()
        while missing:
            got += terminal.read(0.05)
            missing = [text for text in missing if text not in got]
            if time.perf_counter() - begun > 120 or process.status() == psutil.STATUS_ZOMBIE:
                raise SystemExit(f"{program.name}: {missing} never appeared:\n{bytes(got[-2000:])!r}")
        elapsed = time.perf_counter() - begun
        times = process.cpu_times()
        terminal.pump(settle)
        return elapsed, times.user + times.system


def programs(folder: Path, counts: Sequence[int]) -> list[Program]:
    """Hello first, then the console with each number of runs; without runs it opens on the form."""
    found = [Program("hello", [sys.executable, "-c", HELLO], (b"Hello, world",))]
    for count in counts:
        runs = folder / f"runs-{count}"
        if count:
            many_runs(runs, count)
        shown = (b"finished", b"commands") if count else (b"learning rate", b"commands", b"Launch  f5")
        argv = [sys.executable, "-c", CONSOLE, "--runs-dir", str(runs)]
        found.append(Program(f"history, {count:,} runs" if count else "form, no runs", argv, shown))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, nargs="+", default=[0, 1000, 10_000])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    root = Path(__file__).resolve().parent.parent
    with tempfile.TemporaryDirectory(prefix="nli-console-startup-") as folder:
        started = programs(Path(folder), options.runs)
        measured: dict[str, list[tuple[float, float]]] = {program.name: [] for program in started}
        for program in started:  # once for compiled modules and what the console keeps of the history
            first_frame(program, root, settle=2.0)
        for _ in range(options.rounds):
            for program in started:
                measured[program.name].append(first_frame(program, root))
    medians = {
        name: [statistics.median(column) for column in zip(*times, strict=True)]
        for name, times in measured.items()
    }
    found = {
        name: {
            "seconds": elapsed,
            "cpu_seconds": processor,
            "ratio": elapsed / medians["hello"][0],
            "cpu_ratio": processor / medians["hello"][1],
        }
        for name, (elapsed, processor) in medians.items()
    }
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    print(f"{'':24}{'elapsed':>10}{'ratio':>8}{'processor':>12}{'ratio':>8}")
    for name, row in found.items():
        print(
            f"{name:24}{row['seconds']:8.2f} s{row['ratio']:8.2f}{row['cpu_seconds']:10.2f} s"
            f"{row['cpu_ratio']:8.2f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
