"""settings.toml: where it is found, what its paths are relative to, and what its errors say."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from nli_console.errors import ConsoleError
from nli_console.settings import Settings, load_settings

SHIPPED = Path(__file__).parent.parent / "settings.toml"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return folder


def write(folder: Path, content: str | bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def message(path: Path) -> str:
    with pytest.raises(ConsoleError) as caught:
        load_settings(path)
    return str(caught.value)


def test_without_a_file_the_defaults_hold_and_a_notice_says_so(tmp_path: Path, home: Path) -> None:
    loaded = load_settings(cwd=tmp_path)
    assert loaded.path is None
    assert "defaults" in (loaded.notice or "")
    assert loaded.runs_dir == tmp_path / "runs"
    assert loaded.cache_dir == home / ".cache/nli-console"


def test_explicit_wins_over_the_folder_and_the_folder_over_the_user(tmp_path: Path, home: Path) -> None:
    user = write(home / ".config/nli-console", "")
    assert load_settings(cwd=tmp_path).path == user
    local = write(tmp_path, "")
    assert load_settings(cwd=tmp_path).path == local
    explicit = write(tmp_path / "other", "")
    loaded = load_settings(Path("other/settings.toml"), cwd=tmp_path)
    assert loaded.path == explicit
    assert loaded.notice is None


def test_an_explicit_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    assert "no such file" in message(tmp_path / "missing.toml")


def test_paths_start_at_the_file_that_names_them(tmp_path: Path, home: Path) -> None:
    path = write(tmp_path / "project", 'runs_dir = "../all-runs"\ncache_dir = "~/cache"')
    loaded = load_settings(path, cwd=tmp_path / "elsewhere")
    assert loaded.runs_dir == tmp_path / "all-runs"
    assert loaded.cache_dir == home / "cache"


def test_the_runs_dir_option_wins_and_starts_at_the_current_folder(tmp_path: Path) -> None:
    path = write(tmp_path / "project", 'runs_dir = "a"')
    assert load_settings(path, Path("b"), cwd=tmp_path).runs_dir == tmp_path / "b"


def test_a_byte_order_mark_and_carriage_returns_are_accepted(tmp_path: Path) -> None:
    path = write(tmp_path, b'\xef\xbb\xbfruns_dir = "r"\r\n[queue]\r\ncpu_slots = 3\r\n')
    assert load_settings(path).values.queue.cpu_slots == 3


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("[queue]\ncpu_slot = 2", 2, ["queue.cpu_slot", 'did you mean "cpu_slots"']),
        ('[queue]\n\ncpu_slots = "3"', 3, ['queue.cpu_slots = "3"', "a whole number from 1 up to 64"]),
        ("queue.cpu_slots = 0", 1, ["queue.cpu_slots = 0", "from 1 up to 64", "delete the line for 1"]),
        ("[telemetry]\ninterval = nan", 2, ["telemetry.interval = nan", "a number from 0.5"]),
        ("[defaults]\nfraction = inf", 2, ["defaults.fraction = inf", "above 0 up to 1"]),
        ("[queue]\ncpu_slots = " + "9" * 4000, 2, ["a huge whole number"]),
        ("[queue]\ncpu_slots = " + "9" * 5000, 2, ["5,012 characters"]),
        ('[interface]\ntheme = "blue"', 2, ['"blue"', 'one of "dark", "light"']),
        ("[interface]\nbell = 1", 2, ["interface.bell = 1", "true or false"]),
        ('[interface]\non_finish = "rm -rf x"', 2, ["on_finish", "an array of texts"]),
        ('[datasets.x]\nformat = "csv"', 1, ["datasets.x.path is missing"]),
        (
            '[datasets.x]\npath = "a"\n[datasets.x.labels]\n"0" = "yes"',
            4,
            ["datasets.x.labels.0", "entailment"],
        ),
        ("queue = 3", 1, ["queue = 3", "a table"]),
        ('runs_dir = "a"\nruns_dir = "b"', 2, ["set before"]),
        ("[queue]\n[cache]\n[queue]", 3, ["set before"]),
        ("runs_dir = yes", 1, ["not a TOML value"]),
        ('runs_dir = """\n[queue]\n"""\n[queue]\ncpu = 1', 5, ["queue.cpu is not a setting"]),
        (b'runs_dir = "a"\ncache_dir = "\xff"', 2, ["0xff", "UTF-8"]),
        ("a = [\n" + "[\n" * 30_000, 65, ["nest deeper"]),
        ("a = " + "[" * 30_000, 1, ["30,004 characters"]),
        (".".join("a" * 30_000) + " = 1", 1, ["characters"]),
    ],
)
def test_an_error_names_the_line_the_key_and_what_was_expected(
    tmp_path: Path, content: str | bytes, line: int, words: list[str]
) -> None:
    path = write(tmp_path, content)
    text = message(path)
    assert text.startswith(f"{path}, line {line}")
    for word in words:
        assert word in text


def test_several_errors_are_told_in_the_order_of_the_file(tmp_path: Path) -> None:
    lines = message(
        write(tmp_path, "a = 1\n[queue]\nb = 2\n[cache]\n" + "\n".join(f"k{i} = 1" for i in range(9)))
    )
    assert re.findall(r"line (\d+)", lines) == ["1", "3", "5", "6", "7"]
    assert "6 more problems" in lines


def test_errors_hold_no_terminal_escapes(tmp_path: Path) -> None:
    text = message(write(tmp_path, '"\\u001b[2J" = "\\u202e"\n[defaults]\nseed = "\\u001b]52;c;x\\u0007"'))
    assert not re.search("[\x1b\x07\u202e]", text)


def test_a_file_that_is_too_large_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    import os

    big = write(tmp_path, "#\n" * (32 * 1024 + 1))
    assert "at most 64 KiB" in message(big)
    assert "not a regular file" in message(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    assert "not a regular file" in message(tmp_path / "pipe")


def test_a_path_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    assert "runs_dir" in message(write(tmp_path, 'runs_dir = "a\\u0000b"'))
    assert "no such user" in message(write(tmp_path, 'cache_dir = "~nobody-of-this-name/x"'))


def keys_of(model: type[BaseModel], prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        nested = field.annotation
        if isinstance(nested, type) and issubclass(nested, BaseModel):
            keys |= keys_of(nested, f"{prefix}{name}.")
        else:
            keys.add(f"{prefix}{name}")
    return keys


def keys_in(table: dict[str, object], prefix: str = "") -> set[str]:
    keys: set[str] = set()
    for name, value in table.items():
        keys.add(f"{prefix}{name}")
        if isinstance(value, dict):
            keys |= keys_in(value, f"{prefix}{name}.")
    return keys


def test_the_default_cache_follows_the_environment_and_a_named_one_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "caches"))
    assert load_settings(cwd=tmp_path).cache_dir == tmp_path / "caches" / "nli-console"
    assert load_settings(write(tmp_path, 'cache_dir = "mine"')).cache_dir == tmp_path / "mine"


def test_the_shipped_file_has_every_key_and_loads_to_the_defaults(tmp_path: Path) -> None:
    import tomllib

    text = SHIPPED.read_text(encoding="utf-8")
    assert keys_of(Settings) <= keys_in(tomllib.loads(text))
    path = write(tmp_path, text)
    assert load_settings(path).values == load_settings(cwd=tmp_path / "empty").values.model_copy(
        update={"runs_dir": tmp_path / "runs"}
    )


def test_the_examples_of_the_shipped_file_are_valid(tmp_path: Path) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    examples = re.sub(r"(?m)^# (?=\[|[\w-]+ = )", "", text).replace("\nenvironment = {}", "")
    values = load_settings(write(tmp_path, examples)).values
    assert {"roberta-large", "deberta", "llama"} <= set(values.models)
    assert {"multinli", "multinli-hub", "glue-mnli", "snli", "anli", "mine"} == set(values.datasets)
    columns = values.datasets["mine"].columns
    assert columns is not None
    assert all(columns.model_dump().values())
