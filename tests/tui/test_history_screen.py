"""What Runs does with the history: filter, columns and order, pins, several roots, cleaning up."""

import json
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from textual.pilot import Pilot

from nli_console.opening import Root
from nli_console.record.files import write_json
from nli_console.record.history_fields import Vocabulary
from nli_console.record.labels import read_labels, update_labels
from nli_console.record.layout import MANIFEST
from nli_console.record.store import Store
from nli_console.settings import LoadedSettings, Settings
from nli_console.supervisor.cleaning import Item
from nli_console.tui.app import ConsoleApp
from nli_console.tui.history_view import HistoryView, load_view, save_view
from nli_console.tui.roots_reader import RootsReader
from nli_console.tui.screens import clean
from nli_console.tui.screens.clean import CleanScreen
from nli_console.tui.screens.columns import ColumnChooser
from nli_console.tui.screens.confirm import Confirm
from nli_console.tui.screens.runs import RunsScreen
from nli_console.tui.widgets.run_columns import chosen_columns, column_of, fit
from tests.support.fake_runs import make_run


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def console(root: Path, *, select: str | None = "none", **tables: object) -> ConsoleApp:
    values = Settings.model_validate({"runs_dir": root, "interface": {"refresh": 0.1}, **tables})
    values = values.model_copy(update={"cache_dir": root.parent / "cache"})
    return ConsoleApp(LoadedSettings(values, None, None), select=select)


async def until(pilot: Pilot[int], condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for what a background thread brings; fails when it does not come."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            await pilot.pause()
            return
        await pilot.pause(0.02)
    raise AssertionError(f"did not happen; the screen is:\n{screen_text(pilot.app)}")


def screen_text(app: object) -> str:
    strips = app.screen._compositor.render_strips()  # pyright: ignore
    return "\n".join(strip.text.rstrip() for strip in strips)


async def opened(pilot: Pilot[int], runs: int) -> RunsScreen:
    """Wait until the history lists so many runs."""
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, RunsScreen) and app.screen.table.total == runs)
    assert isinstance(app.screen, RunsScreen)
    return app.screen


async def test_the_filter_helps_while_it_is_typed_and_says_where_it_is_wrong(root: Path) -> None:
    make_run(root, "finished", steps=5, name="poor", accuracy=0.7, method="full")
    make_run(root, "finished", steps=5, name="good", accuracy=0.9)
    app = console(root)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await opened(pilot, 2)
        field = screen.filter_field
        await pilot.press("slash", *"acc")
        await until(pilot, lambda: "accuracy>" in screen_text(app))
        assert screen.table.listed == 2
        await pilot.press("tab")
        assert field.input.value == "accuracy>"
        await until(pilot, lambda: "0.85" in screen_text(app))
        await pilot.press(*"85%")
        await until(pilot, lambda: screen.table.listed == 1)
        assert "1 of 2 runs" in screen_text(app)
        field.input.value += " metod:full"
        await until(pilot, lambda: 'did you mean "method"?' in screen_text(app))
        lines = screen_text(app).splitlines()
        below = next(place for place, line in enumerate(lines) if "^^^^^" in line)
        assert lines[below].index("^") == lines[below - 1].index("metod")
        assert screen.table.filter == "accuracy>85%"
        await pilot.press("enter")
        assert field.opened
        field.input.value = "accuracy>85% -method:lora"
        await pilot.press("enter")
        assert not field.opened
        await until(pilot, lambda: screen.table.listed == 0)
        assert "No run matches" in screen_text(app)
        await pilot.press("escape")
        assert screen.table.listed == 2


