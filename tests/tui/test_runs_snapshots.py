"""How the Runs screen looks, at three sizes and in both themes."""

import math
from pathlib import Path
from threading import Event

import pytest

from nli_console.record.samples import EvalPoint, GpuSample, Phase, Start, SystemSample
from nli_console.record.state import Reason, RunState, State
from nli_console.record.store import Accuracy, RunSummary
from nli_console.settings import LoadedSettings, Settings
from nli_console.tui import app as app_module
from nli_console.tui.app import ConsoleApp
from nli_console.tui.messages import RunsListed
from nli_console.tui.run_readers import RunReaders, RunsRead
from nli_console.tui.run_view import RunView
from nli_console.tui.screens.runs import RunsScreen
from nli_console.tui.widgets.buckets import Buckets

GIB = 1024**3
NOON = 1_606_132_800.0
SIZES = [(120, 40), (80, 24), (60, 20)]


def summary(
    number: int, state: State, name: str, *, reason: Reason | None = None, **fields: object
) -> RunSummary:
    values: dict[str, object] = {
        "id": f"run-{number}", "path": Path("/nowhere"),
        "state": RunState(state, reason, reason is not None), "name": name,
        "method": "lora", "model": "roberta-large", "data": "multinli", "seed": 1,
        "started": NOON - 86_400 * number, **fields,
    }  # fmt: skip
    return RunSummary(**values)  # pyright: ignore[reportArgumentType]


def reported(value: float) -> dict[str, Accuracy]:
    return {
        "validation_matched": Accuracy(value, value - 0.006, value + 0.006, 9815),
        "validation_mismatched": Accuracy(value - 0.004, value - 0.010, value + 0.002, 9832),
    }


OUT_OF_MEMORY = Reason("cuda_oom", "tried to allocate 2.00 GiB of 1.31 GiB free; lower batch_size (128)")
RUNS = (
    summary(0, State.RUNNING, "lora r8", seconds=245.0, trainable_parameters=3_805_187,
            total_parameters=359_167_878),
    summary(1, State.QUEUED, "lora r64"),
    summary(2, State.FINISHED, "lora r8 recommended", seconds=7_425.0, accuracy=reported(0.903),
            trainable_parameters=3_805_187, peak_memory_bytes=5_476_083_302),
    summary(3, State.FAILED, "full, batch 128", method="full", model="deberta-v3-large", seconds=39.0,
            reason=OUT_OF_MEMORY),
    summary(4, State.STOPPED, "head only", method="head", seconds=130.0),
    summary(5, State.LOST, "[/red] 中文名字", seconds=35.0),
)  # fmt: skip
GROUP = (
    summary(6, State.RUNNING, "p-tuning, seed 3", seed=3, group="g-1", submitted=NOON + 3, method="p_tuning",
            seconds=310.0),
    summary(7, State.FINISHED, "p-tuning, seed 2", seed=2, group="g-1", submitted=NOON + 2, method="p_tuning",
            seconds=1_860.0, accuracy=reported(0.786), trainable_parameters=1_674_755),
    summary(8, State.FINISHED, "p-tuning, seed 1", seed=1, group="g-1", submitted=NOON + 1, method="p_tuning",
            seconds=1_815.0, accuracy=reported(0.802), trainable_parameters=1_674_755),
)  # fmt: skip


