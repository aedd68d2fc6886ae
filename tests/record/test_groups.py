"""Groups: what is computed of runs that share an id, and how a person names one."""

from dataclasses import replace
from pathlib import Path

import pytest

from nli_console.data.sample import prepare
from nli_console.errors import ConsoleError
from nli_console.methods.fields import FieldError
from nli_console.record.compose import Draft, compose, members
from nli_console.record.groups import Group, find, grouped, groups_of, make_group, member_name
from nli_console.record.seeds import parse_seeds, repeated
from nli_console.record.spec_io import load_spec, run_folders, submit
from nli_console.record.state import RunState, State
from nli_console.record.store import Accuracy, Store
from nli_console.record.summary import RunSummary
from nli_console.settings import LoadedSettings, Settings
from tests.data.corpora import write_original
from tests.support.fake_runs import make_run


def run(
    number: int, state: State = State.FINISHED, *, group: str | None = "g-1", **fields: object
) -> RunSummary:
    values: dict[str, object] = {
        "id": f"2026-{number}", "path": Path("/nowhere"), "state": RunState(state),
        "name": f"lora x, seed {number}", "seed": number, "group": group, "submitted": float(number),
        **fields,
    }  # fmt: skip
    return RunSummary(**values)  # pyright: ignore[reportArgumentType]


def reached(matched: float, **others: float) -> dict[str, Accuracy]:
    return {split: Accuracy(value, value - 0.01, value + 0.01, 9815)
            for split, value in {"validation_matched": matched, **others}.items()}  # fmt: skip


def test_mean_and_sample_deviation_are_over_the_runs_that_finished() -> None:
    group = make_group(
        [
            run(1, accuracy=reached(0.84, validation_mismatched=0.83)),
            run(2, accuracy=reached(0.86)),
            run(3, accuracy=reached(0.88, validation_mismatched=0.85)),
            run(4, State.FAILED, accuracy=reached(0.30)),
        ]
    )
    matched = group.accuracy["validation_matched"]
    assert matched.values == (0.84, 0.86, 0.88)
    assert matched.mean == pytest.approx(0.86)
    assert matched.deviation == pytest.approx(0.02)
    assert group.accuracy["validation_mismatched"].runs == 2
    assert group.headline == matched


def test_one_value_has_no_deviation() -> None:
    group = make_group([run(1, accuracy=reached(0.84)), run(2, State.RUNNING)])
    assert group.headline is not None
    assert (group.headline.mean, group.headline.deviation, group.headline.runs) == (0.84, None, 1)
    assert make_group([run(1, State.QUEUED), run(2, State.QUEUED)]).headline is None


@pytest.mark.parametrize(
    ("states", "summary", "state"),
    [
        ([State.FINISHED] * 3, "3 of 3 finished", State.FINISHED),
        ([State.FINISHED, State.FINISHED, State.RUNNING], "2 of 3 finished, 1 running", State.RUNNING),
        ([State.QUEUED, State.RUNNING, State.FAILED], "0 of 3 finished, 1 running, 1 queued, 1 failed",
         State.RUNNING),
        ([State.FINISHED, State.STOPPED, State.FAILED], "1 of 3 finished, 1 failed, 1 stopped", State.FAILED),
    ],
)  # fmt: skip
def test_states_are_summed_up_in_words(states: list[State], summary: str, state: State) -> None:
    group = make_group([run(number, each) for number, each in enumerate(states)])
    assert (group.state_summary, group.state) == (summary, state)
    assert group.lead.state.state is state


def test_times_add_up_and_the_largest_peak_counts() -> None:
    group = make_group(
        [
            run(1, seconds=10.0, peak_memory_bytes=5, started=100.0, trainable_parameters=7),
            run(2, seconds=20.0, peak_memory_bytes=9, started=90.0, trainable_parameters=7),
            run(3, State.QUEUED),
        ]
    )
    assert (group.seconds, group.peak_memory_bytes) == (30.0, 9)
    assert (group.started, group.trainable_parameters) == (90.0, 7)


def test_a_group_stands_where_its_newest_run_stood_with_its_runs_in_order_of_submission() -> None:
    lone, alone = run(9, group=None), run(8, group="g-other")
    lines = grouped([lone, run(3), alone, run(1), run(2)])
    assert [line.id for line in lines] == [lone.id, "g-1", alone.id]
    group = lines[1]
    assert isinstance(group, Group)
    assert group.seeds == (1, 2, 3)
    assert group.name == "lora x"


def test_an_unchanged_group_is_the_same_object_and_a_changed_one_is_not() -> None:
    runs = [run(1), run(2)]
    (group,) = grouped(runs)
    assert isinstance(group, Group)
    assert grouped(runs, {group.id: group})[0] is group
    (other,) = grouped([runs[0], replace(runs[1], seconds=3.0)], {group.id: group})
    assert other is not group


