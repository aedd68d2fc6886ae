"""For each run folder given, two supervisors at once; print both exit codes, a line per run."""

import os
import sys

from nli_console.errors import ConsoleError
from nli_console.supervisor.supervise import main

for folder in sys.argv[1:]:
    start, go = os.pipe()
    pids = []
    # Both wait for the end of the pipe, which comes for both at once.
    for _ in range(2):
        child = os.fork()
        if child == 0:
            os.close(go)
            os.read(start, 1)
            try:
                code = main(folder)
            except ConsoleError as error:
                code = error.exit_code
            os._exit(code)
        pids.append(child)
    os.close(go)
    print(*(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids), flush=True)
    os.close(start)
