"""doctor answers whatever the libraries do, and never loads them itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from nli_console.cli import doctor
from nli_console.supervisor import preflight


def probe(monkeypatch, code):
    """A probe that runs ``code`` instead of asking torch."""

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    monkeypatch.setattr(doctor, "_start_probe", start)


def test_a_torch_that_does_not_load_is_reported(place, monkeypatch):
    probe(monkeypatch, "raise ImportError('libcudart.so.13: cannot open shared object file')")
    result = place.call("doctor")
    assert result.code == 0
    assert "importing torch failed: ImportError: libcudart.so.13" in result.out
    assert "free" in result.out


def test_a_torch_that_hangs_is_given_up(place, monkeypatch):
    probe(monkeypatch, "import signal; signal.pause()")
    monkeypatch.setattr(doctor, "PROBE_TIMEOUT", 0.2)
    assert "longer than" in place.call("doctor").out


def test_what_keeps_runs_from_being_made_is_told_with_its_place(place, monkeypatch):
    probe(monkeypatch, "raise ImportError('no torch')")
    settings = place.folder / "settings.toml"
    lines = settings.read_text().replace("[defaults]\n", '[defaults]\nmethod = "lorra"\n')
    settings.write_text(lines)
    place.runs_dir.mkdir()
    place.runs_dir.chmod(0o777)
    number = lines.splitlines().index('method = "lorra"') + 1
    found = place.call("doctor", "--json").json
    told = f'{settings}, line {number}: defaults.method = "lorra": there is no such method'
    assert found["settings_problem"].startswith(told)
    assert "other users may write to it" in found["runs_dir"]["problem"]
    text = place.call("doctor").out
    assert told in text
    assert "other users may write to it" in text
    assert told in place.call("run", "--detach").err


def test_a_place_that_keeps_no_files_is_not_called_full():
    assert doctor._folder(Path("/proc/nowhere"))["free_bytes"] is None
    assert preflight._free_disk(Path("/proc/nowhere")) is None


def test_cached_models_are_named(tmp_path):
    snapshot = tmp_path / "models--FacebookAI--roberta-large" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (tmp_path / "models--a--empty").mkdir()
    assert doctor.cached_models(tmp_path) == ["FacebookAI/roberta-large"]
    assert doctor.cached_models(tmp_path / "nowhere") == []


@pytest.mark.slow
def test_the_real_probe_names_the_versions(place):
    found = place.call("doctor", "--json").json
    assert found["libraries"]["versions"]["torch"]
    assert found["libraries"]["bitsandbytes_problem"] is None
    assert isinstance(found["runs_dir"]["free_bytes"], int)
    assert found["logout"]
