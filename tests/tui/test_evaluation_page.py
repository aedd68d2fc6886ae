"""The evaluation page: what it draws of a report, at every width."""

from pathlib import Path

import pytest
from rich.cells import cell_len

from nli_console.record.evaluation import SplitReport, read_reports
from nli_console.record.layout import RunLayout
from nli_console.record.samples import EvalPoint, Guard
from nli_console.record.state import RunState, State
from nli_console.record.store import RunSummary
from nli_console.tui.run_view import RunView
from nli_console.tui.symbols import symbols
from nli_console.tui.widgets.evaluation_page import evaluation_lines
from tests.support.fake_reports import share, write_report

RUN = RunSummary("a", Path("/runs/a"), RunState(State.FINISHED))
FINAL = EvalPoint(1, 500, "validation_matched", 0.867, 0.86, 0.874, 9815, 8513, 0.364, 3.0, 2.5, "final")


@pytest.fixture
def report(tmp_path: Path):
    def make(**fields: object) -> SplitReport:
        write_report(RunLayout(tmp_path), **fields)
        return read_reports(RunLayout(tmp_path))[0]

    return make


def lines(*reports: SplitReport, width: int = 100, guards: tuple[Guard, ...] = (), kind="braille"):
    view = RunView("a", evaluations=[FINAL], reports=reports, guards=guards)
    return evaluation_lines(RUN, view, width, symbols(kind))


def texts(*reports: SplitReport, **options) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines(*reports, **options)]


def test_a_report_says_what_the_accuracy_is_of_and_what_a_constant_gets(report) -> None:
    shown = texts(report())
    assert shown[0] == "matched  86.7 ± 0.7 %  of 9,815 rows"
    assert "always entailment gets 35.4 %" in shown[1]
    assert "calibration error 3.1 %" in shown[1]


def inks(shown, words: str) -> list[str]:
    return [ink for line in shown for text, ink in line if words in text]


def test_a_majority_that_is_not_beaten_stands_out(report) -> None:
    assert inks(lines(report()), "always entailment") == ["muted"]
    beaten = report(**share(3500, 9815))
    assert inks(lines(beaten), "always entailment") == ["warning"]


def test_bars_of_genres_end_where_their_interval_does(report) -> None:
    (line,) = [line for line in lines(report(), width=100) if line and line[0][0].startswith("fiction")]
    sure, maybe, rest = (len(text) for text, _ in line[1:4])
    width = sure + maybe + rest
    assert sure / width == pytest.approx(0.835, abs=0.02)
    assert (sure + maybe) / width == pytest.approx(0.866, abs=0.02)
    assert "85.1 ± 1.6 %" in line[4][0]


@pytest.mark.parametrize("width", [60, 100])
def test_a_lopsided_interval_is_shown_whole(report, width: int) -> None:
    shown = texts(report(genres={"railway": share(195, 195), "fiction": share(188, 194)}), width=width)
    (line,) = [line for line in shown if line.startswith("railway")]
    assert "100.0 (98.1–100.0) %" in line
    assert line.endswith(" 195")
    assert all(cell_len(line) <= width for line in shown)


def test_the_confusion_table_is_the_hotter_the_larger_the_share(report) -> None:
    shown = lines(report())
    start = next(i for i, line in enumerate(shown) if line and "Gold label" in line[0][0])
    rows = [[ink for _, ink in line if "on-heat" in ink] for line in shown[start + 2 : start + 5]]
    heat = [[int(ink[-1]) for ink in row] for row in rows]
    assert heat == [[5, 3, 2], [2, 5, 2], [1, 2, 5]]
    text = "".join(text for text, _ in shown[start + 2])
    assert text.split() == ["entailment", "3,000", "86.2", "%", "400", "11.5", "%", "79", "2.3", "%"]


def test_the_figures_of_every_label(report) -> None:
    shown = texts(report())
    (line,) = [text for text in shown if text.startswith("contradiction") and "3,215" in text]
    assert line.split() == ["contradiction", "90.6", "%", "90.7", "%", "90.6", "%", "3,213", "3,215"]


def test_invalid_answers_and_warnings_are_told(report) -> None:
    guard = Guard("at_majority", "warning", "cannot be told from always answering entailment", 500, True)
    shown = texts(report(invalid=21), guards=(guard,))
    assert shown[0].startswith("▲ at_majority: cannot be told")
    assert shown[0].endswith("(since step 500)")
    assert any("21 answers name no label" in text for text in shown)


@pytest.mark.parametrize("width", [40, 58, 80, 118])
@pytest.mark.parametrize("kind", ["braille", "ascii"])
def test_nothing_is_wider_than_the_page(report, width: int, kind: str) -> None:
    shown = texts(report(), width=width, kind=kind)
    assert max(map(cell_len, shown)) <= width
    if kind == "ascii":
        assert "".join(shown).isascii()
    assert any("86.2 %" in text for text in shown)


def test_a_run_without_a_report_shows_its_evaluations(report) -> None:
    assert texts()[0].split()[:3] == ["step", "split", "accuracy"]
