"""Processes that exist only as files in a pretended ``/proc``, and a run's actors that are such processes.

The code under test is the real one: claims, journals, checkpoints, verdicts, reapers and requests on a real
run folder. Only who is alive, which boot this is and what time it is are pretended.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from nli_console.record import evidence, store
from nli_console.record.files import read_json_or_none, write_json
from nli_console.record.layout import ENVIRONMENT_TAG, RunLayout
from nli_console.record.metrics_writer import MetricsWriter
from nli_console.record.processes import Processes, ProcessIdentity
from nli_console.record.state import Reason
from nli_console.supervisor import actions, attempt, reap
from nli_console.supervisor.attempt import Attempt
from nli_console.supervisor.verdict import Ending, decide
from nli_console.worker.checkpoints import Sealer, checkpoint_at, seal


class Machine:
    """A process table of this host in ``proc``, with a boot id and a clock that may be set."""

    def __init__(self, proc: Path) -> None:
        self.proc = proc
        self.clock = 0.0
        self.me = ProcessIdentity(1, 1)
        self._ticks = 1000
        self._pid = 100
        self._boots = 0
        self.reboot()

    def reboot(self) -> None:
        """Every process ends and the boot id changes; pids and ticks begin anew."""
        shutil.rmtree(self.proc, ignore_errors=True)
        self._boots += 1
        self._pid, self._ticks = 100, 1000
        boot = self.proc / "sys/kernel/random"
        boot.mkdir(parents=True)
        (boot / "boot_id").write_text(f"boot-{self._boots}\n")

    def start(self, run: Path | None = None, pid: int | None = None) -> ProcessIdentity:
        """A new process; with ``run`` it carries that run's tag, with ``pid`` it gets a number again."""
        self._pid += 1
        self._ticks += 7
        identity = ProcessIdentity(pid or self._pid, self._ticks)
        folder = self.proc / str(identity.pid)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        self._stat(identity, "S")
        (folder / "environ").write_text(f"HOME=/\0{ENVIRONMENT_TAG}={run}\0" if run else "HOME=/\0")
        return identity

    def kill(self, identity: ProcessIdentity, *, zombie: bool = False) -> None:
        """End a process; as a zombie it keeps its pid and loses its environment."""
        if not self.alive(identity):
            return
        if zombie:
            self._stat(identity, "Z")
            (self.proc / str(identity.pid) / "environ").write_text("")
        else:
            shutil.rmtree(self.proc / str(identity.pid))

    def alive(self, identity: ProcessIdentity | None) -> bool:
        return Processes(self.proc).alive(identity)

    @property
    def boot(self) -> str:
        return Processes(self.proc).boot_id

    def time(self) -> float:
        return time.time() + self.clock

    def _stat(self, identity: ProcessIdentity, letter: str) -> None:
        rest = " ".join([letter, *["0"] * 18, str(identity.start_ticks), "0"])
        (self.proc / str(identity.pid) / "stat").write_text(f"{identity.pid} (python (x)) {rest}\n")


@dataclass
class Actor:
    """A supervisor and its worker, as far as they got."""

    attempt: Attempt
    supervisor: ProcessIdentity
    worker: ProcessIdentity | None = None
    writer: MetricsWriter | None = None
    step: int = 0
    final: bool = False
    stopped: bool = False
    boot: str = ""


