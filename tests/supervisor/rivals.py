"""Two processes claim the next attempt of a run at once, again and again; print both answers, a line a round.

``python -m tests.supervisor.rivals RUN_DIR ROUNDS``. 0 is an attempt that was had, 73 one that was taken.
"""

import os
import sys
from pathlib import Path

from nli_console.errors import ConsoleError
from nli_console.record.layout import RunLayout
from nli_console.record.state import State
from nli_console.supervisor.attempt import Attempt, write_result

layout = RunLayout(Path(sys.argv[1]))


def claim() -> int:
    try:
        Attempt.claim(layout)
    except ConsoleError as error:
        return error.exit_code
    return 0


for number in range(1, int(sys.argv[2]) + 1):
    start, go = os.pipe()
    pids = []
    # Both wait for the end of the pipe, which comes for both at once.
    for _ in range(2):
        child = os.fork()
        if child == 0:
            os.close(go)
            os.read(start, 1)
            os._exit(claim())
        pids.append(child)
    os.close(go)
    print(*(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids), flush=True)
    os.close(start)
    write_result(layout.attempt(number), State.STOPPED, None, by="supervisor")
