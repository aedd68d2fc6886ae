"""The settings as the console needs them to open, remembered from the last time.

Reading and checking ``settings.toml`` takes its schema, whose import takes longer than everything else that a
first frame needs. What was read is therefore kept in a small file in the cache folder, and used again as long
as nothing that it depends on has changed. The settings themselves are read when they are needed.
"""

import contextlib
import json
import os
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nli_console.places import DEFAULT_CACHE, current_folder, find_settings

if TYPE_CHECKING:
    from nli_console.settings import Settings

_FOLDER = "opening"
_KEPT = 64
"""Files that are kept; the places where a console is opened share them by chance."""


@dataclass(frozen=True)
class Look:
    """``[interface]`` of the settings as far as the first frame shows it, and ``telemetry.interval``."""

    theme: str
    symbols: str
    refresh: float
    smoothing: float
    bell: bool
    interval: float

    @classmethod
    def of(cls, values: "Settings") -> "Look":
        interface = values.interface
        return cls(
            interface.theme,
            interface.symbols,
            interface.refresh,
            interface.smoothing,
            interface.bell,
            values.telemetry.interval,
        )


@dataclass(frozen=True)
class LoadedSettings:
    """Settings with absolute paths, and where they came from (``path`` is ``None`` for the defaults)."""

    values: "Settings"
    path: Path | None
    notice: str | None

    @property
    def runs_dir(self) -> Path:
        return self.values.runs_dir

    @property
    def cache_dir(self) -> Path:
        return self.values.cache_dir

    @property
    def look(self) -> Look:
        return Look.of(self.values)


class RememberedSettings(LoadedSettings):
    """Settings of which only what opening needs is known; ``values`` are read when somebody asks for them."""

    def __init__(self, record: dict[str, Any], load: Callable[[], LoadedSettings]) -> None:
        path = record["path"]
        values = {
            "path": None if path is None else Path(path),
            "notice": record["notice"],
            "_look": Look(**record["look"]),
            "_runs_dir": Path(record["runs_dir"]),
            "_cache_dir": Path(record["cache_dir"]),
            "_load": load,
            "_loaded": None,
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)

    @property
    def values(self) -> "Settings":  # pyright: ignore[reportIncompatibleVariableOverride]
        """The whole settings.

        Raises:
            ConsoleError: the file has changed since, and is not valid any more.
        """
        if self._loaded is None:
            object.__setattr__(self, "_loaded", self._load())
        return self._loaded.values

    @property
    def runs_dir(self) -> Path:
        return self._runs_dir

    @property
    def cache_dir(self) -> Path:
        return self._cache_dir

    @property
    def look(self) -> Look:
        return self._look


def open_settings(explicit: Path | None = None, runs_dir: Path | None = None) -> LoadedSettings:
    """:func:`nli_console.settings.load_settings`, or what is remembered of it.

    Raises:
        ConsoleError: as there.
    """

    def load() -> LoadedSettings:
        from nli_console.settings import load_settings

        return load_settings(explicit, runs_dir)

    key = _key(explicit, runs_dir)
    path = _cache_folder() / f"{zlib.crc32(json.dumps(key).encode()) % _KEPT:02x}.json"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        record = json.loads(path.read_bytes())
        if record["key"] == key:
            return RememberedSettings(record, load)
    loaded = load()
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}-{os.getpid()}")
        temporary.write_text(json.dumps({"key": key, **_record(loaded)}))
        temporary.replace(path)
    return loaded


def _record(loaded: LoadedSettings) -> dict[str, Any]:
    return {
        "look": asdict(loaded.look),
        "runs_dir": str(loaded.runs_dir),
        "cache_dir": str(loaded.cache_dir),
        "path": None if loaded.path is None else str(loaded.path),
        "notice": loaded.notice,
    }


def _key(explicit: Path | None, runs_dir: Path | None) -> list[Any]:
    """Everything that what is read depends on: the file, the schema, and what paths start from."""
    here = current_folder()
    found = find_settings(explicit, here)
    package = Path(__file__).parent
    sources = [found] if found else []
    stamps = [_stamp(source) for source in (*sources, package / "settings.py", package / "opening.py")]
    variables = [os.environ.get(name) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")]
    named = [None if path is None else str(path) for path in (explicit, runs_dir, found)]
    return [str(here), *named, *variables, *stamps]


def _stamp(path: Path) -> list[int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _cache_folder() -> Path:
    """Not the one that the settings may name: they are not read yet."""
    own = os.environ.get("XDG_CACHE_HOME")
    return (Path(own) / DEFAULT_CACHE.name if own else DEFAULT_CACHE.expanduser()) / _FOLDER
