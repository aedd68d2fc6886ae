"""A worker without torch that speaks the worker's protocol: ``fake_worker.py RUN_DIR ATTEMPT``.

What it does is told by the JSON object in ``$FAKE_WORKER`` (a run's ``environment`` sets it): ``steps``,
``step_seconds``; ``end``: ``complete``, ``fail`` (records an exception), ``raise`` (dies of ``message``),
``exit`` (with ``code`` and no word), ``kill`` (SIGKILL to itself); ``at``: the step at which it ends so;
``message``: what ``fail`` and ``raise`` say; ``hold_at``: steps at which it waits until the run folder holds
a file ``go-STEP``; ``children`` and ``sessions``: helpers to start, the latter in sessions of their
own; ``deaf``: signals to ignore; ``save_seconds``: how long the checkpoint of a stop takes; ``loading``:
seconds before the training, without a look at signals; ``nan_at``: the step whose loss is NaN; ``says``: a
text that it prints first; ``accuracy``: what it reaches, by split.

After every record that reached the file its step is printed, so the log holds what was acknowledged.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


class Worker:
    def __init__(self, attempt: Path, plan: dict) -> None:
        self.attempt = attempt
        self.plan = plan
        self.seq = 0
        self.stopping = False
        self.metrics = os.open(attempt / "metrics.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for number in (signal.SIGUSR2, signal.SIGTERM):
            if number.name in plan.get("deaf", ()):
                signal.signal(number, signal.SIG_IGN)
            else:
                signal.signal(number, self.ask_to_stop)

    def ask_to_stop(self, *_: object) -> None:
        self.stopping = True

    def record(self, kind: str, **fields: object) -> None:
        self.seq += 1
        line = json.dumps({"v": 1, "seq": self.seq, "t": time.time(), "kind": kind, **fields}) + "\n"
        os.write(self.metrics, line.encode())

    def final(self, **fields: object) -> None:
        temporary = self.attempt / ".final.tmp"
        base = {"v": 1, "completed": False, "stopped": False, "reason": None}
        temporary.write_text(json.dumps({**base, **fields}))
        temporary.rename(self.attempt / "final.json")

    def start_children(self) -> None:
        nap = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
        for _ in range(self.plan.get("children", 0)):
            subprocess.Popen(nap)
        for _ in range(self.plan.get("sessions", 0)):
            subprocess.Popen(nap, start_new_session=True)

    def train(self) -> int:
        plan = self.plan
        steps = plan.get("steps", 5)
        os.write(1, plan.get("says", "").encode())
        if "loading" in plan:
            self.record("phase", phase="loading")
            loaded = time.monotonic() + plan["loading"]
            while time.monotonic() < loaded:
                time.sleep(0.01)
        self.record("phase", phase="training")
        self.record("start", total_steps=steps, resumed_step=0)
        for step in range(1, steps + 1):
            loss = None if step == plan.get("nan_at") else 1.0 / step
            extra = {"nan": ["loss"]} if loss is None else {}
            self.record("train", step=step, epoch=step / steps, loss=loss, seconds=0.01, **extra)
            os.write(1, f"{step}\n".encode())
            if step == plan.get("at", steps):
                return self.end(step)
            if step in plan.get("hold_at", ()):
                self.hold(self.attempt.parent.parent / f"go-{step}")
            if self.stopping:
                return self.leave(step)
            time.sleep(plan.get("step_seconds", 0.005))
        return self.end(steps)

    def hold(self, go: Path) -> None:
        """Wait for the file, saying every second that it is alive, so that nobody takes it for stalled."""
        said = time.monotonic()
        while not self.stopping and not go.exists():
            time.sleep(0.01)
            if time.monotonic() - said > 1:
                said = time.monotonic()
                self.record("phase", phase="training")

    def leave(self, step: int) -> int:
        time.sleep(self.plan.get("save_seconds", 0))
        (self.attempt.parent.parent / f"saved-at-{step}").touch()
        self.final(stopped=True, step=step, reason={"code": "user", "detail": "asked to stop"})
        return 0

    def end(self, step: int) -> int:
        how = self.plan.get("end", "complete")
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "raise":
            raise RuntimeError(self.plan.get("message", "boom"))
        if how == "exit":
            return self.plan.get("code", 0)
        if how == "fail":
            detail = self.plan.get("message", "ValueError: no such column")
            self.final(reason={"code": "exception", "detail": detail}, step=step)
            return 1
        self.final(completed=True, step=step, accuracy=self.plan.get("accuracy", {}))
        return 0


def main() -> int:
    run_dir, number = Path(sys.argv[1]), int(sys.argv[2])
    worker = Worker(run_dir / "attempts" / f"{number:04d}", json.loads(os.environ.get("FAKE_WORKER", "{}")))
    worker.start_children()
    return worker.train()


if __name__ == "__main__":
    sys.exit(main())
