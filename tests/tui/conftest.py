"""A console on folders of its own, without a clock, a driver or a login manager in it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nli_console.settings import LoadedSettings, Settings
from nli_console.supervisor.engine import ENGINE_VARIABLE
from nli_console.supervisor.launch import Survival
from nli_console.supervisor.telemetry.host import HostReading
from nli_console.supervisor.telemetry.readings import Gpu
from nli_console.tui import app as app_module
from nli_console.tui import preflight
from nli_console.tui.app import ConsoleApp
from nli_console.tui.messages import MachineRead
from nli_console.tui.status import Machine

GIB = 1024**3
H200 = Gpu("GPU-1", "NVIDIA H200", int(61.2 * GIB), int(139.8 * GIB), 97, 540.0, 61)
HOST = HostReading(None, None, 12 * GIB, 128 * GIB, 31.0, 400 * GIB)


class SteadyMachine:
    """Stands in for the reader of host and driver: always the same reading."""

    machine = Machine(HOST, (H200,))

    def __init__(self, *_: object) -> None: ...

    def read(self) -> MachineRead:
        return MachineRead(self.machine)

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def steady(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same terminal, user folder, readings and login manager on every machine."""
    for name in ("NO_COLOR", "LC_ALL", "LC_CTYPE", "SSH_TTY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr(app_module, "MachineReader", SteadyMachine)
    # An engine that never answers: when it would is not the same on every machine.
    monkeypatch.setenv(ENGINE_VARIABLE, "sh -c 'cat > /dev/null'")
    survives = Survival("session", True, "Runs outlive logging out.")
    monkeypatch.setattr(preflight, "survival", lambda *_: survives)


@pytest.fixture
def loaded(tmp_path: Path) -> Callable[..., LoadedSettings]:
    """Settings on temporary folders; keywords are tables of settings.toml."""

    def load(**tables: Any) -> LoadedSettings:
        tables = {"defaults": {"model": "roberta-large", "data": "nyu-mll/multi_nli"}, **tables}
        values = Settings(runs_dir=tmp_path / "runs", cache_dir=tmp_path / "cache", **tables)
        return LoadedSettings(values, None, None)

    return load


@pytest.fixture
def console(loaded: Callable[..., LoadedSettings]) -> Callable[..., ConsoleApp]:
    """A console; keywords are tables of settings.toml."""
    return lambda **tables: ConsoleApp(loaded(**tables))
