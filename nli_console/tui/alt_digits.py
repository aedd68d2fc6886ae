"""Alt and a digit, which terminals send as ESC and the digit; Textual would read a Mac keyboard's ™ or £."""

from collections.abc import MutableMapping
from enum import Enum
from string import digits
from typing import Any, cast

from textual._ansi_sequences import ANSI_SEQUENCES_KEYS

_AltDigit: Any = Enum("_AltDigit", [(f"ALT_{digit}", f"alt+{digit}") for digit in digits])


def read_alt_digits() -> None:
    """Let Textual report them as ``alt+1`` and so on, as it does for terminals with the Kitty protocol."""
    sequences = cast(MutableMapping[str, Any], ANSI_SEQUENCES_KEYS)
    for key in _AltDigit:
        sequences[f"\x1b{key.value[-1]}"] = (key,)
