"""Bytes that the console sends to the terminal, and its share of a core, while a run is watched.

A real console in a real pseudo-terminal of 120×40; this process is the run: it appends records as a worker
and its supervisor would. Budgets: at most 8 KiB/s while watching; 0.5 KiB/s and 2 % of a core when nothing
goes on.

    python benchmarks/wire.py [--seconds 60] [--rate 10] [--size 120x40] [--page log] [--json]
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nli_console.record.journal import Journal
from nli_console.record.layout import AttemptLayout
from tests.support.fake_runs import GIB, make_run, train_record
from tests.support.terminal import Terminal

TOTAL_STEPS = 2000
FIRST_STEP = 30
EVALUATE_EVERY = 100
PAGES = ("overview", "evaluation", "log", "settings")
START = """
import sys
from pathlib import Path
from nli_console.cli.entry import open_console
from nli_console.cli.globals import Globals
sys.exit(open_console(Globals(None, Path(sys.argv[1])), select=sys.argv[2]))
"""


class Run:
    """The writer of a run that is going: train records, an evaluation now and then, samples and log lines."""

    def __init__(self, attempt: AttemptLayout) -> None:
        self._metrics = Journal(attempt.metrics)
        self._system = Journal(attempt.system)
        self._log = attempt.console_log.open("ab", buffering=0)
        self._step = FIRST_STEP
        self._seq = 10_000

    def step(self) -> None:
        self._step += 1
        self._seq += 1
        now = time.time()
        self._metrics.append(train_record(self._seq, now, self._step, TOTAL_STEPS))
        if self._step % EVALUATE_EVERY == 0:
            self._metrics.append(
                {"v": 1, "seq": self._seq, "t": now, "kind": "eval", "step": self._step, "epoch": 1.0,
                 "split": "selection", "accuracy": 0.7, "low": 0.68, "high": 0.72, "n": 2000, "correct": 1400,
                 "loss": 0.6, "seconds": 2.0, "purpose": "selection"}
            )  # fmt: skip

    def sample(self) -> None:
        load = 80 + self._step % 20
        gpu = {"uuid": "GPU-0", "name": "NVIDIA H200", "used_bytes": (40 + self._step % 7) * GIB,
               "total_bytes": 140 * GIB, "utilisation": load, "power_watts": 400.0 + load, "temperature": 61,
               "processes": []}  # fmt: skip
        self._system.append(
            {"v": 1, "t": time.time(), "gpus": [gpu], "gpu_note": "",
             "worker_rss_bytes": 2 * GIB + self._step, "worker_cpu_percent": 90.0 + self._step % 9,
             "host_memory_used_bytes": 60 * GIB, "host_memory_total_bytes": 1024 * GIB,
             "host_cpu_percent": 12.0, "disk_free_bytes": 900 * GIB}
        )  # fmt: skip

    def log(self) -> None:
        self._log.write(b"step %d: something worth a line was noticed by the worker\n" % self._step)


def measure(
    terminal: Terminal, seconds: float, *, rate: float = 0.0, run: Run | None = None
) -> dict[str, float]:
    """Count what arrives; with ``run``, write ``rate`` records a second meanwhile."""
    process = psutil.Process(terminal.process.pid)
    cpu_before = sum(process.cpu_times()[:2])
    begun = time.monotonic()
    per_second: dict[int, int] = {}
    written = sampled = logged = 0
    while (passed := time.monotonic() - begun) < seconds:
        if run is not None:
            while written < passed * rate:
                run.step()
                written += 1
            if sampled < passed / 2:
                run.sample()
                sampled += 1
            if logged < passed:
                run.log()
                logged += 1
        got = len(terminal.pump(0.05))
        per_second[int(passed)] = per_second.get(int(passed), 0) + got
    took = time.monotonic() - begun
    return {
        "kib_per_second": sum(per_second.values()) / 1024 / took,
        "kib_in_the_worst_second": max(per_second.values()) / 1024,
        "percent_of_a_core": 100 * (sum(process.cpu_times()[:2]) - cpu_before) / took,
        "records": written,
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=10.0, help="records a second")
    parser.add_argument("--size", default="120x40")
    parser.add_argument("--page", choices=PAGES, default=PAGES[0])
    parser.add_argument("--zoom", action="store_true", help="give the run the whole screen")
    parser.add_argument("--runs", type=int, default=20, help="finished runs in the history")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    columns, rows = map(int, options.size.split("x"))
    with tempfile.TemporaryDirectory(prefix="nli-console-wire-") as folder:
        root = Path(folder) / "runs"
        for number in range(options.runs):
            make_run(root, "finished", steps=50, name=f"earlier {number}", run_id=f"earlier-{number:05d}")
        ended = f"earlier-{options.runs - 1:05d}"
        live = make_run(
            root, "running", steps=FIRST_STEP, total_steps=TOTAL_STEPS, name="watched", run_id="watched"
        )
        found = {}
        for what, selected in (("watching", live.id), ("idle", ended)):
            if what == "idle":
                (root / live.id).rename(Path(folder) / "gone")
            argv = [sys.executable, "-c", START, str(root), selected]
            with Terminal(argv, columns=columns, rows=rows) as terminal:
                terminal.wait_for("loss ")
                if options.zoom:
                    terminal.press("enter")
                for _ in range(PAGES.index(options.page)):
                    terminal.press("]")
                terminal.pump(3.0)
                run = Run(live.attempt(1)) if what == "watching" else None
                found[what] = measure(terminal, options.seconds, rate=options.rate, run=run)
    if options.json:
        print(json.dumps(found, indent=1))
        return 0
    for what, values in found.items():
        print(
            f"{what:9} {values['kib_per_second']:6.2f} KiB/s on average, "
            f"{values['kib_in_the_worst_second']:6.1f} KiB in the worst second, "
            f"{values['percent_of_a_core']:.1f} % of a core"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
