"""Random sequences of what consoles, supervisors and workers do, and of faults, on real run folders.

After each step: a run is in one state, whoever looks; what is alive can be neither resumed nor reaped; a
finished run stays finished; a recorded end stays as it is; nothing that was acknowledged disappears.
``NLI_CONSOLE_EXAMPLES=5000`` searches for longer, and each time anew.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from nli_console.errors import ConsoleError
from nli_console.record.evidence import attempt_numbers
from nli_console.record.journal import Tail
from nli_console.record.layout import TRASH, RunLayout
from nli_console.record.live import LiveRun
from nli_console.record.spec_io import submit
from nli_console.record.state import State, derive
from nli_console.record.store import Store
from nli_console.supervisor import actions
from nli_console.supervisor.reap import reap, sweep_orphans
from nli_console.worker.checkpoints import verified
from tests.faults.places import in_memory
from tests.faults.simulated import Actor, Machine, Simulation, pretended
from tests.support.fake_runs import make_spec

EXAMPLES = int(os.environ.get("NLI_CONSOLE_EXAMPLES", "0"))


class RunMachine(RuleBasedStateMachine):
    """One run, any number of consoles, and a machine that can do what machines do."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="nli-states-", dir=in_memory()))
        machine = Machine(self.folder / "proc")
        self.pretence = pretended(machine)
        self.pretence.__enter__()
        layout = submit(self.folder / "runs", make_spec(run_id="a-run"))
        self.home = layout.path
        self.run = Simulation(layout, machine)
        self.machine_ = machine
        self.has_finished = False
        self.deleted = False
        self.damaged: set[int] = set()
        self.ends: dict[int, bytes] = {}

    def teardown(self) -> None:
        self.pretence.__exit__(None, None, None)
        shutil.rmtree(self.folder, ignore_errors=True)

    @initialize(steps=st.integers(0, 3), saved=st.booleans())
    def it_may_be_under_way(self, steps: int, saved: bool) -> None:
        if steps:
            self.it_goes_on(stages=3, steps=steps, how="train")
            if saved:
                self.it_saves(whole=True)

    # -- who is there ----------------------------------------------------------------------------------------

    def supervising(self) -> list[Actor]:
        return [actor for actor in self.run.actors if self.run.here(actor, actor.supervisor)]

    def working(self) -> list[Actor]:
        return [actor for actor in self.run.actors if self.run.here(actor, actor.worker)]

    def training(self) -> list[Actor]:
        return [actor for actor in self.working() if not actor.final]

    # -- consoles --------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.deleted)
    @rule(what=st.sampled_from(["start", "resume", "resume", "stop", "kill", "reap", "sweep", "delete"]))
    def a_console_asks_to(self, what: str) -> None:
        getattr(self, f"_{what}")()

    @precondition(lambda self: self.deleted)
    @rule()
    def a_console_brings_it_back(self) -> None:
        assert self.run.layout.path.parent.name == TRASH
        self.run.layout = actions.restore(self.home.parent, "a-run")
        self.deleted = False
        assert self.run.layout.path == self.home

    def _start(self) -> None:
        """Whether or not somebody has it: the claim decides."""
        with suppress(ConsoleError):
            self.run.claim()

    def _resume(self) -> None:
        before = derive(self.run.look())
        launched: list[Actor] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(actions, "launch", lambda *_: launched.append(self.run.claim()))
            try:
                actions.resume(self.run.layout)
            except ConsoleError:
                assert not launched
                assert not before.resumable or before.state is State.FINISHED
                return
        assert launched
        assert before.state is not State.FINISHED

    def _stop(self, kill: bool = False) -> None:
        try:
            actions.stop(self.run.layout, "a test", kill)
        except ConsoleError:
            return
        for actor in self.supervising():
            actor.stopped = True

    def _kill(self) -> None:
        self._stop(kill=True)

    def _reap(self) -> None:
        """Two consoles find it at once."""
        alive = self.supervising() or self.working()
        recorded = [ended for ended in (reap(self.run.layout), reap(self.run.layout)) if ended is not None]
        assert len(recorded) <= 1
        assert not (recorded and alive)

    def _sweep(self) -> None:
        alive = self.supervising()
        try:
            sweep_orphans(self.run.layout)
        except ConsoleError:
            return
        assert not alive

    def _delete(self) -> None:
        try:
            trashed = actions.delete(self.run.layout)
        except ConsoleError:
            return
        assert not self.supervising()
        assert not self.working()
        self.deleted, self.run.layout = True, RunLayout(trashed)

    # -- supervisor and worker -------------------------------------------------------------------------------

    @precondition(lambda self: not self.deleted)
    @rule(
        stages=st.integers(1, 4),
        steps=st.integers(1, 3),
        how=st.sampled_from(["train"] * 4 + ["completed"] * 2 + ["stopped", "failed"]),
    )
    def it_goes_on(self, stages: int, steps: int, how: str) -> None:
        """Supervisor and worker do what is next for them, a few times."""
        for _ in range(stages):
            if not self.supervising():
                self._start()
                continue
            (actor,) = self.supervising()
            if actor.worker is None:
                self.run.work(actor)
            elif self.run.here(actor, actor.worker):
                self._work(actor, steps, how)
            else:
                assert self.run.conclude(actor), "a reaper was first although the supervisor was alive"

    def _work(self, actor: Actor, steps: int, how: str) -> None:
        if actor.final:
            self.run.leave(actor)
        elif how != "train":
            self.run.write_final(actor, how)
        else:
            self.run.train(actor, steps)
            actor.attempt.beat()

    @precondition(lambda self: self.training())
    @rule(whole=st.booleans())
    def it_saves(self, whole: bool) -> None:
        actor = self.training()[-1]
        if actor.step in self.run.sealed:
            return
        self.run.checkpoint(actor, whole=whole)
        if not whole:
            self.run.leave(actor)

    @precondition(lambda self: self.training())
    @rule()
    def its_worker_outlives_its_supervisor_for_a_while(self) -> None:
        """It trains on until it has noticed."""
        actor = self.training()[-1]
        self.run.end_supervisor(actor)
        self.run.train(actor, 1)

    # -- faults ----------------------------------------------------------------------------------------------

    @precondition(lambda self: self.supervising() or self.working())
    @rule(
        who=st.sampled_from(["worker", "supervisor", "both"]),
        torn=st.integers(0, 60),
        zombie=st.booleans(),
    )
    def somebody_is_killed(self, who: str, torn: int, zombie: bool) -> None:
        if who != "supervisor":
            for actor in self.working():
                if not actor.final:
                    self.run.tear(actor, torn)
                self.run.leave(actor, zombie=zombie)
        if who != "worker":
            for actor in self.supervising():
                self.run.end_supervisor(actor, zombie=zombie)

    @rule(what=st.sampled_from(["reboot", "pid", "tagged pid", -3600.0, 40.0, 86_400.0]))
    def the_machine_plays_a_trick(self, what: str | float) -> None:
        """It restarts, uses a pid again, or its clock is set."""
        if isinstance(what, float):
            self.machine_.clock += what
        elif what == "reboot":
            for actor in self.run.actors:
                actor.attempt.close()
            self.machine_.reboot()
        elif self.run.actors:
            last = self.run.actors[-1]
            tag = self.folder / "another-run" if what == "tagged pid" else None
            for identity in (last.supervisor, last.worker):
                if identity is not None and not self.run.here(last, identity):
                    self.machine_.start(tag, pid=identity.pid)

    @precondition(lambda self: self.run.sealed and not self.damaged)
    @rule(name=st.sampled_from(["model.safetensors", "optimizer.pt", "trainer_state.json"]))
    def a_byte_of_the_newest_checkpoint_flips(self, name: str) -> None:
        step = self.run.sealed[-1]
        path = self.run.layout.checkpoints / f"checkpoint-{step}" / name
        content = bytearray(path.read_bytes())
        content[0] ^= 1
        path.write_bytes(content)
        self.damaged.add(step)

    # -- what holds always -----------------------------------------------------------------------------------

    @invariant()
    def it_is_in_one_state(self) -> None:
        state = derive(self.run.look())
        assert derive(self.run.look()) == state
        if not self.deleted:
            store = Store(self.home.parent)
            store.refresh(self.machine_.time())
            seen = store.get("a-run")
            assert seen is not None
            assert seen.state.state is state.state

    @invariant()
    def one_supervisor_at_most_has_it(self) -> None:
        assert len(self.supervising()) <= 1
        assert len(self.working()) <= 1

    @invariant()
    def what_is_alive_is_not_offered_again(self) -> None:
        state = derive(self.run.look())
        if self.supervising() or self.working():
            assert not state.resumable or state.state is State.FINISHED, state
            assert state.state is not State.LOST

    @invariant()
    def finished_stays_finished(self) -> None:
        finished = derive(self.run.look()).state is State.FINISHED
        assert finished or not self.has_finished
        self.has_finished = finished

    @invariant()
    def a_recorded_end_stays(self) -> None:
        for number in attempt_numbers(self.run.layout):
            result = self.run.layout.attempt(number).result
            if result.exists():
                content = result.read_bytes()
                assert self.ends.setdefault(number, content) == content
            else:
                assert number not in self.ends

    @invariant()
    def nothing_acknowledged_disappears(self) -> None:
        assert attempt_numbers(self.run.layout) == sorted(self.run.acknowledged)
        for number, steps in self.run.acknowledged.items():
            tail = Tail(self.run.layout.attempt(number).metrics)
            read = [record["step"] for record in tail.read().records if record["kind"] == "train"]
            assert read == steps
        resumable = verified(self.run.layout).checkpoint
        whole = [step for step in self.run.sealed[-2:] if step not in self.damaged]
        if whole:
            assert resumable is not None
            assert resumable.step >= whole[-1]
            state = (resumable.path / "trainer_state.json").read_text()
            assert state == f'{{"global_step": {resumable.step}}}'

    @invariant()
    def what_is_drawn_is_what_holds(self) -> None:
        live = LiveRun(self.run.layout)
        live.poll()
        steps = [block.last_step for block in live.points]
        assert steps == sorted(set(steps))
        assert 99999 not in steps


TestRun = RunMachine.TestCase
TestRun.settings = settings(
    max_examples=EXAMPLES or 60,
    stateful_step_count=40,
    derandomize=not EXAMPLES,
    deadline=None,
    database=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
