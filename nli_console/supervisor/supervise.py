"""Run one attempt from the queue to its result: the whole body of ``nli-console supervise DIR`` and of a
batch job.

No torch here, and nothing that is slow to import: this process waits in the queue, and the time until the
worker starts is time a user waits. All signals are blocked and taken one by one in the loop, so no handler
ever interrupts a write.
"""

import contextlib
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from nli_console.errors import ConsoleError
from nli_console.record.files import read_json_or_none
from nli_console.record.glance import glance
from nli_console.record.layout import RunLayout
from nli_console.record.orders import read_orders
from nli_console.record.processes import ProcessIdentity, own_identity
from nli_console.record.state import Reason, State
from nli_console.supervisor.aftermath import is_full, log_tail, oom_kills, room, run_on_finish
from nli_console.supervisor.attempt import Attempt
from nli_console.supervisor.devices import Lookout, foreign_use, gpu_of
from nli_console.supervisor.environment import worker_environment
from nli_console.supervisor.job import Job, read_job
from nli_console.supervisor.ladder import Graces, Ladder
from nli_console.supervisor.lease import POLL, Holder, Lease, Slots, Waiter
from nli_console.supervisor.reap import reap
from nli_console.supervisor.sweep import has_ended, send, send_group, sweep
from nli_console.supervisor.telemetry.monitor import GpuMonitor
from nli_console.supervisor.turn import Turn
from nli_console.supervisor.verdict import Ending, decide, signal_name
from nli_console.supervisor.worker_process import become_subreaper, spawn, worker_command
from nli_console.text import clean, format_duration

if TYPE_CHECKING:
    from nli_console.supervisor.standby import WarmWorker
    from nli_console.supervisor.telemetry.host import HostSampler

