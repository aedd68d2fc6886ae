"""The settings as the console needs them to open, remembered from the last time.

Reading and checking ``settings.toml`` takes its schema, whose import takes longer than everything else that a
first frame needs. What was read is therefore kept in a small file in the cache folder, and used again as long
as nothing that it depends on has changed. The settings themselves are read when they are needed.
"""

import contextlib
import json
import os
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

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
    symbols: Literal["auto", "braille", "block", "ascii"]
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
class Root:
    """A folder with runs, by the short name that tells its runs from those of others."""

    label: str
    path: Path


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
    def roots(self) -> tuple[Root, ...]:
        """``runs_dir``, and behind it the others that are read as well; each folder once."""
        folders = {self.runs_dir}
        others: list[Root] = []
        for label, path in self.values.runs.roots.items():
            if Path(path) not in folders:
                folders.add(Path(path))
                others.append(Root(label, Path(path)))
        taken = {root.label for root in others}
        own = next(name for name in (self.runs_dir.name, "own", "own runs") if name and name not in taken)
        return (Root(own, self.runs_dir), *others)

    @property
    def look(self) -> Look:
        return Look.of(self.values)


class RememberedSettings(LoadedSettings):
    """Settings of which only what opening needs is known; ``values`` are read when somebody asks for them."""

    _look: Look
    _runs_dir: Path
    _cache_dir: Path
    _roots: tuple[Root, ...]
    _load: Callable[[], LoadedSettings]
    _loaded: LoadedSettings | None

    def __init__(self, record: dict[str, Any], load: Callable[[], LoadedSettings]) -> None:
        path = record["path"]
        values = {
            "path": None if path is None else Path(path),
            "notice": record["notice"],
            "_look": Look(**record["look"]),
            "_runs_dir": Path(record["runs_dir"]),
            "_cache_dir": Path(record["cache_dir"]),
            "_roots": tuple(Root(label, Path(folder)) for label, folder in record["roots"]),
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
        loaded = self._loaded
        if loaded is None:
            loaded = self._load()
            object.__setattr__(self, "_loaded", loaded)
        return loaded.values

    @property
    def runs_dir(self) -> Path:
        return self._runs_dir

    @property
    def cache_dir(self) -> Path:
        return self._cache_dir

    @property
    def roots(self) -> tuple[Root, ...]:
        return self._roots

    @property
    def look(self) -> Look:
        return self._look


def open_settings(
    explicit: Path | None = None, runs_dir: Path | None = None, more_roots: Sequence[Path] = ()
) -> LoadedSettings:
    """:func:`nli_console.settings.load_settings`, or what is remembered of it.

    Raises:
        ConsoleError: as there.
    """

    def load() -> LoadedSettings:
        from nli_console.settings import load_settings

        return load_settings(explicit, runs_dir, more_roots=more_roots)

    key = _key(explicit, runs_dir, *more_roots)
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
        "roots": [[root.label, str(root.path)] for root in loaded.roots],
        "path": None if loaded.path is None else str(loaded.path),
        "notice": loaded.notice,
    }


def _key(explicit: Path | None, *roots: Path | None) -> list[Any]:
    """Everything that what is read depends on: the file, the schema, and what paths start from."""
    here = current_folder()
    found = find_settings(explicit, here)
    package = Path(__file__).parent
    sources = [found] if found else []
    stamps = [_stamp(source) for source in (*sources, package / "settings.py", package / "opening.py")]
    variables = [os.environ.get(name) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")]
    named = [None if path is None else str(path) for path in (explicit, found, *roots)]
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
