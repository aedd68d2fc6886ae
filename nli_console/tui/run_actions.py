"""What a person does to runs, on background threads; the outcome comes back as a message."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textual.message import Message
from textual.message_pump import MessagePump

from nli_console.errors import ConsoleError
from nli_console.record.groups import member_name
from nli_console.record.layout import RunLayout
from nli_console.record.store import RunSummary
from nli_console.text import clean_line
from nli_console.tui.background import describe, run

if TYPE_CHECKING:
    from nli_console.settings import LoadedSettings
    from nli_console.supervisor.preflight import Machine


@dataclass
class ActionDone(Message):
    """Something was done; ``text`` says what, and may hold untrusted names."""

    text: str


@dataclass
class Deleted(ActionDone):
    """Runs went to the trash; ``gone`` says where they stood, so that they can be brought back."""

    gone: tuple[RunLayout, ...]


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
        gone: list[RunLayout] = []
        try:
            for held in runs:
                actions.delete(held.layout)
                gone.append(held.layout)
        except ConsoleError as error:
            if not gone:
                raise
            return Deleted(f"{len(gone)} of {len(runs)} are in the trash. {describe(error)}", tuple(gone))
        return Deleted(f"{name_of(runs)}: in the trash; u brings back what was deleted last.", tuple(gone))

    run(work, target, title="Delete")


def restore(target: MessagePump, gone: Sequence[RunLayout]) -> None:
    """Bring runs back from the trash of the folder in which they stood."""
    from nli_console.supervisor import actions

    def work() -> Message:
        for layout in gone:
            actions.restore(layout.path.parent, layout.id)
        return ActionDone(f"{gone[0].id if len(gone) == 1 else f'{len(gone)} runs'}: back from the trash.")

    run(work, target, title="Undo")


def pin(target: MessagePump, runs: Sequence[RunSummary], pinned: bool) -> None:
    """Keep runs at the top of the history and out of every cleaning, or no longer."""
    from nli_console.record.labels import update_labels

    def work() -> Message:
        for held in runs:
            update_labels(held.layout, pinned=pinned)
        return ActionDone(f"{name_of(runs)}: {'pinned to the top' if pinned else 'no longer pinned'}.")

    run(work, target, title="Pin")


def again(
    target: MessagePump, held: RunSummary, seed: int, settings: "LoadedSettings", machine: "Machine"
) -> None:
    """Start a run once more with another seed; in the group of the first, where that has one."""
    from nli_console.record.compose import again as compose_again
    from nli_console.record.spec_io import load_spec
    from nli_console.tui.launching import start

    def work() -> Message:
        return start(compose_again(load_spec(held.layout), held.name, seed, settings), settings, machine)

    run(work, target, title="Another seed")


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
