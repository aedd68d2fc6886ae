"""A report as an HTML file: asked for by name, written by a process of its own."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from nli_console.record.store import RunSummary
from nli_console.text import clean_line
from nli_console.tui.background import run
from nli_console.tui.run_actions import ActionDone, name_of

if TYPE_CHECKING:
    from nli_console.tui.screens.base import ConsoleScreen

ENDING = ".html"


def ask(screen: "ConsoleScreen", runs: Sequence[RunSummary]) -> None:
    """Ask where the report of ``runs`` goes, and write it; the screen gets an :class:`ActionDone`."""
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
    """Have the report written on a thread; a problem is told as any other of the screen's."""
    from nli_console.supervisor.analysis import Analysis

    layouts = [held.layout for held in runs]

    def work() -> Message:
        with Analysis() as analysis:
            text = analysis.report(layouts)
        write_new(path, text)
        return ActionDone(f"Written: {clean_line(path)}")

    screen.shell.tell(f"Writing the report of {name_of(runs)} …")
    run(work, screen, title="Report")


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet; raises ``OSError`` where it has come meanwhile."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def problem_of(text: str, endings: Sequence[str] = (ENDING,)) -> str | None:
    """What is wrong with the name of a file to write, or ``None``."""
    path = Path(text).expanduser()
    if path.suffix not in endings:
        return f"expected a name that ends in {', '.join(endings)}"
    if path.exists():
        return "is there already; give another name"
    return None if path.absolute().parent.is_dir() else "there is no such folder"
