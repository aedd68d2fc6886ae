"""`nli-console queue`: what it lists, and the commands that change the queue."""

import io
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from nli_console.cli import watch
from nli_console.cli.progress import Screen
from nli_console.cli.sight import Sight
from nli_console.record import orders
from nli_console.record.layout import RunLayout
from nli_console.record.processes import own_identity
from nli_console.supervisor.lease import Holder, Lease, Slots, Waiter
from tests.cli.conftest import Place
from tests.support.fake_runs import make_run

SLOT = {"for": "a CPU slot", "obstacle": "slot", "holder": "run-now (pid 7)", "place": 1, "of": 2}


class Waiters:
    """Runs that this very process waits for."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self._root = root
        self._stack = stack
        self._slots = Slots()

    def join(self, name: str, since: float) -> RunLayout:
        layout = make_run(self._root, "queued", run_id=f"run-{name}", name=name)
        layout.attempt(1).events.write_text(json.dumps({"event": "waiting", **SLOT}) + "\n")
        holder = Holder(layout.id, str(layout.path), own_identity())
        self._stack.enter_context(Waiter(self._slots, holder, since)).take(("cpu-0",))
        return layout

    def occupy(self) -> Lease | None:
        return self._slots.take("cpu-0", Holder("run-now", "/runs/run-now", own_identity()))


@pytest.fixture
def waiters(place: Place) -> Iterator[Waiters]:
    with ExitStack() as stack:
        made = Waiters(place.runs_dir, stack)
        made.occupy()
        yield made


def listed(place: Place) -> list[tuple[str, int | None]]:
    return [(entry["id"], entry["place"]) for entry in place.call("queue", "--json").json["waiting"]]


def test_the_queue_is_listed_in_order_with_reasons_and_what_to_do(place: Place, waiters: Waiters) -> None:
    waiters.join("b", 2.0)
    waiters.join("a", 1.0)
    make_run(place.runs_dir, "nobody_waits", run_id="run-z", name="z")
    result = place.call("queue")
    assert result.code == 0
    assert f"cpu-0  run-now (pid {os.getpid()})" in result.out
    table = [line.split()[:2] for line in result.out.splitlines() if "run-" in line and line[0] == " "]
    assert table == [["1", "run-a"], ["2", "run-b"], ["–", "run-z"]]
    assert "a CPU slot, held by run-now (pid 7)" in result.out
    assert "nobody waits: it was submitted but never started" in result.out
    assert "`nli-console queue start run-a --beside`" in result.out
    entry = place.call("queue", "--json").json["waiting"][0]
    assert (entry["obstacle"], entry["pid"], entry["held"]) == ("slot", os.getpid(), False)


def test_an_empty_queue_says_so(place: Place) -> None:
    assert place.call("queue").out == "nothing waits\n"
    assert place.call("queue", "--json").json == {"paused_by": None, "slots": [], "waiting": []}


def test_the_queue_is_paused_and_goes_on(place: Place, waiters: Waiters) -> None:
    waiters.join("a", 1.0)
    assert "nothing new starts" in place.call("queue", "pause").out
    assert "paused already" in place.call("queue", "pause").out
    shown = place.call("queue", "--json").json
    assert shown["paused_by"]
    assert shown["waiting"][0]["obstacle"] == "paused"
    assert "the queue goes on" in place.call("queue", "resume").out
    assert "was not paused" in place.call("queue", "resume").out


def test_runs_are_moved_held_released_and_started(place: Place, waiters: Waiters) -> None:
    a, b = waiters.join("a", 1.0), waiters.join("b", 2.0)
    assert place.call("queue", "first", "run-b").out == "run-b has place 1 of 2 in the queue\n"
    assert listed(place) == [("run-b", 1), ("run-a", 2)]
    place.call("queue", "up", "run-a")
    assert listed(place) == [("run-a", 1), ("run-b", 2)]
    place.call("queue", "down", "run-a")
    assert listed(place) == [("run-b", 1), ("run-a", 2)]
    place.call("queue", "hold", "run-b")
    assert listed(place) == [("run-b", None), ("run-a", 1)]
    assert "held  run-b" in place.call("queue").out
    place.call("queue", "release", "run-b")
    assert listed(place) == [("run-b", 1), ("run-a", 2)]
    refused = place.call("queue", "start", "run-a")
    assert refused.code == 2
    assert (
        "waits for a CPU slot, which run-now (pid 7) has; `nli-console queue start run-a --beside`"
        in refused.err
    )
    assert place.call("queue", "start", "run-a", "--beside").out == "run-a starts now\n"
    assert orders.read_orders(a, 0.0).beside
    assert not orders.read_orders(b, 0.0).start


def test_a_group_is_put_first_in_its_order_and_not_started_as_one(place: Place, waiters: Waiters) -> None:
    waiters.join("a", 1.0)
    for number in (1, 2):
        layout = waiters.join(f"s{number}", 1.0 + number)
        spec = json.loads(layout.spec.read_text())
        layout.spec.write_text(json.dumps({**spec, "group": "g-1"}))
    place.call("queue", "first", "g-1")
    assert [name for name, _ in listed(place)] == ["run-s1", "run-s2", "run-a"]
    refused = place.call("queue", "start", "g-1")
    assert refused.code == 2
    assert "is a group of 2 runs" in refused.err


def test_list_show_and_watch_say_where_a_run_waits_and_what_to_do(place: Place, waiters: Waiters) -> None:
    layout = waiters.join("a", 1.0)
    assert "queued 1" in place.call("list").out
    shown = place.call("show", "run-a").out
    assert "waits for: a CPU slot, held by run-now (pid 7); place 1 of 2 in the queue" in shown
    assert "to do        it starts when that one ends; `nli-console queue start run-a --beside`" in shown
    assert place.call("show", "run-a", "--json").json["queue_place"] == 1
    sight, stream = Sight(layout), io.StringIO()
    screen = Screen(stream)
    for _ in range(2):
        watch._look(sight, screen, "")  # pyright: ignore[reportPrivateUsage]
    assert stream.getvalue().count("`nli-console queue start run-a --beside`") == 1
