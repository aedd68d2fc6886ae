"""v on the Runs screen: a dialog that stays until an evaluation has been launched, and what it asks for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from nli_console.data.resolve import resolve_dataset
from nli_console.methods import registry
from nli_console.record.layout import RunLayout
from nli_console.record.spec import RunSpec
from nli_console.record.spec_io import load_spec, run_folders
from nli_console.settings import LoadedSettings
from nli_console.tui import launching
from nli_console.tui.app import ConsoleApp
from nli_console.tui.screens.evaluate import EvaluateDialog
from nli_console.tui.widgets.text_input import TextInput
from tests.cli.conftest import write_pairs
from tests.support.fake_runs import FakeState, make_run
from tests.tui.test_runs_screen import screen_text, shown, until

LORA = registry.get("lora").Hyperparameters().model_dump(mode="json")


@pytest.fixture
def settings(loaded: Callable[..., LoadedSettings], tmp_path: Path) -> LoadedSettings:
    write_pairs(tmp_path / "pairs")
    return loaded(datasets={"pairs": {"path": str(tmp_path / "pairs")}})


@pytest.fixture
def app(settings: LoadedSettings, monkeypatch: pytest.MonkeyPatch) -> ConsoleApp:
    """A console that submits runs and starts none."""
    monkeypatch.setattr(launching.launcher, "launch", lambda *_: None)
    return ConsoleApp(settings, select="none")


@pytest.fixture
def make(settings: LoadedSettings) -> Callable[..., RunLayout]:
    def one(state: FakeState = "finished", **spec: Any) -> RunLayout:
        spec = {"hyperparameters": LORA, "data": resolve_dataset("pairs", settings), **spec}
        layout = make_run(settings.runs_dir, state, steps=20, **spec)
        layout.adapter.mkdir()
        (layout.adapter / "adapter_model.safetensors").write_bytes(b"weights")
        return layout

    return one


async def dialog(pilot: Pilot[int], layout: RunLayout, key: str = "v") -> EvaluateDialog:
    await shown(pilot, layout)
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, EvaluateDialog))
    assert isinstance(pilot.app.screen, EvaluateDialog)
    return pilot.app.screen


async def launched(pilot: Pilot[int], settings: LoadedSettings, before: int) -> RunSpec:
    """The evaluation that was started, once the Runs screen has it selected."""
    await until(pilot, lambda: len(run_folders(settings.runs_dir)) > before)
    specs = [load_spec(layout) for layout in run_folders(settings.runs_dir)]
    spec = max((spec for spec in specs if spec.evaluates), key=lambda spec: spec.submitted)
    await until(pilot, lambda: not isinstance(pilot.app.screen, EvaluateDialog))
    table = pilot.app.screen.table  # type: ignore[attr-defined]
    await until(pilot, lambda: table.selected is not None and table.selected.id == spec.id)
    return spec


@pytest.mark.parametrize("size", [(120, 40), (60, 20)])
async def test_an_evaluation_is_asked_for_launched_and_selected(
    app: ConsoleApp, settings: LoadedSettings, make: Callable[..., RunLayout], size: tuple[int, int]
) -> None:
    layout = make(name="mine")
    async with app.run_test(size=size) as pilot:
        await dialog(pilot, layout)
        text = screen_text(app)
        for part in ("Evaluate mine", "data", "splits", "share", "checkpoint", "enter evaluates"):
            assert part in text
        await pilot.press("tab", *"nope", "enter")
        await until(pilot, lambda: 'pairs has no split "nope"' in screen_text(app))
        await pilot.press(*["backspace"] * 4, *"train", "enter")
        spec = await launched(pilot, settings, 1)
        assert spec.evaluates is not None
        assert (spec.evaluates.name, spec.data.evaluate_on) == (layout.id, ("train",))
        assert spec.provenance.launcher == "tui"
        await until(pilot, lambda: f"evaluate {layout.id}"[:30] in screen_text(app))


async def test_c_on_an_evaluation_asks_for_the_same_again(
    app: ConsoleApp, settings: LoadedSettings, make: Callable[..., RunLayout]
) -> None:
    layout = make()
    async with app.run_test(size=(120, 40)) as pilot:
        await dialog(pilot, layout)
        await pilot.press("tab", *"train", "tab", "backspace", *"0.5", "enter")
        first = await launched(pilot, settings, 1)
        assert first.data.fraction == 0.5
        again = await dialog(pilot, RunLayout(settings.runs_dir / first.id), "c")
        values = {field.id: field.value for field in again.query(TextInput)}
        assert values == {"data": "pairs", "splits": "train", "fraction": "0.5", "checkpoint": ""}
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, EvaluateDialog))
        assert len(run_folders(settings.runs_dir)) == 2


async def test_a_run_that_cannot_be_evaluated_says_why(
    app: ConsoleApp, make: Callable[..., RunLayout]
) -> None:
    live, asked = make("running", name="going"), make(method="icl", hyperparameters={}, name="asked")
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await shown(pilot, live)
        await pilot.press("v")
        await until(pilot, lambda: "still change" in screen_text(app))
        await shown(pilot, asked)
        await pilot.press("v")
        await until(pilot, lambda: "it trained nothing" in screen_text(app))
        assert not isinstance(app.screen, EvaluateDialog)


async def test_of_a_stopped_run_the_last_checkpoint_is_offered(
    app: ConsoleApp, make: Callable[..., RunLayout]
) -> None:
    stopped = make("stopped")
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await dialog(pilot, stopped)
        assert screen.query_one("#checkpoint", TextInput).value == "last"
        await pilot.press("enter")
        await until(pilot, lambda: "says what stays" in screen_text(app))
