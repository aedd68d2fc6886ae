import asyncio
from dataclasses import replace

from textual.widgets import OptionList, Static

from nli_console.data.resolve import resolve_dataset
from nli_console.record.spec_io import load_spec, run_folders
from nli_console.tui import launching
from nli_console.tui.app import ConsoleApp
from nli_console.tui.preflight import Preflight
from nli_console.tui.screens.launch import LaunchScreen
from nli_console.tui.screens.picker import Picker
from nli_console.tui.screens.prompt import Prompt
from nli_console.tui.widgets.checks_panel import ChecksPanel
from nli_console.tui.widgets.choice import Choice
from nli_console.tui.widgets.field_row import FieldRow
from nli_console.tui.widgets.launch_form import LaunchForm

SIZE = (120, 40)
HOSTILE = "[/] [@click=app.leave]x[/] [b"


async def until(pilot, condition):
    """Wait until a condition on the screen holds."""
    for _ in range(2400):
        if condition():
            return
        await pilot.pause(0.025)
    raise AssertionError("the screen did not get there")


def row(app, name) -> FieldRow:
    rows = [row for row in app.screen.query(FieldRow) if row.field.name == name and row.parent.display]
    return rows[0]


def hint(app, name) -> str:
    return str(row(app, name).hint())


def problem(app, name) -> str:
    return "".join(str(line.content) for line in row(app, name).query(".problem").results(Static))


def panel(app) -> str:
    return " ".join(str(app.screen.query_one(ChecksPanel).content).split())


async def write(pilot, name, text):
    """Type ``text`` over a field's value."""
    editor = row(pilot.app, name).editor
    editor.focus()
    await pilot.pause()
    editor.action_select_all()
    editor.replace(text, 0, len(editor.value))
    await pilot.pause()


async def test_the_keyboard_reaches_the_form_and_what_is_typed_arrives(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True, tooltips=True) as pilot:
        await pilot.press("enter", "down", "down", "down", "0", "full_stop", "2", "5")
        await pilot.pause()
        assert app.screen.form.text("fraction") == "0.25"
        assert row(app, "fraction").editor.value == "0.25"
        await pilot.press("down", "4", "2")
        await pilot.pause()
        assert app.screen.form.text("seeds") == "42"


