"""What happens around the opening of the console: before its first frame, and behind it."""

import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from nli_console.tui.messages import Failure
from nli_console.tui.modes import MODES

if TYPE_CHECKING:
    from nli_console.settings import LoadedSettings


class Collector:
    """The garbage collector, which whoever opens the console has turned off until the first frame stands.

    What was made until then, and the rows of the history, stay until the end: to look at them again and again
    would keep keys waiting.
    """

    def __init__(self) -> None:
        self._freezes = False

    def begin(self) -> None:
        """The first frame stands."""
        self._freezes = not gc.isenabled()
        self.spare()
        gc.enable()

    def spare(self) -> None:
        """Look no more at what there is now."""
        if self._freezes:
            gc.freeze()


def prepare_the_form(settings: "LoadedSettings") -> Failure | None:
    """Import what the form needs, and say what is wrong with the method that it is to begin with."""
    import_module(MODES[0].module)
    from nli_console.methods.defaults import default_problem

    problem = default_problem(settings)
    return None if problem is None else Failure("settings", problem)


def forget_stale_size() -> None:
    """Textual believes an exported COLUMNS and LINES before the terminal, and then no resize reaches it."""
    with suppress(OSError, ValueError):
        if all(os.get_terminal_size(sys.stdout.fileno())):
            for name in ("COLUMNS", "LINES"):
                os.environ.pop(name, None)
