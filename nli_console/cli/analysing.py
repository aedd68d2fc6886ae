"""What the commands that analyse runs share: which runs are meant, and a progress line without a trace."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from nli_console.cli.context import Context
from nli_console.cli.progress import Progress, Screen
from nli_console.errors import ConsoleError
from nli_console.record.comparable import FEWEST, MOST
from nli_console.record.layout import RunLayout
from nli_console.supervisor.analysis import Analysis

Tell = Callable[[str, int, int, str], None]


def runs_to_compare(texts: Sequence[str], context: Context) -> list[RunLayout]:
    """The runs that ``texts`` name; a group stands for its runs.

    Raises:
        ConsoleError: a text that means nothing or more than one thing, or not 2 to 8 runs.
    """
    found: dict[str, RunLayout] = {}
    for text in texts:
        found |= {str(layout.path): layout for layout in context.find(text).layouts}
    if not FEWEST <= len(found) <= MOST:
        count = "1 run" if len(found) == 1 else f"{len(found)} runs"
        raise ConsoleError(f"{count}: expected {FEWEST} to {MOST} to compare; `nli-console list` shows them")
    return list(found.values())


def one_run(text: str, context: Context) -> RunLayout:
    """The one run that ``text`` names.

    Raises:
        ConsoleError: nothing or more than one thing is meant, or a group.
    """
    found = context.find(text)
    if found.group is not None:
        ids = "\n".join(f"  {layout.id}" for layout in found.layouts)
        raise ConsoleError(f"{found.group} is a group; name one of its runs:\n{ids}")
    return found.layouts[0]


@contextmanager
def analysis() -> Iterator[tuple[Analysis, Tell]]:
    """The process, and what tells on a terminal's stderr how far it is; Ctrl-C ends it."""
    screen = Screen(sys.stderr) if sys.stderr.isatty() else None

    def tell(phase: str, done: int, total: int, unit: str) -> None:
        if screen is not None:
            screen.update(Progress(phase, done, total, unit))

    try:
        with Analysis() as process:
            yield process, tell
    finally:
        if screen is not None:
            screen.clear()
