"""The last look at every line before the terminal gets it."""

import unicodedata

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_ASCII = dict(zip("…·±×≥≤–—√→←↑↓▸▾│┃║─━═█’‘“”�", "~-+x><--v><^v>v|||---#''\"\"?", strict=True))
_BLOCKS = range(0x2581, 0x2590)
_BOXES = range(0x2500, 0x2580)


class OutputFilter(LineFilter):
    """Removes control characters that a widget let through, and with ``ascii_only`` everything but ASCII.

    Texts are cleaned where they come in; this guards the terminal against a place that forgot. Control
    characters have no width and are dropped; a replaced character keeps its width.
    """

    def __init__(self, *, ascii_only: bool) -> None:
        super().__init__()
        self._ascii_only = ascii_only

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        if all(self._passes(segment.text) for segment in segments):
            return segments
        return [
            segment if self._passes(segment.text) else Segment(self._translate(segment.text), segment.style)
            for segment in segments
        ]

    def _passes(self, text: str) -> bool:
        return text.isprintable() and (not self._ascii_only or text.isascii())

    def _translate(self, text: str) -> str:
        return "".join(
            character if self._passes(character) else self._replacement(character) for character in text
        )

    def _replacement(self, character: str) -> str:
        category = unicodedata.category(character)
        if category in ("Cc", "Cf", "Cs"):
            return ""
        if category == "Zs" or not self._ascii_only:
            return character
        if character in _ASCII:
            return _ASCII[character]
        code = ord(character)
        if code in _BOXES:
            return "+"
        if code in _BLOCKS:
            return " "
        plain = unicodedata.normalize("NFKD", character)[:1]
        return (plain if plain.isascii() and plain else "?") * cell_len(character)