def test_members_differ_in_seed_name_and_command_alone(tmp_path: Path) -> None:
    settings = LoadedSettings(Settings(runs_dir=tmp_path / "runs", cache_dir=tmp_path / "cache"), None, None)
    spec = compose(Draft("lora", "roberta-large", "nyu-mll/multi_nli", name="mine", seed=3), settings)
    made = members(spec, (3, 1, 2))
    assert [one.seed for one in made] == [3, 1, 2]
    assert [one.name for one in made] == ["mine, seed 3", "mine, seed 1", "mine, seed 2"]
    assert len({one.id for one in made}) == 3
    assert len({one.group for one in made}) == 1
    assert (made[0].group or "").startswith("g-")
    assert [one.submitted for one in made] == sorted({one.submitted for one in made})
    for one in made:
        command = one.provenance.command
        assert command[command.index("--seed") + 1] == str(one.seed)
        same = {"id", "name", "seed", "group", "submitted", "provenance"}
        assert one.model_dump(exclude=same) == spec.model_dump(exclude=same)
    layout = submit(tmp_path / "runs", made[1])
    assert load_spec(layout).group == made[1].group


def test_one_seed_makes_a_run_without_a_group(tmp_path: Path) -> None:
    settings = LoadedSettings(Settings(runs_dir=tmp_path / "runs", cache_dir=tmp_path / "cache"), None, None)
    spec = compose(Draft("lora", "roberta-large", "nyu-mll/multi_nli", name="mine"), settings)
    (only,) = members(spec, (7,))
    assert (only.seed, only.group, only.name, only.id) == (7, None, "mine", spec.id)


def test_a_long_name_keeps_its_seed() -> None:
    name = member_name("x" * 300, 123)
    assert name.endswith(", seed 123")
    assert len(name) <= 120


def test_the_rows_of_a_seed_are_the_same_for_every_method_and_others_for_another_seed(tmp_path: Path) -> None:
    write_original(tmp_path / "multinli_1.0", train=600)
    settings = LoadedSettings(Settings(runs_dir=tmp_path / "runs", cache_dir=tmp_path / "cache"), None, None)
    digests: dict[int, set[str]] = {}
    for method in ("full", "lora", "head"):
        draft = Draft(method, "roberta-large", str(tmp_path / "multinli_1.0"), fraction=0.1)
        for spec in members(compose(draft, settings), (1, 2)):
            digests.setdefault(spec.seed, set()).add(prepare(spec.data, spec.seed).digests["train"])
    assert [len(found) for found in digests.values()] == [1, 1]
    assert digests[1] != digests[2]


def test_a_group_is_found_by_id_beginning_and_name(tmp_path: Path) -> None:
    group = "g-20260101-000000-lora-x-0001"
    layouts = [
        make_run(tmp_path, "finished", steps=5, name=f"mine, seed {seed}", seed=seed, group=group,
                 submitted=1e9 + seed)
        for seed in (2, 1)
    ]  # fmt: skip
    other = make_run(tmp_path, "finished", steps=5, name="other")
    for text in (group, "g-2026", "mine"):
        found = find(tmp_path, text)
        assert (found.group, found.id) == (group, group)
        assert [layout.id for layout in found.layouts] == [layouts[1].id, layouts[0].id]
    assert find(tmp_path, "mine, seed 2").layouts == (layouts[0],)
    assert find(tmp_path, other.id).group is None
    assert groups_of(run_folders(tmp_path))[group] == list(find(tmp_path, group).layouts)
    with pytest.raises(ConsoleError, match=r'no run "nobody".*of a run or group'):
        find(tmp_path, "nobody")


def test_an_ambiguous_beginning_of_a_group_lists_the_candidates(tmp_path: Path) -> None:
    for number in range(4):
        make_run(tmp_path, "finished", steps=5, group=f"g-{number // 2}", seed=number)
    with pytest.raises(ConsoleError, match=r"fits 2 groups; .*\n  g-1\n  g-0$"):
        find(tmp_path, "g-")


def test_a_hostile_group_id_is_cleaned(tmp_path: Path) -> None:
    make_run(tmp_path, "finished", steps=5, group="g-\x1b[2J\u202e")
    store = Store(tmp_path)
    store.refresh()
    assert "\x1b" not in (store.runs[0].group or "")
    assert "\u202e" not in (store.runs[0].group or "")


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("1", (1,)), ("3,1,2", (3, 1, 2)), (" 1, 2 ,3 ", (1, 2, 3)), ("4294967295", (2**32 - 1,))],
)
def test_seeds_are_read_in_their_order(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--seeds '': must be whole numbers from 0 to 4294967295 with commas between, such as 1,2,3"),
        (",", "--seeds ,: must be whole numbers"),
        ("-1", "--seeds -1: must be whole numbers"),
        ("1,x,3", '--seeds 1,x,3: "x" is no seed; must be whole numbers'),
        ("1,4294967296", '"4294967296" is no seed'),
        ("1,²", '"²" is no seed'),
        ("1,2,1", "--seeds 1,2,1: 1 stands there twice; it would give the same run again"),
        (",".join(map(str, range(101))), "must be at most 100 seeds, not 101"),
    ],
)
def test_what_is_no_seed_is_told(text: str, message: str) -> None:
    with pytest.raises(FieldError) as told:
        parse_seeds(text)
    assert message in str(told.value)


def test_a_repetition_counts_on_from_the_first_seed() -> None:
    assert repeated(7, "3") == (7, 8, 9)
    for text, message in (("0", "from 1 to 100"), ("x", "from 1 to 100"), ("101", "from 1 to 100")):
        with pytest.raises(FieldError, match=message):
            repeated(1, text)
    with pytest.raises(FieldError, match="the last seed would be 4294967296"):
        repeated(2**32 - 1, "2")
