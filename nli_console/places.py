"""Where the user's files are: settings, cache and state, and what a path that a person typed means."""

import os
from pathlib import Path

from nli_console.errors import ConsoleError
from nli_console.text import clean_line

FILE_NAME = "settings.toml"
DEFAULT_CACHE = Path("~/.cache/nli-console")
"""Stands for ``$XDG_CACHE_HOME/nli-console`` where that variable is set."""


def user_folder() -> Path:
    """The user's own folder for settings, presets and templates (``$XDG_CONFIG_HOME/nli-console``)."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "nli-console"


def state_folder() -> Path:
    """What the console keeps for the user beside the settings (``$XDG_STATE_HOME/nli-console``)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "nli-console"


def absolute_path(path: str | Path, base: Path, what: str) -> Path:
    """``path`` with ``~`` expanded, from ``base`` on when it is relative; errors call it ``what``."""
    try:
        text = os.path.expanduser(path)
        if "\0" in text:
            raise ValueError("it holds a NUL character")
        if is_not_utf8(text):
            raise ValueError("its name is not valid UTF-8, and a run could not record it")
        if text.startswith("~"):
            raise ValueError("there is no such user")
        # normpath instead of resolve: a link that the user named keeps its name.
        return Path(os.path.normpath(base / text))
    except ValueError as error:
        raise ConsoleError(f'{what} = "{clean_line(path, limit=80)}" is not a usable path: {error}') from None


def is_not_utf8(name: str) -> bool:
    """Whether a file name holds bytes that are not UTF-8 (Python carries them as lone surrogates)."""
    return any("\ud800" <= character <= "\udfff" for character in name)


def current_folder() -> Path:
    """The current folder; a :class:`ConsoleError` when it was deleted under the shell's feet."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConsoleError(
            "the current folder no longer exists; change to another one and try again"
        ) from None


def find_settings(explicit: Path | None, here: Path) -> Path | None:
    """The settings file to read, as :func:`nli_console.settings.load_settings` says; ``None``: there is none.

    Raises:
        ConsoleError: ``explicit`` does not exist.
    """
    if explicit is not None:
        path = absolute_path(explicit, here, "--settings")
        if not os.path.exists(path):
            raise ConsoleError(
                f"--settings {clean_line(path)}: no such file; name an existing file, "
                f"or leave the option out to use ./{FILE_NAME} or the defaults"
            )
        return path
    for folder in (here, user_folder()):
        path = folder / FILE_NAME
        # lexists, so that a link to nowhere is an error and not silently another file.
        if os.path.lexists(path):
            return path.absolute()
    return None
