"""The history table: what it shows, and what it repaints."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.geometry import Region

from nli_console.record.state import Reason, RunState, State
from nli_console.record.store import Accuracy, RunSummary
from nli_console.tui.symbols import symbols
from nli_console.tui.theme import DARK
from nli_console.tui.widgets.run_columns import fit, format_moment, short_duration, usual_columns
from nli_console.tui.widgets.run_table import RunTable

NOW = time.mktime((2026, 11, 23, 14, 2, 55, 0, 0, -1))


def summary(number: int, **fields: Any) -> RunSummary:
    accuracy = {"validation_matched": Accuracy(0.5 + number % 40 / 100, 0.49, 0.51, 9815)}
    defaults: dict[str, Any] = {
        "id": f"20261123-{number:06d}-x-0000",
        "path": Path("/nowhere"),
        "state": RunState(State.FINISHED),
        "name": f"run {number}",
        "method": "lora",
        "model": "roberta-large",
        "data": "multinli",
        "started": NOW - number * 60,
        "seconds": 100.0 + number,
        "trainable_parameters": 3_805_187 + number,
        "peak_memory_bytes": 5 * 1024**3,
        "accuracy": accuracy,
    }
    return RunSummary(**{**defaults, **fields})


class TableApp(App[None]):
    CSS = "Screen { background: $background; }"

    def __init__(self, runs: list[RunSummary], *, kind: str = "braille") -> None:
        super().__init__()
        self.register_theme(DARK)
        self.theme = DARK.name
        self.table = RunTable(symbols(kind))  # pyright: ignore[reportArgumentType]
        self._first = runs
        self.highlighted: list[str | None] = []

    def compose(self) -> ComposeResult:
        yield self.table

    def on_mount(self) -> None:
        self.table.focus()
        self.table.show(self._first)

    def on_run_table_highlighted(self, event: RunTable.Highlighted) -> None:
        self.highlighted.append(event.row_id)


def group(*states: State, number: int = 50, name: str = "mine", **fields: Any) -> list[RunSummary]:
    """Runs with the seeds 1, 2, 3 …, newest first, as a history lists them."""
    made = [
        summary(
            number - seed, state=RunState(state), name=f"{name}, seed {seed}", seed=seed, group=f"g-{name}",
            submitted=NOW - number * 60 + seed,
            accuracy={"validation_matched": Accuracy(0.82 + seed / 50, 0.8, 0.9, 9815)}
            if state is State.FINISHED
            else {},
            **fields,
        )
        for seed, state in enumerate(states, 1)
    ]  # fmt: skip
    return made[::-1]


def text_of(table: RunTable) -> str:
    width, height = table.size
    return "\n".join(table.strip_at(y, width).text.rstrip() for y in range(height))


def names(table: RunTable) -> list[str]:
    lines = table._lines  # pyright: ignore[reportPrivateUsage]
    return [lines[id].name for id in lines.order]


async def test_wide_terminals_see_every_column() -> None:
    app = TableApp([summary(1, accuracy={"validation_matched": Accuracy(0.864, 0.857, 0.871, 9815)})])
    async with app.run_test(size=(160, 10)) as pilot:
        await pilot.pause()
        text = text_of(app.table)
        for shown in (
            "✓ finished",
            "run 1",
            "lora",
            "roberta-large",
            "86.4 ± 0.7 %",
            "3,805,188",
            "1m 41s",
            "5.0 GiB",
        ):
            assert shown in text
        for column in usual_columns():
            assert column.title in text


@pytest.mark.parametrize("width", [20, 36, 52, 60, 80, 100, 140, 200])
def test_columns_fit_and_state_and_name_stay(width: int) -> None:
    columns = fit(width, usual_columns())
    assert [column.key for column, _ in columns][:2] == ["state", "name"]
    if width >= 30:
        assert sum(size for _, size in columns) + 2 * (len(columns) - 1) <= width


def test_accuracy_outlives_the_other_columns_when_it_gets_narrow() -> None:
    assert [column.key for column, _ in fit(46, usual_columns())] == ["state", "name", "accuracy"]


async def test_rows_sort_by_value_and_unknown_values_come_last() -> None:
    runs = [
        summary(1, name="a", trainable_parameters=9_000),
        summary(2, name="b", trainable_parameters=None),
        summary(3, name="c", trainable_parameters=124_600_000),
        summary(4, name="d", trainable_parameters=20_000),
    ]
    app = TableApp(runs)
    async with app.run_test(size=(160, 10)):
        app.table.sort_by("trainable_parameters")
        assert names(app.table) == ["c", "d", "a", "b"]
        app.table.sort_by("trainable_parameters")
        assert names(app.table) == ["a", "d", "c", "b"]


async def test_a_click_on_a_column_sorts_by_it() -> None:
    app = TableApp([summary(number, name=name) for number, name in enumerate("cab")])
    async with app.run_test(size=(160, 10)) as pilot:
        await pilot.pause()
        left = app.table.strip_at(0, 160).text.index("name")
        await pilot.click(RunTable, offset=(left, 0))
        assert names(app.table) == ["a", "b", "c"]


async def test_filter_holds_every_word_and_spares_what_it_excludes() -> None:
    runs = [
        summary(1, name="lora eight"),
        summary(2, name="lora sixtyfour", state=RunState(State.FAILED, Reason("cuda_oom"))),
        summary(3, name="full", method="full", tags=("keep",)),
    ]
    app = TableApp(runs)
    async with app.run_test(size=(120, 10)) as pilot:
        app.table.filter = "LORA !failed"
        assert names(app.table) == ["lora eight"]
        app.table.filter = "keep"
        assert names(app.table) == ["full"]
        app.table.filter = "nothing has this"
        await pilot.pause()
        assert "No run matches" in text_of(app.table)


async def test_a_filter_that_fits_nothing_for_a_moment_keeps_the_selection() -> None:
    runs = [summary(number, name=f"name {number}") for number in range(5)]
    app = TableApp(runs)
    async with app.run_test(size=(120, 10)) as pilot:
        await pilot.press("down", "down")
        app.table.filter = "meth"
        assert app.table.selected is None
        app.table.filter = "method:lora"
        assert app.table.selected is runs[2]
        app.table.filter = "name-3"
        app.table.filter = '"name 3"'
        assert app.table.selected is runs[3]
        app.table.filter = ""
        assert app.table.selected is runs[2]


async def test_selection_follows_the_run_not_the_row() -> None:
    runs = [summary(number) for number in range(5)]
    app = TableApp(runs)
    async with app.run_test(size=(120, 10)) as pilot:
        await pilot.press("down", "down")
        assert app.table.selected is runs[2]
        app.table.show([summary(90, started=NOW + 60), *runs])
        assert app.table.selected is runs[2]
        app.table.sort_by("name")
        assert app.table.selected is runs[2]
        app.table.show(runs[3:])
        await pilot.pause()
        assert app.table.selected in runs[3:]
        assert app.highlighted[-1] == app.table.selected_id


async def test_marks_choose_what_actions_act_on() -> None:
    runs = [summary(number) for number in range(4)]
    app = TableApp(runs)
    async with app.run_test(size=(120, 10)) as pilot:
        assert app.table.targets == [runs[0]]
        app.table.toggle_mark()
        app.table.toggle_mark()
        await pilot.pause()
        assert app.table.targets == runs[:2]
        assert text_of(app.table).count("●") == 2


DONE = State.FINISHED


async def test_a_group_is_one_row_with_mean_and_deviation_until_it_is_opened() -> None:
    app = TableApp([*group(DONE, DONE, State.RUNNING), summary(1, name="alone")])
    async with app.run_test(size=(160, 10)) as pilot:
        await pilot.pause()
        lines = text_of(app.table).splitlines()
        (row,) = [line for line in lines if "mine" in line]
        for shown in ("▸ mine ×3", "▶ 2/3 running", "85.0 ± 1.4 %", "7m 24s"):
            assert shown in row
        assert "seed" not in "\n".join(lines)
        await pilot.press("end", "right")
        lines = text_of(app.table).splitlines()
        opened = next(place for place, line in enumerate(lines) if "▾ mine ×3" in line)
        assert [f"└ seed {seed} " in line for seed, line in enumerate(lines[opened + 1 : opened + 4], 1)] == [
            True
        ] * 3
        await pilot.press("down", "down", "left")
        assert app.table.selected_id == "g-mine"
        assert "seed" not in text_of(app.table)


async def test_a_finished_group_needs_no_count_and_one_result_has_no_deviation() -> None:
    app = TableApp([*group(DONE, DONE), *group(DONE, State.FAILED, name="other", number=70)])
    async with app.run_test(size=(160, 10)) as pilot:
        await pilot.pause()
        text = text_of(app.table)
        assert "✓ finished " in text
        assert "✗ 1/2 failed" in text
        assert " 84.0 % " in text


async def test_groups_are_written_in_ascii_where_there_is_no_more() -> None:
    app = TableApp(group(DONE, State.RUNNING), kind="ascii")
    async with app.run_test(size=(160, 10)) as pilot:
        await pilot.press("right")
        opened, first, second = text_of(app.table).splitlines()[1:4]
        assert "v mine x2" in opened
        assert "` seed 1" in first
        assert "` seed 2" in second


async def test_groups_sort_by_what_their_row_shows_and_their_runs_stay_below_them() -> None:
    better = summary(1, name="better", accuracy={"validation_matched": Accuracy(0.9)})
    worse = summary(2, name="worse", accuracy={"validation_matched": Accuracy(0.6)})
    app = TableApp([better, worse, *group(DONE, DONE)])
    async with app.run_test(size=(160, 10)):
        app.table.sort_by("accuracy")
        assert names(app.table) == ["better", "mine", "worse"]
        app.table.select("g-mine")
        app.table.fold(True)
        runs = ["mine, seed 1", "mine, seed 2"]
        assert names(app.table) == ["better", "mine", *runs, "worse"]
        app.table.sort_by("accuracy")
        assert names(app.table) == ["worse", "mine", *runs, "better"]


async def test_the_filter_lists_a_group_with_those_of_its_runs_that_fit() -> None:
    app = TableApp([*group(DONE, State.FAILED, DONE), summary(1)])
    async with app.run_test(size=(160, 10)):
        app.table.select("g-mine")
        app.table.filter = "failed"
        assert names(app.table) == ["mine"]
        assert (app.table.listed, app.table.total) == (1, 4)
        assert [run.seed for run in app.table.targets] == [2]
        app.table.fold(True)
        assert names(app.table) == ["mine", "mine, seed 2"]
        app.table.filter = "g-mine !failed"
        assert names(app.table) == ["mine", "mine, seed 1", "mine, seed 3"]


async def test_a_group_is_marked_and_acted_on_as_its_runs() -> None:
    runs = group(DONE, DONE)
    app = TableApp([summary(1, name="alone"), *runs])
    async with app.run_test(size=(160, 10)) as pilot:
        app.table.select("g-mine")
        assert app.table.targets == runs[::-1]
        app.table.toggle_mark()
        await pilot.pause()
        assert app.table.marked == {run.id for run in runs}
        app.table.fold(True)
        app.table.select(runs[0].id)
        app.table.toggle_mark()
        await pilot.pause()
        (row,) = [line for line in text_of(app.table).splitlines() if "mine ×2" in line]
        assert row.startswith("· ")
        assert app.table.targets == [runs[1]]


async def test_the_run_to_look_at_moves_on_with_the_group() -> None:
    first = group(State.RUNNING, State.QUEUED)
    app = TableApp(first)
    async with app.run_test(size=(160, 10)):
        assert app.table.selected is not None
        assert app.table.selected.seed == 1
        app.table.show(group(DONE, State.RUNNING))
        assert app.table.selected_id == "g-mine"
        assert app.table.selected.seed == 2


async def test_a_run_that_was_asked_for_opens_its_group() -> None:
    runs = group(DONE, DONE)
    app = TableApp([summary(1), *runs])
    async with app.run_test(size=(160, 10)):
        assert app.table.select(runs[0].id)
        assert app.table.selected is runs[0]


async def test_a_selected_run_that_gets_fellows_becomes_the_selected_group() -> None:
    runs = group(State.RUNNING, State.QUEUED)
    app = TableApp([summary(1), runs[1]])
    async with app.run_test(size=(160, 10)):
        app.table.select(runs[1].id)
        app.table.show([summary(1), *runs])
        assert app.table.selected_id == "g-mine"
        assert app.table.selected is runs[1]


async def test_opening_a_group_at_the_lower_edge_shows_its_runs() -> None:
    app = TableApp([*(summary(number) for number in range(20)), *group(DONE, DONE)])
    async with app.run_test(size=(160, 8)) as pilot:
        await pilot.press("end", "right")
        await pilot.pause()
        text = text_of(app.table)
        assert "▾ mine ×2" in text
        assert "└ seed 2" in text


async def test_a_double_click_opens_a_group() -> None:
    app = TableApp(group(DONE, DONE))
    async with app.run_test(size=(160, 10)) as pilot:
        await pilot.pause()
        await pilot.click(RunTable, offset=(30, 1), times=2)
        assert names(app.table) == ["mine", "mine, seed 1", "mine, seed 2"]


async def test_only_the_changed_cell_is_repainted() -> None:
    runs = [summary(number, state=RunState(State.RUNNING), seconds=200.0 + number) for number in range(5)]
    app = TableApp(runs)
    async with app.run_test(size=(160, 12)) as pilot:
        await pilot.pause()
        regions: list[Region] = []
        app.table.refresh = lambda *changed, **_: regions.extend(changed) or app.table  # pyright: ignore[reportAttributeAccessIssue]
        app.table.show([replace(runs[0], seconds=201.0), *runs[1:]])
        assert sum(region.area for region in regions) <= 3
        regions.clear()
        app.table.show(list(app.table._lines.runs.values()))  # pyright: ignore[reportPrivateUsage]
        assert regions == []


async def test_hostile_names_are_shown_as_they_are() -> None:
    name = "[/red] [@click=app.exit]x[/] [bold]"
    app = TableApp([summary(1, name=name)])
    async with app.run_test(size=(160, 10)) as pilot:
        await pilot.pause()
        assert name in text_of(app.table)
        await pilot.click(RunTable, offset=(30, 1))
        assert app.is_running


async def test_wide_characters_keep_the_columns_aligned() -> None:
    app = TableApp([summary(1, name="中文名字" * 20), summary(2)])
    async with app.run_test(size=(120, 10)) as pilot:
        await pilot.pause()
        first, second = app.table.strip_at(1, 120), app.table.strip_at(2, 120)
        assert first.cell_length == second.cell_length == 120


async def test_states_differ_without_colour() -> None:
    runs = [summary(number, state=RunState(state)) for number, state in enumerate(State)]
    for kind in ("braille", "ascii"):
        app = TableApp(runs, kind=kind)
        async with app.run_test(size=(120, 20)) as pilot:
            await pilot.pause()
            glyphs = [line[2] for line in text_of(app.table).split("\n")[1 : len(runs) + 1]]
            assert len(set(glyphs)) == len(runs)


async def test_an_empty_history_names_the_next_key() -> None:
    app = TableApp([])
    app.table.empty_lines = ("No runs yet.", "Press 1 to set one up.")
    async with app.run_test(size=(80, 10)) as pilot:
        await pilot.pause()
        assert "Press 1" in text_of(app.table)
        await pilot.press("down", "up", "end", "home")
        assert app.table.selected is None


async def test_ten_thousand_runs_answer_a_key_at_once() -> None:
    app = TableApp([summary(number) for number in range(10_000)])
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        await pilot.press("end")
        assert app.table.selected is not None
        assert app.table.selected.name == "run 9999"
        assert "run 9999" in text_of(app.table)
        begun = time.perf_counter()
        for _ in range(20):
            app.table.move(-1)
            text_of(app.table)
        assert (time.perf_counter() - begun) / 20 < 0.05


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "–"), (7.4, "7s"), (185, "3m 05s"), (7620, "2h 07m"), (300_000, "3d 11h"), (-5, "–")],
)
def test_durations_take_seven_cells(seconds: float | None, text: str) -> None:
    assert short_duration(seconds) == text


def test_moments_are_as_exact_as_they_are_near() -> None:
    assert format_moment(NOW - 3600, NOW) == "13:02"
    assert format_moment(NOW - 3 * 86400, NOW) == "20 Nov 14:02"
    assert format_moment(NOW - 600 * 86400, NOW) == "02 Apr 2025"
    assert format_moment(None, NOW) == "–"
    assert format_moment(1e30, NOW) == "–"
