"""``python -m nli_console.worker warm``: a worker that has its imports done and waits to be given a run.

It is started by a supervisor that waits beside it (:mod:`nli_console.supervisor.standby`), says on standard
output what it takes, and reads one order from standard input: ``{run_dir, attempt, environment, log}``. From
then on it is that run's worker like any other. It holds no GPU: none is visible to it until the order names
one, and what would ask the driver at its import is left for later where there is a driver.
"""

import ctypes
import gc
import importlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from nli_console.record.layout import ENVIRONMENT_TAG, TAG_ROOM
from nli_console.worker.stop import StopFlag

_DRIVER = Path("/dev/nvidiactl")
_LIGHT = (
    "torch",
    "torch._dynamo",
    "numpy",
    "pyarrow.parquet",
    "safetensors.torch",
    "accelerate",
    "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.roberta.modeling_roberta",
    "transformers.models.llama.modeling_llama",
)
"""None of these asks a driver at its import; bitsandbytes, which peft and so Trainer import, does."""
_ALL = (
    *_LIGHT,
    "nli_console.worker.evaluation_job",
    "nli_console.worker.job",
    "nli_console.worker.scoring_job",
)


def main() -> int:
    """Import, report, wait; then run what was ordered. 0 when standard input closes without an order."""
    tag = _TagPlace()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    # torch then counts devices without opening one.
    os.environ["PYTORCH_NVML_BASED_CUDA_CHECK"] = "1"
    for name in _LIGHT if _DRIVER.exists() else _ALL:
        importlib.import_module(name)
    if _touched_a_gpu():
        return 1
    gc.collect()
    gc.freeze()
    os.write(1, json.dumps({"ready": True, "rss_bytes": _resident_bytes()}).encode() + b"\n")
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return 0
    order = json.loads(line)
    run_dir = Path(order["run_dir"])
    _become(order, run_dir, tag)
    stop = StopFlag()
    stop.install()
    from nli_console.worker.run import run

    return run(run_dir, int(order["attempt"]), stop)


def _become(order: dict[str, Any], run_dir: Path, tag: "_TagPlace") -> None:
    """Have the environment, folder and output of a worker that was started for this run."""
    os.environ.clear()
    os.environ.update(order["environment"])
    tag.write(order["environment"][ENVIRONMENT_TAG])
    os.chdir(run_dir)
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(log)
    os.close(nothing)


class _TagPlace:
    """Where the kernel reads the run's tag from, for whoever looks for processes of a run.

    ``/proc/PID/environ`` is the memory in which the process got its environment when it started: a variable
    that is set later does not show there. Room for the tag is left from the start, and it is written into it.
    """

    def __init__(self) -> None:
        getenv = ctypes.CDLL(None).getenv
        getenv.restype = ctypes.c_void_p
        self._address = getenv(ENVIRONMENT_TAG.encode())

    def write(self, value: str) -> None:
        raw = os.fsencode(value)
        if self._address and len(raw) <= TAG_ROOM:
            ctypes.memmove(self._address, raw.ljust(TAG_ROOM, b"\0"), TAG_ROOM)


def _touched_a_gpu() -> bool:
    import torch

    files = Path("/proc/self/fd")
    opened = (os.readlink(path) for path in files.iterdir() if path.is_symlink())
    return torch.cuda.is_initialized() or any(name.startswith("/dev/nvidia") for name in opened)


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
