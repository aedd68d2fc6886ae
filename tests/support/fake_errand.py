"""``python -m tests.support.fake_errand WHAT``: an errand that needs no torch."""

import json
import signal
import sys
import time


def say(event: str, **fields: object) -> None:
    print(json.dumps({"id": None, "event": event, **fields}), flush=True)


def main(what: str) -> int:
    request = json.load(sys.stdin)
    if what == "dies":
        print("Traceback: out of\x1b[31m luck", file=sys.stderr)
        return 7
    if what == "complains":
        say("error", message="no such \x1b[31mthing", exit_code=2)
        return 1
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: stopped.append(number))
    say("waiting", what="a CPU slot", holder="run-1")
    say("phase", phase="predicting", done=1, total=2, unit="rows")
    deadline = time.monotonic() + 30
    while what == "waits" and not stopped and time.monotonic() < deadline:
        signal.sigtimedwait([], 0.02)
    say("stopped" if stopped else "done", rows=2, told=request["told"])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
