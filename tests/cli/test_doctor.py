"""doctor answers whatever the libraries do, and never loads them itself."""

import subprocess
import sys

import pytest

from nli_console.cli import doctor


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
