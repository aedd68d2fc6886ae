"""The Chat screen with an engine that says what the test wants: asking, loading, stopping, failing."""

from collections.abc import Callable

import pytest

from nli_console.data.chat import Demonstrate, Generate, Load, Question, Render, Score
from nli_console.data.spec import Example
from nli_console.methods.checks import Finding
from nli_console.supervisor import chat_events as events
from nli_console.tui import chat_link
from nli_console.tui.app import ConsoleApp
from nli_console.tui.widgets.text_box import TextBox
from tests.support.fake_engine import FakeEngine, answered, loaded, rendered, scored
from tests.tui.chatting import answer_all, ask, open_chat, screen_text, shows, tell, until, write_pair

HOSTILE = "[/red] [@click=app.leave]x[/] \x1b[2J\x1b]0;title\x07 \u202edlrow"


@pytest.fixture
def chat(console: Callable[..., ConsoleApp], monkeypatch: pytest.MonkeyPatch) -> ConsoleApp:
    monkeypatch.setattr(chat_link, "Chat", FakeEngine)
    return console(defaults={"model": "demo-encoder", "data": "demo"})


async def test_nothing_is_loaded_before_the_first_question(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40), notifications=True) as pilot:
        screen, engine = await open_chat(pilot)
        assert "not loaded; the first question loads it" in screen_text(chat)
        assert engine.requests == []
        write_pair(screen)
        await ask(pilot, engine)
        assert [type(each) for each in engine.requests if not isinstance(each, Render)] == [
            Load,
            Generate,
            Score,
        ]
        prompt = engine.asked(Generate)[0].prompt
        assert isinstance(prompt, Question)
        assert (prompt.premise, prompt.hypothesis) == ("A man sleeps.", "Nobody is awake.")
        assert prompt.template.name == "demo"


