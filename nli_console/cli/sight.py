"""One run as a command that follows it sees it: its state, how far it is, and what is new."""

from nli_console.cli.progress import Evaluated, Progress
from nli_console.record.evidence import gather
from nli_console.record.layout import RunLayout
from nli_console.record.live import LiveRun
from nli_console.record.samples import EvalPoint, Guard
from nli_console.record.state import State, derive


class Sight:
    """Reads the run folder incrementally; :meth:`refresh` before anything else."""

    def __init__(self, layout: RunLayout) -> None:
        self._layout = layout
        self._live = LiveRun(layout)
        self._shown: set[tuple[int, int, str]] = set()
        self._warned: dict[str, Guard] = {}
        self._advised = ""
        self.state = derive(gather(layout))

    def refresh(self) -> None:
        """Look again."""
        self.state = derive(gather(self._layout))
        while self._live.poll().more:
            pass

    def new_evaluations(self) -> list[Evaluated]:
        """Evaluations during training that were not given out before; the final ones belong to the result."""
        found = [point for point in self._live.evals if point.purpose != "final"]
        new = [point for point in found if _key(point) not in self._shown]
        self._shown.update(_key(point) for point in new)
        return [
            Evaluated(point.split, point.accuracy, point.low, point.high, point.n, point.step)
            for point in new
        ]

    def new_warnings(self) -> list[str]:
        """Warnings that the worker raised since the last call, and those that it took back, as sentences."""
        active = {guard.id: guard for guard in self._live.guards}
        said = [
            f"{guard.severity} [{guard.id}] at step {guard.step or 0:,}: {guard.message}"
            for guard in active.values()
            if guard.id not in self._warned
        ]
        said += [f"cleared [{id}]: {held.message}" for id, held in self._warned.items() if id not in active]
        self._warned = active
        return said

    def new_advice(self) -> str:
        """What a person can do about what the run waits for, when it changed since the last call."""
        reason = self.state.reason
        advice = reason.advice if reason is not None else ""
        said, self._advised = self._advised, advice
        return "" if advice == said else advice

    def progress(self) -> Progress:
        """How far the run is."""
        live, state = self._live, self.state
        reason = state.reason.sentence if state.reason is not None else ""
        phase = live.phase
        if state.state not in (State.RUNNING, State.STARTING) or phase is None:
            return Progress(state.state.value, detail="" if reason == state.state.value else reason)
        if phase.name == "training":
            return Progress(
                "training", live.step or 0, live.total_steps, "steps", loss=live.loss, eta=live.eta.total
            )
        done = None if phase.done is None else int(phase.done)
        total = None if phase.total is None else int(phase.total)
        return Progress(phase.name, done, total, phase.unit, eta=live.eta.total, detail=phase.detail)

    def log_tail(self, lines: int) -> list[str]:
        """The end of the latest attempt's log, cleaned and without secrets."""
        return self._live.log[-lines:]


def _key(point: EvalPoint) -> tuple[int, int, str]:
    return point.attempt, point.step, point.split
