"""A history in one line of text."""

from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇"
"""Without the full block, so that bars in neighbouring lines do not grow together."""

ASCII = "_.-=+*#%"


def sparkline(
    values: Sequence[float | None], width: int, low: float, high: float, *, ascii_only: bool = False
) -> str:
    """The newest ``width`` values as bars, right-aligned; a missing value is a space.

    ``low`` and ``high`` are fixed by the caller (0 and the total memory, 0 and 100 %), so that bars compare.
    """
    symbols = ASCII if ascii_only else BLOCKS
    top = len(symbols) - 1
    span = high - low
    bars = []
    for value in values[-width:] if width > 0 else ():
        if value is None:
            bars.append(" ")
            continue
        share = (value - low) / span if span > 0 else 0.0
        bars.append(symbols[min(top, max(0, round(share * top)))])
    return "".join(bars).rjust(width)


def progress_bar(share: float | None, width: int, *, ascii_only: bool = False) -> str:
    """A bar of exactly ``width`` cells; an unknown share is an empty one."""
    full, empty = ("#", "-") if ascii_only else ("━", "─")
    done = 0 if share is None else min(width, max(0, round(share * width)))
    return full * done + empty * (width - done)
