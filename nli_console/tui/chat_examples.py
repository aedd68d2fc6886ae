"""The next of some examples, read as far as somebody asks for them."""

from collections.abc import Callable

from textual.message_pump import MessagePump

from nli_console.data.browse import Found
from nli_console.data.helper import Helper
from nli_console.tui.data_reading import ExampleReading, ExamplesFailed, ExamplesRead

_AHEAD = 200


class ExampleSource:
    """Walks through examples. ``target`` gets the reading's messages, and hands them in."""

    def __init__(self, target: MessagePump) -> None:
        self._target = target
        self._reading: ExampleReading | None = None
        self._job = 0
        self._found: list[Found] = []
        self._place = -1
        self._wanted = False
        self._rows: int | None = None
        self.problem = ""

    def begin(self, start: Callable[[], Helper]) -> None:
        """Read what the process of ``start`` answers with, from the first."""
        self.close()
        self._job += 1
        self._found, self._place, self._rows, self.problem = [], -1, None, ""
        self._reading = ExampleReading(self._job, start, self._target, _AHEAD)

    def close(self) -> None:
        """Read no further; nobody waits."""
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    @property
    def is_open(self) -> bool:
        return self._reading is not None or bool(self._found)

    @property
    def waits(self) -> bool:
        """Whether somebody waits for an example that is still to be read."""
        return self._wanted

    @property
    def known(self) -> int:
        """How many examples were read so far."""
        return len(self._found)

    def step(self, by: int) -> Found | None:
        """The next or the one before; ``None`` while it is read, or where there is none."""
        place = max(self._place + by, 0)
        if self._reading is not None and place + _AHEAD // 2 > len(self._found):
            self._reading.want(place + _AHEAD)
        if place < len(self._found):
            self._place, self._wanted = place, False
            return self._found[place]
        self._wanted = self._reading is not None
        return None

    def read(self, event: ExamplesRead) -> Found | None:
        """Take in what was read; returns the example that was waited for, if it is among it."""
        if event.job != self._job:
            return None
        self._found += event.examples
        if event.rows is not None:
            self._rows, self._reading = event.rows, None
        return self.step(1) if self._wanted else None

    def failed(self, event: ExamplesFailed) -> None:
        if event.job == self._job:
            self.problem, self._reading, self._wanted = event.text, None, False

    @property
    def counted(self) -> str:
        """Which of how many examples one is at, and its id and genre; empty before the first."""
        if not 0 <= self._place < len(self._found):
            return ""
        found, more = self._found[self._place], "" if self._rows is not None else "+"
        genre = "" if found.genre is None else f", {found.genre}"
        return f"{self._place + 1:,} of {len(self._found):,}{more}  {found.id}{genre}"

    @property
    def status(self) -> str:
        """Where one is, in words."""
        if self.problem:
            return self.problem
        if self._wanted:
            return "reading…"
        if not self._found:
            return "no example passes" if self._rows is not None else "reading…"
        end = f"of {self._rows:,} rows" if self._rows is not None else "read so far"
        if self._place < 0:
            return f"{len(self._found):,} examples {end}"
        found = self._found[self._place]
        genre = "" if found.genre is None else f", {found.genre}"
        last = " (the last)" if self._place + 1 == len(self._found) and self._rows is not None else ""
        return f"{self._place + 1:,} of {len(self._found):,} {end}{last}  {found.id}{genre}"
