"""The chat engine in real processes, on the demo decoder, and every way in which it can end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nli_console.data.chat import Render, Score
from nli_console.record.processes import own_identity
from nli_console.supervisor import chat_events as events
from nli_console.supervisor.environment import python_command
from nli_console.supervisor.lease import FOLDER_VARIABLE, Holder, Slots
from tests.supervisor.chatting import ENDLESS, GENERATE, LOAD, MODEL, PATIENCE, QUESTION, Talk, gone


@pytest.fixture(scope="module")
def slots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slots]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(tmp_path_factory.mktemp("chat") / "leases"))
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        yield Slots()


@pytest.fixture(scope="module")
def one_talk(slots: Slots) -> Iterator[Talk]:
    talk = Talk()
    yield talk
    talk.chat.close()


@pytest.fixture
def talk(one_talk: Talk) -> Talk:
    """The talk of all tests, with the model that the one before has left, if it has left one."""
    one_talk.forget()
    return one_talk


@pytest.fixture
def loaded(talk: Talk) -> Talk:
    """The talk with a model: loading one takes seconds, so nobody loads what is there."""
    if talk.chat.model is None:
        assert isinstance(talk.ask(LOAD), events.Loaded)
    return talk


@pytest.mark.slow
def test_while_a_run_has_the_device_a_load_says_whose_it_is_and_waits(talk: Talk, slots: Slots):
    lease = slots.take("cpu-0", Holder("20261123-140255-lora-demo-3f2a", "/runs/x", own_identity()))
    assert lease is not None
    id = talk.chat.ask(LOAD)
    waiting = talk.next(events.Waiting)
    assert waiting.what == "a CPU slot"
    assert waiting.holder.startswith("20261123-140255-lora-demo-3f2a (pid ")
    assert [ticket.run_id for ticket in slots.waiting()] == ["chat"]
    talk.chat.stop(id)
    assert isinstance(talk.over(id), events.Stopped)
    assert slots.waiting() == []
    again = talk.chat.ask(LOAD)
    talk.next(events.Waiting)
    lease.release()
    assert isinstance(talk.over(again), events.Loaded)


@pytest.mark.slow
def test_a_stop_ends_an_answer_and_not_the_model(loaded: Talk):
    talk = loaded
    id = talk.chat.ask(ENDLESS)
    talk.next(events.Fragment)
    talk.chat.stop(id)
    answered = talk.over(id)
    assert isinstance(answered, events.Answered)
    assert answered.ended == "stopped"
    assert 0 < answered.tokens < 2000
    waiting = [talk.chat.ask(request) for request in (ENDLESS, GENERATE)]
    talk.chat.stop(waiting[1])
    talk.chat.stop(waiting[0])
    assert isinstance(talk.over(waiting[1]), events.Stopped)
    assert isinstance(talk.ask(GENERATE), events.Answered)


@pytest.mark.slow
def test_an_engine_that_is_killed_says_what_happened_and_the_next_one_starts_empty(
    loaded: Talk, slots: Slots
):
    talk = loaded
    ids = [talk.chat.ask(ENDLESS), talk.chat.ask(GENERATE)]
    talk.next(events.Fragment)
    talk.process.kill()
    for id in ids:
        failed = talk.over(id)
        assert isinstance(failed, events.Failed)
        assert failed.kind == "out_of_memory"
        assert "was ended by SIGKILL" in failed.message
        assert "4-bit (nf4)" in failed.message
    assert talk.next(events.Unloaded).reason == "crashed"
    assert slots.holder("cpu-0") is None
    failed = talk.ask(GENERATE)
    assert isinstance(failed, events.Failed)
    assert failed.kind == "not_loaded"
    assert isinstance(talk.ask(LOAD), events.Loaded)


@pytest.mark.slow
def test_two_models_never_stand_beside_one_another(loaded: Talk, slots: Slots):
    talk = loaded
    first = talk.process.pid
    again = talk.ask(LOAD.model_copy(update={"model_name": "second"}))
    assert isinstance(again, events.Loaded)
    assert gone(first)
    assert talk.chat.model is not None
    assert talk.chat.model.model_name == "second"
    assert not any(isinstance(event, events.Unloaded) for event in talk.heard)


@pytest.mark.slow
def test_a_model_is_loaded_asked_and_gone_again(talk: Talk, slots: Slots):
    load, answer, score = (talk.chat.ask(request) for request in (LOAD, GENERATE, Score(prompt=QUESTION)))
    rendered = talk.ask(Render(model=MODEL, model_name="demo-decoder", prompt=QUESTION))
    assert isinstance(rendered, events.Rendered)
    assert rendered.text.startswith("<|begin_of_text|><|start_header_id|>user<|end_header_id|>")
    assert rendered.pieces[0].special
    assert rendered.positions == 2048
    loaded = next((event for event in talk.heard if isinstance(event, events.Loaded)), None) or talk.over(
        load
    )
    assert isinstance(loaded, events.Loaded)
    assert (loaded.device, loaded.precision, loaded.slot) == ("cpu", "fp32", "cpu-0")
    assert 4 * loaded.parameters <= loaded.weights_bytes < 4.1 * loaded.parameters
    assert talk.chat.model == LOAD
    holder = slots.holder("cpu-0")
    assert holder is not None
    assert (holder.run_id, holder.process.pid) == ("chat", talk.process.pid)
    answered, scored = talk.over(answer), talk.over(score)
    assert isinstance(answered, events.Answered)
    assert isinstance(scored, events.Scored)
    fragments = [event.text for event in talk.heard if isinstance(event, events.Fragment)]
    assert "".join(fragments) == answered.text
    assert answered.prompt_tokens == rendered.tokens
    assert sum(scored.raw.values()) == pytest.approx(1)
    pid = talk.process.pid
    talk.chat.unload()
    assert talk.next(events.Unloaded).reason == "asked"
    assert gone(pid)
    assert talk.chat.model is None
    assert slots.holder("cpu-0") is None
    failed = talk.ask(GENERATE)
    assert isinstance(failed, events.Failed)
    assert (failed.kind, failed.message) == ("not_loaded", "no model is loaded; load one first")


@pytest.mark.slow
def test_nobody_asks_for_a_while(talk: Talk, slots: Slots):
    talk.ask(LOAD.model_copy(update={"idle_seconds": 0.3}))
    pid = talk.process.pid
    assert talk.next(events.Unloaded).reason == "idle"
    assert gone(pid)
    assert slots.holder("cpu-0") is None


@pytest.mark.slow
def test_a_load_that_fails_says_why_and_holds_nothing(talk: Talk, slots: Slots, tmp_path: Path):
    for file in Path(MODEL).iterdir():
        (tmp_path / file.name).write_bytes(b"no" if file.suffix == ".safetensors" else file.read_bytes())
    failed = talk.ask(LOAD.model_copy(update={"model": str(tmp_path)}))
    assert isinstance(failed, events.Failed)
    assert failed.kind == "refused"
    assert "its weights cannot be loaded" in failed.message
    assert talk.next(events.Unloaded).reason == "failed"
    assert slots.holder("cpu-0") is None


class Raw:
    """The engine itself, spoken to over its pipes."""

    def __init__(self) -> None:
        argv, environment = python_command("nli_console.worker", "chat")
        self.process = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        return json.loads(self.process.stdout.readline())

    def last(self, id: int) -> dict[str, Any]:
        while True:
            record = self.read()
            if record["id"] == id and record["event"] in ("done", "error", "stopped"):
                return record


@pytest.mark.slow
def test_lines_that_are_no_requests_are_answered_and_harm_nothing(slots: Slots):
    raw = Raw()
    try:
        for line, id, message in (
            (b"{bad", None, "the request cannot be read"),
            (b"[1]", None, "a whole number as its id"),
            (b'{"id": "1", "op": "stop", "target": 1}', None, "a whole number as its id"),
            (b'{"id": 1, "op": "dance"}', 1, "'dance'"),
            (b'{"id": 2, "op": "generate", "prompt": 5}', 2, "prompt"),
            (b"\xff\xfe", None, "the request cannot be read"),
        ):
            raw.send(line)
            record = raw.read()
            assert (record["id"], record["event"], record["kind"]) == (id, "error", "refused")
            assert message in record["message"]
        raw.send(json.dumps({"id": 3, **GENERATE.model_dump(mode="json")}).encode())
        assert raw.last(3)["kind"] == "not_loaded"
        raw.send(b'{"id": 4, "op": "stop", "target": 99}')
        assert raw.last(4)["event"] == "done"
        raw.send(b'{"id": 5, "op": "unload"}')
        assert raw.last(5)["event"] == "done"
        assert raw.process.wait(PATIENCE) == 0
    finally:
        raw.process.kill()


@pytest.mark.slow
def test_the_engine_leaves_in_the_middle_of_an_answer_when_its_input_closes(slots: Slots):
    raw = Raw()
    try:
        for id, request in ((1, LOAD), (2, ENDLESS)):
            raw.send(json.dumps({"id": id, **request.model_dump(mode="json")}).encode())
        while raw.read()["event"] != "text":
            continue
        assert raw.process.stdin is not None
        raw.process.stdin.close()
        assert raw.process.wait(PATIENCE) == 0
        assert slots.holder("cpu-0") is None
    finally:
        raw.process.kill()


CONSOLE = """
import sys, time
from nli_console.data.chat import Load
from nli_console.supervisor.chat import Chat
from nli_console.supervisor.chat_events import Loaded

def tell(event):
    if isinstance(event, Loaded):
        print(chat._process._popen.pid, flush=True)

chat = Chat(tell)
chat.ask(Load(model=sys.argv[1], model_name="demo-decoder"))
time.sleep(600)
"""


@pytest.mark.slow
@pytest.mark.parametrize("stopped", [False, True], ids=["working", "hanging"])
def test_a_console_that_is_killed_leaves_no_engine(slots: Slots, stopped: bool):
    console = subprocess.Popen(
        [sys.executable, "-c", CONSOLE, MODEL], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert console.stdout is not None
        pid = int(console.stdout.readline())
        assert slots.holder("cpu-0") is not None
        if stopped:
            # As one that hangs in a library: it reads nothing any more.
            os.kill(pid, signal.SIGSTOP)
        console.kill()
        console.wait(PATIENCE)
        assert gone(pid)
        assert slots.holder("cpu-0") is None
    finally:
        console.kill()
