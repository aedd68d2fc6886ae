"""``nli-console report RUN…``: one run, or a comparison, as a single HTML file."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nli_console.cli.analysing import analysis
from nli_console.cli.compare import write_output
from nli_console.cli.context import Ctx
from nli_console.cli.output import note
from nli_console.errors import ConsoleError
from nli_console.record.comparable import MOST
from nli_console.record.layout import RunLayout
from nli_console.text import clean_line, format_bytes


def report(
    runs: Annotated[
        list[str],
        Parameter(help="1 to 8 runs: ids, unique beginnings of them, or names; a group stands for its runs"),
    ],
    *,
    output: Annotated[Path, Parameter(help="file to write, such as report.html")],
    overwrite: Annotated[bool, Parameter(negative="", help="replace the file if it is there")] = False,
    context: Ctx,
) -> None:
    """Write a report of a run, or a comparison of runs, as one HTML file.

    It holds curves, confusion matrices, genres, settings, environment and the command that repeats each run,
    and needs no network, no script and nothing beside it.
    """
    found: dict[str, RunLayout] = {}
    for text in runs:
        found |= {str(layout.path): layout for layout in context.find(text).layouts}
    if len(found) > MOST:
        raise ConsoleError(f"{len(found)} runs: expected 1 to {MOST}; `nli-console list` shows them")
    if output.exists() and not overwrite:
        raise ConsoleError(f"--output {clean_line(output)}: is there already; --overwrite replaces it")
    with analysis() as (process, tell):
        text = process.report(list(found.values()), tell)
    write_output(output, text)
    note(f"written: {clean_line(output)}, {format_bytes(len(text.encode()))}")
