"""Driving the Chat screen with an engine that says what a test wants."""

from collections.abc import Callable
from time import monotonic

from textual.pilot import Pilot

from nli_console.data.chat import Generate, Load, Render, Score
from nli_console.supervisor.chat_events import Event
from nli_console.tui.screens.chat import ChatScreen
from tests.support.fake_engine import FakeEngine, answered, loaded, rendered, scored


def screen_text(app: object) -> str:
    strips = app.screen._compositor.render_strips()  # pyright: ignore
    return "\n".join(strip.text.rstrip() for strip in strips)


async def until(pilot: Pilot[int], condition: Callable[[], object]) -> None:
    patience = monotonic() + 60
    while monotonic() < patience:
        if condition():
            await pilot.pause()
            return
        await pilot.pause(0.02)
    raise AssertionError(f"did not happen; the screen is:\n{screen_text(pilot.app)}")


async def shows(pilot: Pilot[int], text: str) -> None:
    await until(pilot, lambda: text in screen_text(pilot.app))


async def open_chat(pilot: Pilot[int]) -> tuple[ChatScreen, FakeEngine]:
    """The screen once model and templates were looked up."""
    await pilot.press("3")
    screen = pilot.app.screen
    assert isinstance(screen, ChatScreen)
    await until(pilot, lambda: screen.template is not None and screen._named.load is not None)
    return screen, FakeEngine.latest


def write_pair(screen: ChatScreen, label: str = "") -> None:
    screen.form.put("A man sleeps.", "Nobody is awake.", label)


async def ask(pilot: Pilot[int], engine: FakeEngine) -> tuple[int, int, int]:
    """Press the key and return the ids of rendering, answer and scores."""
    before = len(engine.asked(Generate))
    await pilot.press("f5")
    await until(pilot, lambda: len(engine.asked(Generate)) > before)
    return engine.last(Render), engine.last(Generate), engine.last(Score)


async def tell(pilot: Pilot[int], engine: FakeEngine, *told: Event) -> None:
    for event in told:
        engine.tell(event)
    await pilot.pause(0.15)


async def answer_all(pilot: Pilot[int], engine: FakeEngine, ids: tuple[int, int, int]) -> None:
    """Load the model and answer the question that these ids are of."""
    render, generate, score = ids
    told = [loaded(engine.last(Load)), rendered(render), answered(generate), scored(score)]
    await tell(pilot, engine, *told)
    await shows(pilot, "read as")
