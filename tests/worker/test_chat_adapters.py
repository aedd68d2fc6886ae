"""A chat with the adapter of a real, tiny qlora_sft run: attached, switched, refused; and by the command."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nli_console.cli import entry
from nli_console.data.chat import Attach, Generate, Question, Sampling, Score
from nli_console.data.demo import demo_model_path
from nli_console.data.prompts import catalogue
from nli_console.data.spec import DataSpec
from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.record.compose import template_of
from nli_console.record.layout import RunLayout
from nli_console.record.spec import RunSpec
from nli_console.record.spec_io import submit
from nli_console.record.store import Store
from nli_console.record.trained_adapters import adapter_of, adapters_over
from nli_console.settings import LoadedSettings, Settings
from nli_console.tui import app as app_module
from nli_console.tui.screens.chat import ChatScreen
from nli_console.worker.chat.desk import Desk
from tests.tui.chatting import screen_text, until
from tests.tui.conftest import SteadyMachine
from tests.worker import tiny
from tests.worker.conftest import SPLITS, Run
from tests.worker.test_chat import do, free, loaded

DEMO = catalogue.load("demo")
QUESTION = Question(
    template=DEMO, premise="All the nurses are in the kitchen.", hypothesis="A nurse is indoors."
)
MODEL = str(demo_model_path("decoder"))


def make(root: Path, method: str, id: str, **hyperparameters: Any) -> RunLayout:
    """A finished run over the demo decoder."""
    chosen = {"lora_r": 4, "batch_size": 6, "max_steps": 3, "evaluations": 0, "learning_rate": 0.05}
    values = registry.get(method).Hyperparameters(**chosen, **hyperparameters).model_dump(mode="json")
    spec = RunSpec(
        id=id, name=f"name of {id}", method=method, hyperparameters=values, template=template_of(values),
        model=MODEL, model_name="demo-decoder",
        data=DataSpec(name="tiny", source=str(root / "data"), format="multinli", splits=SPLITS),
        submitted=time.time(), cache_dir=str(root / "cache"),
    )  # fmt: skip
    run = Run(submit(root / "runs", spec))
    assert run.attempt()["completed"]
    return run.layout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("adapters")
    (root / "data").mkdir()
    tiny.write_multinli(root / "data", 30, 6)
    return root


@pytest.fixture(scope="module")
def trained(root: Path) -> RunLayout:
    return make(root, "qlora_sft", "run-sft", template="demo")


@pytest.fixture
def desk() -> Desk:
    desk, _ = loaded(MODEL)
    free(desk)
    return desk


@pytest.mark.slow
def test_base_and_adapter_answer_the_same_question_from_the_same_weights(desk: Desk, trained: RunLayout):
    adapter = str(trained.adapter)
    before = do(desk, Score(prompt=QUESTION))
    with_adapter = do(desk, Score(prompt=QUESTION, adapter=adapter))
    after = do(desk, Score(prompt=QUESTION))
    again = do(desk, Score(prompt=QUESTION, adapter=adapter))
    assert with_adapter["raw"] != pytest.approx(before["raw"], abs=1e-3)
    assert after["raw"] == pytest.approx(before["raw"], abs=1e-6)
    assert again["raw"] == pytest.approx(with_adapter["raw"], abs=1e-6)
    assert after["calibrated"] == pytest.approx(before["calibrated"], abs=1e-6)
    assert desk.model is not None
    assert list(desk.model.adapters) == [adapter]
    written = do(desk, Generate(prompt=QUESTION, adapter=adapter, sampling=Sampling(max_new_tokens=5)))
    assert written["tokens"] >= 1
    assert written["notes"] == []


@pytest.mark.slow
def test_two_adapters_stand_beside_one_another(desk: Desk, trained: RunLayout, tmp_path: Path):
    other = tmp_path / "other"
    shutil.copytree(trained.adapter, other)
    assert do(desk, Attach(adapter=str(trained.adapter)))["template"] == "demo"
    first = do(desk, Score(prompt=QUESTION, adapter=str(trained.adapter)))
    second = do(desk, Score(prompt=QUESTION, adapter=str(other)))
    assert second["raw"] == pytest.approx(first["raw"], abs=1e-6)
    assert desk.model is not None
    assert len(desk.model.adapters) == 2


@pytest.mark.slow
def test_another_prompt_than_that_of_training_is_a_note(desk: Desk, trained: RunLayout):
    other = QUESTION.model_copy(update={"template": catalogue.load("recommended")})
    (note,) = do(desk, Score(prompt=other, adapter=str(trained.adapter)))["notes"]
    assert 'trained on another prompt (template "demo")' in note


@pytest.mark.slow
def test_adapters_that_do_not_belong_are_refused_in_a_sentence(
    desk: Desk, trained: RunLayout, tmp_path: Path, model_folder: Callable[[str], Path]
):
    def refused(folder: Path) -> str:
        with pytest.raises(ConsoleError) as caught:
            do(desk, Attach(adapter=str(folder)))
        return str(caught.value)

    def changed(name: str, **values: Any) -> Path:
        folder = tmp_path / name
        shutil.copytree(trained.adapter, folder)
        config = json.loads((folder / "adapter_config.json").read_text())
        (folder / "adapter_config.json").write_text(json.dumps({**config, **values}))
        return folder

    other = str(model_folder("llama_chat"))
    assert f"an adapter for {other}, and tiny-model is loaded" in refused(
        changed("base", base_model_name_or_path=other)
    )
    assert "writes no text" in refused(changed("head", task_type="SEQ_CLS"))
    assert "adapter_config.json is missing" in refused(tmp_path / "nowhere")
    unsafe = changed("unsafe")
    (unsafe / "adapter_model.safetensors").rename(unsafe / "adapter_model.bin")
    assert "no safetensors weights" in refused(unsafe)
    damaged = changed("damaged")
    (damaged / "adapter_model.safetensors").write_bytes(b"nothing")
    larger = changed("larger", r=8)
    before = do(desk, Score(prompt=QUESTION))
    # The first adapter and a later one take different ways into the model, and out of it.
    for _ in range(2):
        for folder in (damaged, larger):
            assert f"{folder}: its weights do not fit tiny-model" in refused(folder)
        assert do(desk, Score(prompt=QUESTION))["raw"] == pytest.approx(before["raw"], abs=1e-6)
        good = do(desk, Score(prompt=QUESTION, adapter=str(trained.adapter)))
        assert good["raw"] != pytest.approx(before["raw"], abs=1e-3)


@pytest.mark.slow
def test_finished_runs_offer_their_adapters(root: Path, trained: RunLayout):
    classifier = make(root, "qlora_classifier", "run-classifier", template="pair")
    found = adapter_of(trained)
    assert (found.run_id, found.model, found.folder) == ("run-sft", MODEL, trained.adapter)
    assert found.template == DEMO
    with pytest.raises(ConsoleError, match="leaves no adapter that writes text"):
        adapter_of(classifier)
    store = Store(root / "runs")
    store.refresh()
    assert [each.run_id for each in adapters_over(MODEL, store.runs)] == ["run-sft"]
    assert adapters_over("another/model", store.runs) == []


@pytest.mark.slow
async def test_the_console_puts_the_adapter_beside_the_base_model(
    root: Path, trained: RunLayout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(app_module, "MachineReader", SteadyMachine)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    values = Settings.model_validate(
        {"runs_dir": root / "runs", "cache_dir": tmp_path, "chat": {"model": "demo-decoder"}}
    )
    app = app_module.ConsoleApp(LoadedSettings(values, None, None))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("3")
        screen = app.screen
        assert isinstance(screen, ChatScreen)
        await until(pilot, lambda: "adapter name of run-sft" in screen.form.choice("answers").choices)
        screen.form.choice("answers").choose("adapter name of run-sft")
        screen.form.choice("versus").choose("base model")
        screen.form.put(QUESTION.premise, QUESTION.hypothesis, "entailment")
        await pilot.press("f5")
        await until(pilot, lambda: len(screen.desk.replies) == 2 and not screen.desk.busy)
        tuned, base = screen.desk.replies
        assert tuned.problem == base.problem == ""
        assert tuned.scored is not None
        assert base.scored is not None
        assert tuned.scored.raw != pytest.approx(base.scored.raw, abs=1e-3)
        text = screen_text(app)
        assert "adapter name of run-sft" in text
        assert "base model  demo" in text
        for reply in (tuned.scored, base.scored):
            assert f"{100 * reply.raw['neutral']:.0f} %" in text


@pytest.mark.slow
def test_the_command_asks_an_adapter_with_its_own_template(
    root: Path, trained: RunLayout, capsys: pytest.CaptureFixture[str]
):
    asked = ["--premise", QUESTION.premise, "--hypothesis", QUESTION.hypothesis, "--json"]
    code = entry.run(["prompt", *asked, "--adapter", "run-sft", "--runs-dir", str(root / "runs")])
    said = capsys.readouterr()
    assert code == 0, said.err
    found = json.loads(said.out)
    assert (found["adapter"], found["model"], found["template"]) == ("run-sft", "demo-decoder", "demo")
    assert found["notes"] == []
    assert sum(found["label_probabilities"].values()) == pytest.approx(1)
