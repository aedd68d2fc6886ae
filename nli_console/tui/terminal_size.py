"""The size of the terminal, by the terminal."""

import os
import sys
from contextlib import suppress


def forget_stale_size() -> None:
    """Textual believes an exported COLUMNS and LINES before the terminal, and then no resize reaches it."""
    with suppress(OSError, ValueError):
        if all(os.get_terminal_size(sys.stdout.fileno())):
            for name in ("COLUMNS", "LINES"):
                os.environ.pop(name, None)
