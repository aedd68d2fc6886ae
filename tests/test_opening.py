"""What the console remembers of its settings: the same as what it reads, until something changes."""

import subprocess
import sys
from pathlib import Path

import pytest

from nli_console import opening
from nli_console.errors import ConsoleError
from nli_console.opening import RememberedSettings, open_settings
from nli_console.settings import load_settings


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_second_opening_knows_the_same(place: Path) -> None:
    (place / "settings.toml").write_text('runs_dir = "mine"\n[interface]\ntheme = "light"\nrefresh = 0.5\n')
    first, second = open_settings(), open_settings()
    assert not isinstance(first, RememberedSettings)
    assert isinstance(second, RememberedSettings)
    read = load_settings()
    for opened in (first, second):
        assert opened.look == read.look
        assert (opened.runs_dir, opened.cache_dir) == (read.runs_dir, read.cache_dir)
        assert (opened.path, opened.notice, opened.values) == (read.path, read.notice, read.values)
    assert second.look.theme == "light"


def test_a_changed_file_another_folder_and_another_option_are_read_anew(place: Path) -> None:
    open_settings()
    (place / "settings.toml").write_text('[interface]\ntheme = "light"\n')
    assert open_settings().look.theme == "light"
    (place / "settings.toml").write_text('[interface]\ntheme = "dark" \n')
    assert open_settings().look.theme == "dark"
    assert open_settings(runs_dir=Path("others")).runs_dir == place / "others"
    (place / "settings.toml").write_text('[interface]\ntheme = "mauve"\n')
    with pytest.raises(ConsoleError, match="theme"):
        open_settings()


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b'{"key": null, "look": 3}'])
def test_a_damaged_file_is_not_believed(place: Path, content: bytes) -> None:
    open_settings()
    (file,) = (place / "cache" / "nli-console" / "opening").iterdir()
    file.write_bytes(content)
    assert open_settings().look == load_settings().look


def test_the_history_opens_without_the_schema_of_the_settings(place: Path) -> None:
    open_settings()
    code = (
        "import sys; from nli_console.opening import open_settings; settings = open_settings();"
        "import nli_console.tui.app, nli_console.tui.screens.runs;"
        "settings.look, settings.runs_dir, settings.cache_dir, settings.notice;"
        "print([name for name in ('pydantic', 'pydantic_core', 'psutil') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
    assert opening.Look.of(load_settings().values) == open_settings().look
