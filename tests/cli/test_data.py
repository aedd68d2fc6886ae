"""nli-console data."""

import json


def test_a_dataset_is_told_in_figures_and_as_json(place):
    text = place.call("data", "show", "pairs").out
    assert "validation_matched" in text
    assert "fiction" in text
    record = place.call("data", "show", "pairs", "--json").json
    train = record["splits"]["train"]
    assert (train["rows"], train["labels"]["neutral"], train["majority"]["share"]) == (12, 4, 4 / 12)
    assert record["splits"]["validation_matched"]["pairs_in_train"] == 12
    assert record["tokenizer"] is None


def test_one_split_and_the_share_that_is_cut(place):
    demo = place.call("data", "show", "pairs", "--model", "demo-encoder", "--max-length", "9", "--json").json
    cut = demo["splits"]["train"]["truncated"]
    assert cut["n"] == 12
    assert 0 < cut["count"] <= 12
    only = place.call("data", "show", "pairs", "--split", "validation_matched", "--json").json
    assert list(only["splits"]) == ["validation_matched"]


def test_examples_are_chosen_by_label_genre_and_text(place):
    found = place.call("data", "show", "pairs", "--label", "neutral", "--rows", "2", "--json").json[
        "examples"
    ]
    assert [example["hypothesis"] for example in found] == ["hypothesis 1", "hypothesis 4"]
    text = place.call("data", "show", "pairs", "--contains", "premise 7", "--split", "validation_matched").out
    assert "neutral · fiction · row 8 · 7n" in text
    assert "hypothesis  hypothesis 7" in text
    nothing = place.call("data", "show", "pairs", "--genre", "poetry")
    assert (nothing.code, "none of the 12 rows of train" in nothing.out) == (0, True)


def test_hostile_texts_reach_the_terminal_cleaned(place):
    row = {"premise": "\x1b[2Jevil\u202e", "hypothesis": "[/red] fine", "label": "neutral"}
    (place.folder / "rows.jsonl").write_text(json.dumps(row) + "\n")
    out = place.call("data", "show", "rows.jsonl", "--rows", "1").out
    assert "evil" in out
    assert "[/red] fine" in out
    assert "\x1b" not in out
    assert "\u202e" not in out


def test_wrong_words_are_answered_with_what_is_expected(place):
    for words, expected in (
        (("pairs", "--split", "dev"), "pairs has train, validation_matched, validation_mismatched"),
        (("pairs", "--label", "maybe"), "expected one of entailment, neutral, contradiction"),
        (("pairs", "--rows", "0"), "must be at least 1"),
        (("pears",), 'did you mean "pairs"'),
        (("pairs", "--split", "dev", "--rows", "1"), 'has no split "dev"'),
    ):
        result = place.call("data", "show", *words)
        assert (result.code, result.out) == (2, "")
        assert expected in result.err


def test_the_list_has_the_demo_and_the_settings_and_says_what_is_broken(place):
    with (place.folder / "settings.toml").open("a") as file:
        file.write('[datasets.gone]\npath = "nowhere/at/all"\n')
    rows = {row["name"]: row for row in place.call("data", "list", "--json").json}
    assert list(rows) == ["demo", "pairs", "gone"]
    assert rows["pairs"]["splits"] == ["train", "validation_matched", "validation_mismatched"]
    assert "there is no file or folder" in rows["gone"]["problem"]
    assert "pairs" in place.call("data", "list").out
