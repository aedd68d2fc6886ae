"""The options that every command understands, taken out of the command line by hand."""

from dataclasses import dataclass
from pathlib import Path

from nli_console.errors import ConsoleError


@dataclass(frozen=True)
class Globals:
    """The options that are understood before, in and after every command."""

    settings: Path | None = None
    runs_dir: Path | None = None
    more_roots: tuple[Path, ...] = ()


def split_globals(argv: list[str]) -> tuple[Globals, list[str]]:
    """Take ``--settings FILE`` and ``--runs-dir DIR`` out of ``argv``, wherever they stand before a ``--``.

    Of several runs folders the first is the one that runs are started in; the others are read as well.

    Raises:
        ConsoleError: an option without its value.
    """
    settings: Path | None = None
    roots: list[Path] = []
    rest: list[str] = []
    words = iter(argv)
    for word in words:
        option, equals, value = word.partition("=")
        if word == "--":
            rest += [word, *words]
            break
        if option not in ("--settings", "--runs-dir"):
            rest.append(word)
            continue
        if not equals:
            value = next(words, "")
        if not value:
            what = "a settings file" if option == "--settings" else "a folder"
            raise ConsoleError(f"{option}: expected {what} after it")
        if option == "--settings":
            settings = Path(value)
        else:
            roots.append(Path(value))
    return Globals(settings, roots[0] if roots else None, tuple(roots[1:])), rest