@dataclass
class Simulation:
    """One run on one pretended machine."""

    layout: RunLayout
    machine: Machine
    actors: list[Actor] = field(default_factory=list)
    acknowledged: dict[int, list[int]] = field(default_factory=dict)
    """Attempt → steps whose record was acknowledged."""
    sealed: list[int] = field(default_factory=list)
    """Steps of checkpoints whose sealing was acknowledged, oldest first."""

    def claim(self) -> Actor:
        """A new supervisor takes the next attempt.

        Raises:
            ConsoleError: somebody else has it, or there is nothing to take.
        """
        self.machine.me = self.machine.start()
        try:
            taken = Attempt.claim(self.layout)
        except BaseException:
            self.machine.kill(self.machine.me)
            raise
        actor = Actor(taken, self.machine.me, boot=self.machine.boot)
        self.actors.append(actor)
        self.acknowledged[taken.owner.attempt] = []
        return actor

    def work(self, actor: Actor) -> None:
        """The supervisor has its slot and starts the worker, which says that it trains."""
        actor.worker = self.machine.start(self.layout.path)
        actor.attempt.owner.worker, actor.attempt.owner.queued = actor.worker, False
        actor.attempt.write_owner()
        actor.attempt.event("starting", pid=actor.worker.pid)
        actor.writer = MetricsWriter(actor.attempt.layout)
        actor.step = self.sealed[-1] if self.sealed else 0
        actor.writer.write("phase", {"phase": "training"})
        actor.writer.write("start", {"total_steps": 1000, "resumed_step": actor.step})

    def train(self, actor: Actor, count: int) -> None:
        assert actor.writer is not None
        for _ in range(count):
            actor.step += 1
            actor.writer.write("train", {"step": actor.step, "loss": 1 / actor.step, "seconds": 0.1})
            self.acknowledged[actor.attempt.owner.attempt].append(actor.step)

    def tear(self, actor: Actor, size: int) -> None:
        """The worker is killed in mid-write: ``size`` bytes of a record reach the file."""
        line = b'{"v":1,"seq":999,"t":0,"kind":"train","step":99999,"loss":99.0}\n'
        with open(actor.attempt.layout.metrics, "ab", buffering=0) as stream:
            stream.write(line[: size % len(line)])

    def checkpoint(self, actor: Actor, *, whole: bool = True) -> None:
        """The worker saves; not ``whole``: it is killed before the manifest."""
        folder = checkpoint_at(self.layout, actor.step).path
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, mode=0o700)
        for name in ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"):
            (folder / name).write_bytes(f"{name} of step {actor.step}".encode())
        (folder / "trainer_state.json").write_text(f'{{"global_step": {actor.step}}}')
        if not whole:
            return
        seal(folder)
        # Rotation as the worker does it, behind a checkpoint that counts.
        Sealer(self.layout, 2, lambda: None).seal(checkpoint_at(self.layout, actor.step))
        self.sealed = [step for step in self.sealed if step != actor.step] + [actor.step]

    def write_final(self, actor: Actor, how: str) -> None:
        fields: dict[str, Any] = {"v": 1, "completed": how == "completed", "stopped": how == "stopped"}
        fields["reason"] = {"code": "exception", "detail": "ValueError: x"} if how == "failed" else None
        write_json(actor.attempt.layout.final, {**fields, "step": actor.step})
        actor.final = True

    def leave(self, actor: Actor, *, zombie: bool = False) -> None:
        """The worker's process ends."""
        assert actor.worker is not None
        self.machine.kill(actor.worker, zombie=zombie)

    def here(self, actor: Actor, identity: ProcessIdentity | None) -> bool:
        """Whether a process of ``actor`` is alive: of this boot, for numbers come again after a restart."""
        return actor.boot == self.machine.boot and self.machine.alive(identity)

    def conclude(self, actor: Actor) -> bool:
        """The supervisor, whose worker is gone, decides how it ended and records it; whether it was first."""
        final = read_json_or_none(actor.attempt.layout.final)
        stop = Reason("user", "stopped by a test") if actor.stopped else None
        state, reason = decide(Ending(final, exit_code=0 if actor.final else None, stop=stop, signal=9))
        first = actor.attempt.finish(state, reason)
        actor.attempt.event("ended", state=state.value)
        self.end_supervisor(actor)
        return first

    def end_supervisor(self, actor: Actor, *, zombie: bool = False) -> None:
        actor.attempt.close()
        self.machine.kill(actor.supervisor, zombie=zombie)

    def look(self) -> evidence.Evidence:
        return evidence.gather(self.layout, Processes(self.machine.proc))


@contextlib.contextmanager
def pretended(machine: Machine) -> Iterator[None]:
    """Within, the record's and the supervisor's code see ``machine``; a sweep ends its tagged processes."""

    def processes(*_: object) -> Processes:
        return Processes(machine.proc)

    def sweep(run_dir: Path, **_: object) -> list[int]:
        pids = Processes(machine.proc).tagged(run_dir)
        for pid in pids:
            shutil.rmtree(machine.proc / str(pid))
        return pids

    clock = type(
        "Clock", (), {"time": staticmethod(machine.time), "monotonic": time.monotonic, "sleep": time.sleep}
    )
    with pytest.MonkeyPatch.context() as patch:
        for module in (actions, evidence, reap, store):
            patch.setattr(module, "Processes", processes)
        for module in (evidence, attempt, actions):
            patch.setattr(module, "time", clock)
        patch.setattr(attempt, "own_identity", lambda: machine.me)
        patch.setattr(attempt, "boot_id", lambda: machine.boot)
        patch.setattr(actions, "_LEAVING", 0.0)
        patch.setattr(reap, "sweep", sweep)
        # Thousands of steps need no disk: what a crash of the machine costs is not pretended here.
        patch.setattr(os, "fsync", lambda descriptor: None)
        patch.setattr(os, "fdatasync", lambda descriptor: None)
        yield
