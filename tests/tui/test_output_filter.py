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
