"""Wrong usage, errors and broken pipes end in a sentence and an exit code, never in a traceback."""

import os
import signal
import subprocess
import sys

import pytest

from nli_console.cli import app
from nli_console.cli.globals import split_globals
from nli_console.errors import ConsoleError
from tests.support.terminal import listen_to_interrupts


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["lsit"], 'unknown command "lsit". Did you mean "list"?'),
        (["list", "extra"], 'unexpected argument "extra". See `nli-console list --help`.'),
        (["show"], "RUN is missing. See `nli-console show --help`."),
        (
            ["show", "--jsn", "x"],
            "unknown option: --jsn. Did you mean --json? See `nli-console show --help`.",
        ),
        (["run", "lorra", "--lora-r", "8"], 'method "lorra" does not exist; did you mean "lora"?'),
        (["run", "lora", "--lerning-rate", "1"], "Did you mean --learning-rate?"),
        (["run", "lora", "--fraction"], "--fraction: expected a value after it."),
        (["list", "--runs-dir"], "--runs-dir: expected a folder after it"),
        (["list", "--settings", "nowhere.toml"], "nowhere.toml"),
        (["show", "nothing"], 'no run "nothing"'),
        ([], "the console needs a terminal"),
    ],
)
def test_wrong_usage_is_told_on_stderr_with_exit_code_2(place, arguments, message):
    result = place.call(*arguments)
    assert result.code == 2
    assert result.out == ""
    assert message in result.err
    assert "Traceback" not in result.err
    assert "pydantic" not in result.err


def test_text_of_a_user_is_cleaned_before_it_is_shown(place):
    result = place.call("show", "\x1b]52;c;aGk=\x07\u202eevil")
    assert "\x1b" not in result.err
    assert "\u202e" not in result.err


def test_global_options_stand_anywhere(place, tmp_path):
    (tmp_path / "other").mkdir(mode=0o700)
    for arguments in (["--runs-dir", "other", "list"], ["list", "--runs-dir=other"]):
        assert f"no runs in {tmp_path / 'other'} yet" in place.call(*arguments).out


def test_words_after_two_dashes_are_not_options():
    options, rest = split_globals(["show", "--", "--settings"])
    assert rest == ["show", "--", "--settings"]
    assert options.settings is None
    with pytest.raises(ConsoleError, match="--settings: expected a settings file after it"):
        split_globals(["list", "--settings="])


def test_a_mistake_of_ours_leaves_a_log_and_one_sentence(place, tmp_path, monkeypatch):
    def fail(*_: object) -> int:
        raise ZeroDivisionError("\x1b[2Jboom")

    monkeypatch.setattr(app, "dispatch", fail)
    result = place.call("list")
    assert result.code == 1
    assert result.err.startswith(
        "nli-console failed unexpectedly: ZeroDivisionError: \ufffd[2Jboom. The details"
    )
    assert len(result.err.strip().splitlines()) == 1
    (log,) = (tmp_path / "XDG_STATE_HOME" / "nli-console").iterdir()
    assert str(log) in result.err
    assert "Traceback" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_version_and_the_exit_codes_are_told(place):
    assert place.call("--version").out.strip().count(".") == 2
    help_text = " ".join(place.call("--help").out.split())
    for said in ("--settings", "--runs-dir", "0 finished or detached", "3 stopped", "4 lost"):
        assert said in help_text


def test_a_terminal_that_is_not_utf8_is_no_error(place):
    process = subprocess.run(
        [sys.executable, "-m", "nli_console", "run", "lora", "--help"],
        env=os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (process.returncode, process.stderr) == (0, "")
    assert "--lora-r" in process.stdout


def nli_console(*arguments, **options):
    return subprocess.Popen([sys.executable, "-m", "nli_console", *arguments], text=True, **options)


def test_a_reader_that_goes_away_is_no_error(place):
    reader, writer = os.pipe()
    os.close(reader)
    process = nli_console("methods", "--json", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (141, "")


def test_ctrl_c_ends_a_command_quietly(place):
    (place.folder / "settings.toml").unlink()
    os.mkfifo(place.folder / "fifo")
    # A command that is busy reading stands in for any slow one.
    code = (
        "import sys; sys.argv = ['nli-console', 'list']; import nli_console.cli.app as app\n"
        "def slow(*_): print('busy', flush=True); open('fifo').read()\n"
        "app.dispatch = slow\n"
        "from nli_console.__main__ import main; sys.exit(main())"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=listen_to_interrupts,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "busy\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (130, "")
