"""What is played on a file system that is too small: ``on_small_disk.py CASE FOLDER OPTIONS``.

It mounts a tmpfs over ``FOLDER`` (in a mount namespace of its own, so nothing has to be unmounted), plays the
case and prints one JSON object.
"""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from nli_console.errors import ConsoleError
from nli_console.record.curve import CurveReader
from nli_console.record.files import write_json
from nli_console.record.layout import RunLayout
from nli_console.record.metrics_writer import MetricsWriter
from nli_console.record.spec_io import submit
from nli_console.record.state import Reason, State
from nli_console.supervisor.aftermath import is_full, room
from nli_console.supervisor.attempt import Attempt
from nli_console.worker.checkpoints import checkpoint_at, problem_of, seal, verified
from tests.support.fake_runs import make_spec


def fill(folder: Path) -> Path:
    """A file that leaves no byte."""
    path = folder / "filler"
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as stream:
        while stream.write(bytes(1024)):
            pass
    return path


def metrics(folder: Path) -> dict[str, Any]:
    """Records until none fits, then space, then one more."""
    run = submit(folder / "runs", make_spec(run_id="a-run"))
    attempt = run.attempt(1)
    attempt.path.mkdir()
    filler = fill(folder)
    os.truncate(filler, filler.stat().st_size - 8192)
    writer = MetricsWriter(attempt)
    acknowledged, error = 0, None
    while error is None and acknowledged < 10_000:
        try:
            writer.write("train", {"step": acknowledged + 1, "loss": 1.0, "text": "x" * 100})
            acknowledged += 1
        except OSError as problem:
            error = problem.strerror
    reader = CurveReader(attempt)
    read = [block.last_step for block in reader.read().points]
    full = is_full(folder), room(folder)
    filler.unlink()
    writer.write("train", {"step": acknowledged + 2, "loss": 1.0})
    after = [block.last_step for block in reader.read().points]
    return {"acknowledged": acknowledged, "error": error, "read": read, "full": full, "after": after}


def checkpoint(folder: Path) -> dict[str, Any]:
    """A checkpoint that fits, and one that does not."""
    run = RunLayout(folder / "run")
    errors: list[str | None] = []
    for step, size in ((10, 1000), (20, 2_000_000)):
        place = checkpoint_at(run, step).path
        place.mkdir(parents=True)
        try:
            for name in ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"):
                (place / name).write_bytes(bytes(size))
            (place / "trainer_state.json").write_text("{}")
            seal(place)
        except OSError as problem:
            errors.append(problem.strerror)
    chosen = verified(run)
    fill(folder)
    return {
        "errors": errors,
        "chosen": chosen.checkpoint and chosen.checkpoint.step,
        "invalid": chosen.invalid,
        "whole_on_a_full_disk": problem_of(checkpoint_at(run, 10).path, resumable=True),
    }


def result(folder: Path) -> dict[str, Any]:
    """The end of an attempt, when nothing else fits."""
    run = submit(folder / "runs", make_spec(run_id="a-run"))
    attempt = Attempt.claim(run)
    fill(folder)
    refused = None
    try:
        write_json(folder / "runs" / "another.json", {"v": 1, "text": "x" * 5000})
    except OSError as problem:
        refused = problem.strerror
    first = attempt.finish(State.FAILED, Reason("disk_full", room(folder)))
    return {"refused": refused, "first": first, "result": json.loads(attempt.layout.result.read_bytes())}


def inodes(folder: Path) -> dict[str, Any]:
    """No file can be made any more, although there is room."""
    run = submit(folder / "runs", make_spec(run_id="a-run"))
    attempt = Attempt.claim(run)
    attempt.event("starting")
    with contextlib.suppress(OSError):
        for number in range(10_000):
            (folder / f"file-{number}").touch()
    said = room(folder)
    # A tmpfs, unlike other file systems, counts a second name of a file as an inode too.
    (folder / "file-0").unlink()
    attempt.event("stopping")
    first = attempt.finish(State.FAILED, Reason("disk_full", said))
    (folder / "file-0").touch()
    refused = ""
    try:
        submit(folder / "runs", make_spec(run_id="another"))
    except ConsoleError as problem:
        refused = str(problem)
    return {
        "room": said,
        "first": first,
        "result": json.loads(attempt.layout.result.read_bytes()),
        "events": len(attempt.layout.events.read_bytes().splitlines()),
        "refused": refused,
    }


CASES = {"metrics": metrics, "checkpoint": checkpoint, "result": result, "inodes": inodes}

if __name__ == "__main__":
    place = Path(sys.argv[2])
    subprocess.run(["mount", "-t", "tmpfs", "-o", sys.argv[3], "small", place], check=True)
    print(json.dumps(CASES[sys.argv[1]](place)))