async def test_a_wrong_value_is_told_under_the_field_while_typing(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await write(pilot, "learning_rate", "3")
        assert problem(app, "learning_rate") == "must be at most 1"
        assert row(app, "learning_rate").has_class("-wrong")
        assert "One field needs attention: learning rate" in panel(app)
        await write(pilot, "learning_rate", "1e-4")
        assert problem(app, "learning_rate") == ""
        assert hint(app, "learning_rate") == "preset 3e-4"


async def test_ctrl_r_resets_the_focused_field(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await write(pilot, "lora_r", "64")
        await pilot.press("ctrl+r")
        await pilot.pause()
        assert row(app, "lora_r").editor.value == "8"
        assert hint(app, "lora_r") == "1…1024"


async def test_bounds_and_units_are_shown(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True):
        assert hint(app, "batch_size") == "1…4096 examples"
        assert hint(app, "learning_rate") == "> 0, ≤ 1"


async def test_switching_method_and_mode_loses_nothing(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await write(pilot, "lora_r", "no number")
        app.screen.query_one("#methods OptionList", OptionList).focus()
        await pilot.press("up")
        await pilot.pause()
        assert app.screen.form.method == "top_layers"
        await pilot.press("2", "1", "down")
        await pilot.pause()
        assert app.screen.form.method == "lora"
        assert row(app, "lora_r").editor.value == "no number"
        assert problem(app, "lora_r")


async def test_advanced_fields_are_folded_until_asked_for_or_changed(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.pause()
        assert "adam_beta2" not in [row.field.name for row in app.screen.query(FieldRow) if row.region]
        await pilot.press("f3")
        await pilot.pause()
        hidden = row(app, "adam_beta2")
        assert hidden.region
        await write(pilot, "adam_beta2", "0.98")
        await pilot.press("f3")
        await pilot.pause()
        assert hidden.region, "a changed field must not be hidden"


async def test_a_demo_model_brings_the_demo_preset(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await write(pilot, "model", "demo-encoder")
        assert row(app, "preset").editor.value == "demo/lora"
        assert row(app, "max_length").editor.value == "64"


async def test_a_preset_is_chosen_from_a_list_that_can_be_filtered(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: len(row(app, "preset").editor.choices) > 1)
        await pilot.press("f4")
        await pilot.pause()
        assert isinstance(app.screen, Picker)
        await pilot.press(*"paper", "enter")
        await pilot.pause()
        assert app.screen.form.preset.name == "paper/lora"
        assert row(app, "fraction").editor.value == "0.1"


async def test_a_name_that_is_typed_goes_before_a_sentence_that_holds_it(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: len(row(app, "preset").editor.choices) > 1)
        await pilot.press("f4")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"rec", "enter")  # the paper's preset speaks of a recipe
        await until(pilot, lambda: app.screen.form.preset.name == "recommended/lora")


async def test_the_form_is_saved_as_a_preset_and_offered_at_once(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: len(row(app, "preset").editor.choices) > 1)
        await write(pilot, "lora_r", "64")
        await pilot.press("ctrl+s")
        await pilot.pause()
        assert isinstance(app.screen, Prompt)
        await pilot.press("slash", "enter")
        await pilot.pause()
        assert isinstance(app.screen, Prompt), "a name that is no file name is refused"
        await pilot.press("backspace", *"mine", "enter")
        await until(pilot, lambda: "mine" in row(app, "preset").editor.choices)
        saved = next(preset for preset in launching.read_presets().presets if preset.name == "mine")
        assert saved.hyperparameters["lora_r"] == 64
        assert saved.model == "roberta-large"


async def test_the_panel_counts_parameters_of_the_model_that_is_typed(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await write(pilot, "target_modules", "query,dense")
        await until(pilot, lambda: "3,805,187" in panel(app))


async def test_figures_of_another_method_are_not_shown_as_if_they_were_of_this_one(console, monkeypatch):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: "trainable 1,839,107" in panel(app))
        monkeypatch.setattr(Preflight, "ask", lambda *_: None)
        await pilot.press("up")
        await until(pilot, lambda: app.screen.form.method == "top_layers")
        assert "trainable …" in panel(app)


async def test_figures_are_dimmed_while_they_are_of_an_earlier_form(console, monkeypatch):
    app = console()

    def dimmed() -> bool:
        text = app.screen.query_one(ChecksPanel).content
        place = text.plain.index("1,839,107")
        return all("muted" in str(span.style) for span in text.spans if span.start <= place < span.end)

    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: "trainable 1,839,107" in panel(app))
        await until(pilot, lambda: not dimmed())
        monkeypatch.setattr(Preflight, "ask", lambda *_: None)
        await write(pilot, "lora_r", "16")
        assert dimmed()


async def test_what_stands_in_the_checks_is_not_told_twice(loaded):
    notice = "no settings.toml in /here: the built-in defaults are used"
    settings = replace(loaded(), notice=notice)

    def told(app: ConsoleApp) -> bool:
        return any(notice in note.message for note in app._notifications)

    narrow = ConsoleApp(settings)
    async with narrow.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: told(narrow))
    wide = ConsoleApp(settings)
    async with wide.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: notice in panel(wide) and wide.all_listed)
        await pilot.pause()
        assert not told(wide)


async def test_the_explanation_goes_with_the_focus(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        line = app.screen.query_one("#field-help", Static)
        row(app, "seeds").editor.focus()
        await until(pilot, lambda: "seed of sampling" in str(line.content))
        await pilot.press("escape")
        await until(pilot, lambda: not str(line.content))


async def test_an_unknown_model_is_told_beside_the_model_field(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await write(pilot, "model", f"/nowhere/{HOSTILE}")
        await until(pilot, lambda: "there is no folder" in problem(app, "model"))
        assert HOSTILE in problem(app, "model")
        await write(pilot, "model", "roberta-large")
        assert problem(app, "model") == ""


async def test_escapes_and_bidi_marks_never_reach_a_field(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await write(pilot, "name", "a\x1b]0;evil\x07b\u202ec")
        assert app.screen.form.text("name") == "a\ufffd]0;evil\ufffdb\ufffdc"


async def test_a_form_with_a_mistake_is_not_launched(console, tmp_path):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await write(pilot, "epochs", "0")
        await pilot.press("f5")
        await pilot.pause()
        assert app.focused is row(app, "epochs").editor
        assert not (tmp_path / "runs").exists()


async def test_what_the_core_objects_to_stands_beside_the_field(console, monkeypatch):
    """The folder vanishes between the check and the launch."""
    monkeypatch.setattr(Preflight, "ask", lambda *_: None)
    app = console(defaults={"model": "/nowhere/model", "data": "nyu-mll/multi_nli"})
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("f5")
        await until(pilot, lambda: "there is no folder" in problem(app, "model"))
        assert app.focused is row(app, "model").editor
        assert isinstance(app.screen, LaunchScreen)


async def test_a_launch_writes_the_spec_and_opens_runs_on_it(console, loaded, monkeypatch, tmp_path):
    started = []
    monkeypatch.setattr(launching.launcher, "launch", lambda layout, survive: started.append(layout))
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await write(pilot, "name", HOSTILE)
        await write(pilot, "seeds", "42")
        await write(pilot, "time_limit", "1.5m")
        await pilot.press("f5")
        await until(pilot, lambda: type(app.screen).__name__ == "RunsScreen")
        await until(pilot, lambda: app.runs)
        (layout,) = run_folders(tmp_path / "runs")
        assert [each.id for each in started] == [layout.id]
        spec = load_spec(layout)
        assert (spec.seed, spec.time_limit, spec.name) == (42, 90, HOSTILE)
        assert spec.preset == "recommended/lora"
        assert spec.data == resolve_dataset("nyu-mll/multi_nli", loaded(), 1.0)
        assert spec.provenance.launcher == "tui"
        await pilot.press("1")
        await pilot.pause()
        assert app.screen.form.text("seeds") == "42"
        assert app.screen.form.text("name") == "", "the next run gets a name of its own"


async def test_the_button_launches_with_the_mouse(console, monkeypatch, tmp_path):
    monkeypatch.setattr(launching.launcher, "launch", lambda *_: None)
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        assert await pilot.click("#checks Button.launch")
        await until(pilot, lambda: (tmp_path / "runs").exists() and run_folders(tmp_path / "runs"))


async def test_a_second_press_while_starting_starts_nothing_more(console, monkeypatch, tmp_path):
    import threading

    release = threading.Event()
    monkeypatch.setattr(launching.launcher, "launch", lambda *_: release.wait(20))
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await pilot.press("f5", "f5", "f5")
        await until(pilot, lambda: (tmp_path / "runs").exists() and run_folders(tmp_path / "runs"))
        release.set()
        await until(pilot, lambda: type(app.screen).__name__ == "RunsScreen")
        assert len(run_folders(tmp_path / "runs")) == 1


async def test_choices_step_with_arrows_and_open_with_enter(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        choice = row(app, "schedule").editor
        assert isinstance(choice, Choice)
        choice.focus()
        await pilot.press("right")
        await pilot.pause()
        assert app.screen.form.text("schedule") == "cosine"
        await pilot.press("enter")
        await pilot.pause()
        await pilot.press(*"const", "enter")
        await pilot.pause()
        assert row(app, "schedule").editor.value == "constant"
        assert app.focused is choice


async def test_escape_peels_one_layer_at_a_time(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        row(app, "schedule").editor.focus()
        await pilot.press("f2")
        await pilot.pause()
        assert isinstance(app.screen, Picker)
        await pilot.press("escape")
        await pilot.pause()
        assert app.focused is row(app, "schedule").editor
        await pilot.press("escape")
        await pilot.pause()
        assert app.focused is app.screen.query_one("#methods OptionList")


async def test_narrow_terminals_show_the_checks_instead_of_the_form(console):
    app = console()
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        assert not app.screen.query_one("#checks").region
        await pilot.press("f7")
        await pilot.pause()
        assert app.screen.query_one("#checks").region
        assert not app.screen.query_one(LaunchForm).region
        await pilot.press("escape")
        await pilot.pause()
        assert app.screen.query_one(LaunchForm).region


async def test_every_preset_file_that_is_broken_is_told_and_the_others_work(console, tmp_path):
    folder = tmp_path / "config" / "nli-console" / "presets"
    folder.mkdir(parents=True)
    (folder / "broken.toml").write_text("[/nope")
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: any("broken.toml" in note.message for note in app._notifications))
        assert len(row(app, "preset").editor.choices) > 1


async def test_an_objection_goes_away_when_another_field_answers_it(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await write(pilot, "target_modules", "q_proj")
        await until(pilot, lambda: "matches no module" in problem(app, "target_modules"))
        await write(pilot, "model", "somebody/their-llama")
        await until(pilot, lambda: not problem(app, "target_modules"))


async def test_a_click_unfolds_the_advanced_fields(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        fold = app.screen.query_one("#form-lora Fold")
        fold.scroll_visible(animate=False)
        await pilot.pause()
        await pilot.click(fold)
        await until(pilot, lambda: row(app, "adam_beta2").region)


async def test_typing_faster_than_the_form_answers_loses_no_key(console, monkeypatch):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        editor = row(app, "name").editor
        editor.focus()
        await pilot.pause()
        for character in "quick":
            editor.insert_text_at_cursor(character)
            await asyncio.sleep(0)
        await pilot.pause()
        assert editor.value == "quick"
        assert app.screen.form.text("name") == "quick"
