"""Rows kept for the next console: the same as freshly read ones, and never believed against the folders."""

import os
import time
from pathlib import Path

import pytest

from nli_console.record import store as store_module
from nli_console.record.labels import update_labels
from nli_console.record.layout import RunLayout
from nli_console.record.store import Store
from tests.support.fake_runs import FakeState, make_run

STATES: tuple[FakeState, ...] = ("finished", "failed", "stopped", "lost", "running")


def settle(layout: RunLayout) -> None:
    """Make the folders old enough for their times to be trusted."""
    moment = time.time() - 60
    for folder in (layout.attempts, layout.path):
        os.utime(folder, (moment, moment))


@pytest.fixture
def runs(tmp_path: Path) -> list[RunLayout]:
    layouts = [make_run(tmp_path / "runs", state, steps=5, run_id=f"run-{state}") for state in STATES]
    for layout in layouts:
        settle(layout)
    return layouts


def kept(tmp_path: Path) -> Store:
    """A store that has kept its rows."""
    store = Store(tmp_path / "runs", tmp_path / "cache")
    store.refresh()
    store.keep()
    return store


def test_the_next_console_shows_the_same_rows_and_reads_only_what_goes_on(
    tmp_path: Path, runs: list[RunLayout], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept(tmp_path).runs
    looked: list[str] = []
    gather = store_module.gather

    def watched(layout: RunLayout, *arguments: object, **named: object):
        looked.append(layout.id)
        return gather(layout, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(store_module, "gather", watched)
    after = Store(tmp_path / "runs", tmp_path / "cache")
    after.refresh(newest=2)
    assert len(after.runs) == 2
    after.refresh()
    ended = {run.id: run for run in before if not run.state.state.live}
    assert {run.id: run for run in after.runs if run.id in ended} == ended
    assert set(looked) == {run.id for run in before if run.state.state.live}


def test_a_label_that_changed_meanwhile_is_seen(tmp_path: Path, runs: list[RunLayout]) -> None:
    kept(tmp_path)
    update_labels(runs[0], name="another")
    after = Store(tmp_path / "runs", tmp_path / "cache")
    after.refresh()
    run = after.get(runs[0].id)
    assert run is not None
    assert run.name == "another"


@pytest.mark.parametrize("damage", [b"", b"[]\n", b"\xff\x00", b'{"a": 1}\n[1, 2]\n'])
def test_a_damaged_cache_costs_nothing_but_time(tmp_path: Path, runs: list[RunLayout], damage: bytes) -> None:
    before = kept(tmp_path)
    (file,) = (tmp_path / "cache" / "history").iterdir()
    head = file.read_bytes().split(b"\n")[0]
    for content in (damage, head + b"\n" + damage + b"\n"):
        file.write_bytes(content)
        after = Store(tmp_path / "runs", tmp_path / "cache")
        after.refresh()
        assert [run.id for run in after.runs] == [run.id for run in before.runs]


def test_a_removed_run_is_gone_and_the_cache_is_private(tmp_path: Path, runs: list[RunLayout]) -> None:
    kept(tmp_path)
    runs[0].path.rename(tmp_path / "elsewhere")
    after = Store(tmp_path / "runs", tmp_path / "cache")
    after.refresh()
    assert runs[0].id not in {run.id for run in after.runs}
    (file,) = (tmp_path / "cache" / "history").iterdir()
    assert file.stat().st_mode & 0o077 == 0
