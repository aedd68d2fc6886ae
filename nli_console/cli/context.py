"""What every command gets: the settings that ``--settings`` and ``--runs-dir`` ask for, read on first use."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from nli_console.cli.globals import Globals
from nli_console.cli.output import note
from nli_console.record import groups
from nli_console.settings import LoadedSettings, load_settings, user_folder


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

    def find(self, text: str) -> groups.Found:
        """The run or group of runs with this id, unique beginning of an id, or name."""
        return groups.find(self.runs_dir, text)

    def notice(self) -> None:
        """Say on stderr when no settings file was found, before something is started by its defaults."""
        if self.settings.notice:
            note(self.settings.notice)


Ctx = Annotated[Context, Parameter(parse=False)]
"""Type of the parameter that :mod:`nli_console.cli.app` fills in."""
