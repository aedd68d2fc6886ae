"""One errand for one command: a request on standard input, events on standard output, and the end.

Events are lines of JSON: ``{"id": null, "event": "waiting" | "phase" | "note" | "done" | "stopped" |
"error", …}``, exactly one of the last three at the end. SIGTERM, which also comes when the command dies, asks
for a stop.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from nli_console.errors import ConsoleError
from nli_console.text import clean, clean_line
from nli_console.worker.chat.channel import Channel, Tell
from nli_console.worker.stop import StopFlag, Stopped

_PR_SET_PDEATHSIG = 1

R = TypeVar("R", bound=BaseModel)


def carry_out(kind: type[R], work: Callable[[R, Tell, StopFlag], dict[str, Any]]) -> int:
    """Read a request of ``kind``, do ``work``, and say what came of it; returns the exit code.

    ``work`` returns the fields of ``done``; a ``Stopped`` that it raises becomes ``stopped``.
    """
    flag = StopFlag()
    flag.install()
    _tie_to_parent()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # A library that asks at its import whether there is a GPU must not settle which ones this process sees.
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    # What a library prints must not stand between the events.
    answers = os.dup(1)
    os.dup2(2, 1)
    tell: Tell = partial(Channel(answers).say, None)
    try:
        request = kind.model_validate_json(sys.stdin.buffer.read())
        fields = work(request, tell, flag)
    except Stopped:
        tell("stopped")
        return 0
    except ValidationError as error:
        tell("error", message=f"the request cannot be read: {clean_line(error, limit=300)}", exit_code=1)
        return 1
    except ConsoleError as error:
        tell("error", message=clean(error), exit_code=error.exit_code)
        return 1
    except Exception as error:
        from nli_console.worker.failures import reason_of, report

        report(error)
        tell("error", message=reason_of(error).detail, exit_code=1)
        return 1
    tell("done", **fields)
    return 0


def _tie_to_parent() -> None:
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
