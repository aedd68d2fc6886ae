"""The process that analyses runs: one question after the other, errors as sentences, an end at any time."""

from pathlib import Path
from threading import Timer

import pytest

from nli_console.errors import ConsoleError
from nli_console.record.findings import Query
from nli_console.record.layout import RunLayout
from nli_console.supervisor.analysis import Analysis, AnalysisClosed
from tests.support.fake_predictions import pairs, write_data, write_predictions
from tests.support.fake_runs import make_run


def test_it_answers_one_question_after_the_other_and_goes_on_after_an_error(tmp_path: Path) -> None:
    rows = pairs(30)
    layout = make_run(tmp_path / "runs", "finished", steps=5, data=write_data(tmp_path / "pairs", rows))
    write_predictions(layout, rows, (3, 4))
    told: list[str] = []
    with Analysis() as analysis:
        assert analysis.explain(layout, Query(), progress=lambda *said: told.append(said[0])).total == 2
        with pytest.raises(ConsoleError, match="genre verse: the rows have fiction, telephone"):
            analysis.explain(layout, Query(genre="verse"))
        assert analysis.explain(layout, Query(genre="fiction")).total == 1
        with pytest.raises(ConsoleError, match="2 to 8"):
            analysis.compare([layout])
    assert "reading the data" in told


def test_closing_it_ends_what_it_is_at(tmp_path: Path) -> None:
    with Analysis() as analysis:
        Timer(0.05, analysis.close).start()
        with pytest.raises(AnalysisClosed):
            _ask_for_ever(analysis, [RunLayout(tmp_path / name) for name in "ab"])


def _ask_for_ever(analysis: Analysis, layouts: list[RunLayout]) -> None:
    while True:
        analysis.export(layouts, "csv")


def test_a_process_that_dies_is_said_to_have(tmp_path: Path) -> None:
    with Analysis() as analysis:
        analysis._process.kill()
        with pytest.raises(ConsoleError, match="was killed by signal 9; ask again"):
            analysis.export([RunLayout(tmp_path / name) for name in "ab"], "csv")
