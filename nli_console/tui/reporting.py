"""A report as an HTML file: asked for by name, written by a process of its own."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nli_console.errors import ConsoleError
from nli_console.record.store import RunSummary
from nli_console.text import clean_line
from nli_console.tui.run_actions import name_of

if TYPE_CHECKING:
    from nli_console.tui.screens.base import ConsoleScreen

ENDING = ".html"


def ask(screen: "ConsoleScreen", runs: Sequence[RunSummary]) -> None:
    """Ask where the report of ``runs`` goes, and write it."""
    from nli_console.tui.screens.prompt import Prompt

    screen.app.push_screen(
        Prompt(
            f"Write a report of {name_of(runs)}",
            "One HTML file with curves, figures and settings, for any browser.",
            f"{runs[0].id if len(runs) == 1 else 'comparison'}{ENDING}",
            check=problem_of,
        ),
        lambda text: None if text is None else write(screen, runs, Path(text).expanduser().absolute()),
    )


def write(screen: "ConsoleScreen", runs: Sequence[RunSummary], path: Path) -> None:
    """Have the report written behind a dialog that shows how far it is and can stop it."""
    from nli_console.tui.screens.report import ReportScreen

    title = f"Writing the report of {name_of(runs)}"
    screen.app.push_screen(
        ReportScreen(title, [held.layout for held in runs], path, screen.shell.symbols),
        lambda said: screen.shell.tell(said or "Stopped: no report was written.", title="Report"),
    )


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet.

    Raises:
        ConsoleError: it cannot be written, or has come meanwhile.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise ConsoleError(f"{clean_line(path)}: cannot be written ({error.strerror})") from None


def problem_of(text: str, endings: Sequence[str] = (ENDING,)) -> str | None:
    """What is wrong with the name of a file to write, or ``None``."""
    path = Path(text).expanduser()
    if path.suffix not in endings:
        return f"expected a name that ends in {', '.join(endings)}"
    if path.exists():
        return "is there already; give another name"
    return None if path.absolute().parent.is_dir() else "there is no such folder"