async def test_loading_says_what_it_waits_for_and_how_far_it_is(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        await ask(pilot, engine)
        load = engine.last(Load)
        await tell(pilot, engine, events.Waiting(load, "a GPU", "run 20261123-140255-lora"))
        assert "waiting for a GPU, held by run 20261123-140255-lora" in screen_text(chat)
        await tell(pilot, engine, events.Loading(load, "loading the weights", 30, 120, "tensors"))
        assert "loading the weights  25 %" in screen_text(chat)
        await tell(pilot, engine, loaded(load))
        text = screen_text(chat)
        assert "on cuda:0 NVIDIA H200, bf16" in text
        assert "15.0 GiB of weights" in text


async def test_an_answer_grows_and_is_read_beside_the_probabilities(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen, "entailment")
        render, generate, score = await ask(pilot, engine)
        await tell(pilot, engine, loaded(engine.last(Load)), events.Fragment(generate, "Neu"))
        await shows(pilot, "Neu")
        await tell(pilot, engine, events.Fragment(generate, "tral."))
        await shows(pilot, "Neutral.")
        await tell(pilot, engine, answered(generate), scored(score), rendered(render))
        await shows(pilot, "read as neutral  wrong, it is entailment")
        text = screen_text(chat)
        assert "first token 31 ms  41.5 tokens/s  3 tokens, ended by itself" in text
        assert "50.0 %" in text
        assert "60.0 %" in text
        assert "Calibration turns neutral into entailment." in text
        assert "another pair" not in text
        screen.form.put("Nobody sings.", "Somebody sings.", "contradiction")
        await shows(pilot, "another pair: Answer")


async def test_text_and_scores_that_disagree_are_pointed_out(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        _, generate, score = await ask(pilot, engine)
        told = answered(generate, "Entailment", "entailment")
        await tell(pilot, engine, loaded(engine.last(Load)), told, scored(score))
        await shows(pilot, "The answer says entailment; the likeliest label is neutral.")


@pytest.mark.parametrize("key", ["escape", "x"])
async def test_an_answer_is_stopped_with_a_key_and_what_there_is_stays(chat: ConsoleApp, key: str) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        _, generate, score = await ask(pilot, engine)
        await tell(pilot, engine, loaded(engine.last(Load)), events.Fragment(generate, "It goes"))
        screen.set_focus(None)
        await pilot.press(key)
        assert {generate, score} <= set(engine.stopped)
        ended = answered(generate, "It goes on", None, ended="stopped")
        await tell(pilot, engine, ended, events.Stopped(score))
        await shows(pilot, "It goes on")
        await shows(pilot, "read as no label")
        assert not screen.desk.busy


@pytest.mark.parametrize(
    ("premise", "hypothesis", "sentence"),
    [
        ("", "b", "the premise is empty; write a sentence"),
        ("a", " ", "the hypothesis is empty; write a sentence"),
    ],
)
async def test_an_empty_field_is_one_sentence(
    chat: ConsoleApp, premise: str, hypothesis: str, sentence: str
) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        screen.form.put(premise, hypothesis, "")
        await pilot.press("f5")
        await shows(pilot, sentence)
        assert engine.asked(Load) == []


async def test_a_load_that_fails_is_said_once(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        _, generate, score = await ask(pilot, engine)
        gated = "meta-llama/X is gated: accept its licence and set HF_TOKEN"
        behind = [
            events.Failed(id, "no model is loaded; load one first", "not_loaded") for id in (generate, score)
        ]
        await tell(pilot, engine, events.Failed(engine.last(Load), gated, "refused"), *behind)
        await tell(pilot, engine, events.Unloaded("failed"))
        await shows(pilot, gated)
        assert "not loaded; the first" in screen_text(chat)
        await pilot.press("escape")
        await until(pilot, lambda: gated not in screen_text(chat))


async def test_out_of_memory_offers_four_bits_and_keeps_what_was_written(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        _, generate, score = await ask(pilot, engine)
        await tell(pilot, engine, loaded(engine.last(Load)), events.Fragment(generate, "Neu"))
        message = "the chat engine was ended by SIGKILL"
        ends = [events.Failed(id, message, "out_of_memory") for id in (generate, score)]
        await tell(pilot, engine, *ends, events.Unloaded("crashed", message))
        await shows(pilot, "r: load it again in 4-bit (nf4)")
        assert "A man sleeps." in screen_text(chat)
        assert "Neu" in screen_text(chat)
        screen.set_focus(None)
        await pilot.press("r")
        await until(pilot, lambda: len(engine.asked(Load)) == 2)
        assert engine.asked(Load)[1].quantisation == "nf4"
        await tell(pilot, engine, loaded(engine.last(Load)))
        await shows(pilot, "weights in nf4")


async def test_a_load_that_was_stopped_is_begun_again_by_the_next_question(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        await ask(pilot, engine)
        first = engine.last(Load)
        await ask(pilot, engine)
        assert len(engine.asked(Load)) == 1
        assert first not in engine.stopped
        await pilot.press("escape")
        assert first in engine.stopped
        await shows(pilot, "not loaded; the first question loads it")
        await ask(pilot, engine)
        await tell(pilot, engine, events.Stopped(first), loaded(engine.last(Load)))
        await shows(pilot, "on cuda:0 NVIDIA H200, bf16")


async def test_leaving_the_pane_loses_nothing_and_the_answer_goes_on(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        ids = await ask(pilot, engine)
        await pilot.press("alt+2")
        await tell(pilot, engine, loaded(engine.last(Load)), events.Fragment(ids[1], "Neu"))
        await tell(pilot, engine, answered(ids[1]), scored(ids[2]))
        await pilot.press("alt+3")
        await shows(pilot, "read as neutral")
        assert "A man sleeps." in screen_text(chat)
        assert not engine.unloaded
    assert engine.closed


async def test_unloading_says_that_the_model_is_gone(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        await answer_all(pilot, engine, await ask(pilot, engine))
        screen.set_focus(None)
        await pilot.press("u")
        assert engine.unloaded
        await tell(pilot, engine, events.Unloaded("asked"))
        await shows(pilot, "not loaded; the first question loads it")
        await tell(pilot, engine, events.Unloaded("idle"))
        await shows(pilot, "The model was unloaded, because nobody had asked for a while.")
        assert "read as neutral" in screen_text(chat)


def premises(engine: FakeEngine) -> list[str]:
    """The premises of the prompts that were to be rendered."""
    return [asked.prompt.premise for asked in engine.asked(Render) if isinstance(asked.prompt, Question)]


async def test_the_prompt_is_rendered_while_one_types(chat: ConsoleApp) -> None:
    finding = Finding("double-bos", "warning", "two begin tokens", "why", "leave one out")
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        screen.form.box("premise").focus()
        await pilot.press(*"All", "space", *"sing")
        await until(pilot, lambda: premises(engine)[-1:] == ["All sing"])
        assert len(engine.asked(Render)) < len("All sing")
        await tell(pilot, engine, rendered(engine.last(Render), tokens=61, findings=(finding,)))
        text = screen_text(chat)
        assert "61 tokens of 8,192  1 finding" in text
        assert "two begin tokens; leave one out" in text
        assert "<|begin_of_text|>Premise: A" in text
        assert engine.asked(Load) == []


async def test_a_prompt_that_cannot_be_rendered_says_why(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        await until(pilot, lambda: engine.asked(Render))
        why = "demo-decoder has no chat template; use a raw template with this model"
        await tell(pilot, engine, events.Failed(engine.last(Render), why, "refused"))
        await shows(pilot, "has no chat template")


async def test_the_next_example_is_read_with_its_label_and_filtered(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, _ = await open_chat(pilot)
        await pilot.press("f2")
        await until(pilot, lambda: screen.form.premise)
        first = (screen.form.premise, screen.form.hypothesis)
        await pilot.press("f2")
        await until(pilot, lambda: (screen.form.premise, screen.form.hypothesis) != first)
        gold = screen.form.chooser.choice("gold")
        gold.choose("neutral")
        await pilot.press("f2")
        await until(pilot, lambda: screen.form.gold == "neutral")
        # All of the split's, of which few were read as examples.
        await until(pilot, lambda: len(screen.form.chooser.choice("genre").choices) == 1 + 5)


async def test_shots_are_fetched_before_the_question_is_put(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        screen.query_one("#shots").focus()
        await pilot.press("end", "backspace", "1", "f5")
        await until(pilot, lambda: engine.asked(Demonstrate))
        assert engine.asked(Generate) == []
        shot = Example("s1", "It rains.", "It is wet.", 0)
        await tell(pilot, engine, events.Demonstrated(engine.last(Demonstrate), (shot,)))
        await until(pilot, lambda: engine.asked(Generate))
        prompt = engine.asked(Generate)[0].prompt
        assert isinstance(prompt, Question)
        assert prompt.shots == (shot,)


async def test_what_is_typed_and_what_is_answered_does_nothing_but_stand_there(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40), notifications=True, tooltips=True) as pilot:
        screen, engine = await open_chat(pilot)
        screen.form.put(HOSTILE, HOSTILE, "")
        box = screen.query_one("#premise", TextBox)
        assert not set("\x1b\x07\u202e") & set(box.text)
        _, generate, score = await ask(pilot, engine)
        text = "[/red] [@click=app.leave]x[/] <|eot_id|>"
        await tell(pilot, engine, loaded(engine.last(Load)), answered(generate, text, None), scored(score))
        await shows(pilot, "[@click=app.leave]x[/] <|eot_id|>")
        assert chat.is_running


@pytest.mark.parametrize("size", [(80, 24), (60, 20)], ids=str)
async def test_narrow_terminals_show_one_page_after_the_other(
    chat: ConsoleApp, size: tuple[int, int]
) -> None:
    async with chat.run_test(size=size) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        await answer_all(pilot, engine, await ask(pilot, engine))
        assert "probability" in screen_text(chat)
        assert "hypothesis" not in screen_text(chat)
        await pilot.press("f7")
        await shows(pilot, "60 tokens of 8,192")
        await pilot.press("f7")
        await shows(pilot, "hypothesis")
        assert "genre" in screen_text(chat)
