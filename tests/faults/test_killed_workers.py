"""Workers killed at any moment: what they acknowledged is read again, and nothing that is half written."""

import os
import random
import signal
import struct
from pathlib import Path

from nli_console.record.curve import CurveReader
from nli_console.record.layout import AttemptLayout
from nli_console.record.live import LiveRun
from nli_console.record.metrics_writer import MetricsWriter
from tests.support.fake_runs import make_run

KILLS = 100
_ACK = struct.Struct("<I")


def record_and_acknowledge(attempt: AttemptLayout, acknowledged: int) -> None:
    """What a worker does, as fast as it can: a record, then the word that it was written."""
    writer = MetricsWriter(attempt)
    for step in range(1, 1_000_000):
        writer.write("train", {"step": step, "loss": 1 / step, "seconds": 0.001, "text": "x" * (step % 300)})
        os.write(acknowledged, _ACK.pack(step))


def kill_after(attempt: AttemptLayout, records: int) -> int:
    """Kill a worker once it has acknowledged ``records``; the last step that it did acknowledge."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            record_and_acknowledge(attempt, writer)
        finally:
            os._exit(1)
    os.close(writer)
    with open(reader, "rb", buffering=0) as stream:
        for _ in range(records):
            stream.read(_ACK.size)
        os.kill(child, signal.SIGKILL)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        last, rest = records, stream.read()
        while whole := rest[: _ACK.size]:
            (last,), rest = _ACK.unpack(whole), rest[_ACK.size :]
    return last


def test_a_hundred_random_kills_lose_no_acknowledged_record(tmp_path: Path) -> None:
    """Fault: the worker is killed in the middle of an epoch, at any moment."""
    moments = random.Random(1)
    for number in range(KILLS):
        folder = tmp_path / f"{number:04d}"
        folder.mkdir()
        attempt = AttemptLayout(folder)
        last = kill_after(attempt, moments.randint(1, 60))
        reader = CurveReader(attempt)
        steps = [block.last_step for block in reader.read().points]
        assert steps[:last] == list(range(1, last + 1))
        assert len(steps) - last <= 1
        assert reader.bad_lines == 0


def test_a_resumed_run_shows_what_two_killed_attempts_recorded(tmp_path: Path) -> None:
    """Fault: killed, resumed and killed again: the curve goes on where the resumed attempt began."""
    layout = make_run(tmp_path, "running", steps=1, attempts=3)
    for number in (1, 2, 3):
        attempt = layout.attempt(number)
        for path in (attempt.metrics, attempt.curve):
            path.unlink()
    first = kill_after(layout.attempt(1), 30)
    with_start = layout.attempt(2)
    writer = MetricsWriter(with_start)
    writer.write("start", {"resumed_step": 20, "total_steps": 1000})
    for step in range(21, 26):
        writer.write("train", {"step": step, "loss": 2.0, "seconds": 0.1})
    with open(with_start.metrics, "ab", buffering=0) as stream:
        stream.write(b'{"v":1,"seq":9,"t":0,"kind":"train","step":26,"loss":99')
    assert first >= 30
    live = LiveRun(layout)
    live.poll()
    assert [block.last_step for block in live.points] == list(range(1, 26))
    assert [block.mean for block in live.points[20:]] == [2.0] * 5
    assert live.bad_lines == 1, "the torn line is counted"
