"""Glyphs, with an ASCII set for terminals and fonts that have no more."""

import locale
import os
import sys
from dataclasses import dataclass
from typing import Literal

from nli_console.record.state import State

ChartSymbols = Literal["braille", "block", "ascii"]


@dataclass(frozen=True, slots=True)
class Symbols:
    """One glyph of one cell for each meaning."""

    ok: str
    warning: str
    error: str
    info: str
    pointer: str
    changed: str
    pinned: str
    open: str
    folded: str
    unfolded: str
    branch: str
    times: str
    checked: str
    unchecked: str
    separator: str
    ellipsis: str
    busy: str
    minus_plus: str
    to: str
    chart: ChartSymbols
    states: dict[State, str]

    @property
    def ascii(self) -> bool:
        return self.chart == "ascii"


_STATES = {
    State.QUEUED: "◌",
    State.STARTING: "◔",
    State.RUNNING: "▶",
    State.STALLED: "‖",
    State.STOPPING: "◍",
    State.FINISHED: "✓",
    State.FAILED: "✗",
    State.STOPPED: "■",
    State.LOST: "?",
    State.ORPHANED: "!",
    State.UNREACHABLE: "~",
    State.UNREADABLE: "◇",
}
_ASCII_STATES = {
    State.QUEUED: ".",
    State.STARTING: ":",
    State.RUNNING: ">",
    State.STALLED: "=",
    State.STOPPING: "/",
    State.FINISHED: "+",
    State.FAILED: "x",
    State.STOPPED: "#",
    State.LOST: "?",
    State.ORPHANED: "!",
    State.UNREACHABLE: "~",
    State.UNREADABLE: "%",
}


def _unicode(chart: ChartSymbols) -> Symbols:
    return Symbols(
        ok="✓",
        warning="▲",
        error="✗",
        info="·",
        pointer="▸",
        changed="●",
        pinned="★",
        open="▾",
        folded="▸",
        unfolded="▾",
        branch="└",
        times="×",
        checked="■",
        unchecked="□",
        separator="│",
        ellipsis="…",
        busy="◌",
        minus_plus="±",
        to="…",
        chart=chart,
        states=_STATES,
    )


_ASCII = Symbols(
    ok="+",
    warning="!",
    error="x",
    info="-",
    pointer=">",
    changed="*",
    pinned="^",
    open="v",
    folded=">",
    unfolded="v",
    branch="`",
    times="x",
    checked="x",
    unchecked=" ",
    separator="|",
    ellipsis="~",
    busy=".",
    minus_plus="+-",
    to="..",
    chart="ascii",
    states=_ASCII_STATES,
)


def speaks_unicode() -> bool:
    """Whether locale and terminal can show more than ASCII: LANG=C, vt100 and the bare console may not."""
    if os.environ.get("TERM", "") in {"dumb", "vt100", "linux"}:
        return False
    names = ["LC_ALL", "LC_CTYPE", "LANG"]
    if sys.flags.utf8_mode:
        # Python found the C locale, went over to UTF-8, and set this variable itself.
        names.remove("LC_CTYPE")
    named = next((value for name in names if (value := os.environ.get(name))), "")
    if named:
        return "utf" in named.casefold()
    return "utf" in locale.getpreferredencoding(False).casefold() and not os.environ.get("SSH_TTY")


def symbols(setting: Literal["auto", "braille", "block", "ascii"]) -> Symbols:
    """The set for ``interface.symbols``; ``auto`` is braille, or ASCII where the locale has no UTF-8."""
    if setting == "ascii" or (setting == "auto" and not speaks_unicode()):
        return _ASCII
    return _unicode("braille" if setting == "auto" else setting)
