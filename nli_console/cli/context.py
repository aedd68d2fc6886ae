"""What every command gets: the settings that ``--settings`` and ``--runs-dir`` ask for, read on first use."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nli_console.cli.globals import Globals
from nli_console.cli.output import note
from nli_console.errors import ConsoleError
from nli_console.record import groups
from nli_console.record.roots import PATIENCE, Asked, read_roots, silence_of
from nli_console.record.spec_io import UnknownRunError
from nli_console.record.store import RunSummary
from nli_console.settings import LoadedSettings, Root, load_settings, user_folder
from nli_console.text import clean_line


@dataclass(frozen=True)
class Context:
    """One call of the program."""

    globals: Globals

    @cached_property
    def settings(self) -> LoadedSettings:
        """Raises ``ConsoleError`` with the line when the file is not valid."""
        return load_settings(self.globals.settings, self.globals.runs_dir, more_roots=self.globals.more_roots)

    @property
    def runs_dir(self) -> Path:
        return self.settings.runs_dir

    @property
    def user_folder(self) -> Path:
        return user_folder()

    @cached_property
    def roots(self) -> tuple[Root, ...]:
        """The folders with runs: one's own, and those that are read as well."""
        return self.settings.roots

    def history(self, then: Callable[[Sequence[RunSummary]], object] = len) -> list[RunSummary]:
        """Every run of every root, newest first; a root that cannot be read is named on stderr.

        ``then`` is given the runs of each root, on a thread of its own.

        Raises:
            ConsoleError: the user's own runs folder is none.
        """
        own = self.runs_dir
        if own.exists() and not own.is_dir():
            raise ConsoleError(f"runs_dir {clean_line(own)}: not a folder; name another one with --runs-dir")
        runs, notes = read_roots(self.roots, then=then)
        for sentence in notes:
            note(sentence)
        return runs

    def find(self, text: str) -> groups.Found:
        """The run or group of runs with this id, unique beginning of an id, or name; one's own first.

        Raises:
            ConsoleError: nothing or more than one thing fits.
        """
        try:
            return groups.find(self.runs_dir, text)
        except UnknownRunError as unknown:
            for root in self.roots[1:]:
                asked = Asked(partial(groups.find, root.path, text), f"root-{root.label}")
                if not asked.wait(time.monotonic() + PATIENCE):
                    note(silence_of(root))
                elif asked.answer is not None:
                    return asked.answer
                elif asked.error is not None and not isinstance(asked.error, UnknownRunError):
                    raise asked.error from None
            raise unknown

    def notice(self) -> None:
        """Say on stderr when no settings file was found, before something is started by its defaults."""
        if self.settings.notice:
            note(self.settings.notice)


Ctx = Annotated[Context, Parameter(parse=False)]
"""Type of the parameter that :mod:`nli_console.cli.app` fills in."""
