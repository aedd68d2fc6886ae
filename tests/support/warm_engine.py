"""Engines that need not load torch: each is forked from one process of a test session that has loaded it.

``python -m tests.support.warm_engine SOCKET`` serves until its standard input closes. ``ENGINE_VARIABLE`` set
to :func:`command` then makes a console speak to an engine like any other: a process of its own with the
console's environment and folder, which leaves when the console does.
"""

import json
import os
import socket
import sys
from pathlib import Path

RELAY = Path(__file__).with_name("relay.py")


def command(path: Path) -> str:
    """What a console starts in the place of its engine."""
    return f"{sys.executable} -I -S {RELAY} {path}"


def serve(path: str) -> None:
    """Load what engines need, then fork one for everybody who connects."""
    import select
    import signal

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        _load()
        # Nobody waits for the engines.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        while True:
            ready, _, _ = select.select([listening, 0], [], [])
            if 0 in ready:
                return
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                _be_an_engine(connection)
            connection.close()


def _load() -> None:
    from transformers import AutoModelForSequenceClassification  # noqa: F401

    from nli_console.worker import engine_facts, models, prompt_facts, shapes  # noqa: F401


def _be_an_engine(connection: socket.socket) -> None:
    """Turn into the engine of whoever connected; never returns."""
    import signal

    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with connection.makefile("rb", buffering=0) as stream:
            told = json.loads(stream.readline())
        os.environ.clear()
        os.environ.update(told["environment"])
        os.chdir(told["folder"])
        for descriptor in (0, 1):
            os.dup2(connection.fileno(), descriptor)
        connection.close()
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # lives as long as the process

        from nli_console.worker.engine import main

        code = main()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
