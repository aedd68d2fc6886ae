"""How long comparing runs takes: eight of 1,000,000 train records each, from their curve files.

Timed is one comparison by a process that is there already, as in the console, and one with its start, as on
the command line. Beside it, in the same run: reading every record of a single run. Budget: 2 s.

    python benchmarks/compare.py [--runs 8] [--records 1000000] [--rounds 3] [--json]
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

from nli_console.record.curve import CurveWriter
from nli_console.record.journal import Tail
from nli_console.record.layout import RunLayout
from nli_console.supervisor.analysis import Analysis
from tests.support.fake_predictions import pairs, write_predictions
from tests.support.fake_runs import make_run, train_record

ROWS = 9_815


def long_run(root: Path, records: int) -> RunLayout:
    """A finished run with that many train records and predictions of a validation set."""
    layout = make_run(root, "finished", steps=20, run_id="run-0")
    attempt = layout.attempt(1)
    start = next(line for line in attempt.metrics.read_text().splitlines() if '"start"' in line)
    attempt.curve.unlink()
    curve, offset = CurveWriter(attempt.curve), 0
    with attempt.metrics.open("wb") as file:
        for step in range(records + 1):
            record = train_record(step, 1e9 + step, step, records) if step else json.loads(start)
            line = json.dumps(record, separators=(",", ":")).encode() + b"\n"
            file.write(line)
            curve.add(record, offset, len(line))
            offset += len(line)
    curve.close()
    write_predictions(layout, pairs(ROWS), range(0, ROWS, 8))
    return layout


def linked(first: RunLayout, count: int) -> list[RunLayout]:
    """The same files under ``count`` ids."""
    layouts = [first]
    for number in range(1, count):
        target = first.path.with_name(f"run-{number}")
        for folder, _, files in os.walk(first.path):
            place = target / Path(folder).relative_to(first.path)
            place.mkdir()
            for name in files:
                os.link(Path(folder) / name, place / name)
        layouts.append(RunLayout(target))
    return layouts


def every_record(layout: RunLayout) -> float:
    """Seconds that reading all metrics of a run takes."""
    begun, tail = time.perf_counter(), Tail(layout.attempt(1).metrics)
    while tail.read().more:
        continue
    return time.perf_counter() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        layouts = linked(long_run(Path(folder), options.records), options.runs)
        warm: list[float] = []
        cold: list[float] = []
        whole: list[float] = []
        with Analysis() as analysis:
            analysis.compare(layouts[:2])
            for _ in range(options.rounds):
                begun = time.perf_counter()
                found = analysis.compare(layouts)
                warm.append(time.perf_counter() - begun)
                begun = time.perf_counter()
                with Analysis() as fresh:
                    fresh.compare(layouts)
                cold.append(time.perf_counter() - begun)
                whole.append(every_record(layouts[0]))
        assert all(sum(point.n for point in run.losses) == options.records for run in found.runs)
    figures = {
        "runs": options.runs,
        "records": options.records,
        "seconds": statistics.median(warm),
        "seconds_with_start": statistics.median(cold),
        "seconds_of_every_record_of_one_run": statistics.median(whole),
    }
    if options.json:
        print(json.dumps(figures))
        return 0
    tests = f"{len(found.paired)} paired tests of {ROWS:,} rows"
    print(f"{options.runs} runs of {options.records:,} records, {tests}")
    print(f"  compared                                {figures['seconds']:6.2f} s (budget 2 s)")
    print(f"  with the start of the process           {figures['seconds_with_start']:6.2f} s")
    ratio = figures["seconds_of_every_record_of_one_run"] * options.runs / figures["seconds"]
    print(f"  every record of as many runs, read      {ratio:6.1f} × as long")
    return 0


if __name__ == "__main__":
    sys.exit(main())
