"""Launch: seeds, lists to choose from, and figures that outlast a mistake."""

from threading import Event

from textual.app import App
from textual.widgets import OptionList, Static

from nli_console.record import run_fields, trackers
from nli_console.record.groups import Group
from nli_console.record.spec_io import load_spec, run_folders
from nli_console.record.summary import RunSummary
from nli_console.tui import app as app_module
from nli_console.tui import launching
from nli_console.tui.answer import Answer, Question
from nli_console.tui.screens.picker import Picker
from nli_console.tui.symbols import symbols
from nli_console.tui.widgets.checks_panel import ChecksPanel
from nli_console.tui.widgets.run_table import RunTable
from tests.support.fake_runs import make_spec
from tests.tui.conftest import SteadyMachine
from tests.tui.test_launch_screen import SIZE, panel, problem, row, until, write


def meaning(app, name) -> str:
    """What stands below the field about its value."""
    lines = row(app, name).query(".meaning").results(Static)
    return "".join(str(line.content) for line in lines if line.display)


async def test_figures_stay_dimmed_while_a_field_is_wrong(console):
    app = console()

    def figure() -> tuple[bool, bool]:
        """Whether the count stands there, and whether it is dimmed."""
        text = app.screen.query_one(ChecksPanel).content
        place = text.plain.find("1,839,107")
        spans = [span for span in text.spans if span.start <= place < span.end]
        return place >= 0, all("muted" in str(span.style) for span in spans)

    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: figure() == (True, False))
        await write(pilot, "learning_rate", "fast")
        await until(pilot, lambda: app.screen._answer.question.hyperparameters is None)
        assert figure() == (True, True)
        await write(pilot, "learning_rate", "1e-4")
        await until(pilot, lambda: figure() == (True, False))


async def test_figures_that_turn_fresh_are_drawn_anew_though_they_read_the_same():
    panel = ChecksPanel(symbols("braille"))
    answer = Answer(Question("lora", "m", "d", 1.0, None), trainable=12_345, total=100_000)

    def styles() -> set[str]:
        return {str(span.style) for span in panel.content.spans}

    class OnePanel(App[None]):
        def compose(self):
            yield panel

    async with OnePanel().run_test(size=(40, 20)):
        panel.show(answer, [], fresh=False)
        assert styles() == {"$muted"}
        panel.show(answer, [], fresh=True)
        assert "bold $bright" in styles()


async def test_a_wrong_character_in_the_model_leaves_the_preset_until_another_model_is_found(console):
    app = console(defaults={"method": "lora", "model": "demo-encoder", "data": "demo"})
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await write(pilot, "model", "demo-encodr")
        await until(pilot, lambda: "is not known" in problem(app, "model"))
        assert row(app, "preset").editor.value == "demo/lora"
        await write(pilot, "model", "someone/a-model")
        await until(pilot, lambda: row(app, "preset").editor.value == "recommended/lora")
        await until(pilot, lambda: app.screen._answer.question == app.screen._question())


async def test_the_memory_is_that_of_the_machine_as_soon_as_it_is_known(console, monkeypatch):
    known = Event()

    class Late(SteadyMachine):
        def read(self):
            known.wait()
            return super().read()

    monkeypatch.setattr(app_module, "MachineReader", Late)
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: "memory ~" in panel(app))
        blind = app.screen._answer.memory
        known.set()
        await until(pilot, lambda: app.screen._answer.memory != blind)


async def test_nothing_starts_at_once_when_the_runs_folder_is_a_file(console, tmp_path):
    (tmp_path / "runs").write_text("")
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: "not a folder" in panel(app))
        assert "Starts at once" not in panel(app)


async def test_several_seeds_launch_a_group_that_runs_opens_on(console, monkeypatch, tmp_path):
    monkeypatch.setattr(launching.launcher, "launch", lambda *_: None)
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await write(pilot, "name", "tries")
        await write(pilot, "seeds", "5, 6,5")
        assert "5 stands there twice" in problem(app, "seeds")
        await write(pilot, "seeds", "5, 6,7")
        assert "a group of 3 runs" in meaning(app, "seeds")
        await pilot.press("f5")
        await until(pilot, lambda: type(app.screen).__name__ == "RunsScreen")
        await until(pilot, lambda: len(app.runs) == 3)
        specs = [load_spec(layout) for layout in run_folders(tmp_path / "runs")]
        assert {spec.name: spec.seed for spec in specs} == {f"tries, seed {seed}": seed for seed in (5, 6, 7)}
        assert len({spec.group for spec in specs}) == 1
        table = app.screen.query_one(RunTable)
        await until(pilot, lambda: isinstance(table.row, RunSummary) and table.row.name == "tries, seed 5")
        await pilot.press("up")
        await until(pilot, lambda: isinstance(table.row, Group))
        assert table.row.name == "tries"


