"""Prompt templates by name: those that come with the package, and the user's own.

The user's stand in ``templates/NAME.toml`` of the user folder; one of a shipped name takes its place.
"""

import difflib
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nli_console.data.prompts.template import PromptTemplate
from nli_console.errors import ConsoleError
from nli_console.text import clean_line

SIZE_LIMIT = 256 * 1024
_FOLDER = Path(__file__).parent / "templates"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Catalogue:
    """The templates that can be used, a sentence for each that cannot, and the names of the user's own."""

    templates: list[PromptTemplate]
    problems: list[str]
    own: frozenset[str] = frozenset()


def scan(user_folder: Path | None = None) -> Catalogue:
    """The shipped templates, then the user's, both by name. A broken file spoils only itself."""
    found = {path.stem: read_file(path) for path in sorted(_FOLDER.glob("*.toml"))}
    problems: list[str] = []
    own: set[str] = set()
    for path in _user_files(user_folder):
        try:
            # Taken out first, so that the user's own stand together at the end.
            template = read_file(path)
            found.pop(template.name, None)
            found[template.name] = template
            own.add(template.name)
        except ConsoleError as error:
            problems.append(str(error))
    return Catalogue(list(found.values()), problems, frozenset(own))


def load(name: str, user_folder: Path | None = None) -> PromptTemplate:
    """The template called ``name``, the user's own before a shipped one.

    Raises:
        ConsoleError: there is none, or its file is broken.
    """
    shown = clean_line(name, limit=80)
    if _NAME.fullmatch(name):
        for folder in (None if user_folder is None else user_folder / "templates", _FOLDER):
            path = None if folder is None else folder / f"{name}.toml"
            if path is not None and path.is_file():
                return read_file(path)
    known = [template.name for template in scan(user_folder).templates]
    close = difflib.get_close_matches(name[:200], known, n=1)
    hint = f'; did you mean "{close[0]}"?' if close else ""
    raise ConsoleError(
        f"--template {shown}: there is no template of this name{hint} (templates: {', '.join(known)}; your "
        "own stand in templates/NAME.toml beside your settings)"
    )


def save(template: PromptTemplate, user_folder: Path, *, overwrite: bool = False) -> Path:
    """Write a template of the user's own and return its file.

    Raises:
        ConsoleError: the name is not usable, or taken and ``overwrite`` is false, or the folder cannot be
            written.
    """
    import tomli_w

    if not _NAME.fullmatch(template.name):
        raise ConsoleError(
            f'template name "{clean_line(template.name, limit=80)}": use up to 64 letters, digits, dots, '
            "dashes and underscores, starting with a letter or digit"
        )
    path = user_folder / "templates" / f"{template.name}.toml"
    record = {key: value for key, value in template.model_dump(exclude={"name"}).items() if value != ""}
    try:
        _write(path, tomli_w.dumps(record, multiline_strings=True), overwrite)
    except FileExistsError:
        raise ConsoleError(
            f'template "{template.name}" exists already; choose another name, or overwrite it'
        ) from None
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


def _user_files(user_folder: Path | None) -> list[Path]:
    if user_folder is None:
        return []
    try:
        return sorted(
            path for path in (user_folder / "templates").glob("*.toml") if _NAME.fullmatch(path.stem)
        )
    except OSError:
        return []


def read_file(path: Path) -> PromptTemplate:
    """The template in a TOML file, called as the file is.

    Raises:
        ConsoleError: it starts with the path and names the key or the line.
    """
    shown = clean_line(path)
    try:
        with path.open("rb") as file:
            content = file.read(SIZE_LIMIT + 1)
        if len(content) > SIZE_LIMIT:
            raise ConsoleError(f"{shown}: larger than 256 KiB; this is not a template")
        record: dict[str, Any] = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise ConsoleError(f"{shown}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConsoleError(f"{shown}: not valid TOML: {error}") from None
    try:
        return from_record(record, path.stem)
    except ConsoleError as error:
        raise ConsoleError(f"{shown}: {error}") from None


def from_record(record: Mapping[str, Any], name: str) -> PromptTemplate:
    """The template called ``name`` with these keys.

    Raises:
        ConsoleError: it names the key that is wrong.
    """
    try:
        return PromptTemplate.model_validate({**record, "name": name})
    except ValidationError as error:
        raise ConsoleError(_sentence(error)) from None


def _sentence(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    # A mistyped key is also a missing one; the mistake is worth more.
    first = next((problem for problem in problems if problem["type"] == "extra_forbidden"), problems[0])
    key = clean_line(".".join(str(part) for part in first["loc"]), limit=80)
    if first["type"] == "extra_forbidden":
        known = list(PromptTemplate.model_fields)
        close = difflib.get_close_matches(key, known, n=1)
        hint = f'; did you mean "{close[0]}"?' if close else f" (keys: {', '.join(known)})"
        return f'unknown key "{key}"{hint}'
    cause = first.get("ctx", {}).get("error")
    message = str(cause) if cause is not None else f"{first['msg'][:1].lower()}{first['msg'][1:]}"
    return f"{key}: {message}" if key else message
