"""The errors of a run: order, filters, disagreement with another run, slices, and data that are gone."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from nli_console.analysis.explain import Explainer
from nli_console.errors import ConsoleError
from nli_console.record.findings import Explanation, Query, of_json, to_json
from nli_console.record.layout import RunLayout
from nli_console.statistics import wilson
from tests.analysis.conftest import ROWS
from tests.support.fake_predictions import write_predictions
from tests.support.fake_runs import make_run

Scored = Callable[..., RunLayout]
WRONG = (1, 5, 8, 30, 77, 110)


def rows_of(found: Explanation) -> list[int]:
    """Places of the rows, from 0."""
    return [row.row - 1 for row in found.rows]


def test_errors_stand_by_falling_loss_with_all_there_is_to_know(scored: Scored) -> None:
    found = Explainer(scored(WRONG)).answer(Query())
    assert (found.total, found.n) == (6, 120)
    assert rows_of(found) == sorted(WRONG, reverse=True)
    losses = [row.loss for row in found.rows if row.loss is not None]
    assert losses == sorted(losses, reverse=True)
    row, example = found.rows[0], ROWS[110]
    assert (row.id, row.premise, row.hypothesis) == (example.id, example.premise, example.hypothesis)
    assert (row.gold, row.genre, row.votes) == (example.gold, example.genre, example.votes)
    assert row.predicted != row.gold
    assert row.scores is not None
    assert row.scores[row.predicted or ""] == max(row.scores.values())
    assert found.accuracy is not None
    assert (found.accuracy.low, found.accuracy.high) == wilson(114, 120)


@pytest.mark.parametrize(
    ("filters", "wanted"),
    [
        ({"genre": "telephone"}, [place for place in WRONG if place % 2]),
        ({"gold": "neutral"}, [place for place in WRONG if place % 3 == 1]),
        ({"predicted": "neutral"}, [place for place in WRONG if place % 3 == 0]),
        ({"negation": "yes"}, [place for place in WRONG if place % 4 == 0]),
        ({"negation": "no", "genre": "fiction"}, [30, 110]),
        ({"length": "12-"}, [1, 5, 30, 77, 110]),
        ({"length": "-11"}, [8]),
        ({"length": "13"}, [1, 5, 30, 77, 110]),
        ({"overlap": "75-100"}, [1, 5, 30, 77, 110]),
        ({"votes": "5-0"}, [place for place in WRONG if (place // 2) % 3 == place % 3]),
        ({"contains": "77 APPLES"}, [77]),
    ],
)
def test_filters(scored: Scored, filters: dict[str, str], wanted: list[int]) -> None:
    found = Explainer(scored(WRONG)).answer(Query(order="row", **filters))
    assert rows_of(found) == wanted


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ({"genre": "verse"}, "genre verse: the rows have fiction, telephone"),
        ({"gold": "maybe"}, "gold maybe: expected one of entailment"),
        ({"length": "long"}, "length long: expected a range of words such as 16-25"),
        ({"overlap": "75-50"}, "expected a range of percent"),
        ({"negation": "perhaps"}, "expected yes or no"),
        ({"split": "train"}, 'no predictions of "train"; it has validation_matched'),
        ({"which": "lost"}, "takes another run"),
    ],
)
def test_what_cannot_be_meant_is_said(scored: Scored, filters: dict, said: str) -> None:
    with pytest.raises(ConsoleError, match=said):
        Explainer(scored(WRONG)).answer(Query(**filters))


def test_slices_are_of_the_filtered_rows_and_add_up(scored: Scored) -> None:
    explainer = Explainer(scored(WRONG))
    for query, n in ((Query(), 120), (Query(genre="fiction"), 60)):
        found = explainer.answer(query)
        for by in ("genre", "gold", "length", "negation", "overlap", "votes"):
            held = [part.accuracy for part in found.slices if part.by == by]
            assert sum(part.n or 0 for part in held) == n
            assert sum(round(part.value * (part.n or 0)) for part in held) == round(
                found.accuracy.value * n if found.accuracy else 0
            )
    assert {part.value for part in found.slices if part.by == "genre"} == {"fiction"}


def test_a_slice_is_a_filter_that_gives_its_rows(scored: Scored) -> None:
    explainer = Explainer(scored(WRONG))
    for part in explainer.answer(Query()).slices:
        found = explainer.answer(Query(**{part.by: part.value}))
        assert found.accuracy == part.accuracy


def test_where_two_runs_disagree(scored: Scored) -> None:
    explainer = Explainer(scored(WRONG, name="mine"), scored((1, 5, 40), name="other"))
    by_which = {
        which: rows_of(explainer.answer(Query(which=which, order="row")))
        for which in ("disagreements", "lost", "won", "errors")
    }
    assert by_which == {
        "disagreements": [8, 30, 40, 77, 110],
        "lost": [8, 30, 77, 110],
        "won": [40],
        "errors": list(WRONG),
    }
    found = explainer.answer(Query(which="won"))
    assert found.rows[0].other_predicted not in (None, found.rows[0].gold)
    assert found.other is not None
    assert found.other.value == pytest.approx(117 / 120)
    assert all(part.other is not None for part in found.slices)
    assert found.sentence("won") == "1 of 120 rows are right by mine alone"


def test_against_a_run_on_other_rows_is_refused(scored: Scored) -> None:
    other = scored(name="other")
    write_predictions(other, ROWS[:10])
    with pytest.raises(ConsoleError, match="mine and other: scored on different rows: 120 against 10"):
        Explainer(scored(name="mine"), other).answer(Query())


def test_answers_without_label_or_likelihood_count_and_stand_last(scored: Scored) -> None:
    layout = scored()
    write_predictions(layout, ROWS, (3, 4), unanswered=(9,), scored=False)
    found = Explainer(layout).answer(Query())
    assert rows_of(found) == [3, 4, 9]
    assert found.rows[-1].predicted is None
    assert found.rows[-1].scores is None
    assert found.rows[-1].loss is None
    assert rows_of(Explainer(layout).answer(Query(predicted="none"))) == [9]


def test_data_that_are_gone_or_changed_leave_errors_without_texts(scored: Scored, tmp_path: Path) -> None:
    layout = scored(WRONG)
    data = tmp_path / "pairs" / "multinli_1.0_validation_matched.jsonl"
    data.write_text("".join(data.read_text().splitlines(keepends=True)[:50]))
    found = Explainer(layout).answer(Query())
    assert "has other rows than were scored" in found.notes[0]
    shutil.rmtree(tmp_path / "pairs")
    found = Explainer(layout).answer(Query())
    assert rows_of(found) == sorted(WRONG, reverse=True)
    assert found.rows[0].premise is None
    assert found.notes[0].startswith("without texts: ")
    assert {part.by for part in found.slices} == {"genre", "gold"}
    with pytest.raises(ConsoleError, match="takes the texts"):
        Explainer(layout).answer(Query(negation="yes"))


def test_a_run_without_predictions_says_why(tmp_path: Path) -> None:
    layout = make_run(tmp_path, "failed", steps=5)
    with pytest.raises(ConsoleError, match="has no predictions; it is failed"):
        Explainer(layout).answer(Query())
    with pytest.raises(ConsoleError, match=r"spec\.json"):
        Explainer(make_run(tmp_path, "unreadable"))


def test_what_crosses_the_pipe_comes_back_as_it_was(scored: Scored) -> None:
    found = Explainer(scored(WRONG), scored()).answer(Query())
    assert of_json(Explanation, to_json(found)) == found
