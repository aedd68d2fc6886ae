"""Files that end in the middle of a record, or have a hole: no reader raises, none shows half a value."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nli_console.record.curve import CurveReader
from nli_console.record.evidence import gather
from nli_console.record.glance import begin_of, end_of, glance, last_record, last_steps
from nli_console.record.journal import Journal, Tail
from nli_console.record.labels import read_labels
from nli_console.record.layout import AttemptLayout, RunLayout
from nli_console.record.live import LiveRun
from nli_console.record.state import derive
from nli_console.record.summary import summarise
from nli_console.record.waiting import last_waiting
from tests.support.fake_runs import make_run

JOURNALS = ("metrics.jsonl", "curve.jsonl", "system.jsonl", "events.jsonl")


@pytest.fixture
def run(tmp_path: Path) -> RunLayout:
    return make_run(tmp_path, "running", steps=6)


def whole_lines(content: bytes) -> list[Any]:
    """What a reader may show: the lines that end with a newline."""
    return [json.loads(line) for line in content.split(b"\n")[:-1]]


def read_everything(run: RunLayout) -> None:
    """Every reader of the console, as list, show and the live view use them."""
    evidence = gather(run)
    summarise(run, read_labels(run), evidence, derive(evidence), 2e9)
    live = LiveRun(run)
    live.poll()
    _ = live.eta, live.throughput, live.phase, live.guards, live.log
    attempt = run.attempt(1)
    for reader in (glance, end_of, last_record, last_steps, begin_of):
        reader(attempt.metrics)
    last_waiting(attempt.events, run.id)


@pytest.mark.parametrize("name", JOURNALS)
def test_a_cut_at_every_byte_of_the_last_three_records(run: RunLayout, name: str) -> None:
    """Fault: the last line is torn, at any byte. One record is lost, the next attempt's are not."""
    path = run.attempt(1).path / name
    content = path.read_bytes()
    last_three = b"".join(content.splitlines(keepends=True)[-3:])
    for end in range(len(content) - len(last_three), len(content)):
        path.write_bytes(content[:end])
        expected = whole_lines(content[:end])
        tail = Tail(path)
        assert tail.read().records == expected
        assert (tail.bad_lines, tail.pending > 0) == (0, content[end - 1 : end] != b"\n" and end > 0)
        if end % 7 == 0:
            read_everything(run)
        with Journal(path) as journal:
            journal.append({"v": 1, "kind": "after", "event": "after"})
        again = Tail(path)
        records = again.read().records
        # A cut that took only the newline lost nothing: the record behind it is whole.
        cut_newline = content[end : end + 1] == b"\n"
        lost = [json.loads(content[:end].rpartition(b"\n")[2])] if cut_newline else []
        assert records == [*expected, *lost, {"v": 1, "kind": "after", "event": "after"}]
        assert again.bad_lines == (tail.pending > 0 and not cut_newline)


def test_a_block_of_nul_in_the_middle(run: RunLayout) -> None:
    """Fault: power loss leaves 4 KiB of NUL in the middle of a file. It is counted, the rest is shown."""
    path = run.attempt(1).metrics
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:6]) + bytes(4096) + b"".join(lines[6:]))
    live = LiveRun(run)
    live.poll()
    assert [block.last_step for block in live.points] == [1, 2, 3, 4, 5, 6]
    assert live.bad_lines == 1
    read_everything(run)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: bytes(len(content)),
        lambda content: content[: len(content) // 2] + bytes(4096) + content[len(content) // 2 :],
        lambda content: b"\xff" * 4096 + b"\n" + content,
        lambda content: content.replace(b'"step":3', b'"step":"three"'),
        lambda content: content.replace(b'"loss":', b'"loss":[[[],{}],'),
        lambda content: b'null\n3\n[]\n"x"\n{}\n' + content,
        lambda content: content.replace(b'"t":', b'"t":1e400,"u":'),
        lambda content: content.replace(b'"step":4', b'"step":' + b"9" * 400),
    ],
    ids=["NUL", "a hole", "no text", "wrong type", "no JSON", "no objects", "infinite", "huge"],
)
@pytest.mark.parametrize("name", [*JOURNALS, "owner.json", "guards.json"])
def test_garbage_is_passed_over(run: RunLayout, name: str, damage: Callable[[bytes], bytes]) -> None:
    """Fault: garbage in a file of the record. No reader raises and no value is made up."""
    path = run.attempt(1).path / name
    path.write_bytes(damage(path.read_bytes() if path.exists() else b'{"active": [{"step":4}]}\n'))
    read_everything(run)
    points = CurveReader(AttemptLayout(run.attempt(1).path)).read().points
    assert {block.last_step for block in points} <= {1, 2, 3, 4, 5, 6, int("9" * 400)}
