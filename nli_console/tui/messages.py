"""Every message that crosses between rooms of the interface. Payloads are frozen.

Background threads post messages and never touch a widget; handlers on the event loop own all widget state.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.message import Message

if TYPE_CHECKING:
    from nli_console.data.prompts.catalogue import Catalogue as Templates
    from nli_console.methods.presets import Preset
    from nli_console.record.spec import RunSpec
    from nli_console.record.store import RunSummary
    from nli_console.tui.answer import Answer
    from nli_console.tui.screens.base import ConsoleScreen
    from nli_console.tui.status import Machine


@dataclass
class OpenRun(Message):
    """Ask the app to show Runs with this run selected."""

    run_id: str


@dataclass
class CloneRun(Message):
    """Ask the app to open Launch with the form filled from this spec."""

    spec: "RunSpec"


@dataclass
class ScreenOpened(Message):
    """A mode's screen has all its widgets."""

    screen: "ConsoleScreen"


@dataclass
class ScreenDrawn(Message):
    """A mode's screen stands on the terminal for the first time."""

    screen: "ConsoleScreen"


@dataclass
class RunsDue(Message):
    """Ask the app to read the run folders now, because something was just launched, stopped or deleted."""


@dataclass
class RunsListed(Message):
    """The run folders were read: ``runs`` are the store's summaries, ``complete`` whether they are all.

    ``notes`` say which folders cannot be read, a sentence each; ``paused`` that the queue of one's own is.
    """

    runs: tuple["RunSummary", ...]
    complete: bool = True
    notes: tuple[str, ...] = ()
    paused: bool = False

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, RunsListed)


@dataclass
class MachineRead(Message):
    """New readings of GPUs and host."""

    machine: "Machine"

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, MachineRead)


@dataclass
class Failure(Message):
    """A background job ended with a problem that the user should read; ``text`` may be untrusted."""

    title: str
    text: str


@dataclass
class PresetsRead(Message):
    """The presets and prompt templates that can be used, and a sentence for each file that cannot."""

    presets: tuple["Preset", ...]
    templates: "Templates"
    problems: tuple[str, ...]


@dataclass
class PresetSaved(Message):
    """The form was saved as a preset of the user's own."""

    name: str


@dataclass
class PreflightAnswered(Message):
    """Something more is known about what the form would start."""

    answer: "Answer"

    def can_replace(self, message: Message) -> bool:
        return isinstance(message, PreflightAnswered)


@dataclass
class Launched(Message):
    """A run was submitted and its supervisor started."""

    run_id: str


@dataclass
class LaunchRefused(Message):
    """Nothing was started. ``problems`` names form fields; ``text`` is what fits no field."""

    problems: tuple[tuple[str, str], ...]
    text: str
