"""The console's end of a chat, with a stand-in for the engine: cleaning, crashes, and never waiting."""

import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nli_console.errors import ConsoleError
from nli_console.settings import load_settings
from nli_console.supervisor import chat_events as events
from nli_console.supervisor.chat import CHAT_VARIABLE, load_request
from tests.supervisor.chatting import GENERATE, MODEL, PATIENCE, QUESTION, Talk


@pytest.fixture
def talk() -> Iterator[Talk]:
    talk = Talk()
    yield talk
    talk.chat.close()


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script in the engine's place; it finds each request in ``r`` and says with ``say``."""

    def replace(body: str) -> None:
        script = tmp_path / "engine.py"
        script.write_text(
            "import json, os, signal, sys, time\n"
            "def say(event, **fields):\n"
            "    print(json.dumps({'id': r['id'], 'event': event, **fields}), flush=True)\n"
            "for line in sys.stdin:\n"
            "    r = json.loads(line)\n" + textwrap.indent(body, "    ")
        )
        monkeypatch.setenv(CHAT_VARIABLE, f"{sys.executable} -u {script}")

    return replace


def test_a_load_is_as_the_settings_want_it(tmp_path: Path):
    file = tmp_path / "settings.toml"
    file.write_text('[chat]\nquantisation = "8-bit"\nidle_minutes = 0.5\n[queue]\ncpu_slots = 3\n')
    settings = load_settings(file)
    found = load_request("demo-decoder", settings)
    assert (found.model, found.quantisation, found.idle_seconds, found.cpu_slots) == (MODEL, "8-bit", 30, 3)
    assert load_request("demo-decoder", settings, quantisation="nf4").quantisation == "nf4"
    file.write_text("[chat]\nidle_minutes = 0\n")
    assert load_request("demo-decoder", load_settings(file)).idle_seconds is None
    with pytest.raises(ConsoleError, match="did you mean"):
        load_request("demo-decodr", settings)


def test_what_a_model_writes_is_cleaned(talk: Talk, stand_in: Callable[[str], None]):
    stand_in(
        "evil = 'a\\x1b]52;c;aGk=\\x07\\u202eb'\n"
        "say('text', text=evil)\n"
        "say('error', kind='failed', message=evil)\n"
    )
    failed = talk.ask(GENERATE)
    assert isinstance(failed, events.Failed)
    fragment = next(event for event in talk.heard if isinstance(event, events.Fragment))
    assert fragment.text == failed.message == "a\ufffd]52;c;aGk=\ufffd\ufffdb"


@pytest.mark.parametrize(
    "body",
    ["print('nonsense', flush=True)", "say('done')", "say('surprise')", "print('[1]', flush=True)"],
)
def test_an_engine_that_says_nonsense_is_ended(talk: Talk, stand_in: Callable[[str], None], body: str):
    stand_in(body + "\ntime.sleep(600)\n")
    failed = talk.ask(GENERATE)
    assert isinstance(failed, events.Failed)
    assert failed.kind == "crashed"
    assert "said what cannot be read" in failed.message
    assert talk.next(events.Unloaded).reason == "crashed"


def test_exit_codes_and_signals_are_named(talk: Talk, stand_in: Callable[[str], None]):
    for body, words in (
        ("os._exit(3)", "ended with exit code 3"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
    ):
        stand_in(body)
        failed = talk.ask(GENERATE)
        assert isinstance(failed, events.Failed)
        assert (failed.kind, words in failed.message) == ("crashed", True)
        assert talk.next(events.Unloaded).reason == "crashed"


def test_a_command_that_does_not_exist_is_a_sentence(talk: Talk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(CHAT_VARIABLE, "/nonexistent/engine")
    failed = talk.ask(GENERATE)
    assert isinstance(failed, events.Failed)
    assert "the chat engine cannot be started" in failed.message


def test_nothing_waits_for_an_engine_that_hangs(talk: Talk, stand_in: Callable[[str], None]):
    stand_in("say('text', text='a')\nsignal.pause()\n")
    began = time.monotonic()
    first = talk.chat.ask(GENERATE)
    talk.next(events.Fragment)
    # More than a pipe holds, which nobody reads any more.
    long = QUESTION.model_copy(update={"premise": "word " * 100_000})
    others = [talk.chat.ask(GENERATE.model_copy(update={"prompt": long})) for _ in range(3)]
    talk.chat.stop(first)
    talk.chat.unload()
    for id in (first, *others):
        assert isinstance(talk.over(id), events.Stopped)
    assert talk.next(events.Unloaded).reason == "asked"
    assert time.monotonic() - began < PATIENCE / 2


def test_a_closed_chat_tells_nothing_and_starts_nothing(talk: Talk, stand_in: Callable[[str], None]):
    stand_in("say('text', text='a')\n")
    talk.chat.ask(GENERATE)
    talk.next(events.Fragment)
    process = talk.process
    talk.chat.close()
    assert process.wait(PATIENCE) == -signal.SIGKILL
    talk.chat.ask(GENERATE)
    assert talk.chat._process is None
    assert talk.queue.empty()
