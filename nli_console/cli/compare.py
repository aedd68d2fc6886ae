"""``nli-console compare`` and ``nli-console export``."""

import os
from collections.abc import Sequence
from pathlib import Path
from string import ascii_uppercase
from typing import Annotated, Literal

from cyclopts import Parameter

from nli_console.cli.analysing import analysis, runs_to_compare
from nli_console.cli.context import Ctx
from nli_console.cli.options import Json
from nli_console.cli.output import note, say, table, terminal_width
from nli_console.errors import ConsoleError
from nli_console.record.findings import ComparedRun, Comparison
from nli_console.text import (
    UNKNOWN,
    clean_line,
    format_accuracy,
    format_bytes,
    format_count,
    format_duration,
)

Runs = Annotated[
    list[str],
    Parameter(
        negative="", help="2 to 8 runs: ids, unique beginnings of them, or names; a group stands for its runs"
    ),
]


def compare(
    runs: Runs,
    *,
    json: Json = False,
    context: Ctx,
) -> None:
    """Compare runs: figures with intervals, cost, settings that differ, paired tests on the same rows."""
    layouts = runs_to_compare(runs, context)
    with analysis() as (process, tell):
        if json:
            print(process.export(layouts, "json", tell), end="")
            return
        found = process.compare(layouts, tell)
    say(comparison_text(found))


def export(
    runs: Runs,
    *,
    format: Annotated[
        Literal["markdown", "latex", "csv", "json"],
        Parameter(help="tables for a text or (booktabs) a paper; raw values for a sheet or a script"),
    ] = "markdown",
    output: Annotated[Path | None, Parameter(help="file to write; default: stdout")] = None,
    overwrite: Annotated[bool, Parameter(negative="", help="replace the file if it is there")] = False,
    context: Ctx,
) -> None:
    """Export a comparison of runs as Markdown, LaTeX, CSV or JSON."""
    layouts = runs_to_compare(runs, context)
    if output is not None and output.exists() and not overwrite:
        raise ConsoleError(f"--output {clean_line(output)}: is there already; --overwrite replaces it")
    with analysis() as (process, tell):
        text = process.export(layouts, format, tell)
    if output is None:
        say(text.removesuffix("\n"))
        return
    write_output(output, text)
    note(f"written: {clean_line(output)}")


def write_output(output: Path, text: str) -> None:
    """Write what was asked for, whole or not at all.

    Raises:
        ConsoleError: it cannot be written.
    """
    try:
        temporary = output.with_name(f".{output.name}.{os.getpid()}.tmp")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(output)
    except OSError as error:
        raise ConsoleError(f"--output {clean_line(output)}: cannot be written: {error.strerror}") from None


def comparison_text(found: Comparison) -> str:
    """Runs, tests and settings as tables and sentences."""
    parts = [_runs(found)]
    remarks = [f"{run.title}: {text}" for run in found.runs for text in (run.problem, *run.notes) if text]
    if remarks:
        parts.append("\n".join(remarks))
    for split in found.splits:
        said = [test.sentence(found.titles) for test in found.paired if test.split == split]
        said += [
            f"{found.titles[held.a]} and {found.titles[held.b]}: {held.why}"
            for held in found.refused
            if held.split == split
        ]
        if said:
            parts.append("\n".join([f"On {split}:", *(f"  {text}" for text in said)]))
    if found.settings:
        header = ("SETTING", *_letters(found.runs))
        rows = [
            (setting.heading,
             *(value if value is not None else UNKNOWN for value in setting.values))
            for setting in found.settings
        ]  # fmt: skip
        parts.append(table(header, rows))
    same = "1 setting is" if found.same_settings == 1 else f"{found.same_settings} settings are"
    parts.append(f"{same} the same.")
    return "\n\n".join(parts)


def _runs(found: Comparison) -> str:
    header = ("", "RUN", "METHOD", "STATE", *map(str.upper, found.splits), "TRAINABLE", "TIME", "PEAK MEMORY")
    rows = [
        (
            letter,
            run.title,
            run.method or UNKNOWN,
            run.state,
            *(_accuracy(run, split) for split in found.splits),
            format_count(run.trainable_parameters),
            format_duration(run.seconds),
            format_bytes(run.peak_memory_bytes),
        )
        for letter, run in zip(_letters(found.runs), found.runs, strict=True)
    ]
    last = len(header) - 1
    right = range(4, last + 1)
    return table(header, rows, right=right, width=terminal_width(), expendable=(2, last, 3, last - 2))


def _letters(runs: Sequence[ComparedRun]) -> str:
    return ascii_uppercase[: len(runs)]


def _accuracy(run: ComparedRun, split: str) -> str:
    held = run.accuracy.get(split)
    if held is None:
        return UNKNOWN
    rows = "" if held.n is None else f" (n = {format_count(held.n)})"
    return format_accuracy(held.value, held.low, held.high) + rows
