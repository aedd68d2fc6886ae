import pytest
from textual.widgets import Input

from nli_console.tui.app import ConsoleApp
from nli_console.tui.keys import GROUPS, key_name, search
from nli_console.tui.modes import MODES
from nli_console.tui.widgets.key_bar import KeyBar


def _actions(owner: type) -> set[str]:
    return {name.removeprefix("action_") for name in dir(owner) if name.startswith("action_")}


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode.name)
def test_every_bound_key_of_a_screen_has_an_action(mode):
    screen = type(mode.factory()())
    for key in GROUPS[screen.key_group].keys:
        if key.bound:
            action = key.action.partition("(")[0]
            assert action.removeprefix("app.") in _actions(screen) | _actions(ConsoleApp), key


def test_every_key_of_everywhere_is_an_action_of_the_app():
    for key in GROUPS["everywhere"].keys:
        if key.bound:
            assert key.action.removeprefix("app.").partition("(")[0] in _actions(ConsoleApp), key


@pytest.mark.parametrize("group", GROUPS)
def test_no_key_is_bound_twice_in_one_place(group):
    taken = [
        name
        for place in {group, "everywhere"}
        for key in GROUPS[place].keys
        if key.bound
        for name in key.keys.split(",")
    ]
    assert len(taken) == len(set(taken))


def test_key_names_are_what_people_call_them():
    assert key_name("question_mark,f1") == "? f1"
    assert key_name("ctrl+r") == "ctrl+r"
    assert key_name("escape") == "esc"


def test_search_finds_a_key_by_any_words_of_its_sentence():
    found = search(["launch", "everywhere"], "preset back")
    assert [key.action for _, keys in found for key in keys] == ["reset", "reset_all"]


def test_search_finds_a_sentence_by_its_key():
    assert [key.action for _, keys in search(["launch"], "f5") for key in keys] == ["launch"]


async def test_the_key_bar_names_keys_that_work_while_typing(console):
    app = console()
    async with app.run_test(size=(120, 40)) as pilot:
        bar = app.screen.query_one(KeyBar)
        field = app.screen.query(Input).filter("FieldRow Input").first()
        field.focus()
        await pilot.pause()
        assert "f1 help" in str(bar.render())
        assert "ctrl+q quit" in str(bar.render())
        assert "? help" not in str(bar.render())
        await pilot.press("escape")
        await pilot.pause()
        assert "? help" in str(bar.render())
