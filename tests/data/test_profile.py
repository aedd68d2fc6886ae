"""The figures of a dataset against rows whose counts are known."""

import json
from pathlib import Path

import pytest

from nli_console.data import profile_cache
from nli_console.data.artefacts import HypothesisOnly, LabelWords, words_of
from nli_console.data.browse import Filters, matching
from nli_console.data.helper import examples, found_of, read_profile
from nli_console.data.profile import SAMPLE_ROWS, Cancelled, Lengths, profile
from nli_console.data.rows import RowMapper
from nli_console.data.spec import LABELS, DataSpec
from nli_console.errors import ConsoleError
from tests.data.corpora import one_file, original_row, write_jsonl

TOKENIZER = Path(__file__).parents[2] / "nli_console/data/demo/models/encoder/tokenizer.json"


def corpus(folder: Path, train: list[object], dev: list[object]) -> DataSpec:
    write_jsonl(folder / "train.jsonl", train)
    write_jsonl(folder / "dev.jsonl", dev)
    return DataSpec(
        name="mine",
        source=str(folder),
        format="jsonl",
        splits={"train": "train.jsonl", "validation": "dev.jsonl"},
    )


def test_labels_genres_votes_and_dropped_rows_are_counted(tmp_path: Path) -> None:
    votes = ["neutral"] * 4 + ["entailment"]
    dev: list[object] = [
        original_row(1, "neutral", annotator_labels=votes),
        original_row(2, "neutral", annotator_labels=["neutral"] * 5, genre="travel"),
        original_row(3, "contradiction", annotator_labels=["contradiction"]),
        original_row(4, "-", annotator_labels=["neutral", "entailment"]),
    ]
    found = profile(corpus(tmp_path, [original_row(9)], dev)).split("validation")
    assert found is not None
    assert (found.rows, found.dropped) == (3, 1)
    assert found.labels == {"entailment": 0, "neutral": 2, "contradiction": 1}
    assert found.majority == ("neutral", pytest.approx(2 / 3))
    assert found.genres == {"fiction": 2, "travel": 1}
    assert found.agreement == {"4-1": 1, "5-0": 1}


def test_rows_that_train_holds_are_found_by_pair_and_by_premise(tmp_path: Path) -> None:
    train: list[object] = [original_row(0), original_row(0), original_row(1)]
    dev: list[object] = [
        original_row(0),
        original_row(2),
        original_row(30, sentence1="unseen"),
    ]
    found = profile(corpus(tmp_path, train, dev))
    validation, trained = found.split("validation"), found.split("train")
    assert validation is not None
    assert trained is not None
    assert (validation.pairs_in_train, validation.premises_in_train) == (1, 2)
    assert (trained.repeated, trained.pairs_in_train) == (1, None)


def test_a_hypothesis_that_gives_its_label_away_shows(tmp_path: Path) -> None:
    words = {"entailment": "some", "neutral": "perhaps", "contradiction": "never"}
    rows: list[object] = [
        original_row(i, sentence1=f"premise number {i}", sentence2=f"{words[LABELS[i % 3]]} number {i}")
        for i in range(60)
    ]
    found = profile(corpus(tmp_path, rows[:30], rows[30:])).split("validation")
    assert found is not None
    assert found.hypothesis_only is not None
    assert (found.hypothesis_only.count, found.hypothesis_only.n) == (30, 30)
    assert found.negated == {"entailment": 0, "neutral": 0, "contradiction": 1}
    assert found.shared["neutral"] == pytest.approx(2 / 3)


def test_lengths_in_words_and_in_tokens(tmp_path: Path) -> None:
    rows: list[object] = [original_row(1), original_row(2, sentence1="a b c, d e f g h. i j")]
    found = profile(corpus(tmp_path, rows, [original_row(50)]), tokenizer=TOKENIZER).split("train")
    assert found is not None
    assert found.words.counts == {4: 1, 12: 1}
    assert found.tokens is not None
    assert found.tokens.n == 2
    # <s> premise </s> </s> hypothesis </s> is longer than its words.
    assert found.tokens.longest > 12 + 4
    assert found.tokens.over(found.tokens.longest) == 0
    assert found.tokens.over(found.tokens.longest - 1) == 1


def test_lengths_tell_quantiles_and_what_is_cut() -> None:
    lengths = Lengths(counts={10: 90, 50: 9, 200: 1}, of=100)
    assert (lengths.quantile(0.5), lengths.quantile(0.95), lengths.longest) == (10, 50, 200)
    assert (lengths.over(128), lengths.over(49), lengths.over(200)) == (1, 10, 0)
    assert lengths.mean == pytest.approx(15.5)


