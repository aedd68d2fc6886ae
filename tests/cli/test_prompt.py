"""prompt and templates: what they print, what they refuse, and how they end."""

import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nli_console.data.prompts import catalogue
from nli_console.supervisor.chat import CHAT_VARIABLE
from nli_console.supervisor.environment import python_command

FAKE_CHAT = Path(__file__).parent.parent / "support" / "fake_chat.py"
PAIR = ("--premise", "All the nurses are in the kitchen.", "--hypothesis", "A nurse is indoors.")
LABELS = {"entailment", "neutral", "contradiction"}
PATIENCE = 60


@pytest.fixture
def fake_chat(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Puts the stand-in in the engine's place."""

    def use(mode: str = "") -> Path:
        monkeypatch.setenv(CHAT_VARIABLE, f"{sys.executable} -S {FAKE_CHAT}")
        monkeypatch.setenv("FAKE_CHAT", mode)
        monkeypatch.setenv("FAKE_CHAT_PID", str(tmp_path / "pid"))
        return tmp_path / "pid"

    return use


@pytest.mark.slow
def test_the_demo_decoder_is_asked_with_shots_and_everything_is_one_object(place):
    result = place.call("prompt", *PAIR, "--label", "entailment", "--shots", "3", "--json")
    assert result.code == 0, result.err
    found = result.json
    assert (found["model"], found["template"], found["device"]) == ("demo-decoder", "demo", "cpu")
    for kind in ("label_probabilities", "calibrated_probabilities"):
        assert set(found[kind]) == LABELS
        assert sum(found[kind].values()) == pytest.approx(1)
    assert {shot["label"] for shot in found["shots"]} == LABELS
    assert all(shot["premise"].startswith("premise ") for shot in found["shots"])
    assert found["text"].count("<|start_header_id|>assistant<|end_header_id|>") == 4
    assert "".join(piece["text"] for piece in found["pieces"]) == found["text"]
    assert found["prompt_tokens"] > 100
    assert found["answer_label"] in {*LABELS, None}
    assert found["tokens"] >= 1
    assert found["label"] == "entailment"
    assert "demo-decoder on cpu in" in result.err


def test_what_is_printed_for_a_person(place, fake_chat):
    fake_chat("wait")
    result = place.call("prompt", *PAIR, "--label", "neutral", "--shots", "1")
    assert result.code == 0
    assert "waiting for a CPU slot, held by run-7" in result.err
    assert "a note" in result.err
    assert result.err.count("a note") == 1
    for text in (
        "prompt: demo, 1 shot, 9 tokens", "<s>the \ufffd[31mprompt", "entail\ufffdment",
        "entailment (wrong: neutral)", "4, cut at --max-new-tokens", "100 ms", "30.0",
        "likeliest: neutral (right); calibrated: neutral (right)",
        "the answer says entailment, and the likeliest label is neutral",
    ):  # fmt: skip
        assert text in result.out, result.out
    assert re.search(r"entailment +20\.0 % +30\.0 % +-3\.000", result.out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--premise", " ", "--hypothesis", "b"], "the premise is empty"),
        (["--premise", "a", "--hypothesis", ""], "the hypothesis is empty"),
        (["--premise", "a"], "HYPOTHESIS is missing"),
        ([*PAIR, "--label", "maybe"], "--label"),
        ([*PAIR, "--template", "recomended"], 'did you mean "recommended"?'),
        ([*PAIR, "--template", "yes-maybe-no"], "fills in a mask, which is for encoders"),
        ([*PAIR, "--temperature", "11"], "--temperature 11: must be at most 10"),
        ([*PAIR, "--temperature", "hot"], "--temperature hot: must be a number"),
        ([*PAIR, "--max-new-tokens", "0"], "--max-new-tokens 0: must be at least 1"),
        ([*PAIR, "--top-p", "0.5"], "give a --temperature above 0, or leave --top-p out"),
        ([*PAIR, "--shots", "300"], "--shots 300: must be at most 256"),
        ([*PAIR, "--seed", "-1"], "--seed -1: must be a whole number"),
        ([*PAIR, "--data", "pairs"], "give --shots too"),
        ([*PAIR, "--model", "nowhere/at/all"], "there is no folder"),
        ([*PAIR, "--adapter", "nothing"], 'no run "nothing"'),
    ],
)
def test_bad_input_is_refused_before_anything_is_started(place, fake_chat, arguments, message):
    fake_chat("die")
    result = place.call("prompt", *arguments)
    assert result.code == 2
    assert message in result.err
    assert result.out == ""


def test_the_adapter_of_another_method_is_refused(place, fake_chat):
    fake_chat("die")
    started = place.call("run", "lora", "--detach", "--json")
    result = place.call("prompt", *PAIR, "--adapter", started.json["id"])
    assert result.code == 2
    assert "leaves no adapter that writes text" in result.err


def test_an_engine_that_dies_is_exit_code_1_and_a_sentence(place, fake_chat):
    fake_chat("die")
    result = place.call("prompt", *PAIR)
    assert result.code == 1
    assert "the chat engine ended with exit code 7" in result.err
    assert "entail\ufffd" in result.out


