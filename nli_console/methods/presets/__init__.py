"""Presets: named starting points of a form or a command, as TOML.

``paper/METHOD`` repeats the report, ``recommended/METHOD`` the best published recipe, ``demo/METHOD``
suits the demo models. Where a family has several of a method, each has a name of its own and
``FAMILY/METHOD`` means the first. The user's own stand in ``presets/NAME.toml`` of the user folder.
"""

import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from nli_console.errors import ConsoleError
from nli_console.methods import registry
from nli_console.methods.fields import did_you_mean, validate

FAMILIES = ("paper", "recommended", "demo")
"""The shipped presets; most have one of each method."""

SIZE_LIMIT = 64 * 1024
_FOLDER = Path(__file__).parent
_USER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class ReportFigures(BaseModel):
    """What the report says of a recipe: accuracy (0 to 1) on ``rows`` rows, seconds, trained parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    accuracy: float = Field(ge=0, le=1)
    rows: int = Field(gt=0)
    seconds: float | None = Field(None, gt=0)
    trainable_parameters: int | None = Field(None, ge=0)


class Preset(BaseModel):
    """One preset. ``None`` where it leaves the choice open; ``hyperparameters`` may be a part of all.

    ``order`` is its place among the presets of one method in a family. ``beside`` names the preset whose
    report figures stand beside it; without it that is the paper's of the same name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    method: str
    description: str = ""
    source: str = ""
    model: str | None = None
    data: str | None = None
    fraction: float | None = Field(None, gt=0, le=1)
    order: int = 0
    beside: str | None = None
    report: ReportFigures | None = None
    hyperparameters: dict[str, Any] = {}

    @property
    def family(self) -> str:
        """``paper``, ``recommended`` or ``demo``; empty for the user's own."""
        return self.name.partition("/")[0] if self.shipped else ""

    @property
    def stem(self) -> str:
        """The name within its family; the whole name of the user's own."""
        return self.name.partition("/")[2] if self.shipped else self.name

    @property
    def shipped(self) -> bool:
        return self.name.partition("/")[0] in FAMILIES and "/" in self.name


@dataclass(frozen=True)
class Catalogue:
    """The presets that can be used, and a sentence for each that cannot."""

    presets: list[Preset]
    problems: list[str]


def scan(user_folder: Path | None = None) -> Catalogue:
    """The shipped presets by family and method, then the user's by name. A broken file spoils only itself."""
    shipped = [preset for family in FAMILIES for preset in _family(family)]
    problems: list[str] = []
    own: list[Preset] = []
    for path in _user_files(user_folder):
        try:
            own.append(_read(path, path.stem))
        except ConsoleError as error:
            problems.append(str(error))
    return Catalogue(shipped + own, problems)


def available(user_folder: Path | None = None) -> list[Preset]:
    """The presets of :func:`scan`."""
    return scan(user_folder).presets


def load(name: str, method: str | None = None, user_folder: Path | None = None) -> Preset:
    """The preset called ``name``; with ``method``, a family alone will do (``recommended``).

    ``FAMILY/METHOD`` without a file of that name is the family's first preset of the method.

    Raises:
        ConsoleError: there is none, it is broken, or it is a preset of another method.
    """
    if method is not None and name in FAMILIES:
        name = f"{name}/{method}"
    if _USER_NAME.fullmatch(name) and user_folder is not None:
        path = user_folder / "presets" / f"{name}.toml"
        if path.is_file():
            return _of_method(_read(path, name), method)
    family, _, stem = name.partition("/")
    if family in FAMILIES and stem in registry.methods():
        path = _FOLDER / family / f"{stem}.toml"
        first = _read(path, name) if path.is_file() else _first(family, stem)
        if first is not None:
            return _of_method(first, method)
    presets = {preset.name: preset for preset in available(user_folder)}
    if name not in presets:
        fitting = [preset.name for preset in presets.values() if method in (None, preset.method)]
        raise ConsoleError(
            f'preset "{name}" does not exist{did_you_mean(name, fitting)} (presets: {", ".join(fitting)})'
        )
    return _of_method(presets[name], method)


