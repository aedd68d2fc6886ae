"""The Runs screen with real run folders: what a person sees and what their keys do."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from nli_console.record.labels import read_labels
from nli_console.record.layout import TRASH, RunLayout
from nli_console.settings import LoadedSettings, Settings
from nli_console.tui.app import ConsoleApp
from nli_console.tui.screens.confirm import Confirm
from nli_console.tui.screens.runs import RunsScreen
from nli_console.tui.widgets.key_bar import KeyBar
from tests.support.fake_reports import write_guards, write_report
from tests.support.fake_runs import grow, make_run

HOSTILE = "[/red] [@click=app.exit]x[/] \x1b[2J\x1b]0;title\x07 \u202edlrow"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "runs"


def console(root: Path, *, select: str | None = "none", **interface: object) -> ConsoleApp:
    values = Settings.model_validate(
        {"runs_dir": root, "cache_dir": root.parent / "cache", "interface": {"refresh": 0.1, **interface}}
    )
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


def runs_screen(app: ConsoleApp) -> RunsScreen:
    assert isinstance(app.screen, RunsScreen)
    return app.screen


async def shown(pilot: Pilot[int], layout: RunLayout) -> RunsScreen:
    """Select a run and wait until its record has been read."""
    app = pilot.app
    assert isinstance(app, ConsoleApp)
    await until(pilot, lambda: isinstance(app.screen, RunsScreen) and app.screen.table.total)
    screen = runs_screen(app)
    await until(pilot, lambda: screen.table.select(layout.id))
    await until(pilot, lambda: layout.id in screen._views)  # pyright: ignore[reportPrivateUsage]
    return screen


async def test_an_empty_history_names_the_next_key(root: Path) -> None:
    app = console(root)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: "No runs yet" in screen_text(app))
        assert "Press 1" in screen_text(app)
        await pilot.press(
            "enter", "x", "r", "c", "d", "u", "space", "y", "n", "right_square_bracket", "s", "S"
        )
        assert app.is_running


async def test_a_run_is_watched_while_it_goes_on(root: Path) -> None:
    live = make_run(root, "running", steps=40, total_steps=200, name="going")
    app = console(root)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, live)
        await until(pilot, lambda: "40 of 200" in screen_text(app))
        text = screen_text(app)
        for part in (
            "loss",
            "smoothed",
            "accuracy",
            "learning rate",
            "GPU memory",
            "samples/s",
            "ETA",
            "end of the log",
        ):
            assert part in text
        grow(live, 25)
        await until(pilot, lambda: "65 of" in screen_text(app))


async def test_several_runs_stream_at_once(root: Path) -> None:
    runs = [
        make_run(root, "running", steps=20 + number, total_steps=900, name=f"live {number}")
        for number in range(3)
    ]
    app = console(root)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await shown(pilot, runs[0])
        for layout in runs:
            grow(layout, 30)
        views = screen._views  # pyright: ignore[reportPrivateUsage]
        await until(
            pilot, lambda: all((view := views.get(run.id)) and (view.step or 0) >= 50 for run in runs)
        )


async def test_a_failed_run_says_why_with_the_end_of_its_log(root: Path) -> None:
    failed = make_run(
        root,
        "failed",
        steps=30,
        reason=("cuda_oom", "lower batch_size"),
        log=b"Traceback (most recent call last):\ntorch.OutOfMemoryError: tried to allocate 2 GiB\n",
    )
    app = console(root)
    for size in ((120, 40), (80, 24), (60, 20)):
        async with console(root).run_test(size=size) as pilot:
            app = pilot.app
            await shown(pilot, failed)
            await until(pilot, lambda: "lower batch_size" in screen_text(app))  # noqa: B023
            await until(pilot, lambda: "torch.OutOfMemoryError" in screen_text(app))  # noqa: B023


async def test_a_nan_loss_is_counted(root: Path) -> None:
    run = make_run(root, "finished", steps=80, nan_at=(40, 41, 42))
    app = console(root)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, run)
        await until(pilot, lambda: "3 NaN" in screen_text(app))


async def test_pages_show_evaluations_log_and_settings(root: Path) -> None:
    run = make_run(root, "finished", steps=80, accuracy=0.9, log=b"a line of the log\n")
    app = console(root)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, run)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "90.00 %" in screen_text(app))
        assert "mismatched" in screen_text(app)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "a line of the log" in screen_text(app))
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "● learning_rate" in screen_text(app))
        assert "size on disk" in screen_text(app)
        await pilot.press("left_square_bracket", "left_square_bracket", "left_square_bracket")
        await until(pilot, lambda: "smoothed" in screen_text(app))


async def test_a_run_without_anything_for_the_page_shows_its_overview_and_the_page_is_kept(
    root: Path,
) -> None:
    evaluated = make_run(root, "finished", steps=60, name="evaluated", age=60)
    fresh = make_run(root, "queued", name="fresh")
    app = console(root)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await shown(pilot, evaluated)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "validation_matched" in screen_text(app) or "matched" in screen_text(app))
        assert screen.live.page == "evaluation"
        await shown(pilot, fresh)
        await until(pilot, lambda: screen.live.page == "overview")
        await until(pilot, lambda: "no training step yet" in screen_text(app))
        await shown(pilot, evaluated)
        await until(pilot, lambda: screen.live.page == "evaluation")
        await shown(pilot, fresh)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: screen.live.page == "evaluation")


async def test_the_evaluation_page_draws_the_report_and_the_table_marks_a_warning(root: Path) -> None:
    run = make_run(root, "finished", steps=80)
    write_report(run)
    write_guards(run, ("at_majority", "warning", "no better than a constant"))
    app = console(root)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, run)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "Gold label (row)" in screen_text(app))
        assert "telephone" in screen_text(app)
        assert "✓ finished ▲" in screen_text(app)


async def test_the_log_page_stays_at_the_end_until_it_is_scrolled(root: Path) -> None:
    live = make_run(root, "running", steps=20, log=b"".join(b"line %d\n" % number for number in range(100)))
    app = console(root)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, live)
        await pilot.press("enter", "right_square_bracket", "right_square_bracket")
        await until(pilot, lambda: "line 99" in screen_text(app))
        log = live.attempt(1).console_log
        with log.open("ab") as stream:
            stream.write(b"line 100\n")
        await until(pilot, lambda: "line 100" in screen_text(app))
        await pilot.press("home")
        await until(pilot, lambda: "line 0\n" in screen_text(app))
        with log.open("ab") as stream:
            stream.write(b"line 101\n" * 3)
        screen = runs_screen(app)
        await until(pilot, lambda: "line 101" in screen._views[live.id].log)  # pyright: ignore[reportPrivateUsage]
        assert "line 0\n" in screen_text(app)


async def test_enter_zooms_and_escape_peels_one_layer(root: Path) -> None:
    run = make_run(root, "finished", steps=80)
    app = console(root)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await shown(pilot, run)
        await pilot.press("slash", *"lora", "enter")
        await pilot.press("enter")
        assert not screen.query_one("#history").display
        await pilot.press("escape")
        assert screen.query_one("#history").display
        assert screen.table.filter == "lora"
        await pilot.press("escape")
        assert screen.table.filter == ""


async def test_a_zoomed_run_goes_back_to_the_table_where_a_key_needs_it(root: Path) -> None:
    run = make_run(root, "finished", steps=80)
    app = console(root)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await shown(pilot, run)
        for key in ("slash", "s", "w"):
            await pilot.press("enter")
            await until(pilot, lambda: not screen.query_one("#history").region)
            await pilot.press(key)
            await until(pilot, lambda: screen.query_one("#history").region)
            await pilot.press("escape")


async def test_the_key_bar_names_the_keys_of_a_zoomed_run(root: Path) -> None:
    run = make_run(root, "finished", steps=80)
    app = console(root)
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, run)
        await pilot.press("enter")
        await until(pilot, lambda: "esc back  ] page" in screen_text(app))
        assert "/ filter" not in screen_text(app)
        await pilot.click(KeyBar, offset=(3, 0))
        await until(pilot, lambda: "enter zoom  / filter" in screen_text(app))


async def test_filter_works_while_typing(root: Path) -> None:
    make_run(root, "finished", steps=5, name="alpha")
    beta = make_run(root, "finished", steps=5, name="beta")
    app = console(root)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await shown(pilot, beta)
        await pilot.press("slash", "a", "l")
        await until(pilot, lambda: screen.table.listed == 1)
        assert "1 of 2 runs" in screen_text(app)
        await pilot.press("escape")
        assert screen.table.listed == 2


async def test_stop_asks_first_and_asks_to_kill_the_second_time(root: Path) -> None:
    live = make_run(root, "running", steps=20, name="going")
    app = console(root)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await shown(pilot, live)
        await pilot.press("x")
        assert isinstance(app.screen, Confirm)
        await pilot.press("escape")
        assert not live.stop_request.exists()
        await pilot.press("x", "enter")
        await until(pilot, live.stop_request.exists)
        assert json.loads(live.stop_request.read_text())["kind"] == "stop"
        await pilot.press("x")
        await until(pilot, lambda: "Kill" in screen_text(app))
        await pilot.press("y")
        await until(pilot, lambda: json.loads(live.stop_request.read_text())["kind"] == "kill")


async def test_a_deleted_run_comes_back(root: Path) -> None:
    make_run(root, "finished", steps=5, name="stays")
    gone = make_run(root, "finished", steps=5, name="goes")
    app = console(root)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = await shown(pilot, gone)
        await pilot.press("d", "enter")
        await until(pilot, lambda: screen.table.total == 1)
        assert (root / TRASH / gone.id).is_dir()
        await pilot.press("u")
        await until(pilot, lambda: screen.table.total == 2)
        assert gone.spec.exists()


async def test_a_live_run_is_not_deleted(root: Path) -> None:
    live = make_run(root, "running", steps=20)
    app = console(root)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await shown(pilot, live)
        await pilot.press("d")
        await until(pilot, lambda: "stops it first" in screen_text(app))
        assert live.spec.exists()


async def test_name_notes_and_tags_are_changed(root: Path) -> None:
    run = make_run(root, "finished", steps=5, name="old")
    app = console(root)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = await shown(pilot, run)
        await pilot.press("n")
        await pilot.press(*["backspace"] * 3, *"new", "enter")
        await until(pilot, lambda: screen.table.selected and screen.table.selected.name == "new")
        await pilot.press("t", *"a,b", "enter")
        await until(pilot, lambda: read_labels(run).tags == ("a", "b"))


async def test_a_group_is_opened_renamed_and_deleted_as_one(root: Path) -> None:
    runs = [
        make_run(root, "finished", steps=5, name=f"old, seed {seed}", seed=seed, group="g-1",
                 submitted=1e9 + seed)
        for seed in (1, 2)
    ]  # fmt: skip
    app = console(root)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = await shown(pilot, runs[0])
        await until(pilot, lambda: screen.table.select("g-1"))
        screen.table.fold(False)
        await until(pilot, lambda: "std deviation, 2 of 2 finished" in screen_text(app))
        await pilot.press("o")
        await until(pilot, lambda: "└ seed 2" in screen_text(app))
        await pilot.press("n", *["backspace"] * 3, *"new", "enter")
        await until(pilot, lambda: [read_labels(run).name for run in runs] == ["new, seed 1", "new, seed 2"])
        await until(pilot, lambda: "new ×2" in screen_text(app))
        await pilot.press("d")
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert "Delete 2 runs?" in screen_text(app)
        await pilot.press("y")
        await until(pilot, lambda: not any(run.spec.exists() for run in runs))


async def test_the_command_goes_to_the_clipboard(root: Path) -> None:
    run = make_run(root, "finished", steps=5)
    app = console(root)
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await shown(pilot, run)
        await pilot.press("y")
        assert app.clipboard == "nli-console run lora --model roberta-large"


async def test_hostile_texts_neither_break_nor_reach_the_terminal(root: Path) -> None:
    run = make_run(
        root,
        "failed",
        steps=30,
        name=HOSTILE,
        reason=("exception", f"ValueError: {HOSTILE}"),
        log=f"{HOSTILE}\n".encode() * 3,
    )
    app = console(root)
    async with app.run_test(size=(120, 40), notifications=True, tooltips=True) as pilot:
        await shown(pilot, run)
        for keys in (("enter",), *(("right_square_bracket",),) * 4, ("escape",), ("d",)):
            await pilot.press(*keys)
            await pilot.pause()
            text = screen_text(app)
            assert "\x1b" not in text
            assert "\u202e" not in text
            assert "[/red]" in text
        assert app.is_running


async def test_selection_is_kept_when_a_new_run_appears(root: Path) -> None:
    run = make_run(root, "finished", steps=5, name="chosen", age=500)
    app = console(root)
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await shown(pilot, run)
        make_run(root, "finished", steps=5, name="newer", age=1)
        await until(pilot, lambda: screen.table.total == 2)
        assert screen.table.selected_id == run.id


async def test_a_run_that_is_asked_for_is_selected_as_soon_as_it_is_listed(root: Path) -> None:
    for number in range(5):
        make_run(root, "finished", steps=5, name=f"run {number}", run_id=f"run-{number}")
    app = console(root, select="run-3")
    async with app.run_test(size=(120, 40)) as pilot:
        await until(
            pilot, lambda: isinstance(app.screen, RunsScreen) and app.screen.table.selected_id == "run-3"
        )


@pytest.mark.skipif(os.environ.get("TERM") == "dumb", reason="ASCII is chosen by setting here")
async def test_ascii_screens_are_ascii(root: Path) -> None:
    run = make_run(root, "running", steps=60, total_steps=200)
    app = console(root, symbols="ascii")
    async with app.run_test(size=(120, 40)) as pilot:
        await shown(pilot, run)
        await until(pilot, lambda: "60 of 200" in screen_text(app))
        odd = {character for character in screen_text(app) if not character.isascii()}
        assert not odd, f"{odd} in\n{screen_text(app)}"
