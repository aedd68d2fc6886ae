"""What recording a step costs, and how a run of a million steps opens, is followed and zoomed.

A million steps are recorded as a worker does, which times a record. The run is then opened as the console
opens it; by its curve, and for comparison record by record. Following is timed for a hundred new records of
the long run and of one of a thousand steps, in turns; zooming reads one block of 256 steps. Bytes are those
that were really asked of the files.

Budgets: a record takes at most 2 % of a step at 10 steps a second; a run opens within 0.5 s; following it
costs what is new.

    python benchmarks/long_run.py [--records 1000000] [--rounds 5] [--json]
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nli_console.record import curve
from nli_console.record.curve import read_block
from nli_console.record.layout import RunLayout
from nli_console.record.metrics_writer import MetricsWriter
from nli_console.tui.run_follower import RunFollower
from tests.support.fake_runs import make_run, train_record

FOLLOWED = 100
STEPS_PER_SECOND = 10


@contextmanager
def counted() -> Iterator[list[int]]:
    """The bytes that are read meanwhile, one entry a read."""
    read: list[int] = []
    pread, plain = os.pread, os.read

    def count(function: Callable[..., bytes]) -> Callable[..., bytes]:
        def counting(*arguments: Any) -> bytes:
            got = function(*arguments)
            read.append(len(got))
            return got

        return counting

    os.pread, os.read = count(pread), count(plain)
    try:
        yield read
    finally:
        os.pread, os.read = pread, plain


def record(layout: RunLayout, first: int, steps: int, *, afresh: bool = False) -> float:
    """Record steps of a running run; return microseconds per record."""
    attempt = layout.attempt(1)
    if afresh:
        attempt.metrics.unlink()
        attempt.curve.unlink(missing_ok=True)
    writer = MetricsWriter(attempt)
    template = {
        key: value
        for key, value in train_record(0, 0.0, 1, steps).items()
        if key not in ("v", "seq", "t", "kind")
    }
    begun = time.perf_counter()
    for step in range(first, first + steps):
        writer.write("train", {**template, "step": step})
    took = time.perf_counter() - begun
    if afresh:
        # Without closing: the last, short block is not written, as in a run that goes on.
        writer.sync()
    return 1e6 * took / steps


def opened(layout: RunLayout) -> tuple[RunFollower, float, int]:
    """A follower that has read the run to its end, seconds, and bytes read."""
    with counted() as read:
        begun = time.perf_counter()
        follower = RunFollower(layout)
        while follower.read(ended=False) is not None:
            continue
        took = time.perf_counter() - begun
    return follower, took, sum(read)


def follow(follower: RunFollower, layout: RunLayout, line: bytes) -> tuple[float, int]:
    """Milliseconds and bytes of taking in new records."""
    with layout.attempt(1).metrics.open("ab") as stream:
        stream.write(line * FOLLOWED)
    with counted() as read:
        begun = time.perf_counter()
        view = follower.read(ended=False)
        took = time.perf_counter() - begun
    if view is None:
        raise SystemExit("the new records were not seen")
    return 1000 * took, sum(read)


def measure(root: Path, records: int, rounds: int) -> dict[str, float]:
    long = make_run(root, "running", steps=20, total_steps=2 * records, run_id="long")
    short = make_run(root, "running", steps=1000, total_steps=2 * records, run_id="short")
    found = {"microseconds per record": record(long, 1, records, afresh=True)}
    found["percent of a step at 10 steps/s"] = found["microseconds per record"] * STEPS_PER_SECOND / 1e4
    opening = [opened(long)[1:] for _ in range(rounds)]
    found["open: seconds"] = statistics.median(seconds for seconds, _ in opening)
    found["open: MiB read"] = opening[0][1] / 2**20
    limit, curve.RAW_BYTES = curve.RAW_BYTES, 2**62
    found["open record by record: seconds"] = opened(long)[1]
    curve.RAW_BYTES = limit
    followers = {layout.id: (opened(layout)[0], layout) for layout in (long, short)}
    times: dict[str, list[tuple[float, int]]] = {"long": [], "short": []}
    for turn in range(4 * rounds):
        step = records + turn
        line = json.dumps(train_record(step, time.time(), step, 2 * records)).encode() + b"\n"
        for name, (follower, layout) in followers.items():
            times[name].append(follow(follower, layout, line))
    for name, measured in times.items():
        found[f"{FOLLOWED} new records, {name} run: ms"] = statistics.median(each for each, _ in measured)
        found[f"{FOLLOWED} new records, {name} run: KiB read"] = (
            statistics.median(each for _, each in measured) / 1024
        )
    block = next(curve._block(line) for line in curve._all_records(long.attempt(1).curve))
    assert block is not None
    with counted() as read:
        begun = time.perf_counter()
        singles = read_block(long.attempt(1).metrics, block)
        found["zoom of a block: ms"] = 1000 * (time.perf_counter() - begun)
    found["zoom of a block: KiB read"] = sum(read) / 1024
    assert len(singles) == block.n
    found["size of the metrics: MiB"] = long.attempt(1).metrics.stat().st_size / 2**20
    return found


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="nli-console-long-") as folder:
        found = measure(Path(folder), options.records, options.rounds)
    if options.json:
        print(json.dumps(found, indent=1))
    else:
        print("\n".join(f"{what:36} {value:12,.2f}" for what, value in found.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
