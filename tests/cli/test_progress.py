"""What progress looks like in a terminal and elsewhere."""

import io

import pytest

from nli_console.cli.output import pairs, table
from nli_console.cli.progress import Evaluated, Progress, Screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


TRAINING = Progress("training", 120, 376, "steps", loss=0.63211, eta=47.2)


def test_a_line_of_training_names_step_loss_and_eta():
    assert TRAINING.line == "training  step 120 of 376 (31 %)  loss 0.6321  ETA 47 s"


@pytest.mark.parametrize(
    ("progress", "line"),
    [
        (Progress("queued", detail="waits for a CPU slot"), "queued  waits for a CPU slot"),
        (Progress("tokenising", 500, 1000, "rows"), "tokenising  500 rows of 1,000 (50 %)"),
        (Progress("training", 3, None, "steps"), "training  step 3"),
        (Progress("loading", detail="\x1b[31mred"), "loading  \ufffd[31mred"),
    ],
)
def test_unknown_parts_are_left_out(progress, line):
    assert progress.line == line


def test_outside_a_terminal_a_line_comes_at_a_new_phase_and_every_ten_seconds():
    stream = io.StringIO()
    screen = Screen(stream)
    screen.update(Progress("loading"), now=0)
    screen.update(Progress("training", 1, 100, "steps"), now=1)
    screen.update(Progress("training", 2, 100, "steps"), now=2)
    screen.update(Progress("training", 90, 100, "steps"), now=12)
    assert [line.split("  ")[1:2] for line in stream.getvalue().splitlines()] == [
        [],
        ["step 1 of 100 (1 %)"],
        ["step 90 of 100 (90 %)"],
    ]


def test_in_a_terminal_one_line_is_rewritten_and_messages_stay(monkeypatch):
    pyte = pytest.importorskip("pyte")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    stream = Terminal()
    screen = Screen(stream)
    screen.update(Progress("training", 120, 376, "steps", loss=0.5))
    screen.message(Evaluated("selection", 0.864, 0.857, 0.871, 2000, 120).sentence)
    screen.update(Progress("saving"))
    screen.message("done")
    shown = pyte.Screen(60, 6)
    pyte.Stream(shown).feed(stream.getvalue().replace("\n", "\r\n"))
    assert [line.rstrip() for line in shown.display[:3]] == [
        "step 120: accuracy on selection 86.4 ± 0.7 % (n = 2,000)",
        "done",
        "",
    ]
    assert "\x1b" not in stream.getvalue()


def test_a_line_never_wraps_in_a_narrow_terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "30")
    stream = Terminal()
    Screen(stream).update(TRAINING)
    assert len(stream.getvalue().strip("\r")) <= 29


def test_columns_line_up_with_wide_characters():
    lines = table(("A", "N"), [("日本", 1), ("x", 20)], right=(1,)).splitlines()
    assert lines == ["A      N", "日本   1", "x     20"]
    assert pairs([("a", "1\n2"), ("long", "3")]) == "a     1\n      2\nlong  3"


def test_a_table_that_does_not_fit_leaves_out_what_it_can_spare():
    rows = [("run-1", "a name", "12"), ("run-2", "b", "3")]
    whole = table(("ID", "NAME", "TIME"), rows, right=(2,), width=19, expendable=(1,))
    assert whole.splitlines()[0] == "ID     NAME    TIME"
    narrow = table(("ID", "NAME", "TIME"), rows, right=(2,), width=18, expendable=(1, 2))
    assert narrow.splitlines() == [
        "ID     TIME",
        "run-1    12",
        "run-2     3",
        "",
        "left out for want of room: name",
    ]
