"""What a run recorded, drawn in a real terminal: its bytes hold nothing but the sequences of the console."""

import json

import pytest

from nli_console.record.files import read_json, write_json
from tests.end_to_end.conftest import World
from tests.end_to_end.escapes import foreign
from tests.end_to_end.test_hostile_text import PAYLOAD
from tests.support.fake_reports import write_guards, write_report
from tests.support.fake_runs import make_run

TEN_MB = b"x" * 10_000_000
LOG = b"\xff\xfe\x80 no UTF-8 \xc3\x28\n" + PAYLOAD.encode() + b"\n" + TEN_MB + b"\nbehind ten megabytes\n"


@pytest.mark.slow
def test_a_hostile_record_is_drawn_clean(world: World) -> None:
    """Fault: escapes, markup, bidirectional marks, a line of 10 MB, invalid UTF-8 in every text of a run."""
    run = make_run(
        world.runs_dir, "failed", steps=30, name=PAYLOAD, model=f"a/{PAYLOAD}", reason=("exception", PAYLOAD),
        log=LOG, preset=PAYLOAD, nan_at=(7,),
    )  # fmt: skip
    attempt = run.attempt(1)
    write_report(run, split=PAYLOAD.replace("/", "_"))
    write_guards(run, (PAYLOAD, PAYLOAD, PAYLOAD))
    labels = read_json(run.labels) or {}
    write_json(run.labels, {**labels, "notes": PAYLOAD, "tags": [PAYLOAD], "name": PAYLOAD})
    with attempt.metrics.open("a") as stream:
        for record in (
            {"kind": "phase", "phase": PAYLOAD, "unit": PAYLOAD, "detail": PAYLOAD, "done": 1, "total": 2},
            {"kind": "eval", "step": 30, "split": PAYLOAD, "accuracy": 0.5, "purpose": PAYLOAD, "n": 10},
            {"kind": "guard", "id": PAYLOAD, "severity": PAYLOAD, "message": PAYLOAD, "step": 3},
            {"kind": PAYLOAD, PAYLOAD: PAYLOAD},
            {"kind": "train", "step": 31, "loss": PAYLOAD, "text": "y" * 2_000_000},
        ):
            stream.write(json.dumps({"v": 1, "seq": 999, "t": 1.0, **record}) + "\n")
    with world.terminal() as console:
        console.wait_for("failed")
        console.press("enter")
        console.wait_for(r"\[@click=app\.leave\]x\[/\]")
        for seen in (r"accuracy|no evaluation", "behind ten megabytes", "Hyperparameters of"):
            console.press("]")
            console.wait_for(seen)
        console.press("escape")
        console.press("q")
        assert console.wait_exit() == 0
        assert foreign(bytes(console.raw), textual=True) == []
