"""What may stand in the bytes that a terminal gets: the sequences that Textual itself sends, nothing else."""

import re

_TEXTUAL = re.compile(
    r"""
    \x1b\[ [0-9;:]* m                                  # colours and styles
  | \x1b\[ [0-9]+ ; [0-9]+ H                           # cursor
  | \x1b\[ \? (?: 7|25|1000|1003|1004|1006|1015|1049|2004|2026|2048 ) [hl]   # modes
  | \x1b\[ \? (?: 2026|2048 ) \$p                      # questions about modes
  | \x1b\[ (?: >[0-9]+u | <u )                         # keyboard protocol
  | \x1b\] 22 ; [a-z-]+ \x07                           # shape of the mouse pointer
  | \x1b\] 52 ; c ; [A-Za-z0-9+/=]* \x07               # clipboard, base64
    """,
    re.VERBOSE,
)
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BIDI = re.compile("[\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def foreign(raw: bytes, *, textual: bool) -> list[str]:
    """Control characters and bidirectional marks that do not belong, each with what follows it.

    ``textual`` allows the console's own sequences; a headless command sends none at all. Carriage return,
    line feed and tab are always allowed, outside the console also the backspaces of a line of progress.
    """
    text = raw.decode("utf-8", "backslashreplace")
    text = _TEXTUAL.sub("", text) if textual else text.replace("\x08", "")
    places = sorted([*_CONTROL.finditer(text), *_BIDI.finditer(text)], key=lambda match: match.start())
    return [repr(text[match.start() : match.start() + 24]) for match in places]


def bells(raw: bytes) -> int:
    """How often the bell was rung."""
    return _TEXTUAL.sub("", raw.decode("utf-8", "backslashreplace")).count("\x07")
