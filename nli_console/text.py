"""Cleaning of untrusted text, and the formats of numbers, durations and sizes.

Everything that came from a file, a model, a person or a library passes through :func:`clean` once,
at the boundary, before a terminal sees it.
"""

import re
import time
from decimal import Decimal

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
UNKNOWN = "–"

# C0 without newline and tab, DEL, C1, and the bidirectional controls that can reorder a line.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_BREAKS = re.compile(r"[\t\n ]+")
_DURATION = re.compile(
    r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?:in)?)?(?:(\d+(?:\.\d+)?)s?)?",
    re.ASCII,
)
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def clean(text: object, *, limit: int | None = None) -> str:
    """Return ``text`` with every control sequence and bidi mark replaced by U+FFFD.

    Newlines (CR LF included) and tabs are kept. ``limit`` cuts to that many characters and marks the cut with
    an ellipsis.
    """
    cleaned = _UNSAFE.sub(REPLACEMENT, str(text).replace("\r\n", "\n"))
    if limit is not None and len(cleaned) > limit:
        return cleaned[: max(limit - 1, 0)] + "…"
    return cleaned


def clean_line(text: object, *, limit: int | None = None) -> str:
    """:func:`clean`, with all runs of white space folded to one space: for cells and titles."""
    if type(text) is str and text.isprintable():
        # The usual case: no control character, mark or break, so that only blanks are left to fold.
        line = text.strip(" ")
        if "  " not in line and (limit is None or len(line) <= limit):
            return line
    return clean(_BREAKS.sub(" ", str(text).replace("\r", " ")).strip(), limit=limit)


def format_count(value: int | None) -> str:
    """``3805187`` → ``3,805,187``."""
    return UNKNOWN if value is None else f"{value:,}"


def format_bytes(value: float | None) -> str:
    """Binary units with one decimal from MiB up: ``5476083302`` → ``5.1 GiB``."""
    if value is None:
        return UNKNOWN
    size = float(value)
    for unit in ("B", "KiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    for unit in ("MiB", "GiB", "TiB"):
        if abs(size) < 1024 or unit == "TiB":
            return f"{size:.1f} {unit}"
        size /= 1024
    raise AssertionError("unreachable")


def format_duration(seconds: float | None) -> str:
    """``47 s``, ``3 min 05 s``, ``2 h 07 min``, ``3 d 04 h``."""
    if seconds is None or seconds != seconds or seconds < 0 or seconds == float("inf"):
        return UNKNOWN
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def format_date(moment: float | None) -> str:
    """``2026-11-23 14:02``, in local time; ``moment`` is in seconds since the epoch."""
    if moment is None:
        return UNKNOWN
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
    except (OverflowError, ValueError, OSError):
        return UNKNOWN


def parse_duration(text: str) -> float:
    """Seconds of ``90``, ``90s``, ``45m``, ``2h30m`` or ``1d``.

    Raises:
        ValueError: anything else, or nothing above zero.
    """
    match = _DURATION.fullmatch(text.strip().replace(" ", "").lower())
    parts = match.groups() if match else ()
    seconds = sum(float(part) * unit for part, unit in zip(parts, _UNITS.values(), strict=False) if part)
    if not 0 < seconds < float("inf"):
        raise ValueError("expected a time above zero, such as 90 (seconds), 45m, 2h30m or 1d")
    return seconds


def write_duration(seconds: float) -> str:
    """The text that :func:`parse_duration` reads as ``seconds``: ``2h30m``."""
    if seconds != int(seconds):
        return f"{Decimal(repr(seconds)):f}s"
    rest, written = int(seconds), ""
    for name, unit in _UNITS.items():
        count, rest = divmod(rest, unit)
        written += f"{count}{name}" if count else ""
    return written


def format_number(value: float | None) -> str:
    """Four significant digits, scientific below 1e-3: hyperparameters and losses."""
    if value is None:
        return UNKNOWN
    if value != value:
        return "NaN"
    return f"{value:.4g}"


LOPSIDED = 0.01
"""How far the two sides of an interval may differ for one ± to stand for both."""


def format_accuracy(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """Percent with the half width of its interval, ``86.4 ± 0.7 %``; a lopsided one has both ends,
    ``66.7 (20.8–93.9) %``."""
    if value is None:
        return UNKNOWN
    if low is None or high is None:
        return f"{100 * value:.1f} %"
    half = (high - low) / 2
    if abs((high - value) - (value - low)) > LOPSIDED or value + half > 1 or value < half:
        return f"{100 * value:.1f} ({100 * low:.1f}–{100 * high:.1f}) %"
    return f"{100 * value:.1f} ± {100 * half:.1f} %"


def format_spread(mean: float, deviation: float | None, runs: int) -> str:
    """Percent with the sample standard deviation over several runs: ``86.4 ± 0.3 % (3 runs)``."""
    spread = "" if deviation is None else f" ± {100 * deviation:.1f}"
    return f"{100 * mean:.1f}{spread} % ({runs} run{'' if runs == 1 else 's'})"
