"""The modes of the console, in the order of their number keys."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from textual.screen import Screen


@dataclass(frozen=True, slots=True)
class Mode:
    """One mode and where its screen is; the module is imported when the mode is first shown."""

    name: str
    key: str
    title: str
    module: str
    screen: str

    def factory(self) -> Callable[[], Screen]:
        """What makes the screen."""
        return lambda: getattr(import_module(self.module), self.screen)()


MODES = (
    Mode("launch", "1", "Launch", "nli_console.tui.screens.launch", "LaunchScreen"),
    Mode("runs", "2", "Runs", "nli_console.tui.screens.runs", "RunsScreen"),
    Mode("chat", "3", "Chat", "nli_console.tui.screens.chat", "ChatScreen"),
    Mode("data", "4", "Data", "nli_console.tui.screens.data", "DataScreen"),
)
