"""Printing. Everything that reaches the terminal is cleaned here."""

import json
import shutil
import sys
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from rich.cells import cell_len

from nli_console.text import clean, clean_line


def say(text: object = "", *, file: TextIO | None = None) -> None:
    """One cleaned message on stdout."""
    print(clean(text), file=file or sys.stdout)


def note(text: object) -> None:
    """One cleaned message on stderr, for what is not the answer itself."""
    print(clean(text), file=sys.stderr, flush=True)


def say_json(value: Any) -> None:
    """``value`` as indented JSON; ASCII alone, so that no text in it can be a control sequence."""
    print(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=True))


def terminal_width() -> int | None:
    """Columns of the terminal on stdout; ``None`` where stdout is a file or a pipe, which have no edge."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    right: Iterable[int] = (),
    width: int | None = None,
    expendable: Iterable[int] = (),
) -> str:
    """Columns of cleaned cells, two spaces apart; the columns numbered in ``right`` end flush.

    Where the lines would be longer than ``width`` cells, ``expendable`` columns are left out, the first of
    them first, and a last line names them.
    """
    flush = set(right)
    lines = [list(header), *([clean_line(cell) for cell in row] for row in rows)]
    widths = [max(cell_len(line[column]) for line in lines) for column in range(len(header))]
    shown = list(range(len(header)))
    for column in expendable:
        if width is None or sum(widths[i] + 2 for i in shown) - 2 <= width:
            break
        shown.remove(column)
    left_out = ", ".join(header[i].lower() for i in range(len(header)) if i not in shown)

    def pad(column: int, text: str) -> str:
        space = " " * (widths[column] - cell_len(text))
        return space + text if column in flush else text + space

    text = "\n".join("  ".join(pad(i, line[i]) for i in shown).rstrip() for line in lines)
    return f"{text}\n\nleft out for want of room: {left_out}" if left_out else text


def pairs(items: Iterable[tuple[str, object]]) -> str:
    """``key  value`` lines with the values aligned; a value may have several lines."""
    rows = [(key, clean(value)) for key, value in items]
    width = max((cell_len(key) for key, _ in rows), default=0)
    return "\n".join(
        f"{key}{' ' * (width - cell_len(key))}  " + value.replace("\n", "\n" + " " * (width + 2))
        for key, value in rows
    )
