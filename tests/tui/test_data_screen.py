"""The Data screen with real files, read by the real process."""

import json
from collections.abc import Callable
from pathlib import Path
from threading import Event
from time import monotonic

import pytest
from textual.pilot import Pilot

from nli_console.data.profile import Cancelled
from nli_console.settings import load_settings
from nli_console.tui import data_reading
from nli_console.tui.app import ConsoleApp
from nli_console.tui.screens.data import DataScreen
from nli_console.tui.screens.picker import Picker
from nli_console.tui.widgets.example_browser import ALL_GENRES
from nli_console.tui.widgets.scroll_lines import ScrollLines
from nli_console.tui.widgets.text_input import TextInput
from tests.data.corpora import original_row, write_jsonl, write_original

HOSTILE = "[/red] [@click=app.leave]x[/] \x1b[2J\x1b]0;title\x07 \u202edlrow"


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., ConsoleApp]:
    """A console whose settings know ``pairs`` (and what else is written), and open nothing by themselves."""

    def make(more: str = "", data: str = "pairs") -> ConsoleApp:
        write_original(tmp_path / "pairs", train=600, dev=60)
        (tmp_path / "settings.toml").write_text(
            f'runs_dir = "runs"\ncache_dir = "cache"\n[defaults]\ndata = "{data}"\nmodel = "demo-encoder"\n'
            f'[datasets.pairs]\npath = "pairs"\n{more}',
            encoding="utf-8",
        )
        return ConsoleApp(load_settings(tmp_path / "settings.toml"), select="none")

    return make


async def until(pilot: Pilot[int], condition: Callable[[], object]) -> None:
    """Wait for what a process brings, for as long as a busy machine may take to start one."""
    patience = monotonic() + 120
    while monotonic() < patience:
        if condition():
            await pilot.pause()
            return
        await pilot.pause(0.02)
    raise AssertionError(f"did not happen; the screen is:\n{screen_text(pilot.app)}")


def screen_text(app: object) -> str:
    strips = app.screen._compositor.render_strips()  # pyright: ignore
    return "\n".join(strip.text.rstrip() for strip in strips)


async def data_screen(pilot: Pilot[int], name: str = "pairs") -> DataScreen:
    """Go to Data and open a dataset, until its figures and first examples are there."""
    await pilot.press("4")
    screen = pilot.app.screen
    assert isinstance(screen, DataScreen)
    screen.open(name)
    await until(pilot, lambda: screen.opened.profile and screen.browser.table.examples)
    return screen


def figures(screen: DataScreen) -> str:
    return screen.query_one("#figures", ScrollLines).text


def example(screen: DataScreen) -> str:
    return screen.query_one("#example", ScrollLines).text


async def test_before_a_dataset_is_chosen_the_next_key_is_named(opened: Callable[..., ConsoleApp]) -> None:
    app = opened()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "Choose one and press enter" in screen_text(app))
        for key in ("s", "l", "n", "b", "r", "x", "right_square_bracket", "enter", "g", "escape"):
            await pilot.press(key)
        assert app.is_running


async def test_enter_reads_the_highlighted_dataset(opened: Callable[..., ConsoleApp]) -> None:
    app = opened()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "enter")
        await until(
            pilot, lambda: "What could mislead" in screen_text(app) and "premise 0" in screen_text(app)
        )
        text = screen_text(app)
        for part in (
            "pairs",
            "multinli",
            "train",
            "600",
            "fiction",
            "in tokens of demo-encoder",
            "premise 0",
        ):
            assert part in text


async def test_figures_follow_the_split(opened: Callable[..., ConsoleApp]) -> None:
    app = opened()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await data_screen(pilot)
        assert "pairs also in train" not in figures(screen)
        await pilot.press("s")
        await until(pilot, lambda: "1000n" in example(screen))
        await until(pilot, lambda: "pairs also in train" in figures(screen))
        assert "1-1" in figures(screen)


async def test_a_shorter_max_length_says_what_it_cuts(opened: Callable[..., ConsoleApp]) -> None:
    app = opened()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await data_screen(pilot)
        assert "max length 256 cuts none of 600" in figures(screen)
        await pilot.press("t", "end", "backspace", "backspace", "backspace", "9")
        await until(pilot, lambda: "max length 9 cuts 100.00 %: 600 of 600" in figures(screen))


async def test_text_label_and_genre_filter_and_esc_brings_all_back(opened: Callable[..., ConsoleApp]) -> None:
    app = opened()
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen = await data_screen(pilot)
        table = screen.browser.table
        await pilot.press("slash", *"hypothesis", "space", *"59")
        await until(pilot, lambda: len(table.examples) == 11 and "of 600 rows" in screen_text(app))
        await pilot.press("enter", "l")
        await until(pilot, lambda: {found.label for found in table.examples} == {"entailment"})
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"fic", "enter")
        await until(pilot, lambda: screen.browser.choice("genre").value == "fiction")
        await pilot.press("escape")
        await until(pilot, lambda: len(table.examples) > 11)
        assert not screen.browser.filters
        assert screen.browser.choice("genre").value == ALL_GENRES


async def test_a_filter_that_nothing_passes_says_so(opened: Callable[..., ConsoleApp]) -> None:
    app = opened()
    async with app.run_test(size=(120, 40)) as pilot:
        await data_screen(pilot)
        await pilot.press("slash", *"xyzzy")
        await until(pilot, lambda: "No example passes." in screen_text(app))
        assert "Press esc to clear" in screen_text(app)


