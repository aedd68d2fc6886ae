"""What a person does to runs, on background threads; the outcome comes back as a message."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.message import Message
from textual.message_pump import MessagePump

from nli_console.errors import ConsoleError
from nli_console.record.groups import member_name
from nli_console.record.store import RunSummary
from nli_console.text import clean_line
from nli_console.tui.background import describe, run

if TYPE_CHECKING:
    from nli_console.settings import LoadedSettings


@dataclass
class ActionDone(Message):
    """Something was done; ``text`` says what, and may hold untrusted names."""

    text: str


@dataclass
class Deleted(ActionDone):
    """Runs went to the trash; ``ids`` can be brought back."""

    ids: tuple[str, ...]


def name_of(runs: Sequence[RunSummary]) -> str:
    """``"lora 3"`` or ``4 runs``."""
    return f'"{clean_line(runs[0].name, limit=60)}"' if len(runs) == 1 else f"{len(runs)} runs"


def stop(target: MessagePump, runs: Sequence[RunSummary], *, kill: bool) -> None:
    """Ask runs to stop after a checkpoint, or end them at once."""
    from nli_console.supervisor import actions, queue_actions

    by = queue_actions.user_name()
    # The last first: a run that waits must not get the slot of one that leaves.
    last_first = sorted(runs, key=lambda held: held.submitted or 0.0, reverse=True)
    each(target, "Stop", last_first, lambda held: actions.stop(held.layout, by, kill))


def resume(target: MessagePump, settings: "LoadedSettings", runs: Sequence[RunSummary]) -> None:
    """Start the next attempt of runs."""
    from nli_console.supervisor import actions

    survive = settings.values.launch.survive_logout

    def one(held: RunSummary) -> str:
        actions.resume(held.layout, survive)
        return f"{held.id} starts again"

    each(target, "Resume", runs, one)


def delete(target: MessagePump, runs: Sequence[RunSummary]) -> None:
    """Move runs to the trash folder."""
    from nli_console.supervisor import actions

    def work() -> Message:
        gone: list[str] = []
        try:
            for held in runs:
                actions.delete(held.layout)
                gone.append(held.id)
        except ConsoleError as error:
            if not gone:
                raise
            return Deleted(f"{len(gone)} of {len(runs)} are in the trash. {describe(error)}", tuple(gone))
        return Deleted(f"{name_of(runs)}: in the trash; u brings back what was deleted last.", tuple(gone))

    run(work, target, title="Delete")


def restore(target: MessagePump, runs_dir: Path, ids: Sequence[str]) -> None:
    """Bring runs back from the trash."""
    from nli_console.supervisor import actions

    def work() -> Message:
        for run_id in ids:
            actions.restore(runs_dir, run_id)
        return ActionDone(f"{ids[0] if len(ids) == 1 else f'{len(ids)} runs'}: back from the trash.")

    run(work, target, title="Undo")


def label(target: MessagePump, runs: Sequence[RunSummary], what: str, text: str) -> None:
    """Change ``name``, ``notes`` or ``tags`` (comma separated) of a run, or of every run of a group."""
    from nli_console.record.labels import update_labels

    def work() -> Message:
        for held in runs:
            value: Any = text.split(",") if what == "tags" else text
            if what == "name" and text and len(runs) > 1 and held.seed is not None:
                value = member_name(text, held.seed)
            update_labels(held.layout, **{what: value})
        return ActionDone(f"{what} changed.")

    run(work, target, title=what.capitalize())


def each(
    target: MessagePump, title: str, runs: Sequence[RunSummary], one: Callable[[RunSummary], str]
) -> None:
    """Do ``one`` to every run; a problem with one run does not keep the others from it."""

    def work() -> Message:
        said: list[str] = []
        problems: list[str] = []
        for held in runs:
            try:
                said.append(one(held))
            except ConsoleError as error:
                problems.append(describe(error))
        if problems and not said:
            raise ConsoleError("\n".join(problems))
        return ActionDone("\n".join(said + problems))

    run(work, target, title=title)
