import math
import os
from pathlib import Path
from typing import Any

import pytest

from nli_console.record import curve
from nli_console.record.curve import Block, CurveReader, merge, read_block, up_to_step
from nli_console.record.journal import Tail
from nli_console.record.layout import AttemptLayout
from nli_console.record.metrics_writer import MetricsWriter


@pytest.fixture
def attempt(tmp_path: Path) -> AttemptLayout:
    return AttemptLayout(tmp_path)


def loss_at(step: int) -> float:
    return math.nan if step % 97 == 0 else 1 + math.sin(step)


def train(writer: MetricsWriter, steps: range, evaluate_every: int = 0) -> None:
    for step in steps:
        writer.write("train", {"step": step, "loss": loss_at(step), "learning_rate": 1 / step})
        if evaluate_every and step % evaluate_every == 0:
            writer.write("eval", {"step": step, "accuracy": 0.5, "split": "selection"})


def follow(reader: CurveReader) -> tuple[list[Block], list[dict[str, Any]]]:
    points: list[Block] = []
    others: list[dict[str, Any]] = []
    while True:
        batch = reader.read()
        points += batch.points
        others += batch.others
        if not batch.more:
            return points, others


def test_blocks_equal_what_the_metrics_give_again(attempt: AttemptLayout) -> None:
    writer = MetricsWriter(attempt)
    train(writer, range(1, 1001), evaluate_every=100)
    writer.close()
    blocks = Tail(attempt.curve).read().records
    assert [block["n"] for block in blocks] == [256, 256, 256, 232]
    for block in blocks:
        losses = [loss_at(step) for step in range(block["first_step"], block["last_step"] + 1)]
        finite = [loss for loss in losses if not math.isnan(loss)]
        assert block["nan"] == len(losses) - len(finite)
        assert (block["min"], block["max"]) == (min(finite), max(finite))
        assert block["mean"] == pytest.approx(math.fsum(finite) / len(finite), rel=1e-12)
        assert block["learning_rate"] == 1 / block["last_step"]
    assert blocks[0]["offset"] == 0
    assert sum(block["bytes"] for block in blocks) <= attempt.metrics.stat().st_size


def test_a_long_run_opens_from_its_curve_and_goes_on_from_there(
    attempt: AttemptLayout, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(curve, "RAW_BYTES", 1000)
    writer = MetricsWriter(attempt)
    writer.write("start", {"total_steps": 2000})
    train(writer, range(1, 601), evaluate_every=50)
    reader = CurveReader(attempt)
    points, others = follow(reader)
    assert [point.n for point in points] == [256, 256] + [1] * 88
    assert [point.first_step for point in points][:3] == [1, 257, 513]
    assert [record["kind"] for record in others] == ["start"] + ["eval"] * 12
    train(writer, range(601, 611))
    assert [point.last_step for point in follow(reader)[0]] == list(range(601, 611))
    inside = read_block(attempt.metrics, points[0])
    assert [point.last_step for point in inside] == list(range(1, 257))
    assert merge(inside)[:9] == points[0][:9]


def test_a_short_run_is_read_step_by_step(attempt: AttemptLayout) -> None:
    writer = MetricsWriter(attempt)
    train(writer, range(1, 301))
    assert [point.n for point in follow(CurveReader(attempt))[0]] == [1] * 300


@pytest.mark.parametrize("damage", ["missing", "garbage", "gap", "too long", "fifo"])
def test_a_damaged_curve_costs_time_and_no_data(
    attempt: AttemptLayout, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr(curve, "RAW_BYTES", 1000)
    writer = MetricsWriter(attempt)
    train(writer, range(1, 1025), evaluate_every=100)
    writer.close()
    lines = attempt.curve.read_bytes().split(b"\n")
    attempt.curve.unlink()
    match damage:
        case "garbage":
            attempt.curve.write_bytes(b"\0" * 300 + b"\n[]\n{}\n")
        case "gap":
            attempt.curve.write_bytes(lines[0] + b"\n" + lines[3] + b"\n")
        case "too long":
            attempt.curve.write_bytes(lines[0].replace(b'"bytes":', b'"bytes":9') + b"\n")
        case "fifo":
            os.mkfifo(attempt.curve)
    points, others = follow(CurveReader(attempt))
    assert sum(point.n for point in points) == 1024
    assert [point.first_step for point in points] == sorted(point.first_step for point in points)
    assert [record["step"] for record in others] == list(range(100, 1025, 100))


def test_a_block_that_straddles_the_resumed_step_is_cut(attempt: AttemptLayout) -> None:
    writer = MetricsWriter(attempt)
    train(writer, range(1, 257))
    writer.close()
    whole = merge(follow(CurveReader(attempt))[0])
    (cut,) = up_to_step([whole], 100, attempt.metrics)
    losses = [loss for step in range(1, 101) if not math.isnan(loss := loss_at(step))]
    assert (cut.first_step, cut.last_step, cut.n) == (1, 100, 100)
    assert cut.mean == pytest.approx(math.fsum(losses) / len(losses))
    assert up_to_step([whole], 0, attempt.metrics) == []


def test_a_block_without_a_finite_loss_has_no_mean() -> None:
    lost = Block(1, 1, 1, None, None, None, 1, None, None, 0, 10)
    block = merge([lost, lost._replace(first_step=2, last_step=2, offset=10)])
    assert (block.n, block.nan, block.mean, block.min) == (2, 2, None, None)