def test_a_control_token_that_somebody_wrote_is_told_from_one_that_acts(place, fake_chat):
    fake_chat("typed")
    result = place.call("prompt", *PAIR)
    assert "\n<s>It says \\<s> here.\n" in result.out
    assert "\\<s>: only text, no control token; it is read as the characters that it is" in result.out


def test_a_prompt_that_is_too_long_is_an_error_and_no_pages_of_text(place, fake_chat):
    fake_chat("long")
    result = place.call("prompt", *PAIR)
    assert result.code == 2
    assert "the prompt takes 150 tokens, and the model reads at most 100 with its answer" in result.err
    assert result.out == ""


def test_ctrl_c_ends_the_answer_at_once_and_leaves_no_engine(place, fake_chat):
    file = fake_chat("hang")
    os.mkfifo(file)
    argv, environment = python_command("nli_console", "prompt", *PAIR)
    process = subprocess.Popen(
        argv,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell that runs the tests in its background has them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    engine = os.pidfd_open(int(file.read_text()))
    try:
        assert process.stdout is not None
        said = b""
        while b"entail" not in said:
            said += os.read(process.stdout.fileno(), 4096)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert select.select([engine], [], [], PATIENCE)[0]
    finally:
        os.close(engine)
        process.kill()
        process.communicate()


def test_templates_are_listed_shown_and_saved(place, tmp_path):
    listed = place.call("templates")
    assert re.search(r"^recommended +shipped +chat +entailment, neutral, contradiction", listed.out, re.M)
    shown = place.call("templates", "show", "report-zero-shot")
    assert "--- system\nThis is a system prompt." in shown.out
    assert "Just tell me the best answer" in shown.out
    assert 'did you mean "recommended"' in place.call("templates", "show", "recommende").err
    file = tmp_path / "mine.toml"
    file.write_text('user = "{premise} So: {hypothesis} Right?"\nformat = "raw"\nanswer = " {label}"\n')
    assert "saved as own" in place.call("templates", "save", "own", str(file)).out
    again = place.call("templates", "save", "own", str(file))
    assert again.code == 2
    assert "exists already" in again.err
    assert place.call("templates", "save", "own", str(file), "--overwrite").code == 0
    records = {record["name"]: record for record in place.call("templates", "--json").json}
    assert (records["own"]["own"], records["recommended"]["own"]) == (True, False)
    assert records["own"]["user"] == "{premise} So: {hypothesis} Right?"
    assert place.call("templates", "show", "own", "--json").json["digest"] == records["own"]["digest"]
    folder = tmp_path / "XDG_CONFIG_HOME" / "nli-console"
    assert catalogue.load("own", folder).answer == " {label}"


@pytest.mark.slow
def test_a_template_is_tried_on_rows_of_a_split(place):
    result = place.call("templates", "try", "demo", "--rows", "9", "--shots", "1", "--seed", "4", "--json")
    assert result.code == 0, result.err
    found = result.json
    assert (found["template"], found["split"], found["seed"]) == ("demo", "validation_matched", 4)
    assert len(found["rows"]) == found["raw"]["n"] == found["calibrated"]["n"] == 9
    right = sum(
        max(LABELS, key=lambda label: row["label_probabilities"][label]) == row["label"]
        for row in found["rows"]
    )
    assert found["raw"]["correct"] == right
    assert found["raw"]["low"] < right / 9 < found["raw"]["high"]
    assert len(found["shots"]) == 1
    assert "scored 9 rows" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demo", "--rows", "0"], "--rows 0: must be from 1 to 1,000"),
        (["demo", "--batch-size", "5000"], "--batch-size 5000: must be from 1 to 4,096"),
        (["demo", "--split", "test"], "--split test: pairs has train, validation_matched"),
        (["dmo"], 'did you mean "demo"?'),
        (["demo-masked"], "fills in a mask, which is for encoders"),
        (["demo", "--shots", "-1"], "--shots -1: must be at least 0"),
    ],
)
def test_a_trial_that_cannot_be_is_refused_before_anything_is_started(place, fake_chat, arguments, message):
    fake_chat("die")
    result = place.call("templates", "try", *arguments)
    assert result.code == 2
    assert message in result.err


def test_a_file_that_is_no_template_is_named_with_its_mistake(place, tmp_path):
    file = tmp_path / "bad.toml"
    file.write_text('user = "{premise}"\n')
    result = place.call("templates", "save", "bad", str(file))
    assert result.code == 2
    assert "bad.toml" in result.err
    assert "user must hold {premise} and {hypothesis}" in result.err
    assert "cannot be read" in place.call("templates", "save", "bad", str(tmp_path / "nowhere.toml")).err
    file.write_text('user = "{premise} {hypothesis}"\n')
    named = place.call("templates", "save", "../bad", str(file))
    assert named.code == 2
    assert "use up to 64 letters" in named.err
