"""Editing, saving and comparing prompts, settings, and scoring, in the Chat screen."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from textual.widgets import Input

from nli_console.data.chat import Check, Dialogue, Generate, Load, Question, Render, Score
from nli_console.data.prompts import Turn, catalogue
from nli_console.data.spec import Example
from nli_console.record.compose import Draft
from nli_console.record.trained_adapters import TrainedAdapter
from nli_console.record.transcripts import Said
from nli_console.settings import state_folder, user_folder
from nli_console.supervisor import chat_events as events
from nli_console.tui import chat_link, launching
from nli_console.tui.app import ConsoleApp
from nli_console.tui.chat_work import AdaptersFound
from nli_console.tui.messages import Launched
from nli_console.tui.screens.prompt import Prompt
from nli_console.tui.widgets.text_input import TextInput
from tests.data.corpora import one_file, original_row, write_jsonl
from tests.support.fake_engine import CALIBRATED, RAW, FakeEngine, answered, loaded, scored
from tests.support.fake_runs import make_run
from tests.tui.chatting import answer_all, ask, open_chat, screen_text, shows, tell, until, write_pair


@pytest.fixture
def chat(console: Callable[..., ConsoleApp], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ConsoleApp:
    monkeypatch.setattr(chat_link, "Chat", FakeEngine)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return console(defaults={"model": "demo-encoder", "data": "demo"})


async def test_an_edited_template_is_what_is_asked_and_saved(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40), notifications=True) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        await pilot.press("f3")
        await shows(pilot, "words that stand for the labels")
        screen.editor.query_one("#user").focus()
        await pilot.press("pagedown", "end", *"Now!")
        await until(
            pilot, lambda: engine.asked(Render) and "Now!" in _template(engine.asked(Render)[-1]).user
        )
        await shows(pilot, "not saved; ctrl+s saves")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(chat.screen, Prompt))
        chat.screen.query_one(Input).value = "mine"
        await pilot.press("enter")
        await until(pilot, lambda: screen.form.choice("template").value == "mine")
        assert "Now!" in catalogue.load("mine", user_folder()).user
        await until(pilot, lambda: not screen.editor.is_edited)
        await ask(pilot, engine)
        assert _template(engine.asked(Generate)[-1]).name == "mine"


async def test_edits_that_make_no_template_say_why_and_are_kept(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        await pilot.press("f3")
        word = screen.editor.query_one("#word-neutral", TextInput)
        word.value = "entailment"
        await shows(pilot, "different ones")
        await pilot.press("f5")
        assert engine.asked(Generate) == []
        screen.form.choice("template").choose("recommended")
        screen.form.choice("template").choose("demo")
        await until(pilot, lambda: word.value == "entailment")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: word.value == "neutral")


async def test_demonstrations_stand_below_the_template(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        await pilot.press("f3")
        screen.desk.demonstrate(None, 0, 1)
        screen.desk.shots = (Example("s1", "It [/b] rains.", "It is wet.", 0),)
        screen._draw({"shots"})
        await shows(pilot, "It [/b] rains. / It is wet.")
        assert engine.asked(Generate) == []


async def test_settings_are_checked_and_used_and_explained(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        await pilot.press("f9")
        field = screen.query_one("#temperature", TextInput)
        field.value = "11"
        await shows(pilot, "must be at most 10")
        field.value = "0.7"
        await shows(pilot, "0 takes the likeliest token; above")
        field.focus()
        await pilot.press("question_mark")
        await shows(pilot, "draw from the likeliest tokens that make up this share")
        await pilot.press("escape")
        screen.query_one("#weights").choose("nf4")  # type: ignore[attr-defined]
        await until(pilot, lambda: screen._named.load and screen._named.load.quantisation == "nf4")
        await ask(pilot, engine)
        assert engine.asked(Generate)[-1].sampling.temperature == 0.7
        assert engine.asked(Load)[-1].quantisation == "nf4"


async def test_a_model_that_is_not_there_is_one_sentence(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, _ = await open_chat(pilot)
        await pilot.press("f9")
        field = screen.query_one("#model-name", TextInput)
        field.value = "./nowhere"
        field.focus()
        await pilot.press("enter")
        await shows(pilot, 'model "./nowhere"')


async def test_a_conversation_goes_on_is_kept_opened_and_exported(chat: ConsoleApp, tmp_path: Path) -> None:
    async with chat.run_test(size=(120, 40), notifications=True) as pilot:
        screen, engine = await open_chat(pilot)
        await pilot.press("f6", *"Hello", "enter")
        await until(pilot, lambda: engine.asked(Generate))
        generate = engine.last(Generate)
        await tell(pilot, engine, loaded(engine.last(Load)), events.Fragment(generate, "Good"))
        await shows(pilot, "Good")
        await tell(pilot, engine, answered(generate, "Good [/x] day.", None))
        for id in range(1, len(engine.requests) + 1):
            engine.tell(events.Stopped(id))
        await shows(pilot, "Good [/x] day.")
        await until(pilot, lambda: not screen.desk.busy and len(screen.record.said) == 2)
        await pilot.press(*"And", "enter")
        await until(pilot, lambda: len(engine.asked(Generate)) == 2)
        prompt = engine.asked(Generate)[-1].prompt
        assert isinstance(prompt, Dialogue)
        assert prompt.turns == (
            Turn("user", "Hello"),
            Turn("assistant", "Good [/x] day."),
            Turn("user", "And"),
        )
        id = screen.record.id
        (file,) = (state_folder() / "transcripts").glob("*.jsonl")
        await until(pilot, lambda: len(file.read_text().splitlines()) == 4)
        screen.set_focus(None)
        await pilot.press("k")
        await until(pilot, lambda: not screen.record.said)
        await pilot.press("o")
        await shows(pilot, "3 turns with demo-decoder")
        await pilot.press("enter")
        await until(pilot, lambda: screen.record.id == id and "Good [/x] day." in screen_text(chat))
        screen.set_focus(None)
        await pilot.press("w")
        await until(pilot, lambda: isinstance(chat.screen, Prompt))
        chat.screen.query_one(Input).value = str(tmp_path / "talk.md")
        await pilot.press("enter")
        await until(pilot, lambda: (tmp_path / "talk.md").is_file())
        assert "Good [/x] day." in (tmp_path / "talk.md").read_text()
        await pilot.press("y")
        await until(pilot, lambda: "Good [/x] day." in chat.clipboard)
        await shows(pilot, "Sent to the terminal's clipboard")


async def test_a_question_about_a_pair_is_in_the_transcript_and_not_in_the_talk(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen, "neutral")
        await answer_all(pilot, engine, await ask(pilot, engine))
        await until(pilot, lambda: len(screen.record.said) == 2)
        (file,) = (state_folder() / "transcripts").glob("*.jsonl")
        await until(pilot, lambda: len(file.read_text().splitlines()) == 3)
        pair, answer = (json.loads(line) for line in file.read_text().splitlines()[1:])
        assert pair["details"]["premise"] == "A man sleeps."
        assert answer["details"]["calibrated"] == CALIBRATED
        assert screen.record.turns == ()
        await pilot.press("f6")
        await shows(pilot, "read as neutral")


async def test_the_talk_opens_at_what_was_said_last(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(80, 24)) as pilot:
        screen, _ = await open_chat(pilot)
        screen.record.said += [Said("user", f"sentence {number}") for number in range(9)]
        await pilot.press("f6")
        await shows(pilot, "sentence 8")
        assert "sentence 0" not in screen_text(chat)


async def test_two_templates_answer_side_by_side(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        screen.form.choice("versus").choose("template recommended")
        await ask(pilot, engine)
        await until(pilot, lambda: len(engine.asked(Score)) == 2)
        assert [_template(each).name for each in engine.asked(Generate)] == ["demo", "recommended"]
        ids = [id for id, each in enumerate(engine.requests, 1) if isinstance(each, Generate)]
        told = [answered(ids[0]), answered(ids[1], "Contradiction", "contradiction")]
        await tell(pilot, engine, loaded(engine.last(Load)), *told)
        await shows(pilot, "read as contradiction")
        text = screen_text(chat)
        assert "read as neutral" in text
        assert "base model  recommended" in text


async def test_an_adapter_answers_with_its_own_words_beside_the_base_model(
    chat: ConsoleApp, tmp_path: Path
) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        load = screen._named.load
        assert load is not None
        words = catalogue.load("recommended").model_copy(
            update={"name": "old", "user": "{premise}? {hypothesis}"}
        )
        adapter = TrainedAdapter("r1", "tuned", tmp_path, load.model, load.model_name, words)
        screen.post_message(AdaptersFound(load.model, (adapter,)))
        await until(pilot, lambda: "adapter tuned" in screen.form.choice("answers").choices)
        screen.form.choice("answers").choose("adapter tuned")
        await until(pilot, lambda: screen.form.choice("template").value == "old, as trained")
        screen.form.choice("versus").choose("base model")
        await ask(pilot, engine)
        asked = engine.asked(Generate)
        assert [each.adapter for each in asked] == [str(tmp_path), ""]
        assert {_template(each).user for each in asked} == {"{premise}? {hypothesis}"}


async def test_a_quick_check_counts_up_and_its_errors_come_one_key_each(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        await pilot.press("f2")
        await until(pilot, lambda: screen.form.premise)
        screen.set_focus(None)
        await pilot.press("c")
        await until(pilot, lambda: engine.asked(Check))
        check, share = engine.last(Check), events.Share(12, 20, 0.6, 0.387, 0.781)
        await tell(pilot, engine, loaded(engine.last(Load)), events.Checked(check, 20, 50, share, share))
        await shows(pilot, "20 of 50  raw 60.0 (38.7–78.1) %")
        wrong = events.CheckedRow(Example("w", "The wrong one.", "Is here.", 0), RAW, CALIBRATED)
        right = events.CheckedRow(Example("r", "The right one.", "Is here.", 1), RAW, CALIBRATED)
        await tell(pilot, engine, events.Checked(check, 50, 50, share, share, True, (right, wrong)))
        await shows(pilot, "e: 1 wrong")
        await pilot.press("e")
        await until(pilot, lambda: screen.form.premise == "The wrong one.")
        assert screen.form.gold == "entailment"


async def test_the_errors_of_a_finished_run_come_one_key_each(
    console: Callable[..., ConsoleApp], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(chat_link, "Chat", FakeEngine)
    rows = [original_row(number) for number in range(5)]
    data = one_file(write_jsonl(tmp_path / "pairs.jsonl", rows), splits={"validation_matched": "pairs.jsonl"})
    run = make_run(
        tmp_path / "runs", "finished", steps=1, method="icl", name="asked", data=data, hyperparameters={}
    )
    run.predictions.mkdir()
    # The third and the last row are wrong.
    predicted = ["entailment", "neutral", "neutral", "entailment", "contradiction"]
    table = pyarrow.table({"id": [row["pairID"] for row in rows], "predicted": predicted})
    pyarrow.parquet.write_table(table, run.predictions / "validation_matched.parquet")
    app = console(defaults={"model": "demo-encoder", "data": "demo"})
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        screen, _ = await open_chat(pilot)
        await until(pilot, lambda: screen.shell.runs)
        await pilot.press("e")
        await shows(pilot, "Errors of which run?")
        await pilot.press("enter")
        await until(pilot, lambda: screen.form.hypothesis == "hypothesis 2")
        assert screen.form.gold == "contradiction"
        await shows(pilot, "error 1 of 2")
        await pilot.press("e")
        await until(pilot, lambda: screen.form.hypothesis == "hypothesis 4")
        await pilot.press("e")
        await shows(pilot, "That was the last of its 2 errors.")


async def test_so_many_rows_of_the_split_are_scored_in_a_run(
    chat: ConsoleApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts: list[Draft] = []

    def launch(draft: Draft, *_: object) -> Launched:
        drafts.append(draft)
        return Launched("20261126-050000-icl-demo-3f2a")

    monkeypatch.setattr(launching, "launch", launch)
    async with chat.run_test(size=(120, 40), notifications=True) as pilot:
        screen, _ = await open_chat(pilot)
        await pilot.press("p")
        await shows(pilot, "Rows of validation_matched, demo, chosen by seed 1, or all.")
        chat.screen.query_one(Input).value = "0"
        await shows(pilot, "Expected a number of rows above 0, or all.")
        chat.screen.query_one(Input).value = "120"
        await pilot.press("enter")
        await shows(pilot, "is in the queue")
        screen.form.chooser.choice("split").choose("validation_mismatched")
        await pilot.press("p")
        await until(pilot, lambda: isinstance(chat.screen, Prompt))
        chat.screen.query_one(Input).value = "all"
        await pilot.press("enter")
        await until(pilot, lambda: len(drafts) == 2)
        asked = [(draft.evaluate_on, draft.evaluation_rows, draft.seed) for draft in drafts]
        assert asked == [(("validation_matched",), 120, 1), (("validation_mismatched",), 0, 1)]
        screen.form.chooser.choice("split").choose("train")
        await pilot.press("p")
        await shows(pilot, "a run takes its demonstrations from train; choose another split to score")


async def test_a_question_is_kept_before_it_is_answered_and_a_cut_answer_after_it(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        _, generate, _ = await ask(pilot, engine)
        (file,) = (state_folder() / "transcripts").glob("*.jsonl")
        await until(pilot, lambda: len(file.read_text().splitlines()) == 2)
        assert "Nobody is awake." in file.read_text()
        await tell(pilot, engine, loaded(engine.last(Load)), events.Fragment(generate, "It goes"))
        await shows(pilot, "It goes")
        await ask(pilot, engine)
        await until(pilot, lambda: len(file.read_text().splitlines()) == 4)
        turns = [json.loads(line) for line in file.read_text().splitlines()[1:]]
        assert [turn["role"] for turn in turns] == ["pair", "assistant", "pair"]
        assert (turns[1]["text"], turns[1]["details"]["stopped"]) == ("It goes", True)


async def test_an_edited_template_is_saved_before_a_run_scores_it(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, _ = await open_chat(pilot)
        screen.editor.query_one("#word-neutral", TextInput).value = "unclear"
        await until(pilot, lambda: screen.editor.is_edited)
        screen.set_focus(None)
        await pilot.press("p")
        await shows(pilot, "the template is not saved; f3 and ctrl+s save it")


async def test_the_scores_of_the_one_asked_before_do_not_stand_beside_a_new_answer(chat: ConsoleApp) -> None:
    async with chat.run_test(size=(120, 40)) as pilot:
        screen, engine = await open_chat(pilot)
        write_pair(screen)
        first = await ask(pilot, engine)
        await answer_all(pilot, engine, first)
        await ask(pilot, engine)
        await until(pilot, lambda: "50.0 %" not in screen_text(chat))
        await tell(pilot, engine, scored(first[2]))
        assert "50.0 %" not in screen_text(chat)


def _template(request: object):
    prompt = request.prompt  # type: ignore[attr-defined]
    assert isinstance(prompt, Question)
    return prompt.template
