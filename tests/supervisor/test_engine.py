"""The engine as the console uses it: real processes, the real demo."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest

from nli_console.data.prompts import catalogue
from nli_console.data.resolve import resolve_dataset, resolve_model
from nli_console.settings import LoadedSettings, load_settings
from nli_console.supervisor.engine import ENGINE_VARIABLE, Engine, EngineAnswer, EngineQuestion
from nli_console.supervisor.environment import python_command

PATIENCE = 120.0
StandIn = Callable[..., Path]

STAND_IN = """
import json, os, signal, sys
log = open({log!r}, "a")
for line in sys.stdin:
    question = json.loads(line)
    log.write(question["model"] + "\\n"); log.flush()
    {body}
    id, model = question["id"], question["model"]
    print(json.dumps({{"id": id, "data": None, "notes": [model], "done": False}}), flush=True)
    print(json.dumps({{"id": id, "done": True}}), flush=True)
"""
DIE = "os.kill(os.getpid(), signal.SIGKILL)"
DIE_ONCE = "if sum(1 for _ in open({log!r})) == 1: os.kill(os.getpid(), signal.SIGKILL)"


@pytest.fixture
def settings(tmp_path: Path) -> LoadedSettings:
    path = tmp_path / "settings.toml"
    path.write_text('runs_dir = "runs"\ncache_dir = "cache"\n')
    return load_settings(path)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Puts a script in the engine's place; gives the file in which it notes its questions."""

    def replace(body: str = "pass") -> Path:
        log, script = tmp_path / "asked", tmp_path / "engine.py"
        script.write_text(STAND_IN.format(log=str(log), body=body.format(log=str(log))))
        monkeypatch.setenv(ENGINE_VARIABLE, f"{sys.executable} -u {script}")
        return log

    return replace


def test_rows_lengths_and_repeats_of_the_demo_are_exact_and_quick_once_warm(settings: LoadedSettings):
    engine = Engine(settings.cache_dir)
    model = resolve_model("demo-encoder", settings)
    try:
        whole = engine.wait_for(EngineQuestion(model, resolve_dataset("demo", settings)), PATIENCE)
        began = time.monotonic()
        half = engine.wait_for(EngineQuestion(model, resolve_dataset("demo", settings, 0.5), 7), PATIENCE)
        took = time.monotonic() - began
    finally:
        engine.close()
    assert whole.problem is None
    assert whole.data is not None
    assert half.data is not None
    assert whole.data.train_rows == 4320
    assert sum((whole.data.labels or {}).values()) == 4320
    assert half.data.train_rows == 2160
    assert sum((half.data.labels or {}).values()) == 2160
    assert len(whole.data.lengths or ()) == 2000
    assert (whole.data.longest or 0) >= max(whole.data.lengths or ())
    # A loaded machine may be several times slower than the 0.3 s that a person should wait at most.
    assert took < 2.0


def test_rows_and_lengths_are_those_that_the_worker_trains_on(settings: LoadedSettings):
    from nli_console.data.sample import prepare
    from nli_console.worker.models import load_tokenizer

    model = resolve_model("demo-decoder", settings)
    data = resolve_dataset("demo", settings, 0.1)
    engine = Engine(settings.cache_dir)
    try:
        answer = engine.wait_for(EngineQuestion(model, data, 3), PATIENCE).data
    finally:
        engine.close()
    assert answer is not None
    prepared = prepare(data, 3)
    tokenizer = load_tokenizer(Path(model), "demo-decoder")
    longest = max(len(tokenizer(row.premise, row.hypothesis)["input_ids"]) for row in prepared.train.examples)
    assert answer.train_rows == len(prepared.train.examples)
    assert answer.selection_rows == len(prepared.selection.examples)
    assert answer.longest is not None
    assert answer.longest >= longest


def test_demonstrations_make_every_prompt_longer_by_the_same(settings: LoadedSettings):
    from nli_console.data.prompts import PromptRenderer, choose
    from nli_console.data.sample import prepare
    from nli_console.worker.models import load_tokenizer

    model, template = resolve_model("demo-decoder", settings), catalogue.load("demo")
    data = resolve_dataset("demo", settings)
    engine = Engine(settings.cache_dir)

    def ask(shots: int) -> EngineAnswer:
        question = EngineQuestion(model, data, 3, "causal", template, shots=shots)
        return engine.wait_for(question, PATIENCE)

    try:
        alone, after = ask(0), ask(4)
    finally:
        engine.close()
    assert alone.prompts is not None
    assert after.prompts is not None
    assert (alone.prompts.demonstrations, after.prompts.demonstrations) == (0, 4)
    assert after.data is not None
    assert alone.data is not None
    added = {
        more - less for more, less in zip(after.data.lengths or (), alone.data.lengths or (), strict=True)
    }
    assert len(added) == 1
    tokenizer = load_tokenizer(Path(model), "demo-decoder")
    renderer = PromptRenderer(template, tokenizer, "demo-decoder")
    rows = prepare(data, 3).train.examples
    less, more = (len(renderer.render(rows[:1], shots).input_ids[0]) for shots in ([], choose(rows, 4, 3)))
    # Other demonstrations than those of the run, drawn by the same rules out of 2,000 of the 4,320 rows.
    assert added.pop() == pytest.approx(more - less, rel=0.25)


