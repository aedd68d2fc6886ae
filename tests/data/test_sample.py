"""Which rows a run gets: the same for every method, whatever the order of the file."""

from pathlib import Path

import pytest

from nli_console.data.read import read_split
from nli_console.data.resolve import resolve_dataset
from nli_console.data.sample import digest, prepare, prepare_evaluation
from nli_console.data.spec import DataSpec, Split
from nli_console.errors import ConsoleError
from tests.data.corpora import one_file, original_row, settings, write_jsonl, write_original


@pytest.fixture
def spec(tmp_path: Path) -> DataSpec:
    write_original(tmp_path / "multinli_1.0", train=600)
    return resolve_dataset(str(tmp_path / "multinli_1.0"), settings(tmp_path))


def ids(split: Split) -> list[str]:
    return [example.id for example in split.examples]


def test_selection_is_a_tenth_of_train_at_most_and_shares_no_row_with_it(spec: DataSpec) -> None:
    prepared = prepare(spec, 1)
    assert len(prepared.selection.examples) == 60
    assert len(prepared.train.examples) == 540
    assert set(ids(prepared.train)).isdisjoint(ids(prepared.selection))
    small = prepare(spec.model_copy(update={"selection_rows": 9}), 1)
    assert len(small.selection.examples) == 9
    assert set(ids(small.selection)) <= set(ids(prepared.selection))


def test_rows_of_a_premise_stay_on_one_side(spec: DataSpec) -> None:
    prepared = prepare(spec, 1)
    selected = {example.premise for example in prepared.selection.examples}
    assert len(selected) == 20
    assert selected.isdisjoint(example.premise for example in prepared.train.examples)


def test_selection_is_the_same_for_every_seed_and_fraction(spec: DataSpec) -> None:
    expected = prepare(spec, 1).digests["selection"]
    assert prepare(spec.model_copy(update={"fraction": 0.1}), 7).digests["selection"] == expected


def test_a_fraction_is_a_part_of_a_larger_one_and_differs_by_seed(spec: DataSpec) -> None:
    half = prepare(spec.model_copy(update={"fraction": 0.5}), 3)
    tenth = prepare(spec.model_copy(update={"fraction": 0.1}), 3)
    assert len(tenth.train.examples) == 54
    assert set(ids(tenth.train)) < set(ids(half.train))
    other = prepare(spec.model_copy(update={"fraction": 0.1}), 4)
    assert set(ids(other.train)) != set(ids(tenth.train))


def test_the_chosen_ids_do_not_depend_on_the_order_of_the_file(tmp_path: Path) -> None:
    rows = [original_row(i) for i in range(300)]
    chosen = []
    for name, order in (("forward", rows), ("backward", rows[::-1])):
        path = write_jsonl(tmp_path / f"{name}.jsonl", order)
        prepared = prepare(one_file(path, fraction=0.2), 1)
        chosen.append((set(ids(prepared.train)), set(ids(prepared.selection))))
    assert chosen[0] == chosen[1]


def test_the_chosen_ids_are_fixed_for_good(spec: DataSpec) -> None:
    # Runs of different versions can only be compared while these stay as they are.
    prepared = prepare(spec.model_copy(update={"fraction": 0.01}), 1)
    assert ids(prepared.train) == ["55n", "142n", "168e", "305c", "524c"]
    assert ids(prepared.selection)[:3] == ["48e", "49n", "50c"]


def test_rows_keep_the_order_of_the_dataset(spec: DataSpec) -> None:
    order = {id: number for number, id in enumerate(ids(read_split(spec, "train")))}
    prepared = prepare(spec.model_copy(update={"fraction": 0.3}), 1)
    for split in (prepared.train, prepared.selection):
        numbers = [order[id] for id in ids(split)]
        assert numbers == sorted(numbers)


def test_validation_is_reported_on_in_full_with_its_digest_and_majority(spec: DataSpec) -> None:
    prepared = prepare(spec, 1)
    assert list(prepared.evaluation) == ["validation_matched", "validation_mismatched"]
    matched = prepared.evaluation["validation_matched"]
    assert ids(matched) == ids(read_split(spec, "validation_matched"))
    assert prepared.dropped == {
        "train": 0,
        "selection": 0,
        "validation_matched": 1,
        "validation_mismatched": 1,
    }
    assert prepared.digests["validation_matched"] == digest(ids(matched))
    assert prepared.majority["validation_matched"].share == pytest.approx(1 / 3)
    only = prepare(spec.model_copy(update={"evaluate_on": ("validation_mismatched",)}), 1)
    assert list(only.evaluation) == ["validation_mismatched"]