async def test_examples_are_read_as_far_as_somebody_looks(opened: Callable[..., ConsoleApp]) -> None:
    app = opened()
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await data_screen(pilot)
        table = screen.browser.table
        await until(pilot, lambda: len(table.examples) >= 100)
        assert len(table.examples) == 100
        table.focus()
        await pilot.press("end")
        await until(pilot, lambda: len(table.examples) >= 200 and "100 of 200" in screen_text(app))
        assert len(table.examples) == 200


async def test_an_example_is_shown_whole_and_the_next_one_follows(opened: Callable[..., ConsoleApp]) -> None:
    app = opened()
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await data_screen(pilot)
        await until(pilot, lambda: len(screen.browser.table.examples) > 2)
        await pilot.press("right_square_bracket", "right_square_bracket", "down", "enter")
        await until(pilot, lambda: "hypothesis 1" in screen_text(app) and screen.has_class("-zoomed"))
        assert "all labels" not in screen_text(app)
        await pilot.press("n")
        await until(pilot, lambda: "hypothesis 2" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "all labels" in screen_text(app))


@pytest.mark.parametrize("size", [(110, 30), (80, 24), (60, 20)])
async def test_narrow_terminals_show_one_page_after_the_other(
    opened: Callable[..., ConsoleApp], size: tuple[int, int]
) -> None:
    app = opened()
    async with app.run_test(size=size) as pilot:
        await data_screen(pilot)
        await until(pilot, lambda: "max length, in tokens" in screen_text(app))
        assert "sources   figures   examples    ] next page" in screen_text(app)
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "dropped" in screen_text(app) and "all labels" not in screen_text(app))
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: "all labels" in screen_text(app) and "dropped" not in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "max length, in tokens" in screen_text(app))
        await pilot.click("#data-pages", offset=(12, 0))
        await until(pilot, lambda: "dropped" in screen_text(app))


async def test_a_path_with_a_column_map_and_one_that_is_typed(
    opened: Callable[..., ConsoleApp], tmp_path: Path
) -> None:
    (tmp_path / "mine.tsv").write_text("a\tb\tgold\nThe one.\tThe other.\tn\n", encoding="utf-8")
    app = opened(
        '[datasets.mine]\npath = "mine.tsv"\n'
        'columns = { premise = "a", hypothesis = "b", label = "gold" }\n'
        'splits = { validation = "mine.tsv" }\n'
    )
    typed = tmp_path / "typed.jsonl"
    write_jsonl(typed, [original_row(7)])
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await data_screen(pilot, "mine")
        await until(pilot, lambda: "The other." in example(screen))
        await pilot.press("p")
        field = screen.query_one("#path", TextInput)
        await until(pilot, lambda: field.has_focus)
        field.value = str(typed)
        await pilot.press("enter")
        await until(pilot, lambda: "hypothesis 7" in example(screen))
        assert screen.query_one("#figures").has_focus


async def test_what_cannot_be_read_is_said_and_can_be_read_again(
    opened: Callable[..., ConsoleApp], tmp_path: Path
) -> None:
    rows = [original_row(1), original_row(2, "maybe")]
    path = write_jsonl(tmp_path / "bad.jsonl", rows)
    app = opened('[datasets.bad]\npath = "bad.jsonl"\n')
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await pilot.press("4")
        screen = app.screen
        assert isinstance(screen, DataScreen)
        screen.open("bad")
        await until(pilot, lambda: 'label "maybe" is unknown' in " ".join(figures(screen).split()))
        write_jsonl(path, rows[:1])
        await pilot.press("r")
        await until(pilot, lambda: "Hypotheses" in figures(screen))
        screen.open("nowhere/at/all")
        await until(pilot, lambda: "there is no file or folder" in " ".join(figures(screen).split()))


async def test_hostile_texts_are_shown_and_do_nothing(
    opened: Callable[..., ConsoleApp], tmp_path: Path
) -> None:
    rows = [original_row(i, sentence1=HOSTILE, sentence2=HOSTILE, genre=HOSTILE) for i in range(3)]
    rows[0]["annotator_labels"] = [HOSTILE, "neutral"]
    write_jsonl(tmp_path / "bad.jsonl", rows)
    app = opened(f"[datasets.{json.dumps('[/x]')}]\npath = {json.dumps('bad.jsonl')}\n")
    async with app.run_test(size=(120, 40), notifications=True, tooltips=True) as pilot:
        screen = await data_screen(pilot, "[/x]")
        await until(pilot, lambda: "[@click=app.leave]x[/]" in example(screen))
        text = screen_text(app)
        assert not set("\x1b\x07\u202e") & set(text + example(screen) + figures(screen))
        await pilot.press("g")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press("down", "enter")
        await until(pilot, lambda: screen.browser.choice("genre").value == HOSTILE)
        await until(pilot, lambda: len(screen.browser.table.examples) == 3)
        assert "\x1b" not in screen_text(app)


async def test_reading_can_be_stopped(
    opened: Callable[..., ConsoleApp], monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = Event()

    class Process:
        def close(self) -> None:
            closed.set()

    def read_profile(*_: object, started: Callable[[Process], None], **__: object) -> None:
        started(Process())
        closed.wait(600)
        raise Cancelled

    monkeypatch.setattr(data_reading, "read_profile", read_profile)
    app = opened()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("4", "enter")
        await until(pilot, lambda: "looking at the files" in screen_text(app))
        await until(pilot, lambda: "hypothesis 0" in screen_text(app))
        await pilot.press("x")
        await until(pilot, lambda: "Stopped before every row was read." in screen_text(app))
        assert closed.is_set()
        assert "hypothesis 0" in screen_text(app)
