import sys

import pytest
from textual.color import Color
from textual.widgets import Input, OptionList, Static

from nli_console.record.state import State
from nli_console.supervisor.telemetry.readings import Gpu
from nli_console.tui.keys import GROUPS
from nli_console.tui.messages import CloneRun, Failure, OpenRun
from nli_console.tui.screens.base import TooSmall
from nli_console.tui.screens.help import HelpScreen
from nli_console.tui.screens.picker import Picker
from nli_console.tui.status import Machine, Status
from nli_console.tui.theme import DARK, LIGHT
from nli_console.tui.widgets.key_bar import KeyBar
from nli_console.tui.widgets.status_line import StatusLine
from tests.support.fake_runs import make_run, make_spec
from tests.tui.conftest import H200, HOST

SIZE = (120, 40)
HOSTILE = "[/] [@click=app.leave]x[/] \x1b]0;evil\x07"


async def until(pilot, condition):
    for _ in range(2400):
        if condition():
            return
        await pilot.pause(0.025)
    raise AssertionError("the screen did not get there")


def screen_text(app) -> str:
    """What the terminal shows, line by line."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines)


def _contrast(one: str, other: str) -> float:
    """Contrast ratio by WCAG 2.2, 1 to 21."""

    def luminance(value: str) -> float:
        parts = [part / 255 for part in Color.parse(value).rgb]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


async def test_number_keys_switch_modes_and_keep_each_screen(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        launch = app.screen
        await pilot.press("2")
        await pilot.pause()
        assert app.screen.mode == "runs"
        await pilot.press("1")
        await pilot.pause()
        assert app.screen is launch


async def test_alt_and_number_switch_modes_while_typing(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("tab", "down", "2")
        await pilot.pause()
        assert app.screen.mode == "launch"
        await pilot.press("alt+2")
        await pilot.pause()
        assert app.screen.mode == "runs"


async def test_a_click_on_a_mode_switches(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.click("ModeBar", offset=(13, 0))
        await pilot.pause()
        assert app.screen.mode == "runs"


async def test_a_click_on_a_hint_presses_its_key(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.click(KeyBar, offset=(14, 0))
        await until(pilot, lambda: isinstance(app.screen, Picker))


async def test_a_click_on_a_hint_types_nothing_into_the_field(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("tab", "down")
        field = app.focused
        before = field.value
        bar = app.screen.query_one(KeyBar)
        await pilot.click(KeyBar, offset=(str(bar.render()).index("f1 help") + 1, 0))
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        assert field.value == before


@pytest.mark.parametrize("size", [(60, 20), (80, 24), (120, 33), (120, 40)], ids=str)
@pytest.mark.parametrize("mode", ["1", "2", "3", "4"])
async def test_dialogs_are_whole_at_every_size(console, size, mode):
    app = console()
    async with app.run_test(size=size, notifications=True) as pilot:
        await pilot.press(mode)
        await until(pilot, lambda: app.screen.query("#body"))
        for key, said in (("question_mark", "esc closes"), ("ctrl+p", "enter chooses, esc closes")):
            await pilot.press(key)
            await until(pilot, lambda: said in screen_text(app))  # noqa: B023
            dialog = app.screen.query_one("#dialog")
            assert dialog.virtual_size.height <= dialog.size.height
            await pilot.press("escape")


@pytest.mark.parametrize("width", [60, 80, 120])
async def test_help_and_quit_are_in_the_key_bar_at_every_width(console, width):
    app = console()
    async with app.run_test(size=(width, 24), notifications=True):
        bar = app.screen.query_one(KeyBar)
        text = str(bar.render())
        assert "? help" in text
        assert "q quit" in text
        assert len(text) <= width


async def test_help_shows_every_key_of_the_place_and_can_be_searched(console):
    app = console()
    async with app.run_test(size=(60, 20), notifications=True) as pilot:
        await pilot.press("question_mark")
        await pilot.pause()
        assert isinstance(app.screen, HelpScreen)
        text = " ".join(str(app.screen.query_one("#keys", Static).content).split())
        for key in (*GROUPS["launch"].keys, *GROUPS["everywhere"].keys):
            assert key.help in text
        await pilot.press(*"theme")
        await pilot.pause()
        assert "launch" not in str(app.screen.query_one("#keys", Static).content)
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen.mode == "launch"


async def test_the_palette_runs_an_action_and_shows_its_key(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("ctrl+p")
        await pilot.pause()
        assert "f8" in screen_text(app)
        await pilot.press(*"theme", "enter")
        await pilot.pause()
        assert app.theme == LIGHT.name


async def test_the_palette_runs_an_action_of_the_screen(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("ctrl+p", *"advanced", "enter")
        await until(
            pilot, lambda: "fold the advanced" in screen_text(app) or app.screen.fields._folded is False
        )


@pytest.mark.parametrize("size", [(59, 30), (80, 19), (20, 5)])
async def test_a_terminal_that_is_too_small_gets_a_message(console, size):
    app = console()
    async with app.run_test(size=size, notifications=True) as pilot:
        assert app.screen.query_one(TooSmall).region
        assert not app.screen.query_one("#body").region
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert not app.screen.query_one(TooSmall).region
        assert app.screen.query_one("#body").region


async def test_hostile_texts_in_toasts_and_lists_neither_break_nor_act(console, tmp_path):
    make_run(tmp_path / "runs", "failed", name=HOSTILE, reason=("exception", HOSTILE))
    app = console()
    async with app.run_test(size=SIZE, notifications=True, tooltips=True) as pilot:
        app.post_message(Failure(HOSTILE, HOSTILE))
        await pilot.pause()
        await pilot.press("2")
        await until(pilot, lambda: app.runs)
        await pilot.pause()
        text = screen_text(app)
        assert "[@click=app.leave]" in text
        assert "\x1b" not in text
        assert app.is_running


async def test_the_end_of_a_run_is_told_with_a_bell(console, tmp_path, monkeypatch):
    rung = []
    layout = make_run(tmp_path / "runs", "running", name="mine")
    app = console()
    monkeypatch.setattr(app, "bell", lambda: rung.append(True))
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: app.status.running == 1)
        make_run(tmp_path / "other", "finished", name="mine", run_id=layout.id)
        for path in (tmp_path / "other" / layout.id / "attempts" / "0001").iterdir():
            path.replace(layout.attempt(1).path / path.name)
        await until(pilot, lambda: app.status.running == 0)
        assert any("mine finished" in note.title for note in app._notifications)
        assert rung


async def test_a_run_is_opened_by_its_id_and_can_be_cloned_into_the_form(console, tmp_path):
    older = make_run(tmp_path / "runs", name="older", age=5000)
    make_run(tmp_path / "runs", name="newer")
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        app.post_message(OpenRun(older.id))
        await until(pilot, lambda: app.screen.mode == "runs" and app.screen.table.selected_id == older.id)
        app.post_message(CloneRun(make_spec(seed=99, hyperparameters={"lora_r": 4})))
        await until(pilot, lambda: app.screen.mode == "launch" and app.screen.form.text("seeds") == "99")
        assert app.screen.form.text("lora_r") == "4"


async def test_the_console_opens_on_the_run_it_was_given(loaded, tmp_path):
    from nli_console.tui.app import ConsoleApp

    layout = make_run(tmp_path / "runs", name="demo")
    app = ConsoleApp(loaded(), select=layout.id)
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: app.screen.mode == "runs" and app.screen.table.selected_id == layout.id)


async def test_the_status_line_counts_runs_and_shows_the_gpu(console, tmp_path):
    make_run(tmp_path / "runs", "running")
    make_run(tmp_path / "runs", "queued")
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: app.status.running == 1 and app.status.queued == 1)
        line = "GPU0 H200 61.2/139.8 GiB 97 % 540 W │ 1 running 1 queued"
        await until(pilot, lambda: str(app.screen.query_one(StatusLine).render()) == line)


async def test_an_unknown_method_in_the_settings_is_told_and_every_mode_opens(console):
    app = console(defaults={"method": "lorra", "model": "demo-encoder", "data": "demo"})
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(
            pilot, lambda: any('defaults.method = "lorra"' in note.message for note in app._notifications)
        )
        assert app.screen.form.method == "full"
        await pilot.press("4")
        await until(pilot, lambda: app.screen.mode == "data")


async def test_a_field_that_was_left_for_another_mode_takes_no_digits(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("tab", "down", "down")
        assert isinstance(app.focused, Input)
        await pilot.press("alt+4")
        await until(pilot, lambda: app.screen.mode == "data")
        await pilot.press("1")
        await until(pilot, lambda: app.screen.mode == "launch")
        await pilot.press("2")
        await until(pilot, lambda: app.screen.mode == "runs")


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        (Machine(HOST, ()), "CPU 31 %|memory 12.0 GiB of 128.0 GiB|0 running"),
        (
            Machine(HOST, None, "no reading: hung"),
            "GPU: no reading|CPU 31 %|memory 12.0 GiB of 128.0 GiB|0 running",
        ),
        (Machine(), "0 running"),
        (Machine(HOST, (Gpu("u", "A", None, None, None, None, None),)), "GPU0 A –|0 running"),
    ],
)
def test_the_status_line_says_what_is_known(machine, expected):
    assert "|".join(str(part) for part in Status.of(machine, []).forms()[0]) == expected


def test_the_status_line_gets_shorter_with_many_gpus():
    forms = Status.of(Machine(HOST, (H200,) * 8), [State.RUNNING]).forms()
    lengths = [sum(part.cell_length for part in form) for form in forms]
    assert lengths == sorted(lengths, reverse=True)
    assert str(forms[-2][0]) == "8 GPUs, at most 97 %"


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_every_colour_is_an_xterm_256_entry(theme):
    levels = {0, 95, 135, 175, 215, 255}
    greys = {8 + 10 * step for step in range(24)}
    own = [theme.primary, theme.accent, theme.success, theme.warning, theme.error, theme.background]
    for value in (*own, theme.surface, theme.panel, theme.foreground, *theme.variables.values()):
        red, green, blue = Color.parse(value).rgb
        assert {red, green, blue} <= levels or (red == green == blue and red in greys), value


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
@pytest.mark.parametrize("state", State)
def test_every_state_can_be_read_on_the_background(theme, state):
    assert _contrast(theme.variables[f"state-{state.value}"], theme.background) > 4.5


async def test_no_colour_still_marks_mode_selection_and_errors(console, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("tab", "down", "down", "down", "9")
        await pilot.pause()
        strips = app.screen._compositor.render_strips()
        colours = {segment.style.color.triplet for strip in strips for segment in strip
                   if segment.style and segment.style.color and segment.style.color.triplet}  # fmt: skip
        assert all(len({c.red, c.green, c.blue}) == 1 for c in colours)
        assert "✗ fraction" in screen_text(app)


async def test_ascii_only_terminals_get_nothing_else(console):
    app = console(interface={"symbols": "ascii"})
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("f3", "f4")
        await pilot.pause()
        assert app.screen.query_one(OptionList)
        assert screen_text(app).isascii()


def test_opening_the_console_imports_no_heavy_library():
    import subprocess

    program = (
        "import sys, nli_console.tui.app, nli_console.tui.screens.launch, nli_console.tui.screens.runs;"
        "heavy = {'torch', 'transformers', 'numpy', 'pandas', 'pyarrow', 'cyclopts', 'datasets'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
