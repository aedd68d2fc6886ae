"""What people ask of the queue: pause, hold, another place, and to go past it."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from nli_console.errors import ConsoleError
from nli_console.record import orders
from nli_console.record.evidence import attempt_numbers, gather
from nli_console.record.files import read_json, write_json
from nli_console.record.layout import RunLayout
from nli_console.record.processes import own_identity
from nli_console.record.state import State, derive
from nli_console.record.waiting import last_waiting
from nli_console.supervisor import queue_actions
from nli_console.supervisor.devices import Lookout
from nli_console.supervisor.lease import FOLDER_VARIABLE, Holder, Lease, Slots, Waiter
from nli_console.supervisor.queue_list import read_queue
from nli_console.supervisor.telemetry.readings import GpuReading
from nli_console.supervisor.turn import Turn
from tests.supervisor.conftest import Desk, race, result_of, until, worker_of
from tests.support.fake_runs import make_run

NO_GPU = GpuReading(0.0, ())


class Line:
    """Runs that wait in this very process, each with a turn of its own; everything else is real."""

    def __init__(self, root: Path, stack: ExitStack) -> None:
        self.root = root
        self._stack = stack
        self._slots = Slots()

    def join(self, name: str, since: float) -> tuple[RunLayout, Turn]:
        layout = make_run(self.root, "queued", run_id=f"run-{name}", name=name)
        return layout, self._turn(Holder(layout.id, str(layout.path), own_identity()), since, layout)

    def chat(self, since: float) -> Turn:
        return self._turn(Holder("chat", "", own_identity()), since, None)

    def _turn(self, holder: Holder, since: float, layout: RunLayout | None) -> Turn:
        waiter = self._stack.enter_context(Waiter(self._slots, holder, since))
        lookout = Lookout({}, self._slots.held, cpu_slots=1, wait_for_foreign=True)
        return Turn(waiter, lookout, layout and (lambda: orders.read_orders(layout, 0.0)))

    def occupy(self) -> Lease:
        lease = self._slots.take("cpu-0", Holder("run-now", "/runs/run-now", own_identity()))
        assert lease is not None
        return lease

    def order(self) -> list[str]:
        queue = read_queue(self.root, [])
        return [entry.run_id.removeprefix("run-") for entry in queue.entries if entry.place is not None]


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "leases"))
    with ExitStack() as stack:
        yield Line(tmp_path / "runs", stack)


def look(*turns: Turn) -> list[bool]:
    """Let each look once, in this order; whether it got a slot."""
    return [turn.look(NO_GPU) is not None for turn in turns]


def test_a_waiter_says_its_place_and_who_has_the_slot(line: Line) -> None:
    lease = line.occupy()
    (_, a), (_, b) = line.join("a", 1.0), line.join("b", 2.0)
    look(a, b)
    look(a, b)
    assert (a.waiting["place"], a.waiting["of"]) == (1, 2)
    assert (b.waiting["place"], b.waiting["of"]) == (2, 2)
    assert b.waiting["holder"] == f"run-now (pid {os.getpid()})"
    assert b.waiting["obstacle"] == "slot"
    lease.release()
    assert look(b) == [False]
    assert b.waiting["obstacle"] == "order"


def test_a_chat_that_holds_the_slot_is_named_with_the_way_to_free_it(line: Line) -> None:
    assert look(line.chat(1.0)) == [True]
    layout, a = line.join("a", 2.0)
    look(a)
    text = json.dumps({"v": 1, "event": "waiting", **a.waiting}) + "\n"
    layout.attempt(1).events.write_text(text)
    held = last_waiting(layout.attempt(1).events, layout.id)
    assert held is not None
    assert f"a chat of yours (pid {os.getpid()})" in held.sentence
    assert "press u in Chat" in held.advice


def test_a_run_is_moved_first_forward_and_backward(line: Line) -> None:
    line.occupy()
    (a, first), (b, second), (c, third) = (
        line.join(name, since) for name, since in zip("abc", (1.0, 2.0, 3.0), strict=True)
    )
    look(first, second, third)
    assert queue_actions.move(c, "first") == "run-c has place 1 of 3 in the queue"
    assert line.order() == ["c", "a", "b"]
    queue_actions.move(b, "up")
    assert line.order() == ["c", "b", "a"]
    queue_actions.move(c, "down")
    assert line.order() == ["b", "c", "a"]
    # The waiters see it at their next look.
    look(first, second, third)
    look(first, second, third)
    assert [turn.waiting["place"] for turn in (first, second, third)] == [3, 1, 2]
    with pytest.raises(ConsoleError, match="run-b: is first"):
        queue_actions.move(b, "up")
    with pytest.raises(ConsoleError, match="run-b: is first"):
        queue_actions.move(b, "first")
    with pytest.raises(ConsoleError, match="run-a: is last"):
        queue_actions.move(a, "down")


def test_runs_of_the_same_moment_can_be_moved_too(line: Line) -> None:
    line.occupy()
    runs = [line.join(name, 5.0) for name in "abcd"]
    look(*(turn for _, turn in runs))
    for _ in range(2):
        queue_actions.move(runs[3][0], "up")
    assert line.order() == ["a", "d", "b", "c"]
    queue_actions.move(runs[0][0], "down")
    assert line.order() == ["d", "a", "b", "c"]


def test_a_place_can_be_changed_a_hundred_times(line: Line) -> None:
    line.occupy()
    runs = [line.join(name, since) for name, since in zip("abc", (1.0, 2.0, 3.0), strict=True)]
    look(*(turn for _, turn in runs))
    for _ in range(60):
        queue_actions.move(runs[2][0], "up")
        assert line.order() == ["a", "c", "b"]
        queue_actions.move(runs[1][0], "up")
        assert line.order() == ["a", "b", "c"]


def test_a_run_passes_a_chat_that_waits(line: Line) -> None:
    line.occupy()
    chat, (a, turn) = line.chat(1.0), line.join("a", 2.0)
    look(chat, turn)
    queue_actions.move(a, "up")
    assert line.order() == ["a", "chat"]


def test_a_held_run_is_passed_and_comes_back_to_its_place(line: Line) -> None:
    lease = line.occupy()
    (a, first), (_, second) = line.join("a", 1.0), line.join("b", 2.0)
    look(first, second)
    queue_actions.hold(a)
    assert line.order() == ["b"]
    look(first, second)
    assert first.waiting["obstacle"] == "held"
    assert second.waiting["place"] == 1
    assert "waits its turn again" in queue_actions.release(a)
    assert line.order() == ["a", "b"]
    queue_actions.hold(a)
    look(first)
    lease.release()
    assert look(first, second) == [False, True]


def test_to_start_a_run_past_the_queue_frees_no_slot(line: Line) -> None:
    lease = line.occupy()
    (_, first), (b, second) = line.join("a", 1.0), line.join("b", 2.0)
    look(first, second)
    orders.start(b, "anna", 0.0, beside=False)
    assert look(second) == [False]
    assert line.order() == ["b", "a"]
    lease.release()
    assert look(first) == [False]
    assert look(second, first) == [True, False]


def test_to_start_a_run_beside_another_takes_a_second_slot_and_others_wait_for_both(line: Line) -> None:
    lease = line.occupy()
    (_, first), (b, second) = line.join("a", 1.0), line.join("b", 2.0)
    look(first, second)
    b.attempt(1).events.write_text(json.dumps({"event": "waiting", **second.waiting}) + "\n")
    with pytest.raises(ConsoleError, match=r"run-now .*--beside` starts it beside that"):
        queue_actions.start(b)
    assert look(second) == [False]
    assert queue_actions.start(b, beside=True) == "run-b starts now"
    assert look(second) == [True]
    lease.release()
    assert look(first) == [False]
    assert first.waiting["holder"].startswith("run-b ")


def test_orders_for_an_earlier_attempt_are_not_for_this_one(tmp_path: Path) -> None:
    layout = RunLayout(tmp_path / "runs" / "run-1")
    orders.hold(layout, "anna", 0.0)
    orders.move(layout, "anna", 0.0, 7.0)
    orders.start(layout, "anna", 0.0, beside=True)
    then = (read_json(layout.path / orders.HOLD) or {})["t"]
    assert orders.read_orders(layout, then - 1) == orders.Orders("", "anna", 7.0, True, True)
    assert orders.read_orders(layout, then + 60) == orders.Orders()
    # A clock that was set back since does not make a new order an old one.
    orders.hold(layout, "anna", then + 60)
    assert orders.read_orders(layout, then + 60).held_by == "anna"


def test_a_damaged_pause_is_a_pause(tmp_path: Path) -> None:
    assert orders.paused_by(tmp_path) == ""
    (tmp_path / orders.PAUSE).write_text("{")
    assert orders.paused_by(tmp_path) == "somebody"
    assert orders.unpause(tmp_path)
    assert not orders.unpause(tmp_path)


def test_only_a_run_that_waits_is_held_moved_or_started(tmp_path: Path, line: Line) -> None:
    running, ended = make_run(line.root, "running", steps=3), make_run(line.root, "stopped", steps=3)
    for run, word in ((running, "is running"), (ended, "is stopped")):
        for act in (
            queue_actions.hold,
            queue_actions.release,
            queue_actions.start,
            lambda run: queue_actions.move(run, "first"),
        ):
            with pytest.raises(ConsoleError, match=word):
                act(run)
    alone = make_run(line.root, "nobody_waits")
    with pytest.raises(ConsoleError, match="queue start"):
        queue_actions.hold(alone)


def test_a_run_of_somebody_else_is_neither_held_nor_started(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, _ = line.join("a", 1.0)
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    for act, verb in ((queue_actions.hold, "held"), (queue_actions.start, "started now")):
        with pytest.raises(ConsoleError, match=f"belongs to .* not {verb} from here"):
            act(layout)


def test_while_the_queue_is_paused_only_what_is_told_to_starts(desk: Desk) -> None:
    desk.runs_dir.mkdir(mode=0o700, parents=True)
    assert "nothing new starts" in queue_actions.pause(desk.runs_dir)
    first, second = desk.submit(steps=1), desk.submit(steps=1)
    for run in (first, second):
        desk.supervise(run)
        until(lambda run=run: last_waiting(run.attempt(1).events, run.id))
    state = derive(gather(first))
    assert state.reason is not None
    assert "has paused" in state.reason.detail
    assert "queue resume" in state.reason.advice
    queue_actions.start(second)
    assert until(lambda: result_of(second.attempt(1)))["state"] == "finished"
    assert worker_of(first.attempt(1)) is None
    assert queue_actions.unpause(desk.runs_dir) == "the queue goes on"
    assert until(lambda: result_of(first.attempt(1)))["state"] == "finished"


def test_after_a_restart_of_the_machine_a_run_starts_when_one_says_so_and_only_once(desk: Desk) -> None:
    run = desk.submit(steps=1)
    attempt = run.attempt(1)
    attempt.path.mkdir(parents=True, mode=0o700)
    owner = {"attempt": 1, "host": os.uname().nodename, "boot_id": "another", "queued": True, "started": 1.0}
    write_json(attempt.owner, {"v": 1, **owner, "supervisor": own_identity().to_json(), "worker": None})
    state = derive(gather(run))
    assert (state.state, state.reason and state.reason.code) == (State.QUEUED, "nobody_waits")
    (entry,) = read_queue(desk.runs_dir, [run]).entries
    assert entry.nobody
    assert attempt_numbers(run) == [1]
    # Two consoles start it at once.
    said = race(lambda: queue_actions.start(run), lambda: queue_actions.start(run))
    assert [text.startswith(f"{run.id} starts") for text in said] == [True, True]
    assert until(lambda: result_of(run.attempt(2)))["state"] == "finished"
    assert attempt_numbers(run) == [1, 2]
