import os
import subprocess
import sys

import pytest
from rich.segment import Segment
from textual.color import Color

from nli_console.tui.output_filter import OutputFilter
from nli_console.tui.symbols import symbols


def _filtered(text: str, *, ascii_only: bool) -> str:
    segments = OutputFilter(ascii_only=ascii_only).apply([Segment(text)], Color(0, 0, 0))
    return "".join(segment.text for segment in segments)


def test_control_characters_are_dropped_and_text_is_kept():
    assert _filtered("a\x1b]52;c;x\x07b\x9bc\u202ed é…", ascii_only=False) == "a]52;c;xbcd é…"


def test_ascii_only_keeps_the_width_of_every_character():
    text = _filtered("│▁ 5…9 ≥ ± é 漢 ⣿", ascii_only=True)
    assert text.isascii()
    assert text == "|  5~9 > + e ?? ?"


def test_plain_lines_pass_untouched():
    segments = [Segment("plain")]
    assert OutputFilter(ascii_only=True).apply(segments, Color(0, 0, 0)) is segments


@pytest.mark.parametrize(
    ("variables", "ascii_only"),
    [
        ({"LANG": "C"}, True),
        ({"LANG": "en_GB.UTF-8"}, False),
        ({"LANG": "en_GB.UTF-8", "LC_ALL": "C"}, True),
        ({"LANG": "en_GB.UTF-8", "TERM": "linux"}, True),
    ],
)
def test_symbols_follow_the_locale(monkeypatch, variables, ascii_only):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert symbols("auto").ascii is ascii_only
    assert symbols("ascii").ascii
    assert symbols("block").chart == "block"


@pytest.mark.parametrize(
    ("variables", "ascii_only"),
    [({"LANG": "C"}, "True"), ({"LANG": "C.UTF-8"}, "False"), ({"LANG": "xx_XX.UTF-8"}, "False")],
    ids=str,
)
def test_a_c_locale_that_python_changed_to_utf_8_stays_ascii(variables, ascii_only):
    """Python sets LC_CTYPE when it starts under LANG=C, and under a locale that is not installed."""
    names = ("LANG", "LC_ALL", "LC_CTYPE", "PYTHONUTF8", "PYTHONCOERCECLOCALE")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    program = "from nli_console.tui.symbols import symbols; print(symbols('auto').ascii)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "TERM": "xterm-256color", **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ascii_only
