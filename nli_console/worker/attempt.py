"""What every part of an attempt writes to and looks at."""

from dataclasses import dataclass

from nli_console.record.layout import RunLayout
from nli_console.worker.figures import Figures
from nli_console.worker.guards import Guards
from nli_console.worker.recorder import Recorder
from nli_console.worker.stop import StopFlag


@dataclass(frozen=True)
class Attempt:
    """One try at a run: its folder and number, its record, its figures so far, whether it should stop, and
    what it warns of."""

    layout: RunLayout
    number: int
    recorder: Recorder
    figures: Figures
    stop: StopFlag
    guards: Guards