async def test_columns_and_order_are_chosen_and_kept_for_the_next_console(root: Path) -> None:
    make_run(root, "finished", steps=5, name="slow", hyperparameters={"learning_rate": 1e-5}, age=60)
    make_run(root, "finished", steps=5, name="fast", hyperparameters={"learning_rate": 3e-4}, age=600)
    app = console(root)
    async with app.run_test(size=(120, 40)) as pilot:
        await opened(pilot, 2)
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(app.screen, ColumnChooser))
        # The hyperparameter is the last of what there is; it goes to the front, and model and data away.
        await pilot.press("end", "space", "s")
        await pilot.press(*["left"] * 9)
        text = screen_text(app)
        assert "learning rate ↓" in text
        await pilot.press("down", "space", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await until(pilot, lambda: "learning rate ↓" in screen_text(app))
        first = screen_text(app).splitlines()[2]
        assert "3e-4" in first
        assert "fast" in first
        await until(pilot, lambda: load_view().sort == "learning_rate")
    kept = load_view()
    assert kept.columns is not None
    assert kept.columns[0] == "learning_rate"
    assert "state" not in kept.columns
    again = console(root)
    async with again.run_test(size=(80, 24)) as pilot:
        screen = await opened(pilot, 2)
        await until(pilot, lambda: "learning rate ↓" in screen_text(again))
        assert screen.table.view == kept
        await pilot.press("f3")
        await until(pilot, lambda: isinstance(again.screen, ColumnChooser))
        await pilot.press("r", "enter")
        await until(pilot, lambda: load_view().columns is None)


async def test_what_is_pinned_stands_on_top_and_another_seed_is_asked_for(root: Path) -> None:
    old = make_run(root, "finished", steps=5, name="mine, seed 1", age=900, seed=1)
    make_run(root, "finished", steps=5, name="new", age=60, seed=2)
    app = console(root, select=old.id)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = await opened(pilot, 2)
        await until(pilot, lambda: screen.table.selected_id == old.id)
        await pilot.press("asterisk")
        await until(pilot, lambda: read_labels(old).pinned)
        await until(pilot, lambda: "★ mine" in screen_text(app))
        lines = screen_text(app).splitlines()
        assert ["★ mine" in line for line in lines[2:4]] == [True, False]
        await pilot.press("a")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert "with seed 3?" in screen_text(app)
        await pilot.press("escape", "asterisk")
        await until(pilot, lambda: not read_labels(old).pinned)


async def test_another_users_root_is_read_only_and_one_that_hangs_stops_no_other(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, mounted = tmp_path / "bob", tmp_path / "mounted"
    foreign = make_run(theirs, "finished", steps=5, name="of bob", age=60)
    make_run(root, "finished", steps=5, name="own", age=600)
    hung, refresh, real = threading.Event(), Store.refresh, os.stat

    def hang(store: Store, *args: object, **options: object) -> object:
        if store.roots[0] == mounted:
            hung.wait(60)
        return refresh(store, *args, **options)  # pyright: ignore[reportArgumentType]

    def stat(path: object, *args: object, **options: object) -> os.stat_result:
        status = real(path, *args, **options)  # pyright: ignore[reportArgumentType, reportCallIssue]
        if str(path).startswith(str(theirs)):
            return os.stat_result((*status[:4], 54_321, *status[5:10]))
        return status

    monkeypatch.setattr(Store, "refresh", hang)
    monkeypatch.setattr("nli_console.record.access.os.stat", stat)
    monkeypatch.setattr("nli_console.tui.roots_reader.SILENT", 0.5)
    app = console(root, runs={"roots": {"bob": str(theirs), "server": str(mounted)}})
    async with app.run_test(size=(160, 40), notifications=True) as pilot:
        screen = await opened(pilot, 2)
        await until(pilot, lambda: "root server" in screen_text(app))
        assert "does not answer" in screen_text(app)
        assert "root" in screen_text(app).splitlines()[1]
        await until(pilot, lambda: screen.table.select(foreign.id))
        await until(pilot, lambda: foreign.id in screen._views)  # pyright: ignore[reportPrivateUsage]
        await pilot.press("d")
        await until(pilot, lambda: "belongs to user 54321" in screen_text(app))
        assert foreign.spec.exists()
        hung.set()
        await until(pilot, lambda: "No such file" in screen_text(app))


def test_a_root_that_answers_late_is_shown_as_soon_as_it_does(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(root, "finished", steps=5, run_id="20260101-a")
    late = tmp_path / "late"
    make_run(late, "finished", steps=5, run_id="20260102-b")
    ready, refresh = threading.Event(), Store.refresh

    def wait(store: Store, *args: object, **options: object) -> object:
        if store.roots[0] == late:
            ready.wait(60)
        return refresh(store, *args, **options)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Store, "refresh", wait)
    reader = RootsReader([Root("own", root), Root("late", late)], tmp_path / "cache", patience=0.0)
    first = reader.read()
    assert first is not None
    assert [run.id for run in first.runs] == ["20260101-a"]
    assert first.notes == ("root late does not answer",)
    ready.set()
    listed = None
    for _ in range(200):
        listed = reader.read() or listed
        if listed and not listed.notes:
            break
    assert listed is not None
    assert [(run.id, run.root) for run in listed.runs] == [("20260102-b", "late"), ("20260101-a", "own")]


async def test_clean_up_shows_what_goes_and_drops_it_when_told_twice(root: Path) -> None:
    run = make_run(root, "finished", steps=5, name="with checkpoints")
    final = json.loads(run.attempt(1).final.read_text())
    write_json(run.attempt(1).final, {**final, "best_step": 20})
    spare, best = (run.checkpoints / f"checkpoint-{step}" for step in (10, 20))
    for folder in (spare, best):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_bytes(b"x" * 300_000)
        write_json(folder / MANIFEST, {"v": 1, "files": {}})
    kept = make_run(root, "failed", steps=0, name="nothing came")
    update_labels(kept, pinned=True)
    app = console(root)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await opened(pilot, 2)
        await pilot.press("f6")
        await until(
            pilot, lambda: isinstance(app.screen, CleanScreen) and "Chosen: 1 thing" in screen_text(app)
        )
        assert "with checkpoints: neither the best nor needed" in screen_text(app)
        await pilot.press("space", "enter")
        assert "Nothing is chosen" in screen_text(app)
        await pilot.press("space", "enter")
        await until(pilot, lambda: "enter once more" in screen_text(app))
        assert spare.exists()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await until(pilot, lambda: "Freed 3" in screen_text(app))
        assert not spare.exists()
        assert best.exists()


async def test_cleaning_up_shows_how_far_it_is_and_stops_with_escape(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_run(root, "finished", steps=5)
    going, pressed = threading.Event(), threading.Event()

    def measure(settings, progress):
        progress(3, 12, "[red]third")
        going.wait()
        return [Item("failed", name, "said nothing", 0, ()) for name in ("one", "two")]

    def drop(items, settings, progress, stopped):
        progress(1, 2, "two")
        pressed.wait()
        return 7, ["stopped there"] if stopped() else []

    monkeypatch.setattr(clean, "propose", measure)
    monkeypatch.setattr(clean, "carry_out", drop)
    app = console(root)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await opened(pilot, 1)
        await pilot.press("f6")
        await until(pilot, lambda: "3 of 12  [red]third" in screen_text(app))
        going.set()
        await until(pilot, lambda: "Chosen: 2 things" in screen_text(app))
        await pilot.press("enter", "enter")
        await until(pilot, lambda: "1 of 2  two  esc stops" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "stopping after this one" in screen_text(app))
        assert isinstance(app.screen, CleanScreen)
        pressed.set()
        await until(pilot, lambda: any("stopped there" in note.message for note in app._notifications))
        assert isinstance(app.screen, RunsScreen)


def test_a_view_is_kept_and_a_damaged_one_is_the_usual(tmp_path: Path) -> None:
    view = HistoryView(("name", "learning_rate", "accuracy"), "accuracy", False)
    save_view(view, tmp_path)
    assert load_view(tmp_path) == view
    (tmp_path / "history.json").write_text('{"columns": 7, "sort": ["x"], "descending": 3}')
    assert load_view(tmp_path) == HistoryView()
    (tmp_path / "history.json").write_text("{")
    assert load_view(tmp_path) == HistoryView()


@pytest.mark.parametrize("width", [20, 36, 60, 80, 120])
def test_chosen_columns_fit_and_the_last_go_first(root: Path, width: int) -> None:
    make_run(root, "finished", steps=5)
    store = Store(root)
    store.refresh()
    known = Vocabulary(tuple(store.runs))
    names = ("accuracy", "learning_rate", "name", "note", "model", "id", "no_such_thing")
    columns = fit(width, chosen_columns(names, known))
    shown = [column.key for column, _ in columns]
    assert shown == [name for name in names if name in shown]
    assert "name" in shown
    if width >= 36:
        assert sum(size for _, size in columns) + 2 * (len(columns) - 1) <= width
        assert shown[0] == "accuracy"


def test_values_that_differ_in_kind_can_be_sorted(root: Path) -> None:
    make_run(root, "finished", steps=5)
    store = Store(root)
    store.refresh()
    (run,) = store.runs
    values = [None, 3, "linear", 0.5, True, ["b", "a"], ""]
    rows = [replace(run, id=f"r{place}", hyperparameters={"x": value}) for place, value in enumerate(values)]
    column = column_of(Vocabulary(tuple(rows)).find("x"))  # pyright: ignore[reportArgumentType]
    known = [row for row in rows if column.sort(row) is not None]
    ordered = [row.hyperparameters["x"] for row in sorted(known, key=column.sort)]
    assert ordered == [0.5, True, 3, "", ["b", "a"], "linear"]