def test_a_changed_file_is_read_again(settings: LoadedSettings, tmp_path: Path):
    rows = [f"a man number {i} walks\tsomebody walks\tentailment\n" for i in range(40)]
    file = tmp_path / "pairs.tsv"
    file.write_text("premise\thypothesis\tlabel\n" + "".join(rows))
    engine = Engine(settings.cache_dir)
    question = EngineQuestion("nobody/nothing", resolve_dataset(str(file), settings))
    try:
        before = engine.wait_for(question, PATIENCE)
        file.write_text("premise\thypothesis\tlabel\n" + "".join(rows) * 2)
        after = engine.wait_for(question, PATIENCE)
    finally:
        engine.close()
    assert before.data is not None
    assert after.data is not None
    assert after.data.train_rows == 2 * (before.data.train_rows or 0)
    assert before.data.lengths is None


def test_data_that_cannot_be_read_is_a_note(settings: LoadedSettings, tmp_path: Path):
    file = tmp_path / "pairs.tsv"
    file.write_text("premise\thypothesis\tlabel\na\tb\tperhaps\n")
    engine = Engine(settings.cache_dir)
    try:
        answer = engine.wait_for(
            EngineQuestion("nobody/nothing", resolve_dataset(str(file), settings)), PATIENCE
        )
    finally:
        engine.close()
    assert answer.data is None
    assert any("perhaps" in note for note in answer.notes)


def test_no_process_is_started_before_the_first_question(tmp_path: Path, stand_in: StandIn):
    log = stand_in()
    engine = Engine(tmp_path)
    engine.close()
    assert not log.exists()


def test_of_questions_asked_in_a_row_the_last_is_answered(tmp_path: Path, stand_in: StandIn):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    log = stand_in(f"question['model'] == 'first' and open({str(gate)!r}).read()")
    engine = Engine(tmp_path)
    told: list[str] = []
    over = Event()

    def tell(answer: EngineAnswer) -> None:
        told.extend(answer.notes)
        if answer.done and answer.question.model == "third":
            over.set()

    try:
        engine.ask(EngineQuestion("first", None), tell)
        with gate.open("w"):
            # Opening the gate waits until the first question is being worked on.
            engine.ask(EngineQuestion("second", None), tell)
            engine.ask(EngineQuestion("third", None), tell)
        assert over.wait(PATIENCE)
    finally:
        engine.close()
    assert set(told) == {"third"}
    assert log.read_text().split() == ["first", "third"]


def test_a_process_that_dies_is_started_once_more(tmp_path: Path, stand_in: StandIn):
    log = stand_in(DIE_ONCE)
    engine = Engine(tmp_path)
    try:
        answer = engine.wait_for(EngineQuestion("m", None), PATIENCE)
    finally:
        engine.close()
    assert (answer.problem, answer.notes) == (None, ("m",))
    assert log.read_text().split() == ["m", "m"]


def test_a_question_that_kills_it_twice_is_given_up_with_the_reason(
    tmp_path: Path, stand_in: Callable[..., Path]
):
    log = stand_in(DIE)
    engine = Engine(tmp_path)
    try:
        first = engine.wait_for(EngineQuestion("m", None), PATIENCE)
        again = engine.wait_for(EngineQuestion("m", None), PATIENCE)
    finally:
        engine.close()
    assert "SIGKILL" in (first.problem or "")
    assert again.problem is not None
    assert log.read_text().split() == ["m", "m"]


def test_a_command_that_does_not_exist_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(ENGINE_VARIABLE, "/nonexistent/engine")
    engine = Engine(tmp_path)
    try:
        answer = engine.wait_for(EngineQuestion("m", None), PATIENCE)
    finally:
        engine.close()
    assert "cannot answer" in (answer.problem or "")


def test_asking_and_closing_never_wait_for_an_engine_that_hangs(
    tmp_path: Path, stand_in: Callable[..., Path]
):
    stand_in("signal.pause()")
    engine = Engine(tmp_path)
    began = time.monotonic()
    engine.ask(EngineQuestion("m", None), lambda answer: None)
    answer = engine.wait_for(EngineQuestion("n", None), 0.2)
    engine.close()
    assert time.monotonic() - began < 5
    assert not answer.done


def test_the_real_engine_leaves_when_its_input_closes():
    argv, environment = python_command("nli_console.worker", "engine")
    process = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(
        b'{"id": 1, "model": "x", "task": "classifier", "data": null, "seed": 1, "cache_dir": "/"}\n'
    )
    process.stdin.flush()
    assert select.select([process.stdout], [], [], PATIENCE)[0]
    assert b'"done": true' in process.stdout.readline()
    process.stdin.close()
    assert process.wait(PATIENCE) == 0
    process.stdout.close()
