"""``python -m nli_console.worker probe``: what torch and bitsandbytes can do here, as one JSON object."""

import importlib
import importlib.metadata
import json
import os
from typing import Any

DISTRIBUTIONS = ("torch", "transformers", "peft", "bitsandbytes", "accelerate")


def probe() -> dict[str, Any]:
    """Versions, the build of torch, its devices, and why bitsandbytes cannot be used (``None``: it can)."""
    import torch

    cuda = torch.cuda.is_available()
    return {
        "versions": {name: _version(name) for name in DISTRIBUTIONS},
        "cuda_build": torch.version.cuda,
        "cuda_available": cuda,
        "devices": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
        if cuda
        else [],
        "bf16": bool(cuda and torch.cuda.is_bf16_supported()),
        "cpu_threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "bitsandbytes_problem": _problem("bitsandbytes"),
    }


def main() -> int:
    # Libraries may print while they load, and a reader of stdout expects JSON alone.
    stdout = os.dup(1)
    os.dup2(2, 1)
    answer = json.dumps(probe())
    os.write(stdout, answer.encode() + b"\n")
    return 0


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _problem(name: str) -> str | None:
    try:
        importlib.import_module(name)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