def view_of(run: RunSummary) -> RunView:
    steps = 40 if run.state.state is State.FAILED else 700
    loss, rate = Buckets(), Buckets()
    for step in range(1, steps + 1):
        loss.add(
            step, 0.3 + 0.8 * math.exp(-step / 250) + 0.05 * math.sin(step * 1.7) * math.cos(step * 0.31)
        )
        rate.add(step, 3e-4 * min(1, step / 70) * (1 - step / 1300))
    evaluations = []
    for step in range(200, steps + 1, 200):
        value = 0.33 + 0.5 * (1 - math.exp(-step / 300))
        evaluations.append(
            EvalPoint(1, step, "selection", value, value - 0.02, value + 0.02, 2000, None, 1 - value,
                      1.0, 2.5, "selection")
        )  # fmt: skip
    samples = [
        SystemSample(
            NOON + index,
            (GpuSample("G", "H200", (20 + index % 9) * GIB, 140 * GIB, 70 + index % 30, 540.0),),
            "", 2 * GIB, 95.0 + index % 5, 60 * GIB, 1024 * GIB,
        )
        for index in range(60)
    ]  # fmt: skip
    failed = ["Traceback (most recent call last):", "torch.OutOfMemoryError: CUDA out of memory."]
    return RunView(
        id=run.id, loss=loss, learning_rate=rate, evaluations=evaluations, phase=Phase("training"),
        start=Start(1, 0, 1200, 400.0, 3_805_187, 359_167_878), step=steps, eta=182.0,
        samples_per_second=91.4, samples=samples,
        log=failed if steps == 40 else ["loading: 100%", "training"],
        size=3 * GIB,
    )  # fmt: skip


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A console on runs that stand still; ``select`` is the one that is shown."""
    runs = RUNS

    class Listed:
        def __init__(self, *_: object) -> None:
            self.looked = Event()
            self.first: RunsListed | None = None

        def read(self) -> RunsListed | None:
            if self.first is not None:
                return None
            self.first = RunsListed(runs)
            self.looked.set()
            return self.first

    monkeypatch.setattr(app_module, "reader_of", Listed)
    views = RunsRead(tuple(view_of(run) for run in RUNS + GROUP if run.state.state is not State.QUEUED))
    monkeypatch.setattr(RunReaders, "read", lambda _: views)

    def make(select: str, *more: RunSummary, **interface: object) -> ConsoleApp:
        nonlocal runs
        runs = RUNS + more
        values = Settings.model_validate(
            {"runs_dir": tmp_path, "cache_dir": tmp_path / "cache", "interface": {"refresh": 10, **interface}}
        )
        return ConsoleApp(LoadedSettings(values, None, None), select=select)

    return make


async def settled(pilot) -> None:
    """Wait until the record of the selected run is drawn."""
    app = pilot.app
    for _ in range(500):
        await pilot.pause(0.02)
        if (
            isinstance(app.screen, RunsScreen)
            and app.selected_run is None
            and app.screen.live is not None
            and app.screen.live._view is not None
        ):
            break
    await pilot.pause()
    await pilot.pause()


@pytest.mark.parametrize("size", SIZES)
def test_a_run_that_is_going(snap_compare, console, size):
    assert snap_compare(console("run-0"), terminal_size=size, run_before=settled)


@pytest.mark.parametrize("size", SIZES)
def test_a_run_that_failed(snap_compare, console, size):
    assert snap_compare(console("run-3"), terminal_size=size, run_before=settled)


def test_a_finished_run_in_light(snap_compare, console):
    assert snap_compare(console("run-2", theme="light"), terminal_size=(120, 40), run_before=settled)


def test_ascii(snap_compare, console):
    assert snap_compare(console("run-0", symbols="ascii"), terminal_size=(80, 24), run_before=settled)


def test_the_wide_table(snap_compare, console):
    async def widen(pilot) -> None:
        await settled(pilot)
        await pilot.press("w")
        await pilot.pause()

    assert snap_compare(console("run-2"), terminal_size=(140, 30), run_before=widen)


@pytest.mark.parametrize("size", SIZES)
def test_an_open_group(snap_compare, console, size):
    async def open_group(pilot) -> None:
        await settled(pilot)
        pilot.app.screen.table.select("g-1")
        await pilot.press("right")
        await pilot.pause()

    assert snap_compare(console("run-8", *GROUP), terminal_size=size, run_before=open_group)


@pytest.mark.parametrize("size", SIZES)
def test_the_filter_says_where_it_is_wrong(snap_compare, console, size):
    async def mistype(pilot) -> None:
        await settled(pilot)
        await pilot.press("slash")
        pilot.app.screen.filter_field.input.value = "method:lora acuracy>85%"
        await pilot.pause()
        await pilot.pause()

    assert snap_compare(console("run-2"), terminal_size=size, run_before=mistype)


def test_the_filter_offers_what_may_come_next(snap_compare, console):
    async def begin(pilot) -> None:
        await settled(pilot)
        await pilot.press("slash", *"state:")
        await pilot.pause()
        await pilot.pause()

    assert snap_compare(console("run-2"), terminal_size=(120, 40), run_before=begin)


@pytest.mark.parametrize("size", SIZES)
def test_columns_are_chosen(snap_compare, console, size):
    async def choose(pilot) -> None:
        await settled(pilot)
        await pilot.press("f3", "down", "down", "space")
        await pilot.pause()

    assert snap_compare(console("run-2"), terminal_size=size, run_before=choose)


def test_a_closed_group_in_the_wide_table(snap_compare, console):
    async def close(pilot) -> None:
        await settled(pilot)
        await pilot.press("w", "left")
        await pilot.pause()

    assert snap_compare(console("run-8", *GROUP), terminal_size=(140, 30), run_before=close)