def test_a_tokenizer_that_cannot_be_read_is_told_and_nothing_else_is_lost(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    spec = corpus(tmp_path / "data", [original_row(1)], [original_row(50)])
    found = profile(spec, tokenizer=tmp_path / "tokenizer.json")
    assert "tokenizer.json cannot be used" in (found.tokenizer_problem or "")
    assert [split.rows for split in found.splits] == [1, 1]


def test_a_split_that_cannot_be_read_does_not_hinder_the_others(tmp_path: Path) -> None:
    spec = corpus(tmp_path, [original_row(1)], [original_row(2), original_row(3, "maybe")])
    found = profile(spec)
    validation = found.split("validation")
    assert validation is not None
    assert 'line 2: label "maybe" is unknown' in (validation.problem or "")
    assert [split.rows for split in found.splits] == [1, 0]
    (tmp_path / "train.jsonl").write_text("")
    with pytest.raises(ConsoleError, match=r"train of .* \(.*train.jsonl\) has no rows"):
        profile(spec)


def test_progress_runs_over_all_splits_and_cancelling_ends_it(tmp_path: Path) -> None:
    spec = corpus(tmp_path, [original_row(i) for i in range(40)], [original_row(99)])
    told: list[tuple[str, int, int, str]] = []
    profile(spec, progress=lambda *now: told.append(now))
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert told[-1] == ("reading", size, size, "bytes")
    with pytest.raises(Cancelled):
        profile(spec, cancelled=lambda: True)


def test_of_many_rows_a_sample_is_kept_that_is_the_same_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nli_console.data.profile.SAMPLE_ROWS", 50)
    rows: list[object] = [original_row(i, sentence1="word " * (1 + i % 7)) for i in range(400)]
    spec = one_file(write_jsonl(tmp_path / "train.jsonl", rows))
    first, second = (profile(spec, tokenizer=TOKENIZER).split("train") for _ in range(2))
    assert first is not None
    assert first.tokens is not None
    assert (first.tokens.n, first.tokens.of) == (50, 400)
    assert first == second
    assert SAMPLE_ROWS > 50


def test_words_lose_punctuation_and_keep_apostrophes() -> None:
    assert words_of('He DIDN\'T say: "café".') == [b"he", b"didn't", b"say", "café".encode()]
    counts = LabelWords()
    counts.add(0, words_of("a man sleeps"), words_of("A man doesn't run."))
    assert counts.negated() == {"entailment": 1}
    assert counts.shared() == {"entailment": 0.5}


def test_without_known_words_the_most_frequent_label_is_given() -> None:
    classifier = HypothesisOnly()
    for label, text in ((2, "red"), (2, "red"), (0, "blue")):
        classifier.add(label, words_of(text))
    assert classifier.correct([(2, "unseen"), (0, "unseen"), (0, "blue")]) == 2


def test_a_profile_is_read_once_until_a_file_changes(tmp_path: Path) -> None:
    spec = corpus(tmp_path / "data", [original_row(1), original_row(2)], [original_row(50)])
    cache = tmp_path / "cache"
    made = read_profile(spec, cache)
    key = profile_cache.key_of(spec, None)
    assert profile_cache.load(cache, key, "mine") == made
    renamed = spec.model_copy(update={"name": "other", "fraction": 0.1})
    known = profile_cache.load(cache, profile_cache.key_of(renamed, None), "other")
    assert known is not None
    assert (known.name, known.splits) == ("other", made.splits)
    with (tmp_path / "data" / "train.jsonl").open("a") as file:
        file.write(json.dumps(original_row(3)) + "\n")
    assert profile_cache.key_of(spec, None) != key
    assert [split.rows for split in read_profile(spec, cache).splits] == [3, 1]


def test_a_damaged_or_unwritable_cache_is_no_hindrance(tmp_path: Path) -> None:
    spec = corpus(tmp_path / "data", [original_row(1)], [original_row(50)])
    key = profile_cache.key_of(spec, None)
    assert key is not None
    broken = tmp_path / "cache" / "profiles" / f"{key}.json"
    broken.parent.mkdir(parents=True)
    broken.write_text('{"name": 1')
    assert profile_cache.load(tmp_path / "cache", key, "mine") is None
    (tmp_path / "file").write_text("")
    profile_cache.save(tmp_path / "file", key, profile(spec))


def test_filters_find_text_genre_and_label(tmp_path: Path) -> None:
    rows = [original_row(i, genre="travel" if i % 2 else "fiction") for i in range(12)]
    spec = one_file(write_jsonl(tmp_path / "train.jsonl", rows))

    def rows_of(**wanted: str) -> list[int]:
        found = matching(spec, "train", Filters(**wanted), RowMapper(spec, "train"))
        return [example.row for example in found]

    assert rows_of() == list(range(1, 13))
    assert rows_of(contains="HYPOTHESIS 1") == [2, 11, 12]
    assert rows_of(contains="premise 3") == [10, 11, 12]
    assert rows_of(genre="travel", label="neutral") == [2, 8]
    assert rows_of(label="neutral", contains="4n") == [5]


def test_the_process_gives_examples_and_says_what_it_met(tmp_path: Path) -> None:
    hostile = "\x1b[2J\u202e[/red]"
    rows = [original_row(1, sentence1=hostile), original_row(2), original_row(3, "maybe")]
    spec = one_file(write_jsonl(tmp_path / "train.jsonl", rows))
    with examples(spec, "train", Filters()) as helper:
        answers = helper.answers()
        assert found_of(next(answers)).premise == hostile
        assert found_of(next(answers)).row == 2
        with pytest.raises(ConsoleError, match="maybe"):
            next(answers)


def test_a_process_that_is_closed_ends_and_one_that_dies_is_told(tmp_path: Path) -> None:
    rows = [original_row(i) for i in range(5000)]
    spec = one_file(write_jsonl(tmp_path / "train.jsonl", rows))
    with examples(spec, "train", Filters()) as helper:
        answers = helper.answers()
        next(answers)
        helper.close()
        with pytest.raises(Cancelled):
            list(answers)
    with examples(spec, "train", Filters()) as helper:
        answers = helper.answers()
        next(answers)
        helper._process.kill()
        with pytest.raises(ConsoleError, match="killed by signal 9"):
            list(answers)
