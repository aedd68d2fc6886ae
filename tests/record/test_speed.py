"""How long a run would take, by the runs that are there."""

import json
from pathlib import Path
from typing import Any

from nli_console.record.speed import Speed, measured_speed
from nli_console.record.store import Store
from tests.support.fake_runs import BATCH, STEP_SECONDS, make_run


def scored(root: Path, seconds: float = 50.0, **chosen: Any) -> None:
    """A finished run that scored 2,000 rows in ``seconds``, after 10 s of reading and loading."""
    values = {"scorer": "likelihood", "shots": 0, **chosen}
    layout = make_run(root, "finished", steps=1, method="icl", hyperparameters=values)
    final = layout.attempt(1).final
    figures = {"scored_rows": 2000, "eval_seconds": seconds, "seconds": seconds + 10.0}
    final.write_text(
        json.dumps({**json.loads(final.read_text()), **figures, "train_samples_per_second": None})
    )


def speed(root: Path, method: str = "icl", **pace: Any) -> Speed | None:
    store = Store(root)
    store.refresh()
    run = store.runs[0]
    return measured_speed(
        store.runs, method=method, model=run.model, data=run.data, device="NVIDIA H200", pace=pace
    )


def test_of_a_run_that_trains_it_is_that_of_its_steps(tmp_path: Path) -> None:
    make_run(tmp_path, "finished", steps=20)
    assert speed(tmp_path, "lora") == Speed(BATCH / STEP_SECONDS, 24.6, 1)


def test_of_a_run_that_only_scores_it_is_that_of_its_rows(tmp_path: Path) -> None:
    scored(tmp_path)
    assert speed(tmp_path) == Speed(40.0, 10.0, 1)


def test_runs_that_ask_in_another_way_tell_nothing(tmp_path: Path) -> None:
    scored(tmp_path, shots=8)
    assert speed(tmp_path, shots=0, scorer="likelihood") is None
    scored(tmp_path, seconds=20.0)
    found = speed(tmp_path, shots=0, scorer="likelihood")
    assert found is not None
    assert (found.samples_per_second, found.runs) == (100.0, 1)


def test_the_middle_of_the_newest_three_counts(tmp_path: Path) -> None:
    for seconds in (10.0, 20.0, 50.0):
        scored(tmp_path, seconds=seconds)
    found = speed(tmp_path, shots=0)
    assert found is not None
    assert (found.samples_per_second, found.runs) == (100.0, 3)