def names_of(preset: Preset) -> frozenset[str]:
    """Every name under which :func:`load` finds a shipped preset."""
    short = f"{preset.family}/{preset.method}"
    first = _first(preset.family, preset.method) if preset.shipped else None
    also = {short} if first is not None and first.name == preset.name else set[str]()
    return frozenset({preset.name, *also})


def default_for(method: str, model_name: str) -> Preset:
    """What a form starts from: ``demo/METHOD`` with the demo models, else ``recommended/METHOD``."""
    family = "demo" if model_name.startswith("demo-") else "recommended"
    return load(f"{family}/{method}", method)


def save(
    name: str,
    *,
    method: str,
    hyperparameters: Mapping[str, Any],
    user_folder: Path,
    description: str = "",
    model: str | None = None,
    data: str | None = None,
    fraction: float | None = None,
    overwrite: bool = False,
) -> Path:
    """Save the user's own preset and return its file.

    Raises:
        ConsoleError: the name is not usable, the values are not valid, the name is taken and ``overwrite``
            is false, or the folder cannot be written.
    """
    import tomli_w

    if not _USER_NAME.fullmatch(name) or name in FAMILIES:
        raise ConsoleError(
            f'preset name "{name}": use up to 64 letters, digits, dots, dashes and underscores, '
            f"starting with a letter or digit, and none of {', '.join(FAMILIES)}"
        )
    _, errors = validate(registry.get(method).Hyperparameters, hyperparameters)
    if errors:
        raise ConsoleError("\n".join(str(error) for error in errors))
    path = user_folder / "presets" / f"{name}.toml"
    record: dict[str, Any] = {"method": method, "description": description, "source": "saved by hand"}
    record |= {key: value for key, value in (("model", model), ("data", data), ("fraction", fraction))
               if value is not None}  # fmt: skip
    record["hyperparameters"] = {
        key: list(value) if isinstance(value, tuple) else value for key, value in hyperparameters.items()
    }
    try:
        _write(path, tomli_w.dumps(record), overwrite)
    except FileExistsError:
        raise ConsoleError(f'preset "{name}" exists already; choose another name, or overwrite it') from None
    except OSError as error:
        raise ConsoleError(f"{path}: cannot be written ({error.strerror}); nothing was saved") from None
    return path


def _write(path: Path, text: str, overwrite: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".tmp-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            os.replace(temporary, path)
        else:
            os.link(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _family(family: str) -> list[Preset]:
    """Its presets by method, then in their order; one that is called as its method comes first."""
    known = list(registry.methods())
    found = [_read(path, f"{family}/{path.stem}") for path in (_FOLDER / family).glob("*.toml")]
    return sorted(
        found, key=lambda each: (known.index(each.method), each.stem != each.method, each.order, each.stem)
    )


def _first(family: str, method: str) -> Preset | None:
    return next((preset for preset in _family(family) if preset.method == method), None)


def _user_files(user_folder: Path | None) -> list[Path]:
    if user_folder is None:
        return []
    try:
        return sorted(
            path for path in (user_folder / "presets").glob("*.toml") if not path.name.startswith(".")
        )
    except OSError:
        return []


def _of_method(preset: Preset, method: str | None) -> Preset:
    if method not in (None, preset.method):
        raise ConsoleError(f'preset "{preset.name}" is for {preset.method}, not for {method}')
    return preset


def _read(path: Path, name: str) -> Preset:
    """Raises ``ConsoleError`` that starts with the path and, for a syntax error, says the line."""
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
        if len(content) > SIZE_LIMIT:
            raise ConsoleError(f"{path}: larger than 64 KiB; this is not a preset")
        record = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise ConsoleError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConsoleError(f"{path}: not valid TOML: {error}") from None
    try:
        preset = Preset.model_validate({**record, "name": name})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            raise ConsoleError(
                f'{path}: unknown key "{key}"{did_you_mean(key, Preset.model_fields)}'
            ) from None
        raise ConsoleError(f"{path}: {key}: {first['msg'][:1].lower()}{first['msg'][1:]}") from None
    try:
        hyperparameters = registry.get(preset.method).Hyperparameters
    except ConsoleError as error:
        raise ConsoleError(f"{path}: {error}") from None
    _, errors = validate(hyperparameters, preset.hyperparameters)
    if errors:
        raise ConsoleError(f"{path}: " + "; ".join(str(error) for error in errors))
    return preset
