"""A long run costs what is shown of it: bytes that are asked of its files, counted."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nli_console.record import curve
from nli_console.record.curve import BLOCK_RECORDS, read_block
from nli_console.record.layout import AttemptLayout
from nli_console.record.live import LiveRun
from nli_console.record.metrics_writer import MetricsWriter
from tests.support.fake_runs import make_run

BLOCKS = 40


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of what was read, one entry a read."""
    sizes: list[int] = []

    def counting(function: Callable[..., bytes]) -> Callable[..., bytes]:
        def count(*arguments: Any) -> bytes:
            got = function(*arguments)
            sizes.append(len(got))
            return got

        return count

    monkeypatch.setattr(os, "pread", counting(os.pread))
    monkeypatch.setattr(os, "read", counting(os.read))
    return sizes


def test_a_long_run_is_opened_from_its_curve_followed_by_what_is_new_and_zoomed_by_a_seek(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: list[int]
) -> None:
    monkeypatch.setattr(curve, "RAW_BYTES", 100_000)
    layout = make_run(tmp_path, "running", steps=1)
    attempt = layout.attempt(1)
    attempt.metrics.unlink()
    attempt.curve.unlink(missing_ok=True)
    writer = MetricsWriter(attempt)
    steps = BLOCKS * BLOCK_RECORDS
    for step in range(1, steps + 1):
        writer.write("train", {"step": step, "loss": 1 / step, "learning_rate": 1e-4, "seconds": 0.1})
    size = attempt.metrics.stat().st_size

    run = LiveRun(layout)
    read.clear()
    points = run.poll().points
    assert (len(points), points[-1].last_step) == (BLOCKS, steps)
    assert sum(read) < size / 20

    read.clear()
    before = size
    for step in range(steps + 1, steps + 11):
        writer.write("train", {"step": step, "loss": 1.0, "learning_rate": 1e-4, "seconds": 0.1})
    new = attempt.metrics.stat().st_size - before
    assert len(run.poll().points) == 10
    assert sum(read) < new + 2000

    read.clear()
    singles = read_block(AttemptLayout(attempt.path).metrics, points[BLOCKS // 2])
    assert [single.first_step for single in singles] == list(
        range(points[BLOCKS // 2].first_step, points[BLOCKS // 2].last_step + 1)
    )
    assert sum(read) == points[BLOCKS // 2].bytes
