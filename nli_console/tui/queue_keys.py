"""The keys of Runs that change the queue: start now, first, forward, backward, hold, pause."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.message import Message

from nli_console.record.access import refusal
from nli_console.record.state import State
from nli_console.record.store import RunSummary
from nli_console.tui import run_actions
from nli_console.tui.background import run
from nli_console.tui.run_actions import ActionDone
from nli_console.tui.screens.base import ConsoleScreen

if TYPE_CHECKING:
    from nli_console.supervisor.queue_actions import Where
    from nli_console.tui.widgets.run_table import RunTable


class QueueKeys(ConsoleScreen):
    """A screen with a table of runs, of which those that are meant may be waiting."""

    @property
    def table(self) -> "RunTable":
        raise NotImplementedError

    def action_start_now(self) -> None:
        runs = self._waiting("started past it")
        if not runs:
            return
        beside = any(_in_use(held) for held in runs)
        text = f"{_question(runs)} {_consequence(runs)}".rstrip()
        survive = self.shell.settings.values.launch.survive_logout

        def act(agreed: bool | None) -> None:
            if agreed:
                from nli_console.supervisor import queue_actions

                self._do(
                    "Start now",
                    runs,
                    lambda held: queue_actions.start(held.layout, beside=beside, survive=survive),
                )

        from nli_console.tui.screens.confirm import Confirm

        self.app.push_screen(Confirm(text, "start it" if len(runs) == 1 else "start them"), act)

    def action_queue(self, where: "Where") -> None:
        from nli_console.supervisor import queue_actions

        runs = self._waiting("moved in it")
        # Several runs keep their order among themselves: who is in front moves last, or first with "up".
        ordered = sorted(runs, key=_place, reverse=where != "up")
        if runs:
            self._do("Move", ordered, lambda held: queue_actions.move(held.layout, where))

    def action_hold(self) -> None:
        from nli_console.supervisor import queue_actions

        runs = self._waiting("held back")
        if not runs:
            return
        if all(held.waiting is not None and held.waiting.obstacle == "held" for held in runs):
            self._do("Release", runs, lambda held: queue_actions.release(held.layout))
        else:
            self._do("Hold", runs, lambda held: queue_actions.hold(held.layout))

    def action_pause(self) -> None:
        from nli_console.supervisor import queue_actions

        runs_dir, paused = self.shell.settings.runs_dir, self.shell.status.paused

        def work() -> Message:
            said = queue_actions.unpause(runs_dir) if paused else queue_actions.pause(runs_dir)
            return ActionDone(said[:1].upper() + said[1:] + ".")

        run(work, self, title="Queue")

    def _waiting(self, verb: str) -> list[RunSummary]:
        runs = [held for held in self.table.targets if held.state.state is State.QUEUED]
        if foreign := next((held for held in runs if held.read_only), None):
            self.shell.tell(refusal(f'"{foreign.name}"', foreign.read_only, verb), severity="warning")
            return []
        if not runs:
            self.shell.tell(f"Only a run that waits in the queue can be {verb}.", severity="warning")
        return runs

    def _do(self, title: str, runs: Sequence[RunSummary], one: Callable[[RunSummary], str]) -> None:
        run_actions.each(self, title, runs, one)


def _in_use(held: RunSummary) -> bool:
    from nli_console.supervisor.queue_actions import IN_USE

    return held.waiting is not None and held.waiting.obstacle in IN_USE


def _place(held: RunSummary) -> tuple[int, float]:
    place = held.waiting.place if held.waiting is not None else None
    return place or 0, held.submitted or 0.0


def _question(runs: Sequence[RunSummary]) -> str:
    what = run_actions.name_of(runs)
    waiting = runs[0].waiting
    if len(runs) > 1:
        return f"Start {what} now, past all others?"
    if waiting is None:
        return f"Start {what} now? Nobody waits to start it."
    if waiting.obstacle == "foreign":
        return f"Start {what} now, although {waiting.target}?"
    if waiting.holder and _in_use(runs[0]):
        return f"Start {what} now, beside {waiting.holder}?"
    return f"Start {what} as soon as a slot is free, before all others?"


def _consequence(runs: Sequence[RunSummary]) -> str:
    if not any(_in_use(held) for held in runs):
        return ""
    return "Those that share a device are slower, and may run out of memory."