def test_a_test_split_without_labels_is_left_out_unless_it_is_asked_for(tmp_path: Path) -> None:
    for name, label in (("train", None), ("dev", None), ("test", "-")):
        write_jsonl(tmp_path / f"x/{name}.jsonl", [original_row(i, label) for i in range(20)])
    spec = resolve_dataset(str(tmp_path / "x"), settings(tmp_path))
    assert list(prepare(spec, 1).evaluation) == ["validation"]
    with pytest.raises(ConsoleError, match="none has a gold label"):
        prepare(spec.model_copy(update={"evaluate_on": ("test",)}), 1)


def test_without_a_validation_split_a_tenth_of_train_is_held_out(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "pairs.jsonl", [original_row(i) for i in range(100)])
    prepared = prepare(one_file(path), 1)
    sets = [
        set(ids(split)) for split in (prepared.train, prepared.selection, prepared.evaluation["held_out"])
    ]
    assert [len(chosen) for chosen in sets] == [80, 10, 10]
    assert len(set.union(*sets)) == 100


def test_unknown_splits_are_named(spec: DataSpec) -> None:
    with pytest.raises(ConsoleError, match=r'no split "validaton".*validation_matched'):
        prepare(spec.model_copy(update={"evaluate_on": ("validaton",)}), 1)
    with pytest.raises(ConsoleError, match="no train split, only validation_matched"):
        prepare(spec.model_copy(update={"splits": {"validation_matched": "x"}}), 1)


def test_some_rows_of_each_reported_split_are_taken_by_seed_and_training_rows_stay(spec: DataSpec) -> None:
    whole = prepare(spec, 3)
    few, more = (prepare(spec.model_copy(update={"evaluation_rows": rows}), 3) for rows in (2, 4))
    for name, split in few.evaluation.items():
        assert len(split.examples) == 2
        assert set(ids(split)) < set(ids(more.evaluation[name])) < set(ids(whole.evaluation[name]))
        assert few.digests[name] == digest(ids(split))
        places = [ids(whole.evaluation[name]).index(id) for id in ids(split)]
        assert places == sorted(places)
    assert few.train == whole.train
    other = prepare(spec.model_copy(update={"evaluation_rows": 2}), 5)
    assert other.digests != few.digests
    every = prepare(spec.model_copy(update={"evaluation_rows": 10_000}), 3)
    assert every.evaluation == whole.evaluation


def test_an_evaluation_reads_its_reported_splits_and_no_more(spec: DataSpec) -> None:
    training = prepare(spec, 1)
    prepared = prepare_evaluation(spec, 1)
    assert prepared.evaluation == training.evaluation
    assert (prepared.train.examples, prepared.selection.examples) == ([], [])
    assert prepared.digests == {name: training.digests[name] for name in prepared.evaluation}
    only = prepare_evaluation(spec.model_copy(update={"evaluate_on": ("train",)}), 1)
    assert len(only.evaluation["train"].examples) == 600


def test_an_evaluation_takes_a_share_of_each_split_by_seed(spec: DataSpec) -> None:
    whole = prepare_evaluation(spec, 1).evaluation
    part = prepare_evaluation(spec.model_copy(update={"fraction": 0.5}), 1).evaluation
    for name, split in part.items():
        assert len(split.examples) == round(len(whole[name].examples) / 2)
        assert set(ids(split)) < set(ids(whole[name]))
    other = prepare_evaluation(spec.model_copy(update={"fraction": 0.5}), 2).evaluation
    assert {name: ids(split) for name, split in other.items()} != {
        name: ids(split) for name, split in part.items()
    }


def test_an_evaluation_of_training_rows_alone(spec: DataSpec, tmp_path: Path) -> None:
    alone = spec.model_copy(update={"splits": {"train": spec.splits["train"]}})
    held_out = alone.model_copy(update={"evaluate_on": ("held_out",)})
    assert prepare_evaluation(held_out, 1).evaluation == prepare(alone, 1).evaluation
    with pytest.raises(ConsoleError, match="no labelled split but train; name it"):
        prepare_evaluation(alone, 1)
    with pytest.raises(ConsoleError, match='has no split "held_out"'):
        prepare_evaluation(spec.model_copy(update={"evaluate_on": ("held_out",)}), 1)
    with pytest.raises(ConsoleError, match='has no split "other" to report on; it has train'):
        prepare_evaluation(spec.model_copy(update={"evaluate_on": ("other",)}), 1)
