"""The keys of Runs that change the queue, and what is shown of it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from nli_console.record import orders
from nli_console.record.files import read_json, write_json
from nli_console.record.layout import RunLayout
from nli_console.record.processes import own_identity
from nli_console.supervisor.lease import FOLDER_VARIABLE, Holder, Slots, Waiter
from nli_console.tui.screens.confirm import Confirm
from nli_console.tui.status import Machine, Status
from tests.support.fake_runs import make_run
from tests.tui.test_runs_screen import console, screen_text, shown, until

FOREIGN = "GPU0: bob uses 61.2 GiB, not through the console"


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ExitStack]:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "leases"))
    with ExitStack() as stack:
        yield stack


def queued(root: Path, stack: ExitStack, name: str, place: int, **waiting: object) -> RunLayout:
    layout = make_run(root, "queued", name=name, run_id=f"run-{name}")
    event = {"event": "waiting", "for": "a CPU slot", "place": place, "of": 2, **waiting}
    layout.attempt(1).events.write_text(json.dumps(event) + "\n")
    holder = Holder(layout.id, str(layout.path), own_identity())
    stack.enter_context(Waiter(Slots(), holder, float(place))).take(())
    return layout


async def test_a_waiting_run_says_for_what_and_its_place_and_is_moved_held_and_started(
    tmp_path: Path, stack: ExitStack
) -> None:
    root = tmp_path / "runs"
    queued(root, stack, "other", 1)
    mine = queued(root, stack, "mine", 2, **{"for": FOREIGN, "obstacle": "foreign"})
    app = console(root)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, mine)
        await until(pilot, lambda: "bob uses 61.2 GiB" in screen_text(app))
        text = screen_text(app)
        assert "queued 2" in text
        assert "place 2 of 2" in " ".join(text.split())
        assert "g shares it" in text
        assert "nli-console queue" not in text
        await pilot.press("f")
        await until(pilot, lambda: orders.read_orders(mine, 0.0).place is not None)
        await pilot.press("h")
        await until(pilot, lambda: orders.read_orders(mine, 0.0).held_by)
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert f"although {FOREIGN}?" in " ".join(screen_text(app).replace("│", " ").split())
        await pilot.press("n")
        assert not orders.read_orders(mine, 0.0).start
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await until(pilot, lambda: orders.read_orders(mine, 0.0).beside)
        await pilot.press("p")
        await until(pilot, lambda: "queue paused" in screen_text(app))
        await pilot.press("p")
        await until(pilot, lambda: "queue paused" not in screen_text(app))
        assert orders.paused_by(root) == ""


async def test_a_run_on_another_host_is_labelled_with_it_where_its_readings_are(
    tmp_path: Path, stack: ExitStack
) -> None:
    layout = make_run(tmp_path / "runs", "running", steps=5, name="far")
    owner = layout.attempt(1).owner
    write_json(owner, {**(read_json(owner) or {}), "host": "node7"})
    app = console(tmp_path / "runs")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, layout)
        await until(pilot, lambda: "GPU memory" in screen_text(app))
        text = screen_text(app)
        assert "on node7" in text
        assert "read on" in text
        await pilot.press("g")
        await until(pilot, lambda: any("run that waits" in note.message for note in app._notifications))


def test_the_status_line_says_that_the_queue_is_paused() -> None:
    assert "queue paused" in Status.of(Machine(), [], paused=True).forms()[-1][-1].plain
