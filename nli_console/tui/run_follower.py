"""Follows one run's record and makes views of it. Lives on the poller's thread."""

import time
from typing import TYPE_CHECKING

from nli_console.errors import ConsoleError
from nli_console.record.curve import Block
from nli_console.record.evaluation import SplitReport, read_reports
from nli_console.record.files import folder_size
from nli_console.record.layout import RunLayout
from nli_console.record.live import LiveRun
from nli_console.record.samples import Phase
from nli_console.tui.run_view import RunView
from nli_console.tui.widgets.buckets import Buckets

if TYPE_CHECKING:
    from nli_console.record.spec import RunSpec

SAMPLES_SHOWN = 60
LOG_LINES = 400
_SIZE_EVERY = 30.0
_READS_AT_ONCE = 4


class RunFollower:
    """One open run. :meth:`read` gives a view only when something is new."""

    def __init__(self, layout: RunLayout) -> None:
        self._layout = layout
        self._live = LiveRun(layout)
        self._loss = Buckets()
        self._rate = Buckets()
        self._spec: RunSpec | None = None
        self._size: int | None = None
        self._sized = 0.0
        self._reports: tuple[SplitReport, ...] = ()
        self._reported = 0
        self._last: Block | None = None
        self._shown = False

    def read(self, *, ended: bool) -> RunView | None:
        """Take in what was written since the last call. ``ended``: the size on disk stays as it is."""
        changed = not self._shown
        for _ in range(_READS_AT_ONCE):
            update = self._live.poll()
            if update.reset:
                self._loss.clear()
                self._rate.clear()
            for block in update.points:
                self._add(block)
            changed = changed or update.changed
            if not update.more:
                break
        if self._spec is None:
            self._spec = self._load_spec()
        self._read_reports()
        if self._size is None or (time.monotonic() - self._sized > _SIZE_EVERY and not ended):
            before, self._size = self._size, folder_size(self._layout.path)
            self._sized = time.monotonic()
            changed = changed or before != self._size
        if not changed:
            return None
        self._shown = True
        return self._view()

    def _add(self, block: Block) -> None:
        if block.n == 1:
            self._loss.add(block.first_step, block.mean)
        else:
            self._loss.add_block(
                block.first_step, block.last_step, block.n, block.min, block.mean, block.max, block.nan
            )
        if block.learning_rate is not None:
            self._rate.add(block.last_step, block.learning_rate)
        self._last = block

    def _load_spec(self) -> "RunSpec | None":
        from nli_console.record.spec_io import load_spec

        try:
            return load_spec(self._layout)
        except ConsoleError:
            return None

    def _read_reports(self) -> None:
        """Read the reports again when one was added; each is written before its evaluation is recorded."""
        reported = sum(point.purpose == "final" for point in self._live.evals)
        if reported != self._reported:
            self._reported, self._reports = reported, read_reports(self._layout)

    def _view(self) -> RunView:
        live = self._live
        throughput, eta = live.throughput, live.eta
        return RunView(
            id=self._layout.id,
            spec=self._spec,
            loss=self._loss.copy(),
            learning_rate=self._rate.copy(),
            evaluations=tuple(live.evals),
            scores=tuple(live.scores),
            reports=self._reports,
            guards=tuple(live.guards),
            phase=self._phase(),
            start=live.start,
            step=live.step,
            eta=eta.total,
            eta_at_least=eta.training or None,
            samples_per_second=throughput.samples if throughput else None,
            samples=tuple(live.system)[-SAMPLES_SHOWN:],
            log=tuple(live.log[-LOG_LINES:]),
            size=self._size,
        )

    def _phase(self) -> Phase | None:
        """What the run is at: training again, when a step was recorded after the last phase record."""
        phase, last = self._live.phase, self._last
        if phase is None or last is None or last.t is None or phase.t is None or last.t <= phase.t:
            return phase
        return Phase("training", t=last.t)
