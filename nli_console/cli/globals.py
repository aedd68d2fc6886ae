"""The options that every command understands, taken out of the command line by hand."""

from dataclasses import dataclass
from pathlib import Path

from nli_console.errors import ConsoleError


@dataclass(frozen=True)
class Globals:
    """The options that are understood before, in and after every command."""

    settings: Path | None = None
    runs_dir: Path | None = None


def split_globals(argv: list[str]) -> tuple[Globals, list[str]]:
    """Take ``--settings FILE`` and ``--runs-dir DIR`` out of ``argv``, wherever they stand before a ``--``.

    Raises:
        ConsoleError: an option without its value.
    """
    values: dict[str, Path] = {}
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        option, equals, value = word.partition("=")
        if word == "--":
            return Globals(**values), [*rest, word, *words]
        if option not in ("--settings", "--runs-dir"):
            rest.append(word)
            continue
        if not equals:
            value = next(words, "")
        if not value:
            what = "a settings file" if option == "--settings" else "a folder"
            raise ConsoleError(f"{option}: expected {what} after it")
        values[option.removeprefix("--").replace("-", "_")] = Path(value)
    return Globals(**values), rest