HEARTBEAT = 5.0
FIRST_READING = 2.0
QUEUE_READINGS = 1.0
NEAR, FAR_RESTS = 10, 6
"""Places in the queue that look at every poll, and how many polls the others rest."""
_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def main(
    run_dir: str | Path,
    number: int | None = None,
    *,
    graces: Graces | None = None,
    warm: "WarmWorker | None" = None,
) -> int:
    """Run the next attempt (or exactly attempt ``number``) of the run in ``run_dir``; return the exit code.

    ``warm`` is a worker that waits for a run; one that does not fit this run is not used.

    Exit codes: 0 finished, 1 failed, 3 stopped, 4 lost (a reaper was first), 73 somebody else runs it.

    Raises:
        ConsoleError: when the folder holds no run, cannot be written, or is somebody else's.
        Taken: (exit code 73) when another supervisor has it or nothing is left to do.
    """
    os.umask(0o077)
    layout = RunLayout(Path(run_dir).resolve())
    job = read_job(layout)
    slots = Slots()
    if number is None:
        # A batch job that is started again after a kill finds the attempt before it without an end.
        reap(layout, end_waiting=True)
    # What the caller ignores stays ignored, as under nohup, except children: their exit codes would be lost.
    stopping = {number for number in _STOPPING if signal.getsignal(number) != signal.SIG_IGN}
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {*stopping, signal.SIGCHLD})
    try:
        attempt = Attempt.claim(layout, number)
        return _Supervisor(layout, job, attempt, slots, graces or Graces(), stopping, warm).run()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class _Supervisor:
    """The state of one supervised attempt."""

    def __init__(
        self,
        layout: RunLayout,
        job: Job,
        attempt: Attempt,
        slots: Slots,
        graces: Graces,
        stopping: set[signal.Signals],
        warm: "WarmWorker | None" = None,
    ) -> None:
        self._layout = layout
        self._job = job
        self._attempt = attempt
        self._slots = slots
        self._ladder = Ladder(graces)
        self._stopping = stopping
        self._warm = warm
        self._monitor = GpuMonitor(min(QUEUE_READINGS, job.telemetry_interval))
        self._lease: Lease | None = None
        self._beaten = time.monotonic()
        self._read: tuple[int, int] | None = None
        self._base: dict[str, str] = {}

    def run(self) -> int:
        state, reason, code, by_signal = State.FAILED, None, None, None
        try:
            argv, self._base = worker_command(self._layout.path, self._attempt.owner.attempt)
            self._lease = self._queue()
            if self._lease is None:
                state, reason = State.STOPPED, self._ladder.cause
            else:
                state, reason, code, by_signal = self._work(argv, self._lease)
        except ConsoleError as error:
            reason = Reason("exception", str(error))
        except Exception as error:
            # Whatever goes wrong in here, the run gets an end that a person can read.
            with contextlib.suppress(Exception):
                self._sweep()
            reason = Reason("exception", f"the supervisor: {type(error).__name__}: {error}")
        return self._end(state, reason, code, by_signal)

    # -- waiting ---------------------------------------------------------------------------------------------

    def _queue(self) -> Lease | None:
        """Wait for a slot; ``None`` when a stop came first."""
        owner, job = self._attempt.owner, self._job
        holder = Holder(job.id, str(self._layout.path), own_identity())
        since = job.submitted if owner.attempt == 1 else owner.started
        lookout = Lookout(
            {**self._base, **job.environment},
            self._slots.held,
            cpu_slots=job.cpu_slots,
            wait_for_foreign=job.wait_for_foreign,
        )
        told = None
        with Waiter(self._slots, holder, since or owner.started) as waiter:
            turn = Turn(waiter, lookout, lambda: read_orders(self._layout, owner.started))
            self._monitor.first(FIRST_READING)
            while True:
                lease = turn.look(self._monitor.latest())
                if lease is not None:
                    return lease
                if self._warm is not None:
                    # Nobody knows how long this takes: its memory is given back.
                    self._warm.drop()
                    self._warm = None
                if turn.waiting != told:
                    self._attempt.event("waiting", **turn.waiting)
                    told = turn.waiting
                # Everybody reads everybody's ticket, so those far behind look less often.
                for _ in range(1 if turn.waiting.get("place", 1) <= NEAR else FAR_RESTS):
                    self._rest(POLL)
                    if self._ladder.cause is not None:
                        return None

    # -- working ---------------------------------------------------------------------------------------------

    def _work(self, argv: list[str], lease: Lease) -> tuple[State, Reason | None, int | None, int | None]:
        attempt, owner = self._attempt, self._attempt.owner
        uuid = gpu_of(lease.slot)
        owner.gpu = (uuid,) if uuid else ()
        attempt.event("lease", **({"gpu": uuid} if uuid else {"slot": lease.slot}))
        environment = worker_environment(
            self._base, self._job.environment, self._layout.path, list(owner.gpu)
        )
        become_subreaper()
        oom_before = oom_kills()
        try:
            owner.worker = self._start_worker(argv, environment)
        except OSError as error:
            return State.FAILED, Reason("exception", f"the worker could not be started: {error}"), None, None
        owner.queued = False
        attempt.write_owner()
        attempt.event("starting", pid=owner.worker.pid)
        status = self._watch()
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        by_signal = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
        attempt.event("worker_exit", code=code, signal=None if by_signal is None else signal_name(by_signal))
        gpu = self._monitor.latest().find(uuid) if uuid else None
        self._sweep()
        ending = Ending(
            final=read_json_or_none(attempt.layout.final),
            exit_code=code,
            signal=by_signal,
            stop=self._ladder.cause,
            log_tail=log_tail(attempt.layout.console_log),
            oom_killed=_rose(oom_before, oom_kills()),
            gpu_lost=gpu is not None and gpu.lost,
            disk_full=is_full(self._layout.path),
            room=room(self._layout.path),
            gpu_users=foreign_use(self._monitor.latest(), uuid, seen_only=True) if uuid else "",
        )
        return *decide(ending), code, by_signal

    def _start_worker(self, argv: list[str], environment: dict[str, str]) -> ProcessIdentity:
        place, log = self._layout.path, self._attempt.layout.console_log
        if self._warm is not None:
            taken = self._warm.hand_over(environment, place, self._attempt.owner.attempt, log)
            if taken is not None:
                return taken
        return spawn(argv, environment, place, log)

    def _watch(self) -> int:
        """Until the worker ends: signals, requests, the time limit, telemetry. Returns its wait status."""
        # Imported here, after the start of the worker, because psutil takes longer than all the rest.
        from nli_console.supervisor.telemetry.host import HostSampler

        worker = self._attempt.owner.worker
        assert worker is not None
        started = sampled = time.monotonic()
        sampler = HostSampler(self._layout.path, worker.pid)
        while True:
            if has_ended(worker.pid):
                # The unreaped leader still pins the number of its group, so nobody else can be hit.
                send_group(worker, signal.SIGKILL)
                return os.waitpid(worker.pid, 0)[1]
            now = time.monotonic()
            if now >= sampled:
                self._sample(sampler)
                sampled = now + self._job.telemetry_interval
            limit = self._job.time_limit
            if limit is not None and now - started >= limit:
                self._stop(
                    Reason("time_limit", f"the time limit of {format_duration(limit)} was reached"),
                    by="time limit",
                )
            self._climb()
            self._rest(POLL)

    def _climb(self) -> None:
        worker = self._attempt.owner.worker
        rung = self._ladder.due()
        if rung is None or worker is None:
            return
        if rung.signal == signal.SIGKILL:
            self._attempt.event("killing")
        if rung.group:
            send_group(worker, rung.signal)
        else:
            send(worker, rung.signal)

    def _sample(self, sampler: "HostSampler") -> None:
        """One line of ``system.jsonl``; of the GPUs only this run's, all of them would fill the disk."""
        fields = self._monitor.latest().to_json()
        own = self._attempt.owner.gpu
        gpus = None if fields["gpus"] is None else [gpu for gpu in fields["gpus"] if gpu["uuid"] in own]
        self._attempt.reading({"gpus": gpus, "gpu_note": fields["note"], **asdict(sampler.sample())})

    def _sweep(self) -> None:
        """Leave no process of the run, tagged or adopted; the telemetry helper is a child and goes first."""
        self._monitor.close()
        killed = sweep(self._layout.path, children=True)
        if killed:
            self._attempt.event("swept", pids=killed)

    # -- both ------------------------------------------------------------------------------------------------

    def _rest(self, seconds: float) -> None:
        """Sleep until a signal comes or ``seconds`` have passed; heartbeat and stop requests are seen to."""
        taken = signal.sigtimedwait({*self._stopping, signal.SIGCHLD}, seconds)
        if taken is not None and taken.si_signo in self._stopping:
            name = signal_name(taken.si_signo)
            self._stop(Reason("signal", f"the supervisor was told to end by {name}"), by=name)
        self._read_request()
        now = time.monotonic()
        if now - self._beaten >= HEARTBEAT:
            self._beaten = now
            self._attempt.beat()
            if self._lease is not None:
                self._lease.renew()

    def _read_request(self) -> None:
        """``control/stop.json``, when it is new; one older than this attempt was meant for another."""
        path = self._layout.stop_request
        try:
            status = path.stat()
        except OSError:
            return
        if self._read == (status.st_ino, status.st_mtime_ns):
            return
        self._read = (status.st_ino, status.st_mtime_ns)
        request = read_json_or_none(path)
        t = (request or {}).get("t")
        if request is None or not isinstance(t, (int, float)) or t < self._attempt.owner.started:
            return
        by = clean(request.get("by") or "somebody", limit=80)
        self._stop(Reason("user", f"stopped by {by}"), by=by, kill=request.get("kind") == "kill")

    def _stop(self, cause: Reason, *, by: str, kill: bool = False) -> None:
        if self._ladder.ask(cause, kill=kill, saves=glance(self._attempt.layout.metrics).started):
            self._attempt.event("stopping", by=by, signal="SIGTERM" if kill else "SIGUSR2")

    # -- the end ---------------------------------------------------------------------------------------------

    def _end(self, state: State, reason: Reason | None, code: int | None, by_signal: int | None) -> int:
        self._monitor.close()
        attempt = self._attempt
        try:
            first = attempt.finish(state, reason, exit_code=code, signal=by_signal)
        except OSError:
            # Not even the reserve helped; whoever looks next finds this supervisor dead and records the end.
            first = False
        attempt.drop_reserve()
        attempt.event("ended", state=state.value)
        if self._lease is not None:
            self._lease.release()
        problem = run_on_finish(self._job, state)
        if problem is not None:
            attempt.event("on_finish", problem=problem)
        attempt.close()
        if not first:
            return 4
        return {State.FINISHED: 0, State.STOPPED: 3}.get(state, 1)


def _rose(before: int | None, after: int | None) -> bool | None:
    return None if before is None or after is None else after > before


def run_as_program(arguments: list[str], warm: "WarmWorker | None" = None) -> int:
    """``RUN_DIR [ATTEMPT]``; what cannot be done is said on stderr."""
    try:
        return main(arguments[0], int(arguments[1]) if len(arguments) > 1 else None, warm=warm)
    except ConsoleError as error:
        print(f"nli-console: {clean(error)}", file=sys.stderr, flush=True)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(run_as_program(sys.argv[1:]))
