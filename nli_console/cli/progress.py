"""Progress of a run as text: one line that is rewritten in a terminal, plain lines elsewhere."""

import os
import shutil
import time
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len, set_cell_size

from nli_console.text import clean, clean_line, format_accuracy, format_count, format_duration, format_number

PLAIN_INTERVAL = 10.0
"""Seconds between two plain lines about the same phase."""


@dataclass(frozen=True, slots=True)
class Evaluated:
    """One evaluation: ``accuracy`` with its interval, over ``n`` rows of ``split``."""

    split: str
    accuracy: float
    low: float | None
    high: float | None
    n: int | None
    step: int | None

    @property
    def sentence(self) -> str:
        where = "" if self.step is None else f"step {self.step:,}: "
        accuracy = format_accuracy(self.accuracy, self.low, self.high)
        return f"{where}accuracy on {self.split} {accuracy} (n = {format_count(self.n)})"


@dataclass(frozen=True, slots=True)
class Progress:
    """What one look at a run found. ``phase`` is a word or two, ``eta`` in seconds."""

    phase: str
    done: int | None = None
    total: int | None = None
    unit: str = ""
    loss: float | None = None
    eta: float | None = None
    detail: str = ""

    @property
    def line(self) -> str:
        """``training  step 120 of 376 (32 %)  loss 0.6321  ETA 47 s``."""
        parts = [self.phase]
        if self.done is not None:
            parts.append(f"{self._amount(self.done)}{self._of_total()}".strip())
        if self.loss is not None:
            parts.append(f"loss {format_number(self.loss)}")
        if self.eta is not None:
            parts.append(f"ETA {format_duration(self.eta)}")
        if self.detail:
            parts.append(self.detail)
        return "  ".join(clean_line(part) for part in parts)

    def _amount(self, value: int) -> str:
        return f"step {value:,}" if self.unit == "steps" else f"{value:,} {self.unit}".rstrip()

    def _of_total(self) -> str:
        if not self.total:
            return ""
        return f" of {self.total:,} ({100 * min(self.done or 0, self.total) // self.total} %)"


class Screen:
    """Writes progress to ``stream`` so that messages never mix with the line that is rewritten."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._live = stream.isatty() and os.environ.get("TERM") != "dumb"
        self._shown = ""
        self._phase = ""
        self._last = float("-inf")

    def update(self, progress: Progress, now: float | None = None) -> None:
        """Show where the run is; outside a terminal only at a new phase and every ten seconds."""
        line = progress.line
        if self._live:
            self._rewrite(line)
            return
        moment = time.monotonic() if now is None else now
        if line == self._shown or (progress.phase == self._phase and moment - self._last < PLAIN_INTERVAL):
            return
        self._shown, self._phase, self._last = line, progress.phase, moment
        self._write(line + "\n")

    def message(self, text: str) -> None:
        """A line that stays."""
        self.clear()
        self._write(clean(text) + "\n")

    def clear(self) -> None:
        """Take the line that is rewritten away."""
        if self._live:
            # Two cells more, because a terminal shows ^C where the cursor stands.
            self._write("\r" + " " * (cell_len(self._shown) + 2) + "\r")
            self._shown = ""

    def _rewrite(self, line: str) -> None:
        room = max(shutil.get_terminal_size().columns - 1, 10)
        text = line if cell_len(line) <= room else set_cell_size(line, room - 1) + "…"
        if text == self._shown:
            return
        rest = max(cell_len(self._shown) - cell_len(text), 0)
        self._write("\r" + text + " " * rest + "\b" * rest)
        self._shown = text

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
