"""Ask the NVIDIA driver through ``pynvml``, in a process of its own, because a driver call can hang for good.

``python -m nli_console.supervisor.telemetry.nvml SECONDS`` prints one reading per line until its standard
input closes, which it does when the console or supervisor that started it ends in any way.
"""

import importlib
import json
import os
import pwd
import select
import sys
import time
from collections.abc import Callable
from typing import Any

from nli_console.supervisor.telemetry.readings import Gpu, GpuProcess, GpuReading

MODULE_VARIABLE = "NLI_CONSOLE_NVML"
"""Names a module that stands in for ``pynvml``: how the tests play a recorded driver."""
NO_DRIVER = "no NVIDIA driver on this machine"


def load() -> Any:
    """Import ``pynvml`` (or its stand-in)."""
    return importlib.import_module(os.environ.get(MODULE_VARIABLE) or "pynvml")


def read_gpus(nvml: Any) -> GpuReading:
    """One reading of every GPU through an initialised ``pynvml``-like module; an error becomes a note."""
    now = time.time()
    try:
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError as error:
        return GpuReading(now, None, f"no reading: {error}")
    gpus, notes = [], []
    for index in range(count):
        try:
            gpus.append(_read_one(nvml, index))
        except nvml.NVMLError as error:
            notes.append(f"GPU {index}: {error}")
            continue
        if gpus[-1].lost:
            notes.append(f"GPU {index} ({gpus[-1].name}) has fallen off the bus")
    return GpuReading(now, tuple(gpus), "; ".join(notes) or None)


def _read_one(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    lost = False

    def ask(function: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal lost
        try:
            return function(handle, *arguments)
        except nvml.NVMLError as error:
            lost = lost or getattr(error, "value", None) == nvml.NVML_ERROR_GPU_IS_LOST
            return None

    uuid = nvml.nvmlDeviceGetUUID(handle)
    name = ask(nvml.nvmlDeviceGetName)
    memory = ask(nvml.nvmlDeviceGetMemoryInfo)
    utilisation = ask(nvml.nvmlDeviceGetUtilizationRates)
    power = ask(nvml.nvmlDeviceGetPowerUsage)
    temperature = ask(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU)
    processes = ask(nvml.nvmlDeviceGetComputeRunningProcesses) or ()
    return Gpu(
        uuid=_text(uuid),
        name=_text(name or "GPU"),
        used_bytes=None if memory is None else int(memory.used),
        total_bytes=None if memory is None else int(memory.total),
        utilisation=None if utilisation is None else int(utilisation.gpu),
        power_watts=None if power is None else power / 1000,
        temperature=None if temperature is None else int(temperature),
        processes=tuple(
            GpuProcess(int(process.pid), _user(int(process.pid)), process.usedGpuMemory)
            for process in processes
        ),
        lost=lost,
    )


def _text(value: str | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _user(pid: int) -> str | None:
    try:
        return pwd.getpwuid(os.stat(f"/proc/{pid}").st_uid).pw_name
    except (OSError, KeyError):
        return None


def _without_driver(nvml: Any, error: Exception) -> GpuReading:
    absent = (nvml.NVML_ERROR_LIBRARY_NOT_FOUND, nvml.NVML_ERROR_DRIVER_NOT_LOADED)
    if getattr(error, "value", None) in absent:
        return GpuReading(time.time(), (), NO_DRIVER)
    return GpuReading(time.time(), None, f"no reading: {error}")


def main(interval: float) -> int:
    """Print a reading (one JSON line) every ``interval`` seconds until standard input closes."""
    nvml = load()
    ready = False
    while True:
        try:
            if not ready:
                nvml.nvmlInit()
                ready = True
            reading = read_gpus(nvml)
        except nvml.NVMLError as error:
            reading = _without_driver(nvml, error)
        try:
            os.write(1, json.dumps(reading.to_json()).encode() + b"\n")
        except BrokenPipeError:
            return 0
        if select.select([0], [], [], interval)[0]:
            return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1])))