async def test_a_clone_of_a_run_of_a_group_is_one_run_of_the_group_s_name(console):
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        spec = make_spec(
            seed=6, group="g-1", name="tries, seed 6", time_limit=5400, report_to=["wandb"],
            guards={"stop_on": ["nan_steps"]},
        )  # fmt: skip
        app.screen.clone(spec)
        await pilot.pause()
        form = app.screen.form
        assert (form.text("seeds"), form.text("name"), form.text("time_limit")) == ("6", "tries", "1h30m")
        assert (form.text("report_to"), form.text("stop_on")) == ("wandb", "nan_steps")


async def test_trackers_are_chosen_from_a_list_that_says_which_are_installed(console, monkeypatch):
    monkeypatch.setattr(run_fields, "is_installed", lambda name: name == "trackio")
    monkeypatch.setattr(trackers, "is_installed", lambda name: name == "trackio")
    app = console()
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        row(app, "report_to").editor.focus()
        await pilot.press("f2")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        assert {held.value: held.detail for held in app.screen._rows}["trackio"] == "installed here"
        await pilot.press(*"trackio", "enter")
        await pilot.pause()
        assert row(app, "report_to").editor.value == "trackio"
        assert meaning(app, "report_to") == ""
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"wandb", "enter")
        await pilot.pause()
        assert row(app, "report_to").editor.value == "trackio,wandb"
        assert "wandb is not installed" in meaning(app, "report_to")
        await pilot.press("f2")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        await pilot.press(*"trackio", "enter")
        await pilot.pause()
        assert row(app, "report_to").editor.value == "wandb", "chosen once more is taken out"


async def test_a_method_that_trains_nothing_has_no_trackers_and_tells_the_rows_it_scores(console):
    app = console(defaults={"method": "icl", "model": "demo-decoder", "data": "demo"})
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: "to score" in panel(app))
        assert "steps" not in panel(app)
        assert not row(app, "report_to").region
        app.screen._use_method("lora")
        await until(pilot, lambda: row(app, "report_to").region)
        assert "steps" in panel(app)


async def test_every_title_of_a_method_is_whole(console):
    app = console()
    for width in (120, 100):
        async with app.run_test(size=(width, 40), notifications=True) as pilot:
            await pilot.pause()
            options = app.screen.query_one("#methods OptionList", OptionList)
            text = "\n".join(strip.text for strip in app.screen._compositor.render_strips())
            assert all(str(option.prompt) in text for option in options.options)
        app = console()


async def test_templates_that_suit_the_method_are_suggested_with_the_user_s_own(console, tmp_path):
    folder = tmp_path / "config" / "nli-console" / "templates"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text('description = "asks twice"\nuser = "{premise} {hypothesis}"')
    (folder / "broken.toml").write_text("[/nope")
    app = console(defaults={"method": "icl", "model": "demo-decoder", "data": "demo"})
    async with app.run_test(size=SIZE, notifications=True) as pilot:
        await until(pilot, lambda: any("broken.toml" in note.message for note in app._notifications))
        row(app, "template").editor.focus()
        await pilot.press("f2")
        await until(pilot, lambda: isinstance(app.screen, Picker))
        offered = {held.value: held.detail for held in app.screen._rows}
        assert offered["mine"] == "your own; asks twice"
        assert {"report-zero-shot", "yes-maybe-no"} & offered.keys() == {"report-zero-shot"}
        await pilot.press(*"mine", "enter")
        await pilot.pause()
        assert app.screen.form.text("template") == "mine"
        await write(pilot, "template", "")
        await pilot.press("t", "r")
        await until(pilot, lambda: row(app, "template").editor._suggestion == "true-neither-false")
