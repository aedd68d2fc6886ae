"""A long history and a long run: what is read stays bounded, counted in bytes and calls, not in seconds."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nli_console.record.curve import CurveWriter
from nli_console.record.journal import Journal
from nli_console.record.layout import RunLayout
from nli_console.record.live import LiveRun
from nli_console.record.store import Store
from tests.faults.places import in_memory
from tests.faults.test_hostile_folders import bytes_read
from tests.support.fake_runs import make_run

RUNS = 2000
STEPS = 60_000
"""Enough for a metrics file that is read from its curve; the cost of a poll does not grow with it."""


@pytest.fixture
def memory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="nli-scale-", dir=in_memory()) as folder:
        yield Path(folder)


def test_two_thousand_runs_are_read_once(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fault: a history of thousands of runs. Each is read once, in a few KiB; then none is opened again."""
    template = make_run(memory / "template", "finished", steps=3, run_id="template").path
    runs = memory / "runs"
    for number in range(RUNS):
        folder = runs / f"run-{number:04d}"
        (folder / "attempts/0001").mkdir(parents=True)
        for name in ("spec.json", "labels.json", *(f"attempts/0001/{n}" for n in _ATTEMPT)):
            os.link(template / name, folder / name)
        for path in (folder / "attempts", folder):
            os.utime(path, (1e9, 1e9))
    store = Store(runs)
    before = bytes_read()
    store.refresh()
    assert len(store.runs) == RUNS
    assert (bytes_read() - before) / RUNS < 16 * 1024

    def refused(path: object, *_: object, **__: object) -> int:
        raise AssertionError(f"opened {path}")

    monkeypatch.setattr("nli_console.record.files.os.open", refused)
    before = bytes_read()
    assert not store.refresh()
    # The process table is looked at, not the runs.
    assert bytes_read() - before < 4 * 2**20
    monkeypatch.undo()


_ATTEMPT = ("owner.json", "final.json", "result.json", "metrics.jsonl", "curve.jsonl", "events.jsonl")


@pytest.fixture(scope="module")
def long_run(tmp_path_factory: pytest.TempPathFactory) -> RunLayout:
    layout = make_run(tmp_path_factory.mktemp("long"), "running", steps=0, total_steps=10**6)
    attempt = layout.attempt(1)
    lines: list[bytes] = []
    curve = CurveWriter(attempt.curve)
    offset = 0
    for step in range(1, STEPS + 1):
        line = (
            f'{{"v":1,"seq":{step},"t":1.0,"kind":"train","step":{step},"epoch":0.1,"loss":{1 / step!r},'
            f'"learning_rate":0.0003,"grad_norm":1.0,"samples":32,"tokens":1280,"seconds":0.35}}\n'
        ).encode()
        curve.add({"kind": "train", "step": step, "loss": 1 / step}, offset, len(line))
        lines.append(line)
        offset += len(line)
    attempt.metrics.write_bytes(b"".join(lines))
    curve.close()
    return layout


def test_a_long_run_is_opened_and_followed_without_reading_it_whole(long_run: RunLayout) -> None:
    """Fault: millions of records. Opening reads the curve, following reads what is new."""
    size = long_run.attempt(1).metrics.stat().st_size
    before = bytes_read()
    live = LiveRun(long_run)
    while live.poll().more:
        pass
    opened = bytes_read() - before
    assert live.step == STEPS
    assert sum(block.n for block in live.points) == STEPS
    assert opened < size / 8
    before = bytes_read()
    live.poll()
    assert bytes_read() - before < 64 * 1024
    with Journal(long_run.attempt(1).metrics) as journal:
        for step in range(STEPS + 1, STEPS + 11):
            journal.append({"v": 1, "seq": step, "kind": "train", "step": step, "loss": 0.5, "seconds": 0.35})
    before = bytes_read()
    live.poll()
    assert live.step == STEPS + 10
    assert bytes_read() - before < 64 * 1024


def test_what_is_kept_of_a_long_run_is_bounded(long_run: RunLayout) -> None:
    """Fault: millions of records. The curve that is drawn has thousands of points, not millions."""
    live = LiveRun(long_run)
    while live.poll().more:
        pass
    assert len(live.points) < STEPS / 100
