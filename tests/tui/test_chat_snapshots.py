"""What the Chat screen looks like, at fixed sizes, with an engine that always says the same."""

import pytest

from nli_console.data.chat import Generate, Load, Render, Score
from nli_console.methods.checks import Finding
from nli_console.supervisor import chat_events as events
from nli_console.tui import chat_link
from tests.support.fake_engine import FakeEngine, answered, loaded, rendered, scored
from tests.tui.chatting import answer_all, ask, open_chat, shows, tell, until, write_pair

SIZES = [(120, 40), (80, 24), (60, 20)]


@pytest.fixture
def chat(console, monkeypatch):
    monkeypatch.setattr(chat_link, "Chat", FakeEngine)
    return lambda **tables: console(defaults={"model": "demo-encoder", "data": "demo"}, **tables)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_answered(snap_compare, chat, size):
    async def shown(pilot):
        screen, engine = await open_chat(pilot)
        write_pair(screen, "entailment")
        ids = await ask(pilot, engine)
        await answer_all(pilot, engine, ids)
        finding = Finding("double-bos", "warning", "the prompt begins twice", "why", "take one out")
        screen.desk.rendered = rendered(ids[0], findings=(finding,))
        screen.desk.rendering = False
        screen._settling.stop()
        screen._draw({"prompt"})
        screen.set_focus(None)

    assert snap_compare(chat(), terminal_size=size, run_before=shown)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def test_two_templates_side_by_side(snap_compare, chat, size):
    async def answered_twice(pilot):
        screen, engine = await open_chat(pilot)
        write_pair(screen, "contradiction")
        screen.form.choice("versus").choose("template recommended")
        await ask(pilot, engine)
        await until(pilot, lambda: len(engine.asked(Score)) == 2)
        numbered = list(enumerate(engine.requests, 1))
        for kind, told in ((Generate, answered), (Score, scored)):
            first, second = (id for id, each in numbered if isinstance(each, kind))
            more = ("Contradiction", "contradiction") if kind is Generate else ()
            await tell(pilot, engine, told(first), told(second, *more))
        ids = [id for id, each in numbered if isinstance(each, Render)]
        await tell(pilot, engine, loaded(engine.last(Load)), *map(rendered, ids[-2:]))
        await until(pilot, lambda: not screen.desk.busy)
        screen.desk.rendering = False
        screen._settling.stop()
        screen._draw({"prompt"})
        screen.set_focus(None)

    assert snap_compare(chat(), terminal_size=size, run_before=answered_twice)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("key", ["f3", "f6", "f9"], ids=["template", "talk", "settings"])
def test_left(snap_compare, chat, size, key):
    async def shown(pilot):
        await open_chat(pilot)
        await pilot.press(key)
        await pilot.pause()

    assert snap_compare(chat(), terminal_size=size, run_before=shown)


def test_out_of_memory_in_ascii(snap_compare, chat):
    async def failed(pilot):
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        _, generate, score = await ask(pilot, engine)
        await tell(pilot, engine, events.Waiting(engine.last(Load), "a GPU", "run 1"))
        message = "the GPU has not enough memory for this; load the model in 4-bit (nf4)"
        ends = [events.Failed(id, message, "out_of_memory") for id in (engine.last(Load), generate, score)]
        await tell(pilot, engine, *ends)
        await shows(pilot, "load it again")
        screen._settling.stop()

    assert snap_compare(chat(interface={"symbols": "ascii"}), terminal_size=(80, 24), run_before=failed)
